package token

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/portreeve/portreeve/internal/secret"
)

const (
	// keptAfter is how long a retired key stays among the public ones, longer
	// than anybody keeps what it signed.
	keptAfter = 24 * time.Hour
	rsaBits   = 2048
)

// mintKey is one key pair. A prepared one is public already and signs nothing
// yet; a retired one signs nothing any more. Of one algorithm there are the
// current one, first, and then a prepared one and retired ones.
type mintKey struct {
	ID      string    `json:"kid"`
	State   keyState  `json:"state"`
	Made    time.Time `json:"made"`
	Retired time.Time `json:"retired,omitzero"`
	PKCS8   []byte    `json:"pkcs8"`
	private crypto.Signer
	signer  jose.Signer
}

// Format prints the key's id only: the rest is private.
func (k mintKey) Format(s fmt.State, _ rune) { _, _ = fmt.Fprintf(s, "key %q", k.ID) }

type keyState string

const (
	current  keyState = "current"
	prepared keyState = "prepared"
	retired  keyState = "retired"
)

// over says that a key has been retired for so long that it is public no more.
func (k *mintKey) over(now time.Time) bool {
	return k.State == retired && now.Sub(k.Retired) >= keptAfter
}

// withPrepared is keys with a prepared one among them.
func withPrepared(keys []mintKey, a jose.SignatureAlgorithm) ([]mintKey, error) {
	for _, k := range keys {
		if k.State == prepared {
			return keys, nil
		}
	}
	k, err := newMintKey(a)
	if err != nil {
		return nil, err
	}
	return append(append([]mintKey{}, keys...), k), nil
}

// promoted is keys with the prepared one in force, and without those that have
// been retired for long.
func promoted(keys []mintKey, now time.Time) (next []mintKey) {
	for _, k := range keys {
		switch {
		case k.State == prepared:
			k.State = current
			next = append([]mintKey{k}, next...)
		case k.State == current:
			k.State, k.Retired = retired, now
			next = append(next, k)
		case !k.over(now):
			next = append(next, k)
		}
	}
	return next
}

func newMintKey(a jose.SignatureAlgorithm) (mintKey, error) {
	k := mintKey{State: prepared, Made: time.Now()}
	var err error
	if a == jose.RS256 {
		k.private, err = rsa.GenerateKey(rand.Reader, rsaBits)
	} else {
		k.private, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	}
	if err != nil {
		return k, err
	}
	if k.PKCS8, err = x509.MarshalPKCS8PrivateKey(k.private); err != nil {
		return k, err
	}
	return k, k.ready(a)
}

// ready makes what is not saved: the signer, and an id that is the key's own
// thumbprint (RFC 7638), of letters, digits, - and _ only, since it becomes a
// file's name.
func (k *mintKey) ready(a jose.SignatureAlgorithm) error {
	thumb, err := (&jose.JSONWebKey{Key: k.private.Public()}).Thumbprint(crypto.SHA256)
	if err != nil {
		return err
	}
	k.ID = base64.RawURLEncoding.EncodeToString(thumb[:sha256.Size/2])
	k.signer, err = k.signerOf(a, "JWT")
	return err
}

// signerOf signs tokens of one type.
func (k *mintKey) signerOf(a jose.SignatureAlgorithm, typ string) (jose.Signer, error) {
	key := jose.SigningKey{Algorithm: a, Key: jose.JSONWebKey{Key: k.private, KeyID: k.ID}}
	return jose.NewSigner(key, (&jose.SignerOptions{}).WithType(jose.ContentType(typ)))
}

// openAll makes keys that were read ready for use.
func openAll(keys []mintKey, a jose.SignatureAlgorithm) error {
	for i := range keys {
		if err := keys[i].open(a); err != nil {
			return err
		}
	}
	if len(keys) == 0 || keys[0].State != current {
		return errors.New("no current key")
	}
	return nil
}

func (k *mintKey) open(a jose.SignatureAlgorithm) error {
	private, err := x509.ParsePKCS8PrivateKey(k.PKCS8)
	if err != nil {
		return err
	}
	signer, ok := private.(crypto.Signer)
	if _, isRSA := private.(*rsa.PrivateKey); !ok || isRSA != (a == jose.RS256) {
		return fmt.Errorf("a key is not for %s: remove the file to make new ones, and export them again", a)
	}
	k.private = signer
	return k.ready(a)
}

// readSealed reads what writeSealed wrote.
func readSealed(path string, box *secret.Box, purpose string, v any) error {
	sealed, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	plain, err := box.Open(purpose, sealed)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	defer clear(plain)
	if err := json.Unmarshal(plain, v); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}

// writeSealed seals v into a file of its owner, whole or not at all.
func writeSealed(path string, box *secret.Box, purpose string, v any) error {
	plain, err := json.Marshal(v)
	if err != nil {
		return err
	}
	defer clear(plain)
	return writeWhole(path, box.Seal(purpose, plain), 0o600)
}

// writeWhole writes a file under another name and moves it into place, so that
// a crash leaves the old one or the new one.
func writeWhole(path string, b []byte, mode fs.FileMode) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".new-*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	_, err = f.Write(b)
	if err := errors.Join(err, f.Chmod(mode), f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return err
	}
	d, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
