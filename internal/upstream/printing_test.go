package upstream

import (
	"fmt"
	"testing"

	"github.com/portreeve/portreeve/internal/secret"
)

// What holds a secret prints the same whatever the secret is, under every verb.
func TestSecretsArePrintedByNothing(t *testing.T) {
	for name, made := range map[string]func(string) any{
		"a flow":     func(s string) any { return flow{Provider: "keycloak", Verifier: s, Nonce: s} },
		"an arrival": func(s string) any { return Arrival{Provider: "keycloak", IDToken: []byte(s)} },
		"a provider": func(s string) any { return Provider{Name: "keycloak", Secret: secret.NewText([]byte(s))}.Secret },
	} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
			if one, other := fmt.Sprintf(verb, made("hunter2")), fmt.Sprintf(verb, made("swordfish")); one != other {
				t.Errorf("%s prints as %s under %s", name, one, verb)
			}
		}
	}
}
