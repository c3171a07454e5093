package token

import (
	"fmt"
	"testing"
)

// What holds a secret prints the same whatever the secret is, under every verb.
func TestSecretsArePrintedByNothing(t *testing.T) {
	for name, made := range map[string]func(string) any{
		"a key":    func(s string) any { return mintKey{ID: "1", PKCS8: []byte(s)} },
		"a minter": func(s string) any { return &Minter{issuer: "x", keys: []mintKey{{ID: "1", PKCS8: []byte(s)}}} },
	} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
			if one, other := fmt.Sprintf(verb, made("hunter2")), fmt.Sprintf(verb, made("swordfish")); one != other {
				t.Errorf("%s prints as %s under %s", name, one, verb)
			}
		}
	}
}
