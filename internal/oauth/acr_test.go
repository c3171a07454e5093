package oauth

import (
	"encoding/json"
	"slices"
	"testing"

	"github.com/portreeve/portreeve/internal/grant"
)

// What an ID token says of the proof is among what the metadata lists, and what a
// program may ask for.
func TestTheMetadataListsWhatProofsAreCalled(t *testing.T) {
	w := newWorld(t)
	var d struct {
		ACR     []string `json:"acr_values_supported"`
		Claims  []string `json:"claims_supported"`
		Locales []string `json:"ui_locales_supported"`
	}
	if err := json.Unmarshal([]byte(w.send("GET", "/.well-known/openid-configuration", nil, nil).body), &d); err != nil {
		t.Fatal(err)
	}
	if want := []string{grant.ACRPhishingResistant, grant.ACRSeveralFactors, grant.ACROneFactor}; !slices.Equal(d.ACR, want) || !slices.Contains(d.Claims, "acr") || !slices.Equal(d.Locales, []string{"en"}) {
		t.Errorf("%+v", d)
	}
	if acr, _ := idClaims(t, w.signedIn("scope", "openid imap"))["acr"].(string); !slices.Contains(d.ACR, acr) {
		t.Errorf("an ID token says %q", acr)
	}
}
