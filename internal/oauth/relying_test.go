package oauth

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"github.com/portreeve/portreeve/internal/client"
)

func jsonInto(raw []byte, v any) error { return json.Unmarshal(raw, v) }

// idClaims are what an ID token says, unverified.
func idClaims(t testing.TB, a *answer) map[string]any {
	t.Helper()
	parts := strings.Split(a.text("id_token"), ".")
	if len(parts) != 3 {
		t.Fatalf("no ID token: %s", a.body)
	}
	raw, err := base64.RawURLEncoding.DecodeString(parts[1])
	must(t, err)
	var c map[string]any
	must(t, jsonInto(raw, &c))
	return c
}

// A relying party that was written by others goes the whole way, over TLS:
// discovery, code with PKCE, ID token with nonce and at_hash, userinfo, refresh.
func TestRelyingPartyOfOthers(t *testing.T) {
	for _, algorithm := range []string{"RS256", "ES256"} {
		t.Run(algorithm, func(t *testing.T) {
			var w *world
			srv := httptest.NewUnstartedServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) { w.ServeHTTP(rw, r) }))
			srv.StartTLS()
			defer srv.Close()
			w = newWorldAt(t, srv.URL, nil)
			c, secret := w.added(client.New{Name: "Wiki", Redirects: []string{"https://wiki.example.org/cb"}, IDTokenAlg: algorithm})

			hc := srv.Client()
			hc.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
			ctx := oidc.ClientContext(t.Context(), hc)
			p, err := oidc.NewProvider(ctx, srv.URL)
			must(t, err)
			conf := oauth2.Config{ClientID: c.ID, ClientSecret: secret, Endpoint: p.Endpoint(), RedirectURL: "https://wiki.example.org/cb", Scopes: []string{oidc.ScopeOpenID, "email", "profile", oidc.ScopeOfflineAccess}}
			pkce := oauth2.GenerateVerifier()
			a, err := hc.Get(conf.AuthCodeURL("state-1", oidc.Nonce("nonce-1"), oauth2.S256ChallengeOption(pkce)))
			must(t, err)
			_ = a.Body.Close()
			to, err := url.Parse(a.Header.Get("Location"))
			must(t, err)
			q, err := w.grants.Unseal(to.Query().Get("request"))
			must(t, err)
			back, err := url.Parse(w.grants.Answer(q, w.says(q, nil), "", ""))
			must(t, err)
			if back.Query().Get("state") != "state-1" || back.Query().Get("iss") != srv.URL {
				t.Errorf("the answer: %s", back)
			}
			tokens, err := conf.Exchange(ctx, back.Query().Get("code"), oauth2.VerifierOption(pkce))
			must(t, err)
			raw, _ := tokens.Extra("id_token").(string)
			id, err := p.Verifier(&oidc.Config{ClientID: c.ID, SupportedSigningAlgs: []string{algorithm}}).Verify(ctx, raw)
			must(t, err)
			if id.Nonce != "nonce-1" || id.Subject != leela || id.VerifyAccessToken(tokens.AccessToken) != nil {
				t.Errorf("%+v: %v", id, id.VerifyAccessToken(tokens.AccessToken))
			}
			u, err := p.UserInfo(ctx, conf.TokenSource(ctx, tokens))
			must(t, err)
			if u.Subject != leela || u.Email != "leela@example.org" || !u.EmailVerified {
				t.Errorf("%+v", u)
			}
			stale := *tokens
			stale.AccessToken, stale.Expiry = "", stale.Expiry.AddDate(-1, 0, 0)
			fresh, err := conf.TokenSource(ctx, &stale).Token()
			must(t, err)
			if fresh.RefreshToken == tokens.RefreshToken || fresh.AccessToken == tokens.AccessToken {
				t.Error("nothing was renewed")
			}
			if _, err := conf.Exchange(ctx, back.Query().Get("code"), oauth2.VerifierOption(pkce)); err == nil {
				t.Error("the code can be used twice")
			}
			device(ctx, t, w, p)
		})
	}
}

// Keys turn without an outage: what the old ones signed is good until it runs out,
// and whoever keeps a copy of the next ones needs no other for what they sign.
func TestKeysTurnWithoutAnOutage(t *testing.T) {
	var w *world
	var fetched atomic.Int32
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if r.URL.Path == pathKeys {
			fetched.Add(1)
		}
		w.ServeHTTP(rw, r)
	}))
	srv.StartTLS()
	defer srv.Close()
	w = newWorldAt(t, srv.URL, nil)
	must(t, w.Keyring.Prepare())
	ctx := oidc.ClientContext(t.Context(), srv.Client())
	p, err := oidc.NewProvider(ctx, srv.URL)
	must(t, err)
	verify := p.Verifier(&oidc.Config{ClientID: client.Mail})
	before := w.signedIn()
	_, err = verify.Verify(ctx, before.text("id_token"))
	must(t, err)
	_, err = w.Keyring.Rotate()
	must(t, err)
	after := w.token("grant_type", "refresh_token", "client_id", client.Mail, "refresh_token", before.text("refresh_token"))
	for _, a := range []*answer{before, after} {
		if _, err := verify.Verify(ctx, a.text("id_token")); err != nil {
			t.Errorf("%v: %s", err, a.body)
		}
		if b := w.send("GET", pathUserinfo, nil, bearing(a.text("access_token"))); b.StatusCode != http.StatusOK {
			t.Errorf("%d %s", b.StatusCode, b.body)
		}
	}
	if fetched.Load() != 1 {
		t.Errorf("the keys were fetched %d times: the next ones were not among the first", fetched.Load())
	}
}

// device is the device grant by the same library.
func device(ctx context.Context, t *testing.T, w *world, p *oidc.Provider) {
	t.Helper()
	conf := oauth2.Config{ClientID: client.Token, Endpoint: p.Endpoint(), Scopes: []string{"imap", "offline_access"}}
	conf.Endpoint.AuthStyle = oauth2.AuthStyleInParams
	d, err := conf.DeviceAuth(ctx)
	must(t, err)
	w.approvesFrom(d.UserCode, "127.0.0.1")
	d.Interval = 1
	tokens, err := conf.DeviceAccessToken(ctx, d)
	must(t, err)
	if tokens.AccessToken == "" || tokens.RefreshToken == "" {
		t.Errorf("%+v", tokens)
	}
}

// Both forms of discovery say the same, and say what is true.
func TestMetadata(t *testing.T) {
	w := newWorld(t)
	openID, server := w.send("GET", pathOpenID, nil, nil), w.send("GET", pathServer, nil, nil)
	if openID.body != server.body || openID.text("issuer") != issuer {
		t.Errorf("%s\n%s", openID.body, server.body)
	}
	for name, path := range map[string]string{"authorization_endpoint": pathAuthorize, "token_endpoint": pathToken, "userinfo_endpoint": pathUserinfo, "jwks_uri": pathKeys, "revocation_endpoint": pathRevoke,
		"introspection_endpoint": pathIntrospect, "end_session_endpoint": pathLogout, "registration_endpoint": pathRegister, "device_authorization_endpoint": pathDevice} {
		if openID.text(name) != issuer+path {
			t.Errorf("%s is %q", name, openID.text(name))
		}
		if a := w.send("POST", path, values(), nil); a.StatusCode == http.StatusNotFound {
			t.Errorf("%s is not there", path)
		}
	}
	for name, want := range map[string]any{"authorization_response_iss_parameter_supported": true, "request_parameter_supported": false, "request_uri_parameter_supported": false,
		"claims_parameter_supported": false, "backchannel_logout_supported": true, "backchannel_logout_session_supported": true} {
		if openID.json[name] != want {
			t.Errorf("%s is %v", name, openID.json[name])
		}
	}
	for name, want := range map[string]string{"response_types_supported": "code", "code_challenge_methods_supported": "S256", "response_modes_supported": "query form_post", "subject_types_supported": "public",
		"id_token_signing_alg_values_supported": "RS256 ES256"} {
		list, _ := openID.json[name].([]any)
		got := []string{}
		for _, x := range list {
			got = append(got, x.(string))
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%s is %v", name, got)
		}
	}
	for path, name := range map[string]string{pathResource: issuer, pathMail: issuer + "/mail"} {
		if a := w.send("GET", path, nil, nil); a.text("resource") != name {
			t.Errorf("%s: %s", path, a.body)
		}
	}
	a := w.send("GET", pathKeys, nil, nil)
	if !strings.Contains(a.body, `"RS256"`) || !strings.Contains(a.body, `"ES256"`) || strings.Contains(a.body, `"d"`) {
		t.Errorf("%s", a.body)
	}
	closed := newWorldAt(t, issuer, func(o *Options) { o.DeviceCode, o.Registration, o.Changes = false, false, nil })
	if a := closed.send("GET", pathOpenID, nil, nil); a.json["device_authorization_endpoint"] != nil || a.json["registration_endpoint"] != nil || strings.Contains(a.body, client.GrantDevice) || a.json["backchannel_logout_supported"] == true {
		t.Errorf("%s", a.body)
	}
}

func TestIssuerIsTheRootOfAHost(t *testing.T) {
	for _, at := range []string{"", "mail.example.org", "https://mail.example.org/", "https://mail.example.org/x", "https://mail.example.org?x", "https://mail.example.org#x", ":"} {
		if _, err := New(Options{Issuer: at}); err == nil {
			t.Errorf("%q is taken", at)
		}
	}
}
