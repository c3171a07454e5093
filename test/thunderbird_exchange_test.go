package test

import (
	_ "embed"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/portreeve/portreeve/internal/client"
)

//go:embed thunderbird/exchange.js
var exchangeScript string

const (
	exchangeHost   = "exchange.example.org" // there is none: Thunderbird gets a token first, and then looks for it
	exchangeScopes = "https://outlook.office.com/EWS.AccessAsUser.All offline_access"
)

// Somebody types into the settings of an Exchange account that its tokens come
// from here. With the add-on, from which Thunderbird has PKCE, the sign-in window
// opens, and it gets its tokens; what was typed wins over what the add-on says.
func TestThunderbirdsExchangeDialogLeadsHere(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		typed  map[string]string
		client string
	}{
		"the least that there is to type": {map[string]string{"exchangeEndpointHost": doorName, "exchangeOAuthScopes": exchangeScopes}, client.Mail},
		"everything": {map[string]string{"exchangeEndpointHost": doorName, "exchangeOAuthScopes": exchangeScopes, "exchangeApplicationId": client.Thunderbird,
			"exchangeTenantId": "planet-express", "exchangeRedirectUri": "https://localhost"}, client.Thunderbird},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			const mary = "mary@example.org"
			m := startModern(t, mary)
			m.needTwo(t)
			phone := m.visitor(t, m.origin()).enrol(m.door, mary)
			b := startThunderbird(t, m.policies(t, ""), m.street)
			b.knows()

			var done bool
			check(t, b.run(&done, exchangeScript, mary, exchangeHost, c.typed))
			b.types(signInPage, "#password", password)
			b.presses(signInPage, `form[action="/signin"] button`)
			b.types(signInPage, "#code", phone.code(t))
			b.presses(signInPage, `form:has(#code) button`)
			b.reads(signInPage, "main", "use your mailbox as Exchange programs do")
			if slices.Contains(m.street.sought(), exchangeHost+":443") {
				t.Error("it looked for Exchange without a token")
			}
			b.presses(signInPage, `form[action="/connect/allow"] button`)
			b.until("the tokens to be kept", windowTime, func() bool {
				var scopes string
				return b.run(&scopes, `const all = await Services.logins.searchLoginsAsync({ origin: "oauth://" + arguments[0] });
					return all.map(l => l.username + " " + l.httpRealm).join();`, doorName) == nil && scopes == mary+" "+exchangeScopes
			})
			b.until("it to look for Exchange", windowTime, func() bool { return slices.Contains(m.street.sought(), exchangeHost+":443") })
			m.logsExchange(t, mary, c.client)
		})
	}
}

// logsExchange waits until the log tells it: a program got tokens that open
// Exchange's protocols and nothing else, for a sign-in with two factors.
func (m *modern) logsExchange(t testing.TB, person, program string) {
	t.Helper()
	var list struct {
		Value []struct {
			ID, Client string
			Scopes     []string
			Offline    bool
		}
	}
	m.read(t, &list, "session", "list", "--grants", "--user", person)
	if len(list.Value) != 1 || list.Value[0].Client != program || strings.Join(list.Value[0].Scopes, " ") != exchangeScopes || !list.Value[0].Offline {
		t.Fatalf("what programs were given: %+v", list.Value)
	}
	told := func(e signInStep) bool {
		return e.Portreeve.Mechanism == "authorization_code" && e.Status.ErrorCode == 0 && e.Requirement == "multiFactorAuthentication" && e.Portreeve.Grant == "oauth:"+list.Value[0].ID
	}
	for end := time.Now().Add(logWait); ; time.Sleep(10 * pollTime) {
		all := m.steps(t, person)
		if slices.ContainsFunc(all, told) {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("the log does not tell of the tokens:\n%+v", all)
		}
	}
}
