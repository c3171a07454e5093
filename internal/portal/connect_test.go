package portal

import (
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/html"

	"github.com/portreeve/portreeve/internal/client"
	"github.com/portreeve/portreeve/internal/gate"
	"github.com/portreeve/portreeve/internal/grant"
	"github.com/portreeve/portreeve/internal/policy"
	"github.com/portreeve/portreeve/internal/protocol"
	"github.com/portreeve/portreeve/internal/scope"
	"github.com/portreeve/portreeve/internal/signin"
	"github.com/portreeve/portreeve/internal/store"
	"github.com/portreeve/portreeve/internal/web"
)

// issuer is the issuer's side of signing out.
type issuer struct{ ended chan string }

func (i *issuer) SessionEnded(id string) { i.ended <- id }

func (i *issuer) AfterSignOut(sealed string) (string, bool) {
	return "https://rp.example/bye?state=1", sealed == "sealed-by-the-issuer"
}

const (
	back     = "http://127.0.0.1:49152/"
	verifier = "0123456789012345678901234567890123456789012"
)

func scopes(t testing.TB, text string) scope.Set {
	t.Helper()
	s, err := scope.Parse(text)
	must(t, err)
	return s
}

// asks is a request of Thunderbird's, changed by what is given, as its browser brings it.
func (w *world) asks(t testing.TB, change ...func(*grant.Request)) string {
	t.Helper()
	sum := sha256.Sum256([]byte(verifier))
	q := grant.Request{Client: client.Thunderbird, ClientName: "Thunderbird", Redirect: back, State: "st&te<1>", Nonce: "n", Challenge: base64.RawURLEncoding.EncodeToString(sum[:]),
		Scope: scopes(t, "https://outlook.office.com/IMAP.AccessAsUser.All https://outlook.office.com/SMTP.Send offline_access"), At: time.Now()}
	for _, c := range change {
		c(&q)
	}
	sealed, err := w.grants.Seal(q)
	must(t, err)
	return "/connect?request=" + sealed
}

func prompt(p ...string) func(*grant.Request) { return func(q *grant.Request) { q.Prompt = p } }

// program is a client that registered itself.
func (w *world) program(t testing.TB, name string) client.Client {
	t.Helper()
	p, err := w.clients.Register(t.Context(), netip.MustParseAddr("203.0.113.5"), client.Metadata{Name: name, Redirects: []string{"http://127.0.0.1/cb", "com.example.mail:/cb"}})
	must(t, err)
	return p
}

// party is a client that an administrator made for a site.
func (w *world) party(t testing.TB, name string) client.Client {
	t.Helper()
	p, _, err := w.clients.Add(t.Context(), store.System, "", client.New{Name: name, Redirects: []string{"https://rp.example:8443/cb"}, Confidential: true})
	must(t, err)
	return p
}

// to is where a page leads by itself, or a redirect.
func (a *answer) to(t testing.TB) *url.URL {
	t.Helper()
	where := a.header.Get("Location")
	if a.status == http.StatusOK {
		where = html.UnescapeString(between(a.body, `content="0;url=`, `"`))
		if link := html.UnescapeString(between(a.body, `<a class="button" href="`, `"`)); link != where {
			t.Errorf("the link leads to %q, the page to %q", link, where)
		}
	}
	u, err := url.Parse(where)
	if err != nil || u.Scheme == "" {
		t.Fatalf("%s (%d) leads to %q: %v\n%s", a.path, a.status, where, err, a.body)
	}
	if h := a.header; h.Get("Referrer-Policy") != "no-referrer" || h.Get("Cache-Control") != "no-store" || !strings.Contains(h.Get("Content-Security-Policy"), "frame-ancestors 'none'") {
		t.Errorf("it leads on under %v", h)
	}
	return u
}

// redeemed is the grant that a code at the end of the way opens.
func (w *world) redeemed(t testing.TB, clientID string, u *url.URL, redirect string) grant.Grant {
	t.Helper()
	v := u.Query()
	if v.Get("error") != "" || v.Get("iss") != site || v.Get("state") != "st&te<1>" {
		t.Fatalf("the answer is %v", v)
	}
	g, err := w.grants.Redeem(t.Context(), v.Get("code"), clientID, redirect, verifier)
	must(t, err)
	return g
}

// mailNeedsTwo asks for a second factor at the doors to mail and not at the portal's.
var mailNeedsTwo = policy.Policy{ID: "two", State: policy.Enabled, Grant: &policy.Grant{Controls: policy.ControlMFA},
	Conditions: policy.Conditions{Users: everybody, Applications: &policy.Applications{Include: []string{protocol.IMAP.AppID(), protocol.Submission.AppID()}}}}

// A program's person signs in, confirms with a code, says yes once, and the
// program has its answer; the log shows all of it under one correlation id, and
// the next time nobody is asked anything.
func TestAProgramIsConnectedFromAnAddressAndASignIn(t *testing.T) {
	w := newWorld(t)
	w.policies(mailNeedsTwo)
	phone := w.enrolled(t, leela)
	b := w.browser(t)
	b.get(w.asks(t, func(q *grant.Request) { q.LoginHint = "leela@example.org" })).contains(t, "Sign in", "Thunderbird wants to be connected", `value="leela@example.org"`)
	b.submit("/signin", "address", "leela@example.org", "password", right).contains(t, "Code from your app")
	b.submit("/signin/factor", "kind", "code", "code", phone.code()).contains(t, "Connect Thunderbird?", "To the mailbox of leela@example.org", "read and delete your mail", "send mail in your name", "a program on this device", "It stays connected until you disconnect it")
	if w.grants.Consented(leela, client.Thunderbird, scopes(t, "imap")) {
		t.Error("consented before anybody said yes")
	}
	a := b.post("/connect/allow")
	u := a.to(t)
	if a.status != http.StatusOK || !strings.HasPrefix(u.String(), back+"?") {
		t.Errorf("%d, to %s", a.status, u)
	}
	a.contains(t, "Continue to Thunderbird")
	g := w.redeemed(t, client.Thunderbird, u, back)
	v := w.visits.of(leela)[0]
	if g.Person != leela || g.Address != "leela@example.org" || !policy.MultiFactor(g.Methods) || g.Session != v.sid || g.Correlation != v.outcome.Correlation || !g.Offline || g.Network.IsValid() || time.Since(g.AuthTime) > time.Minute || g.Nonce != "n" {
		t.Errorf("granted %+v", g)
	}
	var events []signin.Event
	var err error
	for range 100 { // refusals are written a moment later
		events, _, err = w.store.Events(t.Context(), store.EventFilter{User: leela}, store.Cursor{}, 10)
		if must(t, err); len(events) == 3 {
			break
		}
		time.Sleep(100 * time.Millisecond)
	}
	var told []string
	for _, e := range slices.Backward(events) {
		if e.Correlation != g.Correlation {
			t.Errorf("%s %s is under another correlation", e.Facts.Protocol, e.Mechanism)
		}
		told = append(told, fmt.Sprintf("%s %s %s", e.Facts.Protocol, e.Mechanism, e.Code))
	}
	if want := []string{"portal portal PR50074", "portal totp PR0", "imap authorization_code PR0"}; !slices.Equal(told, want) {
		t.Errorf("the log says %q, want %q", told, want)
	}
	if len(events) != 3 || events[0].Grant != grant.Prefix+g.ID {
		t.Errorf("the log names %q, the grant is %q", events[0].Grant, g.ID)
	}

	next := b.send("GET", w.asks(t), nil, nil)
	if next.status != http.StatusSeeOther {
		t.Fatalf("asked again (%d):\n%s", next.status, next.body)
	}
	w.redeemed(t, client.Thunderbird, next.to(t), back)
	after := b.send("GET", w.asks(t), nil, func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "same-origin") })
	if after.status != http.StatusOK { // Chromium would block a redirect after a form
		t.Errorf("after a form of ours: %d", after.status)
	}
	w.redeemed(t, client.Thunderbird, after.to(t), back)
	early := w.asks(t, func(q *grant.Request) { q.At = v.opened.Add(-time.Second) }) // before the form that signed in
	for site, want := range map[string]int{"": http.StatusOK, "cross-site": http.StatusSeeOther, "none": http.StatusSeeOther} {
		a := b.send("GET", early, nil, func(r *http.Request) {
			if site != "" {
				r.Header.Set("Sec-Fetch-Site", site)
			}
		})
		if a.status != want {
			t.Errorf("from %q: %d", site, a.status)
		}
	}
	b.send("GET", w.asks(t, func(q *grant.Request) { q.Scope = scopes(t, "imap sieve") }), nil, nil).contains(t, "Connect Thunderbird?", "change your mail filters")
	b.send("GET", w.asks(t, prompt("consent")), nil, nil).contains(t, "Connect Thunderbird?")
}

// Who signed in with a password and has a factor is asked for it where the doors
// to mail want it, and goes on by themselves.
func TestASecondFactorIsAskedForOnTheWay(t *testing.T) {
	w := newWorld(t)
	b := w.browser(t)
	b.signIn("leela", right)
	w.policies(mailNeedsTwo)
	b.get(w.asks(t))
	b.submit("/connect/allow").contains(t, "A second factor is needed", "Thunderbird", "temporary access pass") // has none, and is nowhere known
	if w.grants.Consented(leela, client.Thunderbird, scopes(t, "imap")) {
		t.Error("a yes that led nowhere was kept")
	}
	phone := w.enrolled(t, leela)
	path := w.asks(t)
	b.get(path)
	b.submit("/connect/allow").contains(t, "Confirm that it is you", "Before Thunderbird is connected")
	sid := w.visits.of(leela)[0].sid
	b.submit("/confirm", "kind", "code", "code", "000000").contains(t, "was not accepted", "Before Thunderbird")
	a := b.confirmWith(phone.code())
	if a.header.Get("Location") != path {
		t.Fatalf("%d, to %s", a.status, a.header.Get("Location"))
	}
	g := w.redeemed(t, client.Thunderbird, b.send("GET", path, nil, nil).to(t), back) // the yes counts
	if g.Session != sid || !policy.MultiFactor(g.Methods) || !w.grants.Consented(leela, client.Thunderbird, scopes(t, "imap")) {
		t.Errorf("granted %+v", g)
	}
}

func (b *browser) confirmWith(code string) *answer {
	b.t.Helper()
	return b.post("/confirm", "kind", "code", "code", code)
}

func TestAForgedOrOldRequestLeadsNowhere(t *testing.T) {
	w := newWorld(t)
	signed, stranger := w.browser(t), w.browser(t)
	signed.signIn("leela", right)
	for name, path := range map[string]string{
		"nothing": "/connect", "empty": "/connect?request=", "noise": "/connect?request=" + strings.Repeat("A", 300), "too long": "/connect?request=" + strings.Repeat("A", 20000),
		"old":     w.asks(t, func(q *grant.Request) { q.At = time.Now().Add(-11 * time.Minute) }),
		"changed": w.asks(t) + "A",
	} {
		for who, b := range map[string]*browser{"a stranger": stranger, "somebody": signed} {
			a := b.send("GET", path, nil, nil)
			if a.status != http.StatusBadRequest || !strings.Contains(a.body, "Start again in your program") {
				t.Errorf("%s, %s: %d", name, who, a.status)
			}
		}
	}
	must(t, forbid(w, t, client.Thunderbird))
	if a := signed.send("GET", w.asks(t), nil, nil); a.status != http.StatusForbidden {
		t.Errorf("a forbidden program: %d", a.status)
	}
}

func forbid(w *world, t testing.TB, id string) error {
	_, _, err := w.clients.Forbid(t.Context(), store.System, "", id)
	return err
}

// What a program that wants no page is told.
func TestSilence(t *testing.T) {
	w := newWorld(t)
	b := w.browser(t)
	says := func(want string, change ...func(*grant.Request)) {
		t.Helper()
		a := b.send("GET", w.asks(t, append(change, prompt("none"))...), nil, nil)
		if u := a.to(t); a.status != http.StatusSeeOther || u.Query().Get("error") != want || u.Query().Get("state") != "st&te<1>" || u.Query().Get("iss") != site {
			t.Errorf("told %d %v, want %s", a.status, u.Query(), want)
		}
	}
	says("login_required")
	b.signIn("leela", right)
	says("consent_required")
	says("account_selection_required", func(q *grant.Request) { q.LoginHint = "fry@example.org" })
	none := 0
	says("login_required", func(q *grant.Request) { q.MaxAge = &none })
	must(t, w.grants.Consent(t.Context(), leela, client.Thunderbird, scopes(t, "imap smtp offline_access")))
	w.policies(mailNeedsTwo)
	says("interaction_required")
	blocked := mailNeedsTwo
	blocked.Grant = &policy.Grant{Controls: policy.ControlBlock}
	w.policies(blocked)
	says("access_denied")
	w.policies()
	says("")
}

// A newer proof is asked for where the program wants one, once.
func TestANewProofIsAskedFor(t *testing.T) {
	w := newWorld(t)
	phone := w.enrolled(t, leela)
	b := w.browser(t)
	b.signIn("leela", right)
	b.submit("/signin/factor", "kind", "code", "code", phone.code())
	must(t, w.grants.Consent(t.Context(), leela, client.Thunderbird, scopes(t, "imap smtp offline_access")))
	none, hour := 0, 3600
	if a := b.send("GET", w.asks(t, func(q *grant.Request) { q.MaxAge = &hour }), nil, nil); a.to(t).Query().Get("code") == "" {
		t.Error("a proof of this minute is too old")
	}
	first := w.visits.of(leela)[0]
	path := w.asks(t, prompt("login"), func(q *grant.Request) { q.MaxAge = &none })
	b.get(path).contains(t, "Before Thunderbird is connected")
	a := b.confirmWith(phone.code())
	if a.status != http.StatusSeeOther || a.header.Get("Location") != path {
		t.Fatalf("%d, to %s", a.status, a.header.Get("Location"))
	}
	g := w.redeemed(t, client.Thunderbird, b.send("GET", path, nil, nil).to(t), back)
	second := w.visits.of(leela)[0]
	if second == first || g.Session != first.sid || g.AuthTime.Before(second.proven.Add(-time.Second)) || !g.AuthTime.After(first.outcome.Principal.AuthTime) {
		t.Errorf("granted %+v", g)
	}
	select {
	case id := <-w.issuer.ended:
		t.Errorf("programs were told that %s ended", id)
	case <-time.After(50 * time.Millisecond):
	}
}

// Whose mailbox a program means is asked where the browser is somebody else's.
func TestWhoIsMeantIsAsked(t *testing.T) {
	w := newWorld(t)
	b := w.browser(t)
	b.signIn("leela", right)
	hint := func(s string) func(*grant.Request) { return func(q *grant.Request) { q.LoginHint = s } }
	for _, s := range []string{"leela@example.org", "LEELA@example.org", "leela", ""} {
		b.get(w.asks(t, hint(s))).contains(t, "Connect Thunderbird?")
	}
	path := w.asks(t, hint("fry@example.org"))
	b.get(path).contains(t, "Whose mailbox is it?", "Thunderbird asks for fry@example.org", "signed in here as leela@example.org")
	b.submit("/connect/account").contains(t, "Connect Thunderbird?", "To the mailbox of leela@example.org")
	b.get(w.asks(t, hint("fry@example.org"))).contains(t, "Whose mailbox") // that was said of one request
	b.submit("/connect/other").contains(t, "Sign in", "Thunderbird", `value="fry@example.org"`)
	if w.sessions.Len() != 0 {
		t.Error("still signed in")
	}
	b.submit("/signin", "address", "fry@example.org", "password", right).contains(t, "Connect Thunderbird?", "To the mailbox of fry@example.org")
	b.get(w.asks(t, prompt("select_account"))).contains(t, "Whose mailbox is it?", "Go on as fry@example.org", "Sign in as somebody else")
	b.submit("/connect/account").contains(t, "Connect Thunderbird?")
}

// A refusal says why, and the program is told.
func TestARefusalIsToldToThePersonAndTheProgram(t *testing.T) {
	w := newWorld(t)
	b := w.browser(t)
	b.signIn("leela", right)
	blocked := mailNeedsTwo
	blocked.Grant = &policy.Grant{Controls: policy.ControlBlock}
	w.policies(blocked)
	b.get(w.asks(t))
	b.submit("/connect/allow").contains(t, "Thunderbird was not connected", "PR53003", "Back to the program")
	u, err := url.Parse(html.UnescapeString(between(b.page.body, `<a class="button" href="`, `"`)))
	must(t, err)
	if v := u.Query(); !strings.HasPrefix(u.String(), back) || v.Get("error") != "access_denied" || v.Get("state") != "st&te<1>" || v.Get("iss") != site || !strings.Contains(v.Get("error_description"), "PR53003") {
		t.Errorf("back to %s", u)
	}
	w.policies()
	b.get(w.asks(t))
	if u := b.post("/connect/deny").to(t); u.Query().Get("error") != "access_denied" || u.Query().Get("code") != "" {
		t.Errorf("a no is told as %v", u.Query())
	}
	if len(w.grants.Of(leela)) != 0 {
		t.Error("something was granted")
	}
}

// renamed are clients of which one has another name.
type renamed struct {
	Clients
	as client.Client
}

func (r renamed) Find(id string) (client.Client, bool) {
	if id == r.as.ID {
		return r.as, true
	}
	return r.Clients.Find(id)
}

// A name is what its program says: text, never markup, and unverified as long as
// nobody has checked it.
func TestAStrangersProgramIsNamedAsOne(t *testing.T) {
	w := newWorld(t)
	evil := w.program(t, "Evil")
	evil.Name = `<script>alert(1)</script>` // which could not be registered
	w.OAuth.Clients = renamed{w.clients, evil}
	b := w.browser(t)
	path := w.asks(t, func(q *grant.Request) {
		q.Client, q.ClientName, q.Redirect = evil.ID, evil.Name, "com.example.mail:/cb"
	})
	b.get(path).contains(t, evil.Name+" (not verified) wants")
	b.submit("/signin", "address", "leela", "password", right).contains(t, evil.Name+" (not verified)", "Nobody has checked", "registered for com.example.mail")
	if strings.Contains(b.page.body, "<script>") {
		t.Errorf("markup:\n%s", b.page.body)
	}
	u := b.post("/connect/allow").to(t)
	if !strings.HasPrefix(u.String(), "com.example.mail:/cb?") || u.Query().Get("code") == "" {
		t.Errorf("to %s", u)
	}
	b.get("/programs").contains(t, evil.Name+" (not verified)")
	if strings.Contains(b.page.body, "<script>") {
		t.Errorf("markup:\n%s", b.page.body)
	}
	for name, want := range map[string]string{"a\u202eb\u0000c\n": "abc", strings.Repeat("x", 500): strings.Repeat("x", maxProgram), "\u200b": "A program we do not recognise"} {
		c := &call{Portal: w.Portal, page: w.Public.Page(httpRequest())}
		if got := c.named(&client.Client{Name: name, Kind: client.Managed}); got != want {
			t.Errorf("%q is shown as %q", name, got)
		}
	}
}

// An answer goes to what was sealed, in the way the program asked for.
func TestAnAnswerByForm(t *testing.T) {
	w := newWorld(t)
	p := w.party(t, "Party")
	b := w.browser(t)
	b.signIn("leela", right)
	a := b.send("GET", w.asks(t, func(q *grant.Request) {
		q.Client, q.Redirect, q.ResponseMode = p.ID, "https://rp.example:8443/cb", "form_post"
	}), nil, nil) // an administrator answers for it, and nobody is asked
	csp := a.header.Get("Content-Security-Policy")
	if a.status != http.StatusOK || !strings.Contains(csp, "form-action https://rp.example:8443;") || !strings.Contains(csp, "frame-ancestors 'none'") || a.header.Get("Referrer-Policy") != "no-referrer" || a.header.Get("Cache-Control") != "no-store" {
		t.Errorf("%d under %v", a.status, a.header)
	}
	a.contains(t, `<script src="/onward.js" defer>`, "Continue to Party")
	if len(a.forms) != 1 || a.forms[0].action != "https://rp.example:8443/cb" || a.forms[0].method != "post" {
		t.Fatalf("forms: %+v", a.forms)
	}
	f := a.forms[0].fields
	if f.Get("state") != "st&te<1>" || f.Get("iss") != site || f.Has("token") {
		t.Errorf("fields %v", f)
	}
	if _, err := w.grants.Redeem(t.Context(), f.Get("code"), p.ID, "https://rp.example:8443/cb", verifier); err != nil {
		t.Error(err)
	}
	if s := b.send("GET", "/onward.js", nil, nil); s.status != http.StatusOK || !strings.Contains(s.body, "submit()") {
		t.Errorf("the script: %d", s.status)
	}
}

func TestWhereABrowserIsSent(t *testing.T) {
	for address, want := range map[string]bool{"https://rp.example/cb": true, "http://127.0.0.1:1/": true, "com.example.mail:/cb?code=1": true, "eu.faircode.email:/": true,
		"javascript:alert(1)": false, "JavaScript:alert(1)": false, "data:text/html,x": false, "vbscript:x": false, "/local": false, "": false, "file:///etc/passwd": false, "blob:x": false} {
		if leads(address) != want {
			t.Errorf("%q: %v", address, !want)
		}
	}
}

// Neither another browser's form nor another's request does anything.
func TestAConsentIsGivenByWhoSeesThePage(t *testing.T) {
	w := newWorld(t)
	b, other := w.browser(t), w.browser(t)
	b.signIn("leela", right)
	other.signIn("fry", right)
	b.get(w.asks(t))
	f := b.form("/connect/allow")
	if a := other.send("POST", "/connect/allow", f.fields, nil); a.status != http.StatusForbidden {
		t.Errorf("leela's form in fry's browser: %d", a.status)
	}
	f.fields.Set("request", f.fields.Get("request")+"A")
	if a := b.send("POST", "/connect/allow", f.fields, nil); a.status != http.StatusBadRequest {
		t.Errorf("a changed request: %d", a.status)
	}
	f.fields.Set("request", strings.TrimPrefix(w.asks(t, func(q *grant.Request) { q.At = time.Now().Add(-time.Hour) }), "/connect?request="))
	if a := b.send("POST", "/connect/allow", f.fields, nil); a.status != http.StatusBadRequest {
		t.Errorf("an old request: %d", a.status)
	}
	if w.grants.Consented(leela, client.Thunderbird, scopes(t, "imap")) || w.grants.Consented(fry, client.Thunderbird, scopes(t, "imap")) {
		t.Error("somebody consented")
	}
}

// waitingWith is a program on a device that shows a code.
func (w *world) waitingWith(t testing.TB, from string) grant.Device {
	t.Helper()
	d, err := w.grants.StartDevice(t.Context(), grant.DeviceRequest{Client: client.Token, ClientName: "portreeve token", Scope: scopes(t, "imap smtp offline_access"), From: netip.MustParseAddr(from), Agent: "curl/8", At: time.Now()})
	must(t, err)
	return d
}

func TestADeviceNearbyIsConnectedByItsCode(t *testing.T) {
	w := newWorld(t)
	d := w.waitingWith(t, "192.0.2.200")
	b := w.browser(t)
	b.get("/device?user_code="+d.UserCode).contains(t, "Sign in")
	b.submit("/signin", "address", "leela", "password", right).contains(t, "Connect a device", "If somebody sent you this code", `value="`+d.UserCode+`"`)
	b.submit("/device", "user_code", strings.ToLower(d.UserCode)).contains(t, "Connect portreeve token?", "192.0.2.200", "in front of you", "read and delete your mail")
	b.submit("/device/allow").contains(t, "portreeve token is connected")
	g, err := w.grants.PollDevice(t.Context(), d.DeviceCode, client.Token, netip.MustParseAddr("192.0.2.200"))
	must(t, err)
	if g.Person != leela || g.Network != netip.MustParsePrefix("192.0.2.0/24") || g.Flow != policy.DeviceCodeFlow || g.Kind != grant.KindDevice {
		t.Errorf("granted %+v", g)
	}
	b.get("/programs").contains(t, "only from 192.0.2.0/24", "signed in with a code from the device")
}

func TestADeviceElsewhereIsRefused(t *testing.T) {
	w := newWorld(t)
	d := w.waitingWith(t, "198.51.100.9")
	b := w.browser(t)
	b.signIn("leela", right)
	b.get("/device")
	b.submit("/device", "user_code", d.UserCode).contains(t, "198.51.100.9")
	b.submit("/device/allow").contains(t, "portreeve token was not connected", signin.FlowNotAllowed.String())
	if len(w.grants.Of(leela)) != 0 {
		t.Error("something was granted")
	}
	_, err := w.grants.PollDevice(t.Context(), d.DeviceCode, client.Token, netip.MustParseAddr("198.51.100.9"))
	var r *grant.Refusal
	if !errors.As(err, &r) || r.OAuth != grant.AccessDenied {
		t.Errorf("the program is told %v", err)
	}
	d = w.waitingWith(t, "192.0.2.200")
	b.get("/device")
	b.submit("/device", "user_code", d.UserCode)
	b.submit("/device/deny").contains(t, "was not connected")
	if _, err := w.grants.PollDevice(t.Context(), d.DeviceCode, client.Token, netip.MustParseAddr("192.0.2.200")); !errors.As(err, &r) || r.OAuth != grant.AccessDenied {
		t.Errorf("the program is told %v", err)
	}
}

// Ten wrong codes in an hour, by a person or from a network, and no more are
// looked at; right ones take nothing.
func TestCodesOfDevicesAreNotFoundByTrying(t *testing.T) {
	w := newWorld(t)
	b := w.browser(t)
	b.signIn("leela", right)
	d := w.waitingWith(t, homeAddr)
	for range 20 {
		b.get("/device")
		b.submit("/device", "user_code", d.UserCode).contains(t, "Connect portreeve token?")
	}
	for n := range guessesEach + 1 {
		b.get("/device")
		a := b.post("/device", "user_code", fmt.Sprintf("BCDFGHJ%c", "BCDFGHJKLMNP"[n]))
		want := http.StatusNotFound
		if n == guessesEach {
			want = http.StatusTooManyRequests
		}
		if a.status != want {
			t.Errorf("code %d: %d", n, a.status)
		}
	}
	b.submit("/device", "user_code", d.UserCode).contains(t, "Too many codes were wrong")
	near := w.browser(t)
	near.signIn("fry", right)
	near.get("/device")
	near.submit("/device", "user_code", d.UserCode).contains(t, "Too many codes were wrong") // from the same network
	far := w.browser(t)
	far.from = "198.51.100.20"
	far.signIn("leela", right)
	far.get("/device")
	far.submit("/device", "user_code", d.UserCode).contains(t, "Too many codes were wrong") // the same person
	w.guesses.sweep(time.Now().Add(guessesFor + time.Minute))
	far.get("/device")
	far.submit("/device", "user_code", d.UserCode).contains(t, "Connect portreeve token?")
}

// Tries at the same moment count, too.
func TestCodesAreCountedBeforeTheyAreLookedAt(t *testing.T) {
	g := newGuesses()
	var passed atomic.Int32
	var all sync.WaitGroup
	now := time.Now()
	for n := range 50 {
		all.Go(func() {
			if g.take(leela, netip.AddrFrom4([4]byte{10, byte(n), 0, 1}), now) { // from fifty networks
				passed.Add(1)
			}
		})
	}
	all.Wait()
	if passed.Load() != guessesEach {
		t.Errorf("%d of 50 were looked at", passed.Load())
	}
	for n := range guessesMost * 2 { // as if there were so many people
		g.take(strconv.Itoa(n), netip.AddrFrom4([4]byte{11, byte(n >> 16), byte(n >> 8), 1}), now)
	}
	if len(g.all) > guessesMost+1 {
		t.Errorf("%d are remembered", len(g.all))
	}
}

// A yes pressed many times at once gives codes of which each opens one grant, and
// one consent.
func TestAYesPressedManyTimes(t *testing.T) {
	w := newWorld(t)
	b := w.browser(t)
	b.signIn("leela", right)
	b.get(w.asks(t))
	f := b.form("/connect/allow")
	var all sync.WaitGroup
	for range 20 {
		other := &browser{t: t, w: w, jar: b.jar, from: b.from, agent: b.agent}
		all.Go(func() {
			if a := other.send("POST", f.action, f.fields, nil); a.status != http.StatusOK {
				t.Errorf("%d", a.status)
			}
		})
	}
	all.Wait()
	if n := len(w.grants.Consents(leela)); n != 1 || len(w.grants.Of(leela)) != 0 {
		t.Errorf("%d consents, %d grants before any code was redeemed", n, len(w.grants.Of(leela)))
	}
}

func TestConnectedProgramsAreShownAndEnded(t *testing.T) {
	w := newWorld(t)
	b, other := w.browser(t), w.browser(t)
	b.signIn("leela", right)
	b.get(w.asks(t))
	g := w.redeemed(t, client.Thunderbird, b.post("/connect/allow").to(t), back)
	b.get("/").contains(t, "One program is connected to your mail", "Thunderbird was connected to your mail")
	at := time.Now()
	out := w.gate.Grant(t.Context(), signin.Attempt{At: at, Client: netip.MustParseAddrPort("198.51.100.77:1"), Listener: "public"}, gate.Asked{Mechanism: gate.RefreshToken, Protocols: g.Scope.Protocols(), Client: "Thunderbird",
		Principal: signin.Principal{Person: leela, Address: g.Address, Methods: g.Methods, AuthTime: g.AuthTime, Grant: grant.Prefix + g.ID}})
	if !out.Allowed() {
		t.Fatalf("refreshing: %v", out.Code)
	}
	b.get("/programs").contains(t, "198.51.100.77")
	b.get("/programs").contains(t, "Connected programs", "Thunderbird", "read and delete your mail", "signed in with a password", "Programs you said yes to")
	other.signIn("fry", right)
	other.get("/programs")
	f := other.form("/signout").fields
	for action, field := range map[string]url.Values{"/programs/disconnect": {"id": {g.ID}}, "/programs/forget": {"client": {client.Thunderbird}}} {
		field.Set("token", f.Get("token"))
		if a := other.send("POST", action, field, nil); a.status != http.StatusNotFound {
			t.Errorf("%s of another's: %d", action, a.status)
		}
	}
	b.submit("/programs/disconnect").contains(t, "Disconnected. The program must sign in again", "None is connected now")
	if _, lives := w.grants.ByID(g.ID); lives {
		t.Error("it lives")
	}
	path := w.asks(t) // which the program does by itself, with this browser's session
	b.get(path).contains(t, "Before Thunderbird is connected")
	b.post("/confirm", "kind", "password", "password", right)
	w.redeemed(t, client.Thunderbird, b.send("GET", path, nil, nil).to(t), back)
	if a := b.send("GET", w.asks(t), nil, nil); a.to(t).Query().Get("code") == "" {
		t.Error("a proof from after the end is too old")
	}
	b.get("/programs")
	b.submit("/programs/forget").contains(t, "Taken back")
	if len(w.grants.Of(leela)) != 0 || w.grants.Consented(leela, client.Thunderbird, scopes(t, "imap")) {
		t.Error("it is not forgotten")
	}
}

// What a thief of a password had connected ends with the sign-in that its owner
// says was not theirs.
func TestWhatAThiefConnectedEndsWithTheirSignIn(t *testing.T) {
	w := newWorld(t)
	thief, owner := w.browser(t), w.browser(t)
	thief.from = "198.51.100.66"
	owner.signIn("leela", right)
	owner.get(w.asks(t))
	kept := w.redeemed(t, client.Thunderbird, owner.post("/connect/allow").to(t), back)
	thief.signIn("leela", right)
	taken := w.redeemed(t, client.Thunderbird, thief.send("GET", w.asks(t), nil, nil).to(t), back)
	owner.get("/signins")
	events, _, err := w.store.Events(t.Context(), store.EventFilter{User: leela}, store.Cursor{}, 10)
	must(t, err)
	for _, e := range events {
		if e.Facts.Protocol == protocol.Portal && e.Facts.Addr.String() == thief.from {
			owner.submit("/signins/not-me", "reference", string(e.ID.Reference())).contains(t, "It is closed")
		}
	}
	if _, lives := w.grants.ByID(taken.ID); lives {
		t.Error("the thief's program is connected")
	}
	if _, lives := w.grants.ByID(kept.ID); !lives {
		t.Error("the owner's program is not")
	}
}

func TestStayingSignedIn(t *testing.T) {
	w := newWorld(t)
	phone := w.enrolled(t, leela)
	b := w.browser(t)
	b.get("/signin")
	b.submit("/signin", "address", "leela", "password", right, "stay", "yes")
	a := b.post("/signin/factor", "kind", "code", "code", phone.code())
	stays := func(a *answer) bool {
		return slices.ContainsFunc(a.header.Values("Set-Cookie"), func(s string) bool {
			return strings.HasPrefix(s, "__Host-session=") && strings.Contains(s, "Max-Age=86400")
		})
	}
	if !stays(a) {
		t.Errorf("cookies %v", a.header.Values("Set-Cookie"))
	}
	id := cookieOf(b)
	now := time.Now()
	if w.visits.find(id, now.Add(23*time.Hour)) == nil {
		t.Error("ended after 23 hours")
	}
	if w.visits.find(id, now.Add(25*time.Hour)) != nil {
		t.Error("there after 25 hours")
	}
	brief := w.browser(t)
	brief.get("/signin")
	if a := brief.post("/signin", "address", "fry", "password", right); stays(a) {
		t.Error("stays without having asked")
	}
	if w.visits.find(cookieOf(brief), now.Add(2*time.Hour)) != nil {
		t.Error("there after two hours of nothing")
	}
}

func cookieOf(b *browser) string {
	u, _ := url.Parse(site)
	for _, c := range b.jar.Cookies(u) {
		if c.Name == "__Host-session" {
			return c.Value
		}
	}
	return ""
}

func TestSigningOutForAProgram(t *testing.T) {
	w := newWorld(t)
	b := w.browser(t)
	b.signIn("leela", right)
	sid := w.visits.of(leela)[0].sid
	b.get("/signout?continue=sealed-by-the-issuer").contains(t, "Sign out here?", "Your mail programs stay connected")
	if w.sessions.Len() != 1 {
		t.Error("a link alone signs out")
	}
	for _, f := range b.page.forms {
		if f.fields.Get("continue") == "" {
			continue
		}
		if u := b.send("POST", f.action, f.fields, nil).to(t); u.String() != "https://rp.example/bye?state=1" {
			t.Errorf("to %s", u)
		}
	}
	select {
	case id := <-w.issuer.ended:
		if id != sid {
			t.Errorf("%s ended, it was %s", id, sid)
		}
	case <-time.After(10 * time.Second):
		t.Error("no program is told")
	}
	if u := b.send("GET", "/signout?continue=sealed-by-the-issuer", nil, nil).to(t); u.Host != "rp.example" {
		t.Errorf("nobody is signed in, and it leads to %s", u)
	}
	if a := b.send("GET", "/signout?continue=https://evil.example/", nil, nil); a.header.Get("Location") != "/signin" {
		t.Errorf("what was not sealed leads to %s", a.header.Get("Location"))
	}
}

// Whatever is registered, nothing of ours is told to who is not signed in, and no
// page of an installation without an issuer exists.
func TestWithoutAnIssuerThereAreNoSuchPages(t *testing.T) {
	w := newWorld(t)
	o := w.Portal.Options
	o.OAuth = nil
	p, err := New(o)
	must(t, err)
	w.handler = p.Handler()
	b := w.browser(t)
	for _, path := range []string{"/connect?request=x", "/device", "/onward.js"} {
		if a := b.send("GET", path, nil, nil); a.status != http.StatusNotFound {
			t.Errorf("%s: %d", path, a.status)
		}
	}
	if a := b.send("GET", "/signout", nil, nil); a.header.Get("Location") != "/signin" {
		t.Errorf("/signout: %d", a.status)
	}
}

// Whom the program means signs in at a provider: that is where they are sent.
func TestAHintLeadsToItsProvider(t *testing.T) {
	w := newWorld(t)
	w.Portal.Upstream = provider{label: "Planet Express"}
	const routed = "amy@routed.example"
	b := w.browser(t)
	path := w.asks(t, func(q *grant.Request) { q.LoginHint = routed })
	b.get(path).contains(t, "Sign in with your organisation", "Thunderbird wants to be connected", routed+" signs in at Planet Express", "/upstream/start?provider=corp", "return=%2fconnect%3frequest%3d")
	b.get(strings.TrimSpace(html.UnescapeString(between(b.page.body, `</a><a href="`, `"`)))).contains(t, "Thunderbird wants to be connected", `value="`+routed+`"`)
}

// What is wrong with a request that leads nowhere is told on a page of ours.
func TestAProblemOfAProgramsIsShown(t *testing.T) {
	w := newWorld(t)
	r := httptest.NewRequest("GET", site+"/oauth2/authorize?client_id=<b>", nil)
	rec := httptest.NewRecorder()
	w.Problem(rec, r, http.StatusBadRequest, "It is <b> unknown.")
	if body := rec.Body.String(); rec.Code != http.StatusBadRequest || !strings.Contains(body, "Your program cannot be connected") || !strings.Contains(body, "It is &lt;b&gt; unknown.") || !strings.Contains(rec.Header().Get("Content-Security-Policy"), "frame-ancestors 'none'") {
		t.Errorf("%d %v\n%s", rec.Code, rec.Header(), body)
	}
	rec = httptest.NewRecorder()
	w.Problem(rec, r, http.StatusForbidden, "An administrator does not allow this program.")
	if body := rec.Body.String(); rec.Code != http.StatusForbidden || !strings.Contains(body, "This program may not be connected") || strings.Contains(body, "is not right") {
		t.Errorf("a forbidden program: %d\n%s", rec.Code, body)
	}
}

// A browser is not sent to a program that signs in with a browser.
func TestABlockedBrowserReadsWhomToAsk(t *testing.T) {
	w := newWorld(t)
	w.policies(blockBrowsers)
	b := w.browser(t)
	b.get(w.asks(t))
	b.submit("/signin", "address", "leela", "password", right).contains(t, "does not allow you to sign in here", "give this reference")
}

// Who can set up no factor from here uses a pass, or lets somebody else sign in, and
// the program goes on waiting.
func TestAProgramWaitsForAPass(t *testing.T) {
	w := newWorld(t)
	w.policies(approvalNeeded)
	b := w.browser(t)
	b.get(w.asks(t))
	b.submit("/signin", "address", "leela", "password", right).contains(t, "you have none yet", `href="/signin/pass?next=%2fconnect%3frequest%3d`)
	b.submit("/signin/cancel").contains(t, "Thunderbird wants to be connected")
}

// The longest request that the issuer seals comes through signing in, in another
// language too.
func TestALongRequestComesThrough(t *testing.T) {
	w := newWorld(t)
	path := w.asks(t, func(q *grant.Request) { q.State = strings.Repeat("s", 2048) })
	if web.LocalPath(withNext("/signin", path), "") == "" || len(path) < 2500 {
		t.Fatalf("%d bytes do not come through", len(path))
	}
	b := w.browser(t)
	b.lang = "de"
	b.get(path).contains(t, "Thunderbird möchte mit Ihrem Postfach verbunden werden", "/language/en?to=%2fsignin%3fnext%3d")
	b.submit("/signin", "address", "leela", "password", right).contains(t, "Thunderbird verbinden?")
	b.get("/language/en?to="+url.QueryEscape(path)).contains(t, "Connect Thunderbird?")
}

// Who has no factor sets one up and goes on from that page.
func TestAFirstFactorIsSetUpForAProgram(t *testing.T) {
	w := newWorld(t)
	b := w.browser(t)
	b.get("/signin/pass")
	b.submit("/signin/pass", "address", "leela", "pass", w.pass(t, leela))
	strict := mailNeedsTwo
	strict.Grant = &policy.Grant{Controls: policy.ControlStrength, Strength: &policy.Strength{ID: "key", Combinations: []policy.Combination{{Methods: policy.MethodFIDO2}}}}
	w.policies(strict)
	path := w.asks(t)
	b.get(path)
	b.submit("/connect/allow").contains(t, "A second factor is needed", "Add a second factor")
	b.get("/security").contains(t, "Thunderbird waits for you", "Continue to Thunderbird")
	b.submit("/security/passkey", "name", "my key")
	k := newToken(t)
	k.make(b, "/security/passkey/answer").contains(t, "The passkey is set up")
	if g := w.redeemed(t, client.Thunderbird, b.send("GET", path, nil, nil).to(t), back); g.Methods&policy.MethodFIDO2 == 0 {
		t.Errorf("granted %+v", g)
	}
}
