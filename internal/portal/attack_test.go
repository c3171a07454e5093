package portal

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/html"

	"github.com/portreeve/portreeve/internal/client"
	"github.com/portreeve/portreeve/internal/factor"
	"github.com/portreeve/portreeve/internal/gate"
	"github.com/portreeve/portreeve/internal/grant"
	"github.com/portreeve/portreeve/internal/policy"
	"github.com/portreeve/portreeve/internal/protocol"
	"github.com/portreeve/portreeve/internal/session"
	"github.com/portreeve/portreeve/internal/signin"
	"github.com/portreeve/portreeve/internal/store"
)

// furnished is a person with one of everything, signed in with two factors, so
// that every page has all its forms.
func furnished(t *testing.T, w *world) (*browser, *app) {
	t.Helper()
	early := w.browser(t) // before there was a second factor: a sign-in that can be disowned
	early.signIn("leela", right)
	early.submit("/signout")
	phone := w.enrolled(t, leela)
	b := w.browser(t)
	b.signIn("leela", right)
	b.submit("/signin/factor", "kind", "code", "code", phone.code()).contains(t, "Your mail")
	w.ask(t, "198.51.100.9")
	must(t, w.store.Change(t.Context(), store.System, "", func(tx *store.Tx) error {
		return tx.PutWindow(&store.Window{Person: leela, Kind: store.ApprovalWindow, Protocols: []protocol.Protocol{protocol.IMAP}, Program: "thunderbird",
			Network: approvalNetwork, Expires: time.Now().Add(time.Hour), By: "leela"})
	}))
	must(t, w.store.Change(t.Context(), store.System, "", func(tx *store.Tx) error {
		return tx.PutDenial(&store.Denial{Person: leela, Network: deniedNetwork, Until: time.Now().Add(time.Hour), By: "leela"})
	}))
	must(t, w.grants.Consent(t.Context(), leela, client.Thunderbird, scopes(t, "imap")))
	_, err := w.grants.Issue(t.Context(), grant.Grant{Person: leela, Address: "leela@example.org", Client: client.Thunderbird, Scope: scopes(t, "imap"), Kind: grant.KindDevice, Methods: policy.MethodPassword})
	must(t, err)
	return b, phone
}

// everyPage are the pages with forms of somebody who is signed in.
var everyPage = []string{"/", "/security", "/password", "/signins", "/programs", "/approvals", "/apppasswords", "/setup", "/confirm", "/device", "/signout"}

func TestNoFormWorksForAnotherSite(t *testing.T) {
	w := newWorld(t)
	b, _ := furnished(t, w)
	before := w.state(t)
	tried := map[string]bool{}
	for _, path := range append(slices.Clone(everyPage), w.asks(t, prompt("consent")), w.asks(t, prompt("select_account"), func(q *grant.Request) { q.LoginHint = "fry@example.org" })) {
		for _, f := range b.get(path).forms {
			if f.method != "post" || f.fields.Get("token") == "" {
				t.Errorf("%s: a form to %s by %s with the token %q", path, f.action, f.method, f.fields.Get("token"))
			}
			tried[f.action] = true
			other := w.browser(t) // an attacker's token is good for the attacker's own browser only
			other.get("/signin")
			stolen := other.page.forms[0].fields.Get("token")
			for name, change := range map[string]func(*http.Request, url.Values){
				"no token":                  func(_ *http.Request, v url.Values) { v.Del("token") },
				"an attacker's token":       func(_ *http.Request, v url.Values) { v.Set("token", stolen) },
				"the token of another page": func(_ *http.Request, v url.Values) { v.Set("token", strings.Repeat("A", 43)) },
				"another origin": func(r *http.Request, _ url.Values) {
					r.Header.Set("Origin", "https://evil.example")
					r.Header.Del("Sec-Fetch-Site")
				},
				"a null origin": func(r *http.Request, _ url.Values) { r.Header.Set("Origin", "null"); r.Header.Del("Sec-Fetch-Site") },
				"another site, as it admits": func(r *http.Request, _ url.Values) {
					r.Header.Set("Sec-Fetch-Site", "cross-site")
					r.Header.Del("Origin")
				},
				"a sister site": func(r *http.Request, _ url.Values) {
					r.Header.Set("Sec-Fetch-Site", "same-site")
					r.Header.Del("Origin")
				},
				"the host it claims": func(r *http.Request, _ url.Values) {
					r.Host = "evil.example"
					r.Header.Set("Origin", "https://evil.example")
					r.Header.Del("Sec-Fetch-Site")
				},
			} {
				values := url.Values{}
				for k, v := range f.fields {
					values[k] = slices.Clone(v)
				}
				probe := httpRequest()
				change(probe, values)
				a := b.send("POST", f.action, values, func(r *http.Request) { change(r, url.Values{}) })
				if a.status != http.StatusForbidden || !strings.Contains(a.body, "out of date") {
					t.Errorf("%s with %s: %d", f.action, name, a.status)
				}
			}
		}
	}
	for _, action := range []string{"/signout", "/security/remove", "/security/recovery", "/signins/not-me", "/programs/withdraw", "/approvals/allow", "/approvals/deny", "/apppasswords/new", "/password", "/confirm",
		"/programs/disconnect", "/programs/forget", "/device", "/connect/allow", "/connect/deny", "/connect/other", "/connect/account"} {
		if !tried[action] {
			t.Errorf("no page had a form to %s", action)
		}
	}
	if after := w.state(t); after != before {
		t.Errorf("something changed:\n%s\n%s", before, after)
	}
}

// Whatever changes something is registered with who may, wants a token before
// anything else, and wants a session before it does what it does: every route
// there is, whether a page at hand has a form to it or not.
func TestEveryPostIsGuarded(t *testing.T) {
	w := newWorld(t)
	b, _ := furnished(t, w)
	source, err := os.ReadFile("route.go")
	must(t, err)
	routes := regexp.MustCompile(`p\.handle\("POST (/[^"]*)", (\w+),`).FindAllStringSubmatch(string(source), -1)
	if all := strings.Count(string(source), `"POST `) - 1; len(routes) != all { // one is a provider's server's, which has no page of ours
		t.Errorf("%d routes of %d are looked at", len(routes), all)
	}
	before := w.state(t)
	for i, r := range routes {
		path, who := r[1], r[2]
		stranger := w.browser(t)
		stranger.from = fmt.Sprintf("198.18.%d.1", i)
		stranger.get("/signin")
		token := stranger.form("/signin").fields.Get("token")
		for name, x := range map[string]*browser{"somebody signed in": b, "a stranger": stranger} {
			if a := x.send("POST", path, url.Values{"token": {""}, "password": {right}}, nil); a.status != http.StatusForbidden {
				t.Errorf("%s without a token, of %s: %d", path, name, a.status)
			}
		}
		a := stranger.send("POST", path, url.Values{"token": {token}}, nil)
		if to := a.header.Get("Location"); who != "anybody" && (a.status != http.StatusSeeOther || !strings.HasPrefix(to, "/signin")) {
			t.Errorf("%s without a session: %d %s", path, a.status, to)
		}
	}
	if after := w.state(t); after != before {
		t.Errorf("something changed:\n%s\n%s", before, after)
	}
}

func httpRequest() *http.Request {
	r, _ := http.NewRequest("POST", site, nil)
	return r
}

// state is what a person has, to see whether anything changed.
func (w *world) state(t testing.TB) string {
	t.Helper()
	factors, err := w.factors.List(t.Context(), leela)
	must(t, err)
	windows, err := w.approvals.Windows(t.Context(), leela)
	must(t, err)
	requests, err := w.approvals.Requests(t.Context(), leela)
	must(t, err)
	passwords, err := w.passwords.List(t.Context(), leela)
	must(t, err)
	person, err := w.store.Person(t.Context(), leela)
	must(t, err)
	return fmt.Sprint(len(factors), len(windows), len(requests), len(passwords), w.sessions.Len(), requests[0].State, person.Version, len(w.grants.Of(leela)), len(w.grants.Consents(leela)))
}

func TestEveryAnswerKeepsStrangersOut(t *testing.T) {
	w := newWorld(t)
	b, _ := furnished(t, w)
	stranger := w.browser(t)
	check := func(a *answer) {
		t.Helper()
		csp := a.header.Get("Content-Security-Policy")
		for _, part := range []string{"default-src 'none'", "frame-ancestors 'none'", "base-uri 'none'", "form-action 'self'"} {
			if !strings.Contains(csp, part) {
				t.Errorf("%s: the policy %q lacks %s", a.path, csp, part)
			}
		}
		if strings.Contains(csp, "unsafe") || a.header.Get("X-Frame-Options") != "DENY" || a.header.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s: %v", a.path, a.header)
		}
		if cache := a.header.Get("Cache-Control"); cache != "no-store" && !strings.HasPrefix(a.header.Get("Content-Type"), "text/css") && !strings.HasPrefix(a.header.Get("Content-Type"), "text/javascript") {
			t.Errorf("%s may be kept: %q", a.path, cache)
		}
		if strings.Contains(a.body, "<script>") || strings.Contains(a.body, " style=") || strings.Contains(a.body, " onclick=") {
			t.Errorf("%s has script or style of its own", a.path)
		}
		for _, c := range (&http.Response{Header: a.header}).Cookies() {
			if c.Name == "lang" {
				continue
			}
			if !strings.HasPrefix(c.Name, "__Host-") || !c.Secure || !c.HttpOnly || c.Path != "/" || c.Domain != "" || c.SameSite != http.SameSiteLaxMode {
				t.Errorf("%s sets %s", a.path, c.Raw)
			}
		}
	}
	for _, path := range append(slices.Clone(everyPage), "/nothing", "/style.css", "/passkey.js", "/language/de", "/codes/", "/r/7K4Q-9ZMD-2XWT") {
		check(b.send("GET", path, nil, nil))
		check(stranger.send("GET", path, nil, nil))
	}
	check(b.send("GET", "/password", nil, nil))
	check(b.post("/password", "old", "wrong", "new", better, "again", better))
	check(b.send("GET", "/password", nil, nil))
	check(b.post("/password", "old", right, "new", better, "again", better))
	check(b.send("GET", "/apppasswords", nil, nil))
	check(b.post("/apppasswords/new", "name", "scanner", "networks", "my office"))
	check(b.post("/apppasswords/new", "name", "scanner", "networks", "192.0.2.0/24"))
	check(stranger.send("GET", "/signin", nil, nil))
	check(stranger.post("/signin", "address", "leela", "password", "wrong"))
	check(stranger.send("GET", "/signin", nil, nil))
	check(stranger.post("/signin", "address", "fry", "password", right))
}

func TestOnPlainHTTPCookiesHaveAnotherName(t *testing.T) {
	w := newWorld(t)
	w.Portal.cookies.Secure = false
	b := w.browser(t)
	b.get("/signin")
	for _, c := range (&http.Response{Header: b.page.header}).Cookies() {
		if c.Secure || strings.HasPrefix(c.Name, "__Host-") || !c.HttpOnly {
			t.Errorf("%s", c.Raw)
		}
	}
}

// Whoever plants a cookie in a browser does not come to hold the session that
// its owner then opens.
func TestASessionThatWasThereBeforeIsNotTheOneThatIsOpened(t *testing.T) {
	w := newWorld(t)
	thief := w.browser(t)
	thief.signIn("fry", right).contains(t, "fry@example.org")
	b := w.browser(t)
	u, _ := url.Parse(site)
	b.jar.SetCookies(u, thief.jar.Cookies(u)) // all of them: session, form, sign-in
	planted := cookie(b, "__Host-session")
	b.get("/signin") // is signed in as the thief, and signs out to sign in
	b.get("/")
	b.submit("/signout")
	b.signIn("leela", right).contains(t, "leela@example.org")
	if now := cookie(b, "__Host-session"); now == planted || now == "" {
		t.Errorf("the cookie is %q, and was %q", now, planted)
	}
	if a := thief.get("/"); a.path != "/signin" {
		t.Errorf("the planted session is at %s: %s", a.path, a.body)
	}
}

func TestAConfirmationMakesANewSession(t *testing.T) {
	w := newWorld(t)
	b, phone := furnished(t, w)
	old := cookie(b, "__Host-session")
	b.get("/confirm?next=/security")
	b.submit("/confirm", "kind", "code", "code", phone.code()).contains(t, "You can make changes for 15 minutes", "Security")
	if now := cookie(b, "__Host-session"); now == old {
		t.Error("the session is the same")
	}
	thief := w.browser(t)
	u, _ := url.Parse(site)
	thief.jar.SetCookies(u, []*http.Cookie{{Name: "__Host-session", Value: old, Secure: true, Path: "/"}})
	if a := thief.get("/"); a.path != "/signin" {
		t.Error("the session from before is open still")
	}
	if n := w.sessions.Len(); n != 1 {
		t.Errorf("%d sessions are open", n)
	}
}

func cookie(b *browser, name string) string {
	u, _ := url.Parse(site)
	for _, c := range b.jar.Cookies(u) {
		if c.Name == name {
			return c.Value
		}
	}
	return ""
}

func TestChangesNeedAConfirmationThatIsNotOld(t *testing.T) {
	w := newWorld(t)
	b, _ := furnished(t, w)
	b.get("/security")
	remove := b.form("/security/remove")
	w.visits.of(leela)[0].factor = time.Now().Add(-freshFor - time.Second)
	if a := b.send("POST", remove.action, remove.fields, nil); a.header.Get("Location") != "/confirm?next=%2Fsecurity" {
		t.Errorf("a change without a confirmation: %d %s", a.status, a.header.Get("Location"))
	}
	for _, path := range []string{"/security", "/password", "/programs", "/approvals", "/apppasswords"} {
		a := b.get(path)
		a.contains(t, "To make changes, confirm that it is you")
		for _, f := range a.forms {
			switch f.action {
			case "/password", "/security/remove", "/security/app", "/security/passkey", "/security/recovery", "/programs/withdraw", "/approvals/allow", "/apppasswords/new", "/apppasswords/apple":
				t.Errorf("%s offers %s", path, f.action)
			}
		}
	}
}

// Text of strangers is text on every page, and never markup: the display name,
// IMAP ID, a browser's name, the name of an app password and of a factor.
func TestWhatStrangersSayIsNeverMarkup(t *testing.T) {
	w := newWorld(t)
	const evil = `"><script>alert(1)</script><img src=x onerror=alert(2)>'`
	b, _ := furnished(t, w)
	a := signin.Attempt{At: time.Now(), Protocol: protocol.IMAP, Listener: "imap", Client: clientAt("203.0.113.5"),
		Hints: signin.Hints{IMAPID: []signin.Pair{{Key: "name", Value: evil}, {Key: "version", Value: evil}}, EHLO: evil, UserAgent: evil}}
	w.policies(approvalNeeded)
	out := w.gate.SignIn(t.Context(), a, signin.NewCredential(policy.CredentialPassword, "PLAIN", "leela@example.org", "", []byte(right)))
	if out.Allowed() {
		t.Fatal("a password alone came in")
	}
	w.policies()
	ctx := factor.From(t.Context(), policy.Facts{Person: leela, Proven: true, Methods: policy.MethodFIDO2})
	s, err := w.factors.BeginTOTP(ctx, leela, "x")
	must(t, err)
	second := &app{t: t, secret: s.Secret, at: time.Now()}
	_, err = w.factors.ConfirmTOTP(ctx, store.System, leela, s.ID, evil, second.code())
	must(t, err)
	b.agent = "Mozilla/5.0 " + evil
	paths := append(slices.Clone(everyPage), "/r/"+string(out.Reference), "/signin?next="+url.QueryEscape(evil), "/signins?from="+url.QueryEscape(evil), "/"+url.PathEscape(evil))
	seen := 0
	for _, path := range paths {
		for _, who := range []*browser{b, w.browser(t)} {
			page := who.get(path)
			for _, n := range markup(t, page.body) {
				t.Errorf("%s has %s", path, n)
			}
			seen += strings.Count(html.UnescapeString(page.body), "alert(1)")
		}
	}
	if seen == 0 {
		t.Error("no page showed what the strangers said")
	}
	stranger := w.browser(t)
	stranger.get("/signin")
	if bad := markup(t, stranger.submit("/signin", "address", evil, "password", "x").body); len(bad) > 0 {
		t.Errorf("the address is markup: %v", bad)
	}
}

// markup finds elements and attributes that none of our pages has.
func markup(t testing.TB, page string) (bad []string) {
	doc, err := html.Parse(strings.NewReader(page))
	must(t, err)
	var walk func(*html.Node)
	walk = func(n *html.Node) {
		if n.Type == html.ElementNode {
			if n.Data == "script" && attr(n, "src") != "/passkey.js" || n.Data == "img" && !strings.HasPrefix(attr(n, "src"), "data:image/png;base64,") || n.Data == "iframe" || n.Data == "style" {
				bad = append(bad, n.Data)
			}
			for _, a := range n.Attr {
				if strings.HasPrefix(a.Key, "on") || a.Key == "style" || strings.HasPrefix(strings.ToLower(a.Val), "javascript:") {
					bad = append(bad, a.Key+"="+a.Val)
				}
			}
		}
		for c := n.FirstChild; c != nil; c = c.NextSibling {
			walk(c)
		}
	}
	walk(doc)
	return bad
}

// Who a name belongs to, whether it has a second factor, is disabled or is
// anybody's at all: neither text nor status nor time of a refusal says it.
func TestRefusalsTellNothingOfWhomTheyAre(t *testing.T) {
	w := newWorld(t)
	w.enrolled(t, leela)
	must(t, w.store.Change(t.Context(), store.System, "", func(tx *store.Tx) error {
		p, err := tx.Person(fry)
		if err != nil {
			return err
		}
		p.Disabled = true
		return tx.PutPerson(&p)
	}))
	_, err := w.people.Apply(t.Context(), store.Change{Families: store.People, People: []string{fry}})
	must(t, err)
	type told struct {
		status int
		text   string
	}
	for name, try := range map[string]func(b *browser, address string) *answer{
		"password": func(b *browser, address string) *answer {
			b.get("/signin")
			return b.submit("/signin", "address", address, "password", "wrong")
		},
		"pass": func(b *browser, address string) *answer {
			b.get("/signin/pass")
			return b.submit("/signin/pass", "address", address, "pass", "wrong")
		},
		"passkey": func(b *browser, _ string) *answer {
			b.get("/signin")
			b.submit("/signin/passkey")
			return b.submit("/signin/passkey/answer", "response", `{"id":"AAAA","rawId":"AAAA","type":"public-key","response":{"clientDataJSON":"e30","authenticatorData":"AAAA","signature":"AAAA","userHandle":"AAAA"}}`)
		},
	} {
		var first *told
		for i, address := range []string{"leela@example.org", "fry@example.org", "nobody@example.org", "nobody@elsewhere.example", "пётр@example.org", "a\u0301@example.org", strings.Repeat("x", 400), "no name at all @@", "leela@example.org\u202e", "\x00"} {
			b := w.browser(t)
			b.from = fmt.Sprintf("192.0.2.%d", 10+i)
			began := time.Now()
			a := try(b, address)
			if took := time.Since(began); took < floor {
				t.Errorf("%s for %q: refused after %v", name, address, took)
			}
			text := a.body[strings.Index(a.body, "<main"):strings.Index(a.body, "</main>")]
			text = references.ReplaceAllString(tokens.ReplaceAllString(text, ""), "REF")
			text = addresses.ReplaceAllString(text, "")
			text = strings.NewReplacer(" autofocus", "").Replace(text)
			if first == nil {
				first = &told{a.status, text}
				if a.status != http.StatusForbidden {
					t.Errorf("%s: status %d", name, a.status)
				}
			} else if a.status != first.status || text != first.text {
				t.Errorf("%s for %q: %d\n%s\nand for the first %d\n%s", name, address, a.status, text, first.status, first.text)
			}
		}
	}
}

// A challenge says nothing of whether anybody has a key: it asks for any.
func TestAskingForAPasskeyNamesNobody(t *testing.T) {
	w := newWorld(t)
	b := w.browser(t)
	b.get("/signin")
	a := b.submit("/signin/passkey")
	for _, f := range a.forms {
		if strings.Contains(f.options, "allowCredentials\":[{") {
			t.Errorf("the challenge names keys: %s", f.options)
		}
	}
	if f := b.form("/signin/passkey/answer", "response", "{}"); !strings.Contains(f.options, "challenge") {
		t.Errorf("no challenge in %q", f.options)
	}
}

// counting counts the second factors that the gate is shown.
type counting struct {
	Gate
	n atomic.Int64
}

func (c *counting) Continue(ctx context.Context, first signin.Outcome, a signin.Attempt, mechanism string, shown []byte, prove gate.Proof) signin.Outcome {
	c.n.Add(1)
	return c.Gate.Continue(ctx, first, a, mechanism, shown, prove)
}

func TestFiveTriesPerSignIn(t *testing.T) {
	w := newWorld(t)
	phone := w.enrolled(t, leela)
	counted := &counting{Gate: w.gate}
	w.Portal.Gate = counted
	b := w.browser(t)
	b.signIn("leela", right)
	f := b.form("/signin/factor", "kind", "code", "code", "000000")
	var wg sync.WaitGroup
	jar := b.jar
	for i := range 20 {
		wg.Go(func() {
			x := &browser{t: t, w: w, jar: jar, from: homeAddr, agent: b.agent}
			values := url.Values{}
			for k, v := range f.fields {
				values[k] = v
			}
			values.Set("code", fmt.Sprintf("%06d", i))
			x.send("POST", f.action, values, nil)
		})
	}
	wg.Wait()
	if tried := counted.n.Load(); tried != triesEach {
		t.Errorf("%d codes were tried at one sign-in", tried)
	}
	if a := b.get("/signin/factor"); a.path == "/signin/factor" {
		f := b.form("/signin/factor", "kind", "code", "code", phone.code())
		if a := b.follow(b.send("POST", f.action, f.fields, nil)); a.path == "/" {
			t.Error("a sixth try was let in")
		}
	}
}

func TestSessionsEndWithWhateverEndsThem(t *testing.T) {
	for name, end := range map[string]func(*testing.T, *world){
		"an administrator": func(_ *testing.T, w *world) {
			w.sessions.Matching(func(s *session.Session) bool { return s.Facts().Person == fry }, signin.SessionEnded, "ended")
		},
		"a policy": func(_ *testing.T, w *world) { w.policies(blockBrowsers) },
		"an hour without use": func(_ *testing.T, w *world) {
			for _, v := range w.visits.of(fry) {
				v.mu.Lock()
				v.last = time.Now().Add(-idleLife - time.Second)
				v.mu.Unlock()
			}
		},
		"a day": func(_ *testing.T, w *world) {
			for _, v := range w.visits.of(fry) {
				v.opened = time.Now().Add(-longestLife - time.Second)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			b := w.browser(t)
			b.signIn("fry", right).contains(t, "Your mail")
			end(t, w)
			if a := b.get("/"); a.path != "/signin" {
				t.Errorf("still at %s", a.path)
			}
			if n := w.sessions.Len(); n != 0 {
				t.Errorf("%d sessions are in the registry", n)
			}
		})
	}
}

func TestSessionsOfOnePersonAreBounded(t *testing.T) {
	w := newWorld(t)
	first := w.browser(t)
	first.signIn("fry", right)
	for range maxOfPerson {
		w.browser(t).signIn("fry", right)
	}
	if n := len(w.visits.of(fry)); n != maxOfPerson {
		t.Errorf("%d browsers are signed in", n)
	}
	if a := first.get("/"); a.path != "/signin" {
		t.Error("the oldest is signed in still")
	}
}

func TestStrangersAreBounded(t *testing.T) {
	w := newWorld(t)
	b := w.browser(t)
	limited := 0
	for range 500 {
		if b.send("GET", "/signin", nil, nil).status == http.StatusTooManyRequests {
			limited++
		}
	}
	if limited < 100 {
		t.Errorf("%d of 500 requests were refused", limited)
	}
	big := url.Values{"token": {"x"}, "address": {strings.Repeat("x", maxForm+1)}}
	b.from = "192.0.2.99"
	if a := b.send("POST", "/signin", big, nil); a.status != http.StatusForbidden {
		t.Errorf("a form of %d bytes: %d", maxForm, a.status)
	}
}

// Somebody else's things cannot be reached by naming them.
func TestWhatIsSomebodyElsesIsNotThere(t *testing.T) {
	w := newWorld(t)
	furnished(t, w)
	b := w.browser(t)
	phone := w.enrolled(t, fry)
	b.signIn("fry", right)
	b.submit("/signin/factor", "kind", "code", "code", phone.code())
	requests, err := w.approvals.Requests(t.Context(), leela)
	must(t, err)
	windows, err := w.approvals.Windows(t.Context(), leela)
	must(t, err)
	factors, err := w.factors.List(t.Context(), leela)
	must(t, err)
	events, _, err := w.store.Events(t.Context(), store.EventFilter{User: leela}, store.Cursor{}, 10)
	must(t, err)
	before := w.state(t)
	b.get("/")
	token := b.form("/signout").fields.Get("token")
	for action, values := range map[string]url.Values{
		"/approvals/allow":      {"id": {requests[0].ID}, "reference": {string(requests[0].Reference)}},
		"/approvals/deny":       {"id": {requests[0].ID}},
		"/programs/withdraw":    {"id": {windows[0].ID}},
		"/programs/end":         {"id": {events[0].ID.String()}},
		"/security/remove":      {"id": {factors[0].ID}},
		"/signins/not-me":       {"reference": {string(events[0].ID.Reference())}},
		"/apppasswords/revoke":  {"id": {"none"}},
		"/apppasswords/approve": {"id": {"none"}},
	} {
		values.Set("token", token)
		if a := b.send("POST", action, values, nil); a.status != http.StatusNotFound && a.status != http.StatusConflict {
			t.Errorf("%s: %d\n%s", action, a.status, a.body)
		}
	}
	if after := w.state(t); after != before {
		t.Errorf("something changed:\n%s\n%s", before, after)
	}
	b.get("/r/"+string(events[0].ID.Reference())).contains(t, "not one of your own")
	if strings.Contains(b.page.body, "leela") || strings.Contains(b.page.body, homeAddr) {
		t.Error("a reference tells whose it is")
	}
}
