package backend

import (
	"fmt"
	"testing"

	"github.com/portreeve/portreeve/internal/sasl"
)

// What holds a secret prints the same whatever the secret is, under every verb.
func TestSecretsArePrintedByNothing(t *testing.T) {
	for name, made := range map[string]func(string) any{
		"a request":    func(s string) any { return Request{Address: "mary@example.org", Password: []byte(s)} },
		"a pointer":    func(s string) any { return &Request{Address: "mary@example.org", Password: []byte(s)} },
		"a credential": func(s string) any { return credential{sasl.Plain, sasl.Identity{}, []byte(s)} },
		"options":      func(s string) any { return Options{Name: "x", MasterPassword: s} },
	} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
			if one, other := fmt.Sprintf(verb, made("hunter2")), fmt.Sprintf(verb, made("swordfish")); one != other {
				t.Errorf("%s prints as %s under %s", name, one, verb)
			}
		}
	}
}
