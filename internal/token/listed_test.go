package token

import (
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"

	"github.com/portreeve/portreeve/internal/secret"
)

// Keys are listed by what they are, and without their secret halves.
func TestKeysAreListed(t *testing.T) {
	box := secret.NewBox()
	ring, err := OpenKeyring(KeyringOptions{Path: filepath.Join(t.TempDir(), "ring")}, box)
	if err != nil {
		t.Fatal(err)
	}
	minter, err := OpenMinter(MinterOptions{Issuer: "https://door.example.org", Path: filepath.Join(t.TempDir(), "mint")}, box)
	if err != nil {
		t.Fatal(err)
	}
	states := func(list []Listed) string {
		var all []string
		for _, k := range list {
			all = append(all, k.Algorithm+" "+k.State)
			if k.ID == "" || k.Made.IsZero() || (k.State == string(retired)) == k.Retired.IsZero() {
				t.Errorf("listed as %+v", k)
			}
		}
		return strings.Join(all, ", ")
	}
	if err := ring.Prepare(); err != nil {
		t.Fatal(err)
	}
	if got := states(ring.Keys()); got != "ES256 current, ES256 prepared, RS256 current, RS256 prepared" {
		t.Error(got)
	}
	if _, err := ring.Rotate(); err != nil {
		t.Fatal(err)
	}
	if got := states(ring.Keys()); got != "ES256 current, ES256 retired, RS256 current, RS256 retired" {
		t.Error(got)
	}
	if _, err := minter.Rotate(); err != nil {
		t.Fatal(err)
	}
	if got := states(minter.Keys()); got != "ES256 current, ES256 retired" {
		t.Error(got)
	}
	text, err := json.Marshal(append(ring.Keys(), minter.Keys()...))
	if err != nil || strings.Contains(string(text), "pkcs8") {
		t.Errorf("%s, %v", text, err)
	}
}
