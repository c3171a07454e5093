package oauth

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/portreeve/portreeve/internal/client"
	"github.com/portreeve/portreeve/internal/grant"
	"github.com/portreeve/portreeve/internal/policy"
	"github.com/portreeve/portreeve/internal/store"
)

func basic(id, secret string) func(*http.Request) {
	return func(r *http.Request) { r.SetBasicAuth(url.QueryEscape(id), url.QueryEscape(secret)) }
}

// Whoever is not known, or shows a wrong secret, is told the same.
func TestProgramsAuthenticate(t *testing.T) {
	w := newWorld(t)
	c, secret := w.added(client.New{Name: "Scanner", Account: service})
	ask := func(form url.Values, change func(*http.Request)) *answer {
		form.Set("grant_type", "client_credentials")
		form.Set("scope", "smtp")
		return w.send("POST", pathToken, form, change)
	}
	if a := ask(values(), basic(c.ID, secret)); a.StatusCode != http.StatusOK || a.text("refresh_token") != "" || a.text("id_token") != "" || a.text("scope") != "smtp" {
		t.Errorf("in the header: %d %s %s", a.StatusCode, a.body, w.faults)
	}
	if a := ask(values("client_id", c.ID, "client_secret", secret), nil); a.StatusCode != http.StatusOK {
		t.Errorf("in the body: %d %s", a.StatusCode, a.body)
	}
	first := ""
	for name, change := range map[string]func(*http.Request){
		"a wrong secret":        basic(c.ID, secret+"x"),
		"no secret":             basic(c.ID, ""),
		"nobody":                basic("nobody", secret),
		"nobody, with a break":  basic("no\r\nbody", secret),
		"another's secret":      basic(client.Mail+"x", secret),
		"one much too long":     basic(strings.Repeat("x", 4000), strings.Repeat("y", 4000)),
		"with a zero in it":     basic(c.ID+"\x00", secret),
		"in upper case letters": basic(strings.ToUpper(c.ID), secret),
	} {
		a := ask(values(), change)
		if a.StatusCode != http.StatusUnauthorized || a.text("error") != invalidClient || !strings.HasPrefix(a.Header.Get("WWW-Authenticate"), "Basic ") {
			t.Errorf("%s: %d %s %v", name, a.StatusCode, a.body, a.Header)
		}
		if first == "" {
			first = a.body
		}
		if a.body != first {
			t.Errorf("%s is told apart: %s", name, a.body)
		}
	}
	for name, a := range map[string]*answer{
		"twice":                ask(values("client_id", c.ID, "client_secret", secret), basic(c.ID, secret)),
		"two names":            ask(values("client_id", client.Mail), basic(c.ID, secret)),
		"in the address":       w.send("POST", pathToken+"?client_id="+c.ID+"&client_secret="+secret, values("grant_type", "client_credentials"), nil),
		"the code in address":  w.send("POST", pathToken+"?code=x", values("grant_type", "authorization_code", "client_id", client.Mail), nil),
		"a parameter twice":    w.send("POST", pathToken, url.Values{"grant_type": {"client_credentials", "authorization_code"}, "client_id": {c.ID}, "client_secret": {secret}}, nil),
		"a body without end":   w.send("POST", pathToken, values("grant_type", "client_credentials", "client_id", strings.Repeat("x", maxBody)), nil),
		"nobody at all":        w.send("POST", pathToken, values("grant_type", "client_credentials"), nil),
		"JSON":                 w.send("POST", pathToken, nil, func(r *http.Request) { r.Header.Set("Content-Type", "application/json") }),
		"something not base64": ask(values(), func(r *http.Request) { r.Header.Set("Authorization", "Basic !!!") }),
	} {
		if a.StatusCode != http.StatusBadRequest || a.text("error") != invalidRequest {
			t.Errorf("%s: %d %s", name, a.StatusCode, a.body)
		}
	}
	if a := ask(values("client_id", c.ID, "client_assertion", "a.b.c", "client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"), nil); a.text("error") != invalidClient {
		t.Errorf("an assertion: %d %s", a.StatusCode, a.body)
	}
	// A public program has no secret; one that it sends is passed over.
	x := w.signedIn()
	if a := w.token("grant_type", "refresh_token", "client_id", client.Mail, "client_secret", "", "refresh_token", x.text("refresh_token")); a.StatusCode != http.StatusOK {
		t.Errorf("an empty secret: %d %s", a.StatusCode, a.body)
	}
	must(t, func() error { _, _, err := w.clients.Forbid(t.Context(), store.System, "", c.ID); return err }())
	if a := ask(values(), basic(c.ID, secret)); a.text("error") != unauthorizedClient {
		t.Errorf("forbidden: %d %s", a.StatusCode, a.body)
	}
}

// A service that asks every minute leaves one grant, and is judged each time.
func TestServiceAccount(t *testing.T) {
	w := newWorld(t)
	c, secret := w.added(client.New{Name: "Scanner", Account: service})
	ask := func(scope string) *answer {
		return w.token("grant_type", "client_credentials", "client_id", c.ID, "client_secret", secret, "scope", scope)
	}
	for range 3 {
		if a := ask("smtp"); a.StatusCode != http.StatusOK {
			t.Fatalf("%d %s", a.StatusCode, a.body)
		}
	}
	if n := len(w.grants.Of(service)); n != 1 {
		t.Errorf("%d grants", n)
	}
	if a := ask("everything"); a.text("error") != invalidScope {
		t.Errorf("%d %s", a.StatusCode, a.body)
	}
	w.policies(everyone("closed", policy.ControlBlock))
	if a := ask("smtp"); a.text("error") != grant.InvalidGrant || !strings.HasPrefix(a.text("error_description"), "PR53003") {
		t.Errorf("%d %s", a.StatusCode, a.body)
	}
	w.policies()
	must(t, w.store.Change(t.Context(), store.System, "", func(tx *store.Tx) error { return tx.DeletePerson(service) }))
	if a := ask("smtp"); a.text("error") != grant.InvalidGrant {
		t.Errorf("an account that is gone: %d %s", a.StatusCode, a.body)
	}
}
