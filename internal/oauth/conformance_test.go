package oauth

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/coreos/go-oidc/v3/oidc"

	"github.com/portreeve/portreeve/internal/client"
	"github.com/portreeve/portreeve/internal/grant"
)

// suite is a program on the web, as OpenID's conformance suite plays one.
type suite struct {
	*world
	client.Client
	secret string
}

const suiteRedirect = "https://suite.example.org/cb"

func newSuite(t *testing.T) *suite {
	w := newWorld(t)
	c, secret := w.added(client.New{Name: "Suite", Redirects: []string{suiteRedirect}})
	return &suite{w, c, secret}
}

// asks is an authorization request of the suite's: no PKCE, with a nonce.
func (s *suite) asks(pairs ...string) url.Values {
	v := values("response_type", "code", "client_id", s.ID, "redirect_uri", suiteRedirect, "scope", "openid", "state", "abc", "nonce", "n-0S6")
	for i := 0; i < len(pairs); i += 2 {
		v.Set(pairs[i], pairs[i+1])
	}
	return v
}

func (s *suite) exchange(code string, change func(*http.Request), more ...string) *answer {
	form := values(append([]string{"grant_type", "authorization_code", "code", code, "redirect_uri", suiteRedirect}, more...)...)
	return s.send("POST", pathToken, form, change)
}

// whole goes the whole way and checks what every module of the suite checks.
func (s *suite) whole(t *testing.T, v url.Values) *answer {
	t.Helper()
	q := s.connect(v)
	back, err := url.Parse(s.grants.Answer(q, s.says(q, nil), "", ""))
	must(t, err)
	if back.Query().Get("state") != v.Get("state") || back.Query().Get("iss") != issuer || !strings.HasPrefix(back.String(), suiteRedirect+"?") {
		t.Errorf("the answer: %s", back)
	}
	a := s.exchange(back.Query().Get("code"), basic(s.ID, s.secret), "code_verifier", "")
	if a.StatusCode != http.StatusOK || a.text("token_type") != "Bearer" {
		t.Fatalf("%d %s", a.StatusCode, a.body)
	}
	s.checkID(t, a, v.Get("nonce"))
	return a
}

func (s *suite) checkID(t *testing.T, a *answer, nonce string) *oidc.IDToken {
	t.Helper()
	keys := &oidc.StaticKeySet{}
	for _, k := range s.Keyring.Set().Keys {
		keys.PublicKeys = append(keys.PublicKeys, k.Key)
	}
	id, err := oidc.NewVerifier(issuer, keys, &oidc.Config{ClientID: s.ID, SupportedSigningAlgs: []string{"RS256"}}).Verify(t.Context(), a.text("id_token"))
	must(t, err)
	if id.Nonce != nonce || id.Subject != leela || !slices.Equal(id.Audience, []string{s.ID}) || id.VerifyAccessToken(a.text("access_token")) != nil || id.IssuedAt.IsZero() {
		t.Errorf("the ID token: %+v", id)
	}
	if c := idClaims(t, a); c["auth_time"] == nil {
		t.Errorf("the ID token: %v", c)
	}
	return id
}

func (s *suite) refused(t *testing.T, v url.Values, codes ...string) {
	t.Helper()
	to, err := url.Parse(s.authorize(v).Header.Get("Location"))
	must(t, err)
	if q := to.Query(); !slices.Contains(codes, q.Get("error")) || q.Get("state") != v.Get("state") || q.Get("iss") != issuer || !strings.HasPrefix(to.String(), suiteRedirect+"?") {
		t.Errorf("the answer: %s", to)
	}
}

// TestConformance plays the modules of OpenID's conformance suite, by their names,
// as far as they concern the endpoints. What happens in front of the person is
// tried in package portal.
func TestConformance(t *testing.T) {
	s := newSuite(t)
	modules := map[string]func(*testing.T){
		"oidcc-server": func(t *testing.T) { s.whole(t, s.asks()) },
		"oidcc-response-type-missing": func(t *testing.T) {
			v := s.asks()
			v.Del("response_type")
			s.refused(t, v, invalidRequest, unsupportedResponse)
		},
		"oidcc-userinfo-get":         func(t *testing.T) { s.userinfo(t, "GET", nil, true) },
		"oidcc-userinfo-post-header": func(t *testing.T) { s.userinfo(t, "POST", nil, true) },
		"oidcc-userinfo-post-body":   func(t *testing.T) { s.userinfo(t, "POST", values(), false) },
		"oidcc-ensure-request-without-nonce-succeeds-for-code-flow": func(t *testing.T) {
			v := s.asks()
			v.Del("nonce")
			s.whole(t, v)
		},
		"oidcc-scope-profile": func(t *testing.T) { s.claims(t, "openid profile", "name", "preferred_username") },
		"oidcc-scope-email":   func(t *testing.T) { s.claims(t, "openid email", "email", "email_verified") },
		"oidcc-scope-all": func(t *testing.T) {
			s.claims(t, "openid profile email address phone", "name", "preferred_username", "email", "email_verified")
		},
		"oidcc-ensure-other-scope-order-succeeds":              func(t *testing.T) { s.claims(t, "email openid", "email", "email_verified") },
		"oidcc-display-page":                                   func(t *testing.T) { s.whole(t, s.asks("display", "page")) },
		"oidcc-display-popup":                                  func(t *testing.T) { s.whole(t, s.asks("display", "popup")) },
		"oidcc-ensure-request-with-unknown-parameter-succeeds": func(t *testing.T) { s.whole(t, s.asks("extra", "foobar")) },
		"oidcc-id-token-hint": func(t *testing.T) {
			a := s.whole(t, s.asks())
			v := s.asks("prompt", "none", "id_token_hint", a.text("id_token"))
			if q := s.connect(v); q.LoginHint != "leela@example.org" {
				t.Errorf("%q is meant", q.LoginHint)
			}
			if b := s.whole(t, v); idClaims(t, a)["sub"] != idClaims(t, b)["sub"] {
				t.Error("it is somebody else")
			}
		},
		"oidcc-login-hint":                              func(t *testing.T) { s.whole(t, s.asks("login_hint", "bob@suite.example.org")) },
		"oidcc-ui-locales":                              func(t *testing.T) { s.whole(t, s.asks("ui_locales", "se")) },
		"oidcc-claims-locales":                          func(t *testing.T) { s.whole(t, s.asks("claims_locales", "se")) },
		"oidcc-ensure-request-with-acr-values-succeeds": func(t *testing.T) { s.whole(t, s.asks("acr_values", "1 2")) },
		"oidcc-codereuse":                               func(t *testing.T) { s.reuse(t) },
		"oidcc-codereuse-30seconds":                     func(t *testing.T) { s.reuse(t) }, // time plays no part: the first reuse ends all
		"oidcc-ensure-registered-redirect-uri": func(t *testing.T) {
			if a := s.authorize(s.asks("redirect_uri", suiteRedirect+"/foobar")); a.StatusCode != http.StatusBadRequest || a.Header.Get("Location") != "" {
				t.Errorf("%d %v", a.StatusCode, a.Header)
			}
		},
		"oidcc-ensure-post-request-succeeds": func(t *testing.T) {
			if a := s.send("POST", pathAuthorize, s.asks(), nil); !strings.HasPrefix(a.Header.Get("Location"), issuer+pathConnect) {
				t.Errorf("%d %v", a.StatusCode, a.Header)
			}
		},
		"oidcc-server-client-secret-post": func(t *testing.T) {
			q := s.connect(s.asks())
			if a := s.exchange(s.says(q, nil), nil, "client_id", s.ID, "client_secret", s.secret); a.StatusCode != http.StatusOK {
				t.Errorf("%d %s", a.StatusCode, a.body)
			}
		},
		"oidcc-request-uri-unsigned-supported-correctly-or-rejected-as-unsupported": func(t *testing.T) {
			s.refused(t, s.asks("request_uri", "https://suite.example.org/request"), requestURINot)
		},
		"oidcc-unsigned-request-object-supported-correctly-or-rejected-as-unsupported": func(t *testing.T) {
			s.refused(t, s.asks("request", "eyJhbGciOiJub25lIn0.e30."), requestNotSupported)
		},
		"oidcc-ensure-request-object-with-redirect-uri": func(t *testing.T) {
			s.refused(t, s.asks("request", "eyJhbGciOiJub25lIn0.eyJyZWRpcmVjdF91cmkiOiJodHRwczovL2V2aWwuZXhhbXBsZSJ9."), requestNotSupported)
		},
		"oidcc-claims-essential": func(t *testing.T) { s.whole(t, s.asks("claims", `{"userinfo":{"name":{"essential":true}}}`)) },
		"oidcc-refresh-token":    func(t *testing.T) { s.refresh(t) },
		"oidcc-ensure-request-with-valid-pkce-succeeds": func(t *testing.T) {
			q := s.connect(s.asks("code_challenge", s256(verifier), "code_challenge_method", "S256"))
			if a := s.exchange(s.says(q, nil), basic(s.ID, s.secret), "code_verifier", verifier); a.StatusCode != http.StatusOK {
				t.Errorf("%d %s", a.StatusCode, a.body)
			}
		},
		"oidcc-prompt-login": func(t *testing.T) {
			if q := s.connect(s.asks("prompt", "login")); !slices.Equal(q.Prompt, []string{"login"}) {
				t.Errorf("%v", q.Prompt)
			}
		},
		"oidcc-max-age-1": func(t *testing.T) {
			if q := s.connect(s.asks("max_age", "1")); q.MaxAge == nil || *q.MaxAge != 1 {
				t.Errorf("%v", q.MaxAge)
			}
		},
	}
	for name, run := range modules {
		t.Run(name, run)
	}
}

func (s *suite) userinfo(t *testing.T, method string, form url.Values, header bool) {
	t.Helper()
	a := s.whole(t, s.asks())
	var change func(*http.Request)
	if header {
		change = bearing(a.text("access_token"))
	} else {
		form.Set("access_token", a.text("access_token"))
	}
	if b := s.send(method, pathUserinfo, form, change); b.StatusCode != http.StatusOK || b.text("sub") != idClaims(t, a)["sub"] {
		t.Errorf("%d %s", b.StatusCode, b.body)
	}
}

func (s *suite) claims(t *testing.T, scopes string, want ...string) {
	t.Helper()
	a := s.whole(t, s.asks("scope", scopes))
	b := s.send("GET", pathUserinfo, nil, bearing(a.text("access_token")))
	for _, c := range want {
		if b.json[c] == nil {
			t.Errorf("%s is missing: %s", c, b.body)
		}
	}
	if len(b.json) != len(want)+1 {
		t.Errorf("more is told than asked for: %s", b.body)
	}
}

func (s *suite) reuse(t *testing.T) {
	t.Helper()
	code := s.says(s.connect(s.asks()), nil)
	a := s.exchange(code, basic(s.ID, s.secret))
	if b := s.exchange(code, basic(s.ID, s.secret)); a.StatusCode != http.StatusOK || b.StatusCode != http.StatusBadRequest || b.text("error") != grant.InvalidGrant {
		t.Errorf("%d, then %d %s", a.StatusCode, b.StatusCode, b.body)
	}
	if b := s.send("GET", pathUserinfo, nil, bearing(a.text("access_token"))); b.StatusCode != http.StatusUnauthorized {
		t.Errorf("the first access token: %d %s", b.StatusCode, b.body)
	}
}

func (s *suite) refresh(t *testing.T) {
	t.Helper()
	a := s.whole(t, s.asks("scope", "openid offline_access", "prompt", "consent"))
	b := s.send("POST", pathToken, values("grant_type", "refresh_token", "refresh_token", a.text("refresh_token")), basic(s.ID, s.secret))
	if b.StatusCode != http.StatusOK || b.text("access_token") == a.text("access_token") {
		t.Fatalf("%d %s", b.StatusCode, b.body)
	}
	s.checkID(t, b, "")
	first, second := idClaims(t, a), idClaims(t, b)
	for _, same := range []string{"iss", "sub", "aud", "azp", "auth_time", "sid"} {
		if first[same] != second[same] {
			t.Errorf("%s was %v and is %v", same, first[same], second[same])
		}
	}
}
