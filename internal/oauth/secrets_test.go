package oauth

import (
	"net/http"
	"testing"
	"time"

	"github.com/portreeve/portreeve/internal/client"
	"github.com/portreeve/portreeve/internal/store"
)

// While a program's secret is exchanged, every endpoint takes the old and the new
// one; once the old one is ended, none does.
func TestEveryEndpointTakesAnExchangedSecret(t *testing.T) {
	w := newWorld(t)
	c, first := w.added(client.New{Name: "Scanner", Account: service})
	at := map[string]func(secret string) *answer{
		"token": func(s string) *answer {
			return w.send("POST", pathToken, values("grant_type", "client_credentials", "scope", "smtp"), basic(c.ID, s))
		},
		"introspection": func(s string) *answer { return w.send("POST", pathIntrospect, values("token", "x"), basic(c.ID, s)) },
		"revocation": func(s string) *answer {
			return w.send("POST", pathRevoke, values("token", "x", "client_id", c.ID, "client_secret", s), nil)
		},
	}
	taken := func(when, secret string, want int) {
		t.Helper()
		for name, ask := range at {
			if a := ask(secret); a.StatusCode != want {
				t.Errorf("%s, %s: %d %s", when, name, a.StatusCode, a.body)
			}
		}
	}
	taken("before", first, http.StatusOK)
	_, second, err := w.clients.NewSecret(t.Context(), store.System, "", c.ID, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	taken("the old one in the overlap", first, http.StatusOK)
	taken("the new one", second, http.StatusOK)
	if _, err := w.clients.EndOldSecret(t.Context(), store.System, "", c.ID); err != nil {
		t.Fatal(err)
	}
	taken("the old one, ended", first, http.StatusUnauthorized)
	taken("the new one", second, http.StatusOK)
}
