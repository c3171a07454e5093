package oauth

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4/jwt"

	"github.com/portreeve/portreeve/internal/client"
	"github.com/portreeve/portreeve/internal/grant"
	"github.com/portreeve/portreeve/internal/store"
	"github.com/portreeve/portreeve/internal/token"
)

// wiki is a program on the web, signed in to with openid.
func (w *world) wiki(n client.New) (c client.Client, secret string, a *answer) {
	w.t.Helper()
	n.Name, n.Redirects = "Wiki", []string{"https://wiki.example.org/cb"}
	c, secret = w.added(n)
	code := w.says(w.connect(asking("client_id", c.ID, "redirect_uri", n.Redirects[0], "scope", "openid offline_access")), nil)
	a = w.token("grant_type", "authorization_code", "client_id", c.ID, "client_secret", secret, "code", code, "redirect_uri", n.Redirects[0], "code_verifier", verifier)
	if a.StatusCode != http.StatusOK {
		w.t.Fatalf("%d %s", a.StatusCode, a.body)
	}
	return c, secret, a
}

func TestProgramsSendPeopleToSignOut(t *testing.T) {
	w := newWorld(t)
	c, _, a := w.wiki(client.New{PostLogout: []string{"https://wiki.example.org/bye?x=1"}})
	ask := func(method string, v url.Values) *answer {
		if method == "POST" {
			return w.send("POST", pathLogout, v, nil)
		}
		return w.send("GET", pathLogout+"?"+v.Encode(), nil, nil)
	}
	bye := "https://wiki.example.org/bye?x=1"
	for _, method := range []string{"GET", "POST"} {
		for name, v := range map[string]url.Values{
			"by its ID token": values("id_token_hint", a.text("id_token"), "post_logout_redirect_uri", bye, "state", "a b&c=d"),
			"by its name":     values("client_id", c.ID, "post_logout_redirect_uri", bye, "state", "a b&c=d"),
			"by both":         values("client_id", c.ID, "id_token_hint", a.text("id_token"), "post_logout_redirect_uri", bye, "state", "a b&c=d"),
		} {
			r := ask(method, v)
			to, err := url.Parse(r.Header.Get("Location"))
			if err != nil || r.StatusCode != http.StatusFound || !strings.HasPrefix(to.String(), issuer+"/signout?continue=") {
				t.Errorf("%s %s: %d %v", method, name, r.StatusCode, r.Header)
				continue
			}
			next, ok := w.AfterSignOut(to.Query().Get("continue"))
			if u, _ := url.Parse(next); !ok || !strings.HasPrefix(next, bye+"&state=") || u.Query().Get("state") != "a b&c=d" {
				t.Errorf("%s %s: then to %q", method, name, next)
			}
		}
	}
	for name, v := range map[string]url.Values{"nothing": values(), "a state alone": values("state", "x"), "an ID token alone": values("id_token_hint", a.text("id_token")),
		"an ID token and a state": values("id_token_hint", a.text("id_token"), "state", "x")} {
		if r := ask("GET", v); r.Header.Get("Location") != issuer+"/signout" {
			t.Errorf("%s: %d %v", name, r.StatusCode, r.Header)
		}
	}
	noState, err := url.Parse(ask("GET", values("id_token_hint", a.text("id_token"), "post_logout_redirect_uri", bye)).Header.Get("Location"))
	must(t, err)
	if next, ok := w.AfterSignOut(noState.Query().Get("continue")); !ok || next != bye {
		t.Errorf("without a state: then to %q", next)
	}
	other, err := w.Keyring.Sign("RS256", token.TypeID, map[string]any{"iss": issuer, "aud": client.Mail, "exp": 1})
	must(t, err)
	elsewhere, err := w.Keyring.Sign("RS256", token.TypeID, map[string]any{"iss": "https://evil.example", "aud": c.ID})
	must(t, err)
	for name, v := range map[string]url.Values{
		"an address of nobody's":   values("id_token_hint", a.text("id_token"), "post_logout_redirect_uri", "https://evil.example"),
		"a longer address":         values("id_token_hint", a.text("id_token"), "post_logout_redirect_uri", bye+"&y=2"),
		"without who asks":         values("post_logout_redirect_uri", bye),
		"another's ID token":       values("id_token_hint", other, "post_logout_redirect_uri", bye),
		"two programs":             values("id_token_hint", other, "client_id", c.ID),
		"another issuer's":         values("id_token_hint", elsewhere, "post_logout_redirect_uri", bye),
		"a changed ID token":       values("id_token_hint", a.text("id_token")+"x", "post_logout_redirect_uri", bye),
		"an access token":          values("id_token_hint", a.text("access_token"), "post_logout_redirect_uri", bye),
		"alg none":                 values("id_token_hint", "eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0."+strings.Split(a.text("id_token"), ".")[1]+".", "post_logout_redirect_uri", bye),
		"the address twice":        {"client_id": {c.ID}, "post_logout_redirect_uri": {bye, "https://evil.example"}},
		"a program that there not": values("client_id", "nobody", "post_logout_redirect_uri", bye),
	} {
		if r := ask("GET", v); r.StatusCode != http.StatusBadRequest || r.Header.Get("Location") != "" || strings.Contains(r.body, "evil") {
			t.Errorf("%s: %d %v %s", name, r.StatusCode, r.Header, r.body)
		}
	}
	told := ""
	w.NotSignedOut = func(_ http.ResponseWriter, _ *http.Request, text string) { told = text }
	if ask("GET", values("post_logout_redirect_uri", bye)); !strings.Contains(told, "not its own") {
		t.Errorf("on the page of those who are not signed out stands %q", told)
	}
	for _, forged := range []string{"", "x", strings.Repeat("A", 200), strings.Repeat("A", maxSealed+1)} {
		if to, ok := w.AfterSignOut(forged); ok {
			t.Errorf("%.20q leads to %s", forged, to)
		}
	}
	// What is sealed for one purpose is good for no other.
	sealed, err := w.grants.Seal(grant.Request{Client: c.ID, Redirect: bye})
	must(t, err)
	if to, ok := w.AfterSignOut(sealed); ok {
		t.Errorf("an authorization request leads to %s", to)
	}
}

// heard is a program that is told when somebody leaves.
type heard struct {
	mu     sync.Mutex
	tokens []string
	fail   int
	came   chan struct{}
}

func (h *heard) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.tokens = append(h.tokens, r.FormValue("logout_token"))
	if h.fail > 0 {
		h.fail--
		w.WriteHeader(http.StatusBadGateway)
	}
	h.came <- struct{}{}
}

func (h *heard) next(t *testing.T) string {
	t.Helper()
	select {
	case <-h.came:
		h.mu.Lock()
		defer h.mu.Unlock()
		return h.tokens[len(h.tokens)-1]
	case <-time.After(time.Minute):
		t.Fatal("the program was not told")
		return ""
	}
}

func listening(t *testing.T) (*heard, string) {
	h := &heard{came: make(chan struct{}, 100)}
	srv := httptest.NewServer(h)
	t.Cleanup(srv.Close)
	return h, srv.URL + "/logout"
}

// When a grant ends, or the browser's session that it was given in, the program
// hears of it, whoever ended it.
func TestProgramsAreToldThatSomebodyLeft(t *testing.T) {
	w := newWorld(t)
	h, at := listening(t)
	c, _, a := w.wiki(client.New{BackChannelLogout: at})
	w.SessionEnded("another browser")
	w.SessionEnded("browser-1")
	check := func(signed string) {
		t.Helper()
		payload, err := w.Keyring.Verify(signed, token.TypeLogout)
		if err != nil {
			t.Fatalf("%v: %q", err, signed)
		}
		var said struct {
			jwt.Claims
			SID    string         `json:"sid"`
			Events map[string]any `json:"events"`
			Nonce  *string        `json:"nonce"`
		}
		must(t, jsonInto(payload, &said))
		id := idClaims(t, a)
		if said.Issuer != issuer || !said.Audience.Contains(c.ID) || said.Subject != leela || said.SID != id["sid"] || said.Nonce != nil || said.ID == "" || said.Expiry == nil || said.IssuedAt == nil {
			t.Errorf("%s", payload)
		}
		if _, ok := said.Events["http://schemas.openid.net/event/backchannel-logout"]; !ok {
			t.Errorf("%s", payload)
		}
	}
	check(h.next(t))
	g := w.grants.Of(leela)[0]
	must(t, w.grants.End(t.Context(), store.System, g.ID, "an administrator says so"))
	check(h.next(t))
}

// A program that cannot be reached is told once more; where it sends us is not followed.
func TestProgramThatIsAwayIsToldOnceMore(t *testing.T) {
	w := newWorld(t)
	h, at := listening(t)
	h.fail = 1
	trap := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("a redirect was followed") }))
	defer trap.Close()
	_, _, _ = w.wiki(client.New{BackChannelLogout: at})
	w.SessionEnded("browser-1")
	h.next(t)
	h.next(t)
	away := httptest.NewServer(http.RedirectHandler(trap.URL, http.StatusTemporaryRedirect))
	defer away.Close()
	b := goodbye{clientID: "x", to: away.URL, algorithm: "RS256", person: leela, grant: "g"}
	if err := w.sayGoodbye(t.Context(), b); err == nil {
		t.Error("a redirect is no answer")
	}
}

func TestOnlySafeAddressesAreTold(t *testing.T) {
	for to, want := range map[string]bool{"https://wiki.example.org/x": true, "http://127.0.0.1:1/x": true, "http://[::1]/x": true, "http://wiki.example.org/x": false,
		"file:///etc/passwd": false, "https://x@wiki.example.org": false, "": false, "https://": false, "gopher://127.0.0.1": false} {
		if got := backChannel(&client.Client{BackChannelLogout: to}); (got != "") != want {
			t.Errorf("%q: %q", to, got)
		}
	}
}

// A crowd that leaves at once fills a queue and no more.
func TestTellingIsBounded(t *testing.T) {
	w := newWorldAt(t, issuer, func(o *Options) { o.Changes = nil })
	c := client.Client{ID: "x", BackChannelLogout: "https://wiki.example.org/x"}
	for i := range maxWaiting + 50 {
		w.leaving.watch(c, grant.Grant{ID: string(rune(i)), Session: "one"})
	}
	done := make(chan struct{})
	go func() { w.SessionEnded("one"); close(done) }()
	select {
	case <-done:
	case <-time.After(time.Minute):
		t.Fatal("it waits")
	}
	if !strings.Contains(w.faults.String(), "too many programs") {
		t.Error("nobody is told that some were not")
	}
}
