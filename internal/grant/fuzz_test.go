package grant

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/portreeve/portreeve/internal/secret"
	"github.com/portreeve/portreeve/internal/store"
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

// Nor is a code or a token that is in hand.
func TestWhatIsHandedOutIsNotPrinted(t *testing.T) {
	const text = "prr_opensesame"
	for name, v := range map[string]any{
		"a device's codes": Device{DeviceCode: text, UserCode: text},
		"an ID token":      IDTokenFor{AccessToken: text},
		"a refresh token":  &shown{text: text},
		"a grant's row":    store.Grant{Seed: []byte(text)},
	} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x"} {
			if said := fmt.Sprintf(verb, v); strings.Contains(said, text) || strings.Contains(said, fmt.Sprintf("%x", text)) || strings.Contains(said, "112, 114") {
				t.Errorf("%s prints as %s under %s", name, said, verb)
			}
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
