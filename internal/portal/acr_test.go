package portal

import (
	"net/http"
	"testing"

	"github.com/portreeve/portreeve/internal/client"
	"github.com/portreeve/portreeve/internal/grant"
	"github.com/portreeve/portreeve/internal/policy"
)

func asksFor(classes ...string) func(*grant.Request) {
	return func(q *grant.Request) { q.ACR = classes }
}

// A program that wishes for a second factor has its person asked for one before
// it is given a code, though no policy wants it; and its tokens say so.
func TestAProgramWishesForABetterProof(t *testing.T) {
	w := newWorld(t)
	b := w.browser(t)
	b.signIn("leela", right)
	mfa := asksFor("urn:unknown", grant.ACRSeveralFactors)
	b.get(w.asks(t, mfa)).contains(t, "Connect Thunderbird?") // has nothing else to show
	phone := w.enrolled(t, leela)
	for name, classes := range map[string][]string{"nothing": nil, "what is known": {grant.ACROneFactor, grant.ACRSeveralFactors}, "nothing known": {"1", "2"}} {
		if a := b.send("GET", w.asks(t, asksFor(classes...)), nil, nil); a.status != http.StatusOK {
			t.Errorf("%s: %d, to %s", name, a.status, a.header.Get("Location"))
		}
	}
	path := w.asks(t, mfa)
	b.get(path).contains(t, "Confirm that it is you", "Before Thunderbird is connected")
	b.submit("/confirm", "kind", "code", "code", "000000").contains(t, "was not accepted")
	if a := b.confirmWith(phone.code()); a.header.Get("Location") != path {
		t.Fatalf("%d, to %s", a.status, a.header.Get("Location"))
	}
	b.get(path).contains(t, "Connect Thunderbird?")
	g := w.redeemed(t, client.Thunderbird, b.post("/connect/allow").to(t), back)
	if grant.ACR(g.Methods) != grant.ACRSeveralFactors {
		t.Errorf("granted %+v", g)
	}
	b.get(w.asks(t, mfa)).contains(t, "Connect Thunderbird?")
	b.get(w.asks(t, asksFor(grant.ACRPhishingResistant))).contains(t, "Connect Thunderbird?") // has no passkey
}

// It is a wish: whoever does not follow it is asked once, and is connected with
// what they showed; a program that wants no page is told of that, too.
func TestAWishIsNoCondition(t *testing.T) {
	w := newWorld(t)
	b := w.browser(t)
	b.signIn("leela", right)
	w.enrolled(t, leela)
	best := asksFor(grant.ACRPhishingResistant)
	path := w.asks(t, best)
	b.get(path).contains(t, "Before Thunderbird is connected")
	b.get(path).contains(t, "Connect Thunderbird?")
	g := w.redeemed(t, client.Thunderbird, b.post("/connect/allow").to(t), back)
	if g.Methods != policy.MethodPassword || grant.ACR(g.Methods) != grant.ACROneFactor {
		t.Errorf("granted %+v", g)
	}
	a := b.send("GET", w.asks(t, best, prompt("none"), beforeTheSignIn), nil, nil)
	if u := a.to(t); u.Query().Get("error") != "" || u.Query().Get("code") == "" {
		t.Errorf("told %v", u.Query())
	}
}

// Whoever comes from a provider shows there what they can. If that is no better
// proof, the same request asks them no second time: they would never come through.
func TestAWishIsAskedOfAProviderOnce(t *testing.T) {
	w := newWorld(t)
	b := w.browser(t)
	arrives := func(from string) { // a password is shown here, as an arrival would show a token
		t.Helper()
		w.Portal.Upstream = nil
		f := b.form(from)
		f.fields.Set("address", "fry")
		f.fields.Set("password", right)
		if a := b.send("POST", "/signin", f.fields, nil); a.status != http.StatusSeeOther {
			t.Fatalf("%d: %s", a.status, a.body)
		}
		w.Portal.Upstream = provider{label: "Planet Express"}
		for _, v := range w.visits.of(fry) {
			v.outcome.Principal.Issuer = "corp"
		}
	}
	b.get("/signin")
	arrives("/signin")
	path := w.asks(t, asksFor(grant.ACRSeveralFactors))
	b.get(path).contains(t, "Before Thunderbird is connected", "Sign in with Planet Express")
	arrives("/signout")
	b.get(path).contains(t, "Connect Thunderbird?")
}
