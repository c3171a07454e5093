package upstream

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/portreeve/portreeve/internal/signin"
)

func TestAProviderThatLiesOfItselfIsNotUsed(t *testing.T) {
	for name, bend := range map[string]func(object){
		"another issuer":           func(d object) { d["issuer"] = "https://evil.example" },
		"no issuer":                func(d object) { delete(d, "issuer") },
		"the issuer with a slash":  func(d object) { d["issuer"] = d["issuer"].(string) + "/" },
		"no token endpoint":        func(d object) { delete(d, "token_endpoint") },
		"keys in clear":            func(d object) { d["jwks_uri"] = "http://keys.example/" },
		"tokens in clear":          func(d object) { d["token_endpoint"] = "http://tokens.example/" },
		"a page that is no page":   func(d object) { d["authorization_endpoint"] = "javascript:alert(1)" },
		"an address with a person": func(d object) { d["token_endpoint"] = "https://a:b@tokens.example/" },
		"endless":                  func(d object) { d["x"] = strings.Repeat("x", 2*answerBytes) },
	} {
		o, f := corp(t)
		f.document = bend
		_, _, err := o.Begin(t.Context(), "corp", "", BeginOptions{})
		if err == nil || codeOf(err) != -1 {
			t.Errorf("%s: %v", name, err)
		}
		if err != nil && len(err.Error()) > 2*faultMost {
			t.Errorf("%s: told in %d bytes", name, len(err.Error()))
		}
		if h := o.Health(); len(h) != 1 || h[0].Fault == "" {
			t.Errorf("%s: health is %+v", name, h)
		}
	}
}

func TestAProviderThatIsAwayIsTroubleAndWhatIsKnownStaysGood(t *testing.T) {
	o, f := corp(t)
	if _, body := get(t, browser(t), o.start("provider=corp")); body != "came" {
		t.Fatal(o.last())
	}
	p := o.providers["corp"]
	old := *p.known.Load()
	old.fetched = time.Now().Add(-2 * discoveryFresh)
	p.known.Store(&old)
	p.tried = time.Time{}
	f.Server.Close()
	if _, _, err := o.Begin(t.Context(), "corp", "", BeginOptions{}); err != nil {
		t.Errorf("what is known is forgotten: %v", err)
	}
	err := o.walkTo(t, "code")
	if err == nil || codeOf(err) != -1 {
		t.Errorf("a code cannot be exchanged: %v, which must be trouble", err)
	}
	fresh := site(t, map[string]*fake{"corp": f})
	if _, _, err := fresh.Begin(t.Context(), "corp", "", BeginOptions{}); err == nil || codeOf(err) != -1 {
		t.Errorf("a provider never seen: %v", err)
	}
}

// walkTo comes back with a code that nobody was asked for.
func (o *ours) walkTo(t testing.TB, code string) error {
	to, state, err := o.Begin(t.Context(), "corp", "", BeginOptions{})
	if err != nil {
		return err
	}
	r := httptest.NewRequest(http.MethodGet, to, nil)
	q := r.URL.Query()
	_, err = o.Finish(t.Context(), state, "corp", map[string][]string{"state": {q.Get("state")}, "code": {code}})
	return err
}

func TestAnswersOfTheTokenEndpoint(t *testing.T) {
	for name, c := range map[string]struct {
		answer http.HandlerFunc
		want   signin.Code // -1 is trouble
	}{
		"endless": {func(w http.ResponseWriter, _ *http.Request) {
			writeJSON(w, object{"id_token": strings.Repeat("x", 4<<20)})
		}, -1},
		"no ID token": {func(w http.ResponseWriter, _ *http.Request) { writeJSON(w, object{"access_token": "a"}) }, signin.ProviderRefused},
		"a number":    {func(w http.ResponseWriter, _ *http.Request) { writeJSON(w, object{"access_token": "a", "id_token": 7}) }, signin.ProviderRefused},
		"garbage": {func(w http.ResponseWriter, _ *http.Request) {
			writeJSON(w, object{"access_token": "a", "id_token": "x.y.z"})
		}, signin.TokenInvalid},
		"no JSON":      {func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("<html>")) }, -1},
		"its trouble":  {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) }, -1},
		"wrong secret": {func(w http.ResponseWriter, _ *http.Request) { refuseJSON(w, 401, "invalid_client") }, -1},
		"used code":    {func(w http.ResponseWriter, _ *http.Request) { refuseJSON(w, 400, "invalid_grant") }, signin.ProviderRefused},
		"redirects": {func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "http://127.0.0.1:1/", http.StatusTemporaryRedirect)
		}, -1},
	} {
		o, f := corp(t)
		f.tokens = c.answer
		if err := o.walkTo(t, "code"); err == nil || codeOf(err) != c.want {
			t.Errorf("%s: %.300v, want %s", name, err, c.want)
		}
	}
}

func TestWhoIsRoutedWhere(t *testing.T) {
	a, b := newFake(t), newFake(t)
	o := site(t, map[string]*fake{"corp": a, "other": b}, func(p *Provider) {
		if p.Name == "other" {
			p.People = []string{"boss@example.org"}
		}
	})
	for address, want := range map[string]string{"mary@example.org": "corp", "boss@example.org": "other", "x@corp.example": "corp",
		"x@other.example": "other", "x@example.net": "", "x@sub.example.org": "", "example.org": "corp", "": "", "x@y@example.org": "corp"} {
		if got, _ := o.For(address); got != want {
			t.Errorf("%q is routed to %q, want %q", address, got, want)
		}
	}
	if o.Vouches("corp", "boss@example.org") || !o.Vouches("other", "boss@example.org") || o.Vouches("", "x@example.net") {
		t.Error("a provider vouches for another's person")
	}
	if got := o.Offers(); len(got) != 2 || got[0].Name != "corp" {
		t.Errorf("offered %v", got)
	}
	for name, bad := range map[string][]Provider{
		"no domain":      {{Name: "x", Issuer: "https://x", ClientID: "c"}},
		"no client":      {{Name: "x", Issuer: "https://x", Domains: []string{"d"}}},
		"a slash":        {{Name: "x/y", Issuer: "https://x", ClientID: "c", Domains: []string{"d"}}},
		"in clear":       {{Name: "x", Issuer: "http://x.example", ClientID: "c", Domains: []string{"d"}}},
		"a domain twice": {{Name: "x", Issuer: "https://x", ClientID: "c", Domains: []string{"d"}}, {Name: "y", Issuer: "https://y", ClientID: "c", Domains: []string{"d"}}},
	} {
		if _, err := New(Options{Public: "https://door.example", Providers: bad}); err == nil {
			t.Errorf("%s is taken", name)
		}
	}
}
