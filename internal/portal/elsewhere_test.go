package portal

import (
	"context"
	"html"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/portreeve/portreeve/internal/secret"
	"github.com/portreeve/portreeve/internal/upstream"
)

// elsewhere is a portal whose people of routed.example sign in at a provider
// that is away.
func elsewhere(t *testing.T) http.Handler {
	w := newWorld(t)
	u, err := upstream.New(upstream.Options{Public: site, Store: w.store, Box: secret.NewBox(), Settle: func(context.Context) error { return nil },
		Everything: func(string, time.Time) string { return "" },
		Providers:  []upstream.Provider{{Name: "corp", Label: "Corp & Sons", Issuer: "http://127.0.0.1:1", ClientID: "us", Domains: []string{"routed.example"}}}})
	must(t, err)
	o := w.Options
	o.Upstream = u
	p, err := New(o)
	must(t, err)
	return p.Handler()
}

func ask(h http.Handler, method, path string, form url.Values) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, site+path, strings.NewReader(form.Encode()))
	r.RemoteAddr = homeAddr + ":1"
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func TestPeopleOfAProviderAreOfferedIt(t *testing.T) {
	h := elsewhere(t)
	if w := ask(h, http.MethodGet, "/signin", nil); w.Code != http.StatusOK || !strings.Contains(w.Body.String(), "Corp &amp; Sons") || !strings.Contains(w.Body.String(), "/upstream/start?provider=corp") {
		t.Errorf("%d: %s", w.Code, w.Body)
	}
	if w := ask(h, http.MethodGet, "/upstream/start?provider=corp", nil); w.Code != http.StatusServiceUnavailable {
		t.Errorf("a provider that is away: %d: %s", w.Code, w.Body)
	}
	for _, path := range []string{"/upstream/start?provider=nope", "/upstream/callback/corp?state=x&code=y", "/upstream/callback/nope"} {
		if w := ask(h, http.MethodGet, path, nil); w.Code != http.StatusForbidden {
			t.Errorf("%s: %d", path, w.Code)
		}
	}
	for _, path := range []string{"/upstream/", "/upstream/other"} {
		if w := ask(h, http.MethodGet, path, nil); w.Code != http.StatusNotFound {
			t.Errorf("%s: %d", path, w.Code)
		}
	}
}

// TestLogoutsOfEverybodyAreHeard: a provider announces them from one address.
func TestLogoutsOfEverybodyAreHeard(t *testing.T) {
	h := elsewhere(t)
	for n := range 300 {
		if w := ask(h, http.MethodPost, upstream.LogoutPath, url.Values{"logout_token": {"x"}}); w.Code != http.StatusBadRequest {
			t.Fatalf("the %dth is answered with %d", n+1, w.Code)
		}
	}
}

// Whoever came from a provider and is to show more may show it there: a new
// proof is asked for, and the way back leads to where they wanted to go.
func TestMoreCanBeShownAtTheProvider(t *testing.T) {
	w := newWorld(t)
	w.policies(approvalNeeded)
	w.Portal.Upstream = provider{label: "Planet Express"}
	b := w.browser(t)
	b.get("/signin?next=/programs")
	f := b.form("/signin", "address", "leela", "password", right)
	w.Portal.Upstream = nil // the password is shown here, as an arrival would show a token
	b.follow(b.send("POST", f.action, f.fields, nil)).contains(t, "you have none yet")
	w.Portal.Upstream = provider{label: "Planet Express"}
	const link = "/upstream/start?provider=corp&fresh=1&login_hint=leela%40example.org&return=%2fprograms"
	if strings.Contains(html.UnescapeString(b.get("/signin/factor").body), link) {
		t.Error("the provider is offered to somebody who did not come from there")
	}
	for _, q := range w.pending.all {
		q.outcome.Principal.Issuer = "corp"
	}
	b.get("/signin/factor").contains(t, "Sign in with Planet Express", link)
	w.policies()
	v := w.browser(t)
	w.Portal.Upstream = nil
	v.signIn("fry", right)
	w.Portal.Upstream = provider{label: "Planet Express"}
	w.visits.of(fry)[0].outcome.Principal.Issuer = "corp"
	v.get("/confirm?next=/security").contains(t, "Sign in with Planet Express", strings.NewReplacer("leela", "fry", "programs", "security").Replace(link))
}
