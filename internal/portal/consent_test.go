package portal

import (
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/portreeve/portreeve/internal/client"
	"github.com/portreeve/portreeve/internal/grant"
)

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

// A program that asks unseen, and has the browser sent to its request once the
// person signed in for something else, finds no yes of before.
func TestASignInForSomethingElseIsNoYes(t *testing.T) {
	w := newWorld(t)
	must(t, w.grants.Consent(t.Context(), leela, client.Thunderbird, scopes(t, "imap smtp offline_access")))
	path := w.asks(t)
	silent := w.asks(t, prompt("none"))
	b := w.browser(t)
	b.signIn("leela", right)
	b.get(path).contains(t, "Connect Thunderbird?")
	if q := b.send("GET", silent, nil, nil).to(t).Query(); q.Get("error") != "consent_required" {
		t.Errorf("asked in silence: %v", q)
	}
	path = w.asks(t)
	w.sought(path) // as by way of a provider that had them prove nothing
	b.get(path).contains(t, "Connect Thunderbird?")
	b = w.browser(t)
	b.get(path)
	b.submit("/signin", "address", "leela", "password", right)
	w.redeemed(t, client.Thunderbird, b.send("GET", path, nil, nil).to(t), back)
}
