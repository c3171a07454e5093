package oauth

import (
	"errors"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/portreeve/portreeve/internal/client"
	"github.com/portreeve/portreeve/internal/grant"
	"github.com/portreeve/portreeve/internal/signin"
	"github.com/portreeve/portreeve/internal/store"
	"github.com/portreeve/portreeve/internal/token"
)

func knockFrom(s string) netip.Addr { return netip.MustParseAddr(s) }

// Either token ends what both hang on; what is no token is as good as revoked;
// another's is not touched.
func TestRevocation(t *testing.T) {
	w := newWorld(t)
	for _, which := range []string{"access_token", "refresh_token"} {
		a := w.signedIn()
		if b := w.send("POST", pathRevoke, values("client_id", client.Token, "token", a.text(which)), nil); b.StatusCode != http.StatusBadRequest || len(w.grants.Of(leela)) != 1 {
			t.Errorf("%s of another: %d %s", which, b.StatusCode, b.body)
		}
		if b := w.send("POST", pathRevoke, values("client_id", client.Mail, "token", a.text(which), "token_type_hint", "nonsense"), nil); b.StatusCode != http.StatusOK {
			t.Errorf("%s: %d %s", which, b.StatusCode, b.body)
		}
		if left := w.grants.Of(leela); len(left) != 0 {
			t.Errorf("%s: %d grants are left", which, len(left))
		}
		if b := w.token("grant_type", "refresh_token", "client_id", client.Mail, "refresh_token", a.text("refresh_token")); b.text("error") != grant.InvalidGrant {
			t.Errorf("%s: %d %s", which, b.StatusCode, b.body)
		}
		if b := w.send("POST", pathRevoke, values("client_id", client.Mail, "token", a.text(which)), nil); b.StatusCode != http.StatusOK {
			t.Errorf("%s again: %d %s", which, b.StatusCode, b.body)
		}
	}
	for _, nothing := range []string{"x", "a.b.c", "prr_" + strings.Repeat("A", 70), strings.Repeat(".", 1000)} {
		if b := w.send("POST", pathRevoke, values("client_id", client.Mail, "token", nothing), nil); b.StatusCode != http.StatusOK {
			t.Errorf("%q: %d %s", nothing, b.StatusCode, b.body)
		}
	}
	if b := w.send("POST", pathRevoke, values("token", "x"), nil); b.StatusCode == http.StatusOK {
		t.Errorf("by nobody: %d %s", b.StatusCode, b.body)
	}
}

// minted are the tokens of a backend, played.
type minted map[string]token.Minted

func (m minted) Verify(text []byte) (token.Minted, error) {
	if c, ok := m[string(text)]; ok {
		return c, nil
	}
	return token.Minted{}, &token.Refusal{Code: signin.TokenInvalid, Detail: "none of ours"}
}

func TestIntrospection(t *testing.T) {
	w := newWorldAt(t, issuer, func(o *Options) {
		o.Minted = minted{"m.i.n": {Audience: "dovecot", Address: "leela@example.org", Scope: "imap", Expires: time.Now().Add(time.Minute)}}
	})
	dovecot, secret := w.added(client.New{Name: "dovecot", Redirects: []string{"https://localhost"}})
	other, otherSecret := w.added(client.New{Name: "other", Redirects: []string{"https://localhost"}})
	w.Minted.(minted)["i.d.s"] = token.Minted{Audience: other.ID, Address: "leela@example.org", Scope: "imap", Expires: time.Now().Add(time.Minute)}
	ask := func(text string, change func(*http.Request)) *answer {
		return w.send("POST", pathIntrospect, values("token", text), change)
	}
	webmail, webmailSecret := w.added(client.New{Name: "Webmail", Redirects: []string{"https://localhost"}})
	own := w.signedInAs(webmail, webmailSecret)
	b := ask(own.text("access_token"), basic(webmail.ID, webmailSecret))
	if b.json["active"] != true || b.text("username") != "leela@example.org" || b.text("email") != "leela@example.org" || b.text("sub") != leela || b.text("client_id") != webmail.ID ||
		b.text("scope") != own.text("scope") || b.json["exp"] == nil || b.text("iss") != issuer || b.text("aud") != issuer+"/mail" {
		t.Errorf("%d %s", b.StatusCode, b.body)
	}
	a := w.signedIn()
	onlyWho := w.signedIn("scope", "openid")
	for name, c := range map[string]struct {
		text   string
		asking func(*http.Request)
	}{
		"what a program holds":             {a.text("access_token"), basic(dovecot.ID, secret)},
		"what a site holds":                {own.text("access_token"), basic(dovecot.ID, secret)},
		"a refresh token of another":       {a.text("refresh_token"), basic(dovecot.ID, secret)},
		"a token for who somebody is":      {onlyWho.text("access_token"), basic(dovecot.ID, secret)},
		"an ID token":                      {a.text("id_token"), basic(dovecot.ID, secret)},
		"no token":                         {"x.y.z", basic(dovecot.ID, secret)},
		"a token without a signature":      {a.text("access_token")[:strings.LastIndex(a.text("access_token"), ".")+1], basic(dovecot.ID, secret)},
		"a token minted for another party": {"m.i.n", basic(other.ID, otherSecret)},
		"a token minted for its id":        {"i.d.s", basic(other.ID, otherSecret)},
	} {
		if b := ask(c.text, c.asking); b.StatusCode != http.StatusOK || strings.TrimSpace(b.body) != `{"active":false}` {
			t.Errorf("%s: %d %s", name, b.StatusCode, b.body)
		}
	}
	if b := ask("m.i.n", basic(dovecot.ID, secret)); b.json["active"] != true || b.text("email") != "leela@example.org" || b.text("aud") != "dovecot" {
		t.Errorf("a minted token: %d %s", b.StatusCode, b.body)
	}
	for name, change := range map[string]func(*http.Request){"nobody": nil, "a wrong secret": basic(dovecot.ID, "x"), "a public program": basic(client.Mail, "x")} {
		if b := ask(a.text("access_token"), change); b.StatusCode != http.StatusUnauthorized && b.StatusCode != http.StatusBadRequest || b.json["active"] != nil {
			t.Errorf("%s: %d %s", name, b.StatusCode, b.body)
		}
	}
	for _, g := range w.grants.Of(leela) {
		must(t, w.grants.End(t.Context(), store.System, g.ID, "test"))
	}
	if b := ask(own.text("access_token"), basic(webmail.ID, webmailSecret)); b.json["active"] != false {
		t.Errorf("the grant has ended: %s", b.body)
	}
}

func bearing(text string) func(*http.Request) {
	return func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+text) }
}

func TestUserinfo(t *testing.T) {
	w := newWorld(t)
	a := w.signedIn("scope", "openid email profile imap offline_access")
	for _, method := range []string{"GET", "POST"} {
		b := w.send(method, pathUserinfo, nil, bearing(a.text("access_token")))
		if b.StatusCode != http.StatusOK || b.text("sub") != leela || b.text("email") != "leela@example.org" || b.json["email_verified"] != true || b.text("name") != "Turanga Leela" {
			t.Errorf("%s: %d %s", method, b.StatusCode, b.body)
		}
	}
	if b := w.send("POST", pathUserinfo, values("access_token", a.text("access_token")), nil); b.text("sub") != leela {
		t.Errorf("in the body: %d %s", b.StatusCode, b.body)
	}
	less := w.signedIn("scope", "openid")
	if b := w.send("GET", pathUserinfo, nil, bearing(less.text("access_token"))); b.text("sub") != leela || len(b.json) != 1 {
		t.Errorf("openid alone: %s", b.body)
	}
	mailOnly := w.signedIn("scope", "imap")
	for name, c := range map[string]struct {
		status int
		says   string
		answer *answer
	}{
		"nothing":               {401, `Bearer realm="oauth"`, w.send("GET", pathUserinfo, nil, nil)},
		"another scheme":        {401, `Bearer realm="oauth"`, w.send("GET", pathUserinfo, nil, basic("x", "y"))},
		"no token":              {401, "invalid_token", w.send("GET", pathUserinfo, nil, bearing("x"))},
		"a refresh token":       {401, "invalid_token", w.send("GET", pathUserinfo, nil, bearing(a.text("refresh_token")))},
		"an ID token":           {401, "invalid_token", w.send("GET", pathUserinfo, nil, bearing(a.text("id_token")))},
		"a token for mail only": {403, "insufficient_scope", w.send("GET", pathUserinfo, nil, bearing(mailOnly.text("access_token")))},
		"in both places":        {400, "invalid_request", w.send("POST", pathUserinfo, values("access_token", "x"), bearing("x"))},
	} {
		if c.answer.StatusCode != c.status || !strings.Contains(c.answer.Header.Get("WWW-Authenticate"), c.says) {
			t.Errorf("%s: %d %v", name, c.answer.StatusCode, c.answer.Header)
		}
	}
	if b := w.send("GET", pathUserinfo+"?access_token="+a.text("access_token"), nil, nil); b.StatusCode != http.StatusBadRequest {
		t.Errorf("in the address: %d %s", b.StatusCode, b.body)
	}
	must(t, w.store.Change(t.Context(), store.System, "", func(tx *store.Tx) error {
		p, err := tx.Person(leela)
		p.Disabled = true
		return errors.Join(err, tx.PutPerson(&p))
	}))
	if b := w.send("GET", pathUserinfo, nil, bearing(a.text("access_token"))); b.StatusCode != http.StatusUnauthorized {
		t.Errorf("a disabled person: %d %s", b.StatusCode, b.body)
	}
}

// Whoever holds an access token without openid learns whether it is still good for
// anything, and not whose it is: `portreeve token` asks.
func TestUserinfoTellsATokenThatLivesFromOneThatDoesNot(t *testing.T) {
	w := newWorld(t)
	a := w.signedIn("scope", "imap offline_access")
	ask := func() *answer { return w.send("GET", pathUserinfo, nil, bearing(a.text("access_token"))) }
	if got := ask(); got.StatusCode != http.StatusForbidden || got.text("error") != insufficientScope || strings.Contains(got.body, "leela") {
		t.Errorf("while it lives: %d %s", got.StatusCode, got.body)
	}
	for _, g := range w.grants.Of(leela) {
		must(t, w.grants.End(t.Context(), store.System, g.ID, "disconnected"))
	}
	if got := ask(); got.StatusCode != http.StatusUnauthorized || got.text("error") != invalidToken {
		t.Errorf("after its grant's end: %d %s", got.StatusCode, got.body)
	}
}
