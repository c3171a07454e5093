package test

import (
	"bufio"
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"
)

// issuing is a site whose issuer programs speak to, and somebody who signs in there.
type issuing struct {
	*site
	person
	origin string
}

// startIssuing starts one whose access tokens last for a time; its person has an
// app on their telephone.
func startIssuing(t testing.TB, address, accessToken string) *issuing {
	t.Helper()
	s := startSite(t, siteOptions{Alone: true, Login: masterLogin, Hasty: true, Floor: "300ms", People: map[string]string{address: password},
		Door: doorOptions{Portal: true, Extra: "oauth: {access_token: " + accessToken + "}\n"}})
	s.do(t, "user", "add", address)
	i := &issuing{site: s, person: person{address: address, password: password}, origin: "https://localhost:" + portOf(s.Public)}
	i.phone = s.visitor(t, i.origin).enrol(s.door, address)
	return i
}

// secretive is a program that an administrator made, and its secret.
type secretive struct {
	ID     string `json:"id"`
	Secret string `json:"secret"`
}

func (i *issuing) makeClient(t testing.TB, args ...string) secretive {
	t.Helper()
	var c secretive
	i.read(t, &c, append([]string{"client", "add"}, args...)...)
	if c.ID == "" || c.Secret == "" {
		t.Fatalf("client add %v: %+v", args, c)
	}
	i.use(c.Secret)
	return c
}

// A certified relying party of another language does all that it can do with us:
// registration, the code flow with its answer in a query and in a form, userinfo,
// refreshing, introspection, a service's own tokens, a device's code, revocation
// and signing out.
func TestOpenIDClientOfNode(t *testing.T) {
	t.Parallel()
	i := startIssuing(t, "nora@example.org", "30s")
	i.do(t, "user", "add", "service@example.org")
	script, err := filepath.Abs("relyingparty/openid-client.mjs")
	check(t, err)
	given, err := json.Marshal(map[string]any{"issuer": i.origin, "person": i.address,
		"confidential": i.makeClient(t, "Webmail", "--confidential", "--redirect", "https://webmail.example.org/back"),
		"service":      i.makeClient(t, "Archive", "--service-account", "service@example.org")})
	check(t, err)
	node := startNode(t, script, "GIVEN="+string(given), "NODE_EXTRA_CA_CERTS="+i.CA, "LIBRARY=/opt/portreeve-test/openid-client-6.8.9/node_modules/openid-client/build/index.js")
	v, done := i.visitor(t, i.origin), map[string]bool{}
	for said := range node.lines {
		done[said.What] = true
		switch said.What {
		case "open", "leave":
			node.answer(v.follow(said.URL, &i.person))
		case "device": // follows the picture or the link that its program shows
			node.answer(v.follow(said.Complete, &i.person))
		}
		for _, secret := range []string{said.Token, said.Refresh} {
			if secret != "" {
				i.use(secret)
			}
		}
	}
	node.over()
	for _, what := range []string{"registered", "code", "form_post", "refreshed", "introspected", "credentials", "device_code", "revoked", "left"} {
		if !done[what] {
			t.Errorf("it did not come to %q", what)
		}
	}
	if t.Failed() {
		t.Logf("the door's log:\n%s", tail(i.log(), 30))
	}
}

// nodeLine is a line of a program of Node's.
type nodeLine struct{ What, URL, Complete, Token, Refresh string }

// node is a program that runs in Node, and tells what it does.
type node struct {
	testing.TB
	lines <-chan nodeLine
	in    *json.Encoder
	over  func()
}

func startNode(t testing.TB, script string, env ...string) *node {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 3*programTime)
	t.Cleanup(cancel)
	cmd := exec.CommandContext(ctx, "node", script)
	cmd.Env = append(os.Environ(), env...)
	var errs strings.Builder
	cmd.Stderr, cmd.WaitDelay = &errs, time.Second
	in, err := cmd.StdinPipe()
	check(t, err)
	out, err := cmd.StdoutPipe()
	check(t, err)
	check(t, cmd.Start())
	lines := make(chan nodeLine)
	go func() {
		defer close(lines)
		for r := bufio.NewScanner(out); r.Scan(); {
			var l nodeLine
			if json.Unmarshal(r.Bytes(), &l) == nil {
				select {
				case lines <- l:
				case <-ctx.Done():
					return
				}
			}
		}
	}()
	return &node{t, lines, json.NewEncoder(in), func() {
		t.Helper()
		if err := cmd.Wait(); err != nil {
			t.Errorf("%s: %v\n%s", filepath.Base(script), err, errs.String())
		}
	}}
}

func (n *node) answer(v any) {
	n.Helper()
	check(n.TB, n.in.Encode(v))
}

// A relying party in Go on go-oidc and x/oauth2: the code flow, userinfo,
// refreshing, signing out here and there, and hearing of a sign-out.
func TestRelyingPartyInGo(t *testing.T) {
	t.Parallel()
	i := startIssuing(t, "greta@example.org", "30s")
	p := startParty(t, i)
	v := i.visitor(t, i.origin)

	first := p.signIn(t, v, &i.person)
	var claims struct {
		Email    string
		Verified bool     `json:"email_verified"`
		AMR      []string `json:"amr"`
		Session  string   `json:"sid"`
	}
	check(t, first.id.Claims(&claims))
	if claims.Email != i.address || !claims.Verified || len(claims.AMR) < 2 || claims.Session == "" {
		t.Errorf("the ID token says %+v", claims)
	}
	info, err := p.provider.UserInfo(p.ctx, oauth2.StaticTokenSource(first.token))
	check(t, err)
	if info.Email != i.address || info.Subject != first.id.Subject {
		t.Errorf("userinfo says %+v", info)
	}
	old := *first.token
	old.Expiry = time.Now().Add(-time.Minute)
	fresh, err := p.config.TokenSource(p.ctx, &old).Token()
	check(t, err)
	if i.use(fresh.AccessToken) == first.token.AccessToken || i.use(fresh.RefreshToken) == first.token.RefreshToken {
		t.Error("refreshing gave the tokens that there were")
	}

	// Signing out here leads back there, and is told to it.
	left := v.follow(p.endSession+"?"+url.Values{"id_token_hint": {first.raw}, "post_logout_redirect_uri": {p.URL + "/bye"}, "state": {"s1"}}.Encode(), &i.person)
	if left.URL != p.URL+"/bye?state=s1" {
		t.Errorf("signing out led to %s", left.URL)
	}
	p.hears(t, "a sign-out", first.id.Subject, claims.Session)

	// So is a grant's end at an administrator's hands, and it is over at once.
	second := p.signIn(t, v, &i.person)
	check(t, second.id.Claims(&claims))
	i.do(t, "user", "disable", i.address)
	p.hears(t, "somebody who may not sign in any more", second.id.Subject, claims.Session)
	old = *second.token
	old.Expiry = time.Now().Add(-time.Minute)
	if _, err := p.config.TokenSource(p.ctx, &old).Token(); err == nil || !strings.Contains(err.Error(), "invalid_grant") {
		t.Errorf("refreshing after that: %v", err)
	}
}

// party is a relying party on a server of its own.
type party struct {
	*httptest.Server
	ctx        context.Context // with a client that trusts the door
	provider   *oidc.Provider
	config     oauth2.Config
	endSession string
	goodbyes   chan string // logout tokens
}

func startParty(t testing.TB, i *issuing) *party {
	t.Helper()
	p := &party{goodbyes: make(chan string, 10)}
	p.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/goodbye" {
			p.goodbyes <- r.PostFormValue("logout_token")
		}
	}))
	t.Cleanup(p.Close)
	c := i.makeClient(t, "Calendar", "--confidential", "--redirect", p.URL+"/back", "--post-logout", p.URL+"/bye", "--backchannel-logout", p.URL+"/goodbye")
	p.ctx = oidc.ClientContext(t.Context(), i.http(t))
	var err error
	p.provider, err = oidc.NewProvider(p.ctx, i.origin)
	check(t, err)
	var more struct {
		EndSession string `json:"end_session_endpoint"`
	}
	check(t, p.provider.Claims(&more))
	p.endSession = more.EndSession
	p.config = oauth2.Config{ClientID: c.ID, ClientSecret: c.Secret, Endpoint: p.provider.Endpoint(), RedirectURL: p.URL + "/back", Scopes: []string{"openid", "email", "offline_access"}}
	return p
}

// signedIn is what the code flow came to.
type signedIn struct {
	token *oauth2.Token
	id    *oidc.IDToken
	raw   string // of id
}

// signIn sends somebody's browser off and takes what comes back.
func (p *party) signIn(t testing.TB, v *visitor, who *person) signedIn {
	t.Helper()
	verifier := oauth2.GenerateVerifier()
	back, err := url.Parse(v.follow(p.config.AuthCodeURL("st4te", oauth2.S256ChallengeOption(verifier), oidc.Nonce("n0nce")), who).URL)
	check(t, err)
	if !strings.HasPrefix(back.String(), p.URL+"/back?") || back.Query().Get("state") != "st4te" {
		t.Fatalf("the browser is sent to %s (%d):\n%s", back, v.status, v.text())
	}
	var s signedIn
	s.token, err = p.config.Exchange(p.ctx, back.Query().Get("code"), oauth2.VerifierOption(verifier))
	check(t, err)
	s.raw, _ = s.token.Extra("id_token").(string)
	s.id, err = p.provider.Verifier(&oidc.Config{ClientID: p.config.ClientID}).Verify(p.ctx, s.raw)
	check(t, err)
	check(t, s.id.VerifyAccessToken(s.token.AccessToken))
	if s.id.Nonce != "n0nce" {
		t.Errorf("the nonce is %q", s.id.Nonce)
	}
	return s
}

// hears waits for a logout token, and reads it as OpenID Connect Back-Channel
// Logout says.
func (p *party) hears(t testing.TB, what, subject, session string) {
	t.Helper()
	var raw string
	select {
	case raw = <-p.goodbyes:
	case <-time.After(logoutTime):
		t.Errorf("of %s nothing was told within %v", what, logoutTime)
		return
	}
	token, err := p.provider.Verifier(&oidc.Config{ClientID: p.config.ClientID}).Verify(p.ctx, raw)
	if err != nil {
		t.Errorf("of %s a token tells that cannot be verified: %v", what, err)
		return
	}
	var c struct {
		Session string                     `json:"sid"`
		ID      string                     `json:"jti"`
		Events  map[string]json.RawMessage `json:"events"`
	}
	check(t, token.Claims(&c))
	if token.Subject != subject || c.Session != session || c.ID == "" || token.Nonce != "" || c.Events["http://schemas.openid.net/event/backchannel-logout"] == nil {
		t.Errorf("of %s the token says %+v of %s; want %s and %s", what, c, token.Subject, session, subject)
	}
}

// logoutTime is how long a sign-out may take to be told.
const logoutTime = 20 * time.Second
