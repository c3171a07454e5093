package server

import (
	"bytes"
	"encoding/json"
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/portreeve/portreeve/internal/secret"
	"github.com/portreeve/portreeve/internal/store"
	"github.com/portreeve/portreeve/internal/token"
)

// A server starts over a grant that it cannot read, counts it as ended, and says so
// in its log and in the status.
func TestADamagedGrantKeepsNobodyOut(t *testing.T) {
	dir, person := t.TempDir(), store.Person{Address: "mary@example.org", SecretKind: store.SecretBackend, Origin: store.OriginLocal}
	st, err := store.Open(t.Context(), store.Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	err = st.Change(t.Context(), store.System, "", func(tx *store.Tx) error {
		if err := tx.AddPerson(&person); err != nil {
			return err
		}
		return tx.AddGrant(&store.Grant{ID: "not-to-be-read", Person: person.ID, Client: "portreeve-mail", Facts: json.RawMessage(`{"address":`), Seed: make([]byte, 16), Generation: 1, Created: now, Live: now, Used: now})
	})
	if err := errors.Join(err, st.Close()); err != nil {
		t.Fatal(err)
	}
	c := issuerBefore(t, dir, "127.0.0.1:1")
	var log bytes.Buffer
	s, stop := serving(t, c, &log)
	state := s.issuerState()
	if state.Damages != 1 || !slices.Equal(state.Damaged, []string{"not-to-be-read"}) || state.Grants != 0 {
		t.Errorf("%+v", state)
	}
	if _, err := s.store.Grant(t.Context(), "not-to-be-read"); err != nil {
		t.Errorf("it is gone: %v", err)
	}
	stop()
	if !strings.Contains(log.String(), "cannot be read") || !strings.Contains(log.String(), "not-to-be-read") {
		t.Errorf("the log: %s", &log)
	}
}

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
