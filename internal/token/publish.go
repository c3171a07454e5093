package token

import (
	"crypto"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/go-jose/go-jose/v4"
)

// JWKS is the public keys as a key set (RFC 7517), for backends that fetch one.
func (m *Minter) JWKS() ([]byte, error) {
	var set jose.JSONWebKeySet
	for id, public := range m.public() {
		set.Keys = append(set.Keys, jose.JSONWebKey{Key: public, KeyID: id, Algorithm: string(m.algorithm), Use: "sig"})
	}
	raw, err := json.Marshal(set)
	if err != nil {
		return nil, fmt.Errorf("publishing keys: %w", err)
	}
	return raw, nil
}

func (m *Minter) public() map[string]crypto.PublicKey {
	m.mu.RLock()
	defer m.mu.RUnlock()
	all := make(map[string]crypto.PublicKey, len(m.keys))
	for _, k := range m.keys {
		all[k.ID] = k.private.Public()
	}
	return all
}

// ExportDovecot writes the public keys where Dovecot's local validation looks
// for them, DIR/<azp|default>/<ALG>/<kid> in PEM (doc.dovecot.org,
// core/config/auth/databases/oauth2; src/lib-oauth2/oauth2-jwt.c). Keys that
// are ours no more are removed from that folder; nothing else is touched.
// Dovecot keeps what it has read until it restarts, but looks for a kid that
// it does not know: export a prepared key before rotating.
func (m *Minter) ExportDovecot(dir, party string) error {
	name, err := folderOf(party)
	if err != nil {
		return err
	}
	dir = filepath.Join(dir, name, string(m.algorithm))
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("exporting keys: %w", err)
	}
	keys := m.public()
	for id, public := range keys {
		der, err := x509.MarshalPKIXPublicKey(public)
		if err != nil {
			return fmt.Errorf("exporting keys: %w", err)
		}
		block := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
		if err := writeWhole(filepath.Join(dir, id), block, 0o644); err != nil {
			return fmt.Errorf("exporting keys: %w", err)
		}
	}
	return removeOthers(dir, keys)
}

// folderOf is the folder's name for an authorized party. Dovecot escapes only
// "/" and "%"; we take none of them, nor a name that leads elsewhere.
func folderOf(party string) (string, error) {
	if party == "" {
		return "default", nil
	}
	if strings.ContainsAny(party, "/%\x00") || party == "." || party == ".." {
		return "", fmt.Errorf("exporting keys: %q cannot be a folder's name", party)
	}
	return party, nil
}

// removeOthers takes out PEM files with names such as ours that no key of ours
// has any more.
func removeOthers(dir string, keys map[string]crypto.PublicKey) error {
	files, err := os.ReadDir(dir)
	if err != nil {
		return fmt.Errorf("exporting keys: %w", err)
	}
	for _, f := range files {
		if _, ours := keys[f.Name()]; ours || !f.Type().IsRegular() || len(f.Name()) != kidLength {
			continue
		}
		if err := os.Remove(filepath.Join(dir, f.Name())); err != nil {
			return fmt.Errorf("exporting keys: %w", err)
		}
	}
	return nil
}

// kidLength is the length of our key ids: 16 bytes in base64url.
const kidLength = 22
