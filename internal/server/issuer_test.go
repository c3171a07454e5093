package server

import (
	"encoding/json"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/portreeve/portreeve/internal/secret"
	"github.com/portreeve/portreeve/internal/token"
)

// openTurningKeys are an issuer's keys as the server opens them.
func openTurningKeys(t *testing.T) turningKeys {
	t.Helper()
	box, err := secret.OpenBox(filepath.Join(t.TempDir(), "master.key"))
	if err != nil {
		t.Fatal(err)
	}
	ring, err := token.OpenKeyring(token.KeyringOptions{Path: filepath.Join(t.TempDir(), issuerKeys)}, box)
	if err != nil {
		t.Fatal(err)
	}
	keys := turningKeys{ring}
	if err := keys.Prepare(); err != nil {
		t.Fatal(err)
	}
	return keys
}

// Whoever has fetched the issuer's keys once knows the key that signs after the
// next rotation, too: rotating breaks nobody's copy.
func TestTheNextKeyIsPublicBeforeItSigns(t *testing.T) {
	keys := openTurningKeys(t)
	for range 3 {
		raw, err := keys.JWKS()
		var copied jose.JSONWebKeySet
		if err != nil || json.Unmarshal(raw, &copied) != nil {
			t.Fatal(err)
		}
		kids, err := keys.Rotate()
		if err != nil || len(kids) != 2 {
			t.Fatalf("%v, %v", kids, err)
		}
		for _, kid := range kids {
			if len(copied.Key(kid)) != 1 {
				t.Errorf("key %s signs and was not public before", kid)
			}
		}
	}
}

func TestKeysAreOldAfterASeason(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		keys := openTurningKeys(t)
		for range 3 {
			time.Sleep(keysTurn - time.Hour)
			if keys.old(time.Now()) {
				t.Error("too early")
			}
			time.Sleep(2 * time.Hour)
			if !keys.old(time.Now()) {
				t.Error("after a season they sign still")
			}
			if _, err := keys.Rotate(); err != nil || keys.old(time.Now()) {
				t.Errorf("after rotating: %v", err)
			}
		}
	})
}
