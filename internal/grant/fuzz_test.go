package grant

import (
	"errors"
	"fmt"
	"testing"

	"github.com/portreeve/portreeve/internal/secret"
)

// What refresh tokens are made of is printed by nothing.
func TestAGrantPrintsWithoutItsSeed(t *testing.T) {
	one, other := Grant{ID: "1", seed: [seedSize]byte{1}}, Grant{ID: "1", seed: [seedSize]byte{2}}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x", "%d"} {
		if a, b := fmt.Sprintf(verb, one), fmt.Sprintf(verb, other); a != b || fmt.Sprintf(verb, &one) != fmt.Sprintf(verb, &other) {
			t.Errorf("a grant prints as %s under %s", a, verb)
		}
	}
}

// No text that strangers show is read as two tokens, or makes trouble.
func FuzzParseRefresh(f *testing.F) {
	s := &Service{prints: secret.NewBox().Prints("refresh tokens")}
	g := Grant{ID: "0192f0c4-7c1e-7aaa-8f3b-2d1c4b5a6978"}
	good, err := s.refreshText(&g, 7)
	if err != nil {
		f.Fatal(err)
	}
	for _, seed := range []string{good, good + "=", good[:20], "prr_", ""} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		got, err := parseRefresh(text)
		var r *Refusal
		if err != nil {
			if !errors.As(err, &r) || r.OAuth != InvalidGrant {
				t.Errorf("%q: %v", text, err)
			}
			return
		}
		again := Grant{ID: got.id}
		if s.genuine(&got, &again) != (text == good) {
			t.Errorf("%q was made here by nobody", text)
		}
	})
}

func FuzzUnseal(f *testing.F) {
	s := &Service{Options: Options{Box: secret.NewBox()}}
	sealed, err := s.Seal(Request{Client: "mutt", Redirect: "http://127.0.0.1/"})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(sealed)
	f.Add("")
	f.Fuzz(func(t *testing.T, text string) {
		if _, err := s.Unseal(text); (err == nil) != (text == sealed) {
			t.Errorf("%q: %v", text, err)
		}
	})
}
