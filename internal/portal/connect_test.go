package portal

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"

	"github.com/portreeve/portreeve/internal/client"
	"github.com/portreeve/portreeve/internal/grant"
	"github.com/portreeve/portreeve/internal/policy"
	"github.com/portreeve/portreeve/internal/signin"
	"github.com/portreeve/portreeve/internal/store"
	"github.com/portreeve/portreeve/internal/web"
)

// A program's person signs in, confirms with a code, says yes once, and the
// program has its answer; the log shows all of it under one correlation id, and
// the next time that they sign in for it they are not asked again.
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
		told = append(told, fmt.Sprintf("%s %s %s %s", e.Facts.Protocol, e.Mechanism, e.Ending(), e.Code))
	}
	if want := []string{"portal portal interrupted PR50074", "portal totp allowed PR0", "imap authorization_code allowed PR0"}; !slices.Equal(told, want) {
		t.Errorf("the log says %q, want %q", told, want)
	}
	if len(events) != 3 || events[0].Grant != grant.Prefix+g.ID {
		t.Errorf("the log names %q, the grant is %q", events[0].Grant, g.ID)
	}

	b.get(w.asks(t)).contains(t, "Connect Thunderbird?") // by whatever calls itself so, in a browser that is signed in
	after := b.send("GET", w.asks(t, beforeTheSignIn), nil, func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "same-origin") })
	if after.status != http.StatusOK { // Chromium would block a redirect after a form
		t.Errorf("after a form of ours: %d", after.status)
	}
	w.redeemed(t, client.Thunderbird, after.to(t), back)
	early := w.asks(t, func(q *grant.Request) { q.At = v.opened.Add(-time.Second) }) // before the form that signed in
	w.sought(early)
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
	var told []string
	for range 100 { // refusals are written a moment later
		events, _, err := w.store.Events(t.Context(), store.EventFilter{User: leela, Outcome: signin.EndInterrupted}, store.Cursor{}, 10)
		must(t, err)
		if told = told[:0]; len(events) > 0 {
			for _, e := range events {
				told = append(told, fmt.Sprintf("%s %s ×%d", e.Mechanism, e.Code, e.Count))
			}
			break
		}
		time.Sleep(100 * time.Millisecond)
	}
	if len(told) == 0 || !strings.HasPrefix(told[0], "authorization_code PR50076") {
		t.Errorf("the log calls interrupted: %q", told)
	}
	if refused, _, err := w.store.Events(t.Context(), store.EventFilter{User: leela, Outcome: signin.EndRefused, Codes: []signin.Code{signin.MFARequired}}, store.Cursor{}, 10); err != nil || len(refused) != 0 {
		t.Errorf("and refused: %d, %v", len(refused), err)
	}
}

func (b *browser) confirmWith(code string) *answer {
	b.t.Helper()
	return b.post("/confirm", "kind", "code", "code", code)
}

// The issuer's endpoints learn who is signed in at a browser, and of nobody after
// that or at another.
func TestTheEndpointsKnowWhoIsThere(t *testing.T) {
	w := newWorld(t)
	b, other := w.browser(t), w.browser(t)
	at, err := url.Parse(site)
	must(t, err)
	seen := func(b *browser) (signin.Principal, bool) {
		r := httptest.NewRequest("GET", site+"/oauth2/authorize", nil)
		for _, k := range b.jar.Cookies(at) {
			r.AddCookie(k)
		}
		return w.Visitor(r)
	}
	if _, ok := seen(b); ok {
		t.Error("somebody is there before they signed in")
	}
	b.signIn("leela", right)
	if who, ok := seen(b); !ok || who.Address != "leela@example.org" || who.Person == "" || who.Held || who.Grant != "" {
		t.Errorf("%+v, %v", who, ok)
	}
	if _, ok := seen(other); ok {
		t.Error("somebody is there at another browser")
	}
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

// What a program that wants no page is told.
func TestSilence(t *testing.T) {
	w := newWorld(t)
	b := w.browser(t)
	says := func(want string, change ...func(*grant.Request)) {
		t.Helper()
		a := b.send("GET", w.asks(t, append(change, prompt("none"))...), nil, func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "cross-site") })
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
	says("consent_required") // anything on this device may call itself Thunderbird
	says("interaction_required", beforeTheSignIn)
	blocked := mailNeedsTwo
	blocked.Grant = &policy.Grant{Controls: policy.ControlBlock}
	w.policies(blocked)
	says("access_denied", beforeTheSignIn)
	w.policies()
	says("", beforeTheSignIn)
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
	b.get(w.asks(t, func(q *grant.Request) { q.MaxAge = &hour })).contains(t, "Connect Thunderbird?") // and no newer proof
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
	if a := b.send("GET", "/signout", nil, nil); a.header.Get("Location") != "/signin?left=yes" {
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
	rec = httptest.NewRecorder()
	w.NotSignedOut(rec, r, "It is <b> unknown.")
	if body := rec.Body.String(); rec.Code != http.StatusBadRequest || !strings.Contains(body, "You were not signed out here") || !strings.Contains(body, "It is &lt;b&gt; unknown.") || strings.Contains(body, "connected") {
		t.Errorf("signing out: %d\n%s", rec.Code, body)
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

	b.submit("/signin", "address", "leela", "password", right)
	b.get("/signin/pass").contains(t, `name="address" value="leela@example.org"`) // who was asked types it once
	w.browser(t).get("/signin/pass").contains(t, `name="address" value=""`)
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
