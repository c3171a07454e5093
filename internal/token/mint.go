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
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/portreeve/portreeve/internal/protocol"
	"github.com/portreeve/portreeve/internal/secret"
)

const (
	// MintedFor is how long a minted token lasts, from iat to exp: a backend is
	// shown it at once.
	MintedFor = 60 * time.Second
	// backDated is how far iat lies in the past: Dovecot refuses one that lies
	// in the future by its own clock.
	backDated = 5 * time.Second
	// keptAfter is how long a retired key stays among the public ones, longer
	// than any backend keeps what it signed.
	keptAfter   = 24 * time.Hour
	rsaBits     = 2048
	sealPurpose = "token minting keys"
)

// Minter makes the tokens that we show to backends: for one backend, one
// person, one protocol, one minute. Its private keys are sealed on disk.
type Minter struct {
	issuer    string
	algorithm jose.SignatureAlgorithm
	path      string
	box       *secret.Box

	mu   sync.RWMutex
	keys []mintKey // the current one first, then a prepared one or retired ones
}

// mintKey is one key pair. A prepared one is public already and signs nothing
// yet; a retired one signs nothing any more.
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

// Format prints no key, which fmt would find in unexported members.
func (m *Minter) Format(s fmt.State, _ rune) { _, _ = fmt.Fprintf(s, "the minter of %q", m.issuer) }

type keyState string

const (
	current  keyState = "current"
	prepared keyState = "prepared"
	retired  keyState = "retired"
)

// MinterOptions say what the tokens look like.
type MinterOptions struct {
	Issuer    string // iss
	Algorithm string // ES256 or RS256; empty is ES256
	Path      string // the file of sealed keys; made if it is missing
}

// OpenMinter reads the sealed keys, or makes the first.
func OpenMinter(o MinterOptions, box *secret.Box) (*Minter, error) {
	m := &Minter{issuer: o.Issuer, algorithm: jose.SignatureAlgorithm(o.Algorithm), path: o.Path, box: box}
	if o.Algorithm == "" {
		m.algorithm = jose.ES256
	}
	if m.issuer == "" || m.algorithm != jose.ES256 && m.algorithm != jose.RS256 {
		return nil, fmt.Errorf("minting tokens needs an issuer and ES256 or RS256, not %q and %q", m.issuer, m.algorithm)
	}
	err := m.read()
	if errors.Is(err, fs.ErrNotExist) {
		if err = m.prepare(); err == nil {
			err = m.promote()
		}
	}
	if err != nil {
		return nil, fmt.Errorf("opening the keys that sign tokens for backends: %w", err)
	}
	return m, nil
}

// Audience is whom and what a minted token is for.
type Audience struct {
	Name     string // aud, and client_id: what the backend is configured to accept
	Party    string // azp; empty for none
	Address  string // the person
	Protocol protocol.Protocol
}

// Mint makes one token.
func (m *Minter) Mint(a Audience) (secret.Text, error) {
	if a.Name == "" || a.Address == "" || a.Protocol == protocol.Unknown {
		return secret.Text{}, errors.New("minting a token: it needs an audience, a person and a protocol")
	}
	now := time.Now()
	var id [16]byte
	_, _ = rand.Read(id[:])
	payload, err := json.Marshal(minted{
		Issuer: m.issuer, Audience: a.Name, ClientID: a.Name, Party: a.Party, Subject: a.Address, Email: a.Address,
		Username: a.Address, Scope: a.Protocol.String(), ID: hex.EncodeToString(id[:]),
		Issued: now.Add(-backDated).Unix(), NotBefore: now.Add(-backDated).Unix(), Expires: now.Add(MintedFor - backDated).Unix(),
	})
	if err != nil {
		return secret.Text{}, fmt.Errorf("minting a token: %w", err)
	}
	m.mu.RLock()
	signer := m.keys[0].signer
	m.mu.RUnlock()
	jws, err := signer.Sign(payload)
	if err != nil {
		return secret.Text{}, fmt.Errorf("minting a token: %w", err)
	}
	compact, err := jws.CompactSerialize()
	if err != nil {
		return secret.Text{}, fmt.Errorf("minting a token: %w", err)
	}
	return secret.NewText([]byte(compact)), nil
}

// minted are a minted token's claims. The person stands in each claim that a
// backend may be set to read it from.
type minted struct {
	Issuer    string `json:"iss"`
	Audience  string `json:"aud"`
	ClientID  string `json:"client_id"`
	Party     string `json:"azp,omitempty"`
	Subject   string `json:"sub"`
	Email     string `json:"email"`
	Username  string `json:"preferred_username"`
	Scope     string `json:"scope"`
	ID        string `json:"jti"`
	Issued    int64  `json:"iat"`
	NotBefore int64  `json:"nbf"`
	Expires   int64  `json:"exp"`
}

// Issuer is the value of iss, which our own door refuses.
func (m *Minter) Issuer() string { return m.issuer }

// Prepare makes the next key and publishes it beside the current one, so that
// backends can learn it before anything is signed with it.
func (m *Minter) Prepare() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.prepare(); err != nil {
		return fmt.Errorf("preparing a key: %w", err)
	}
	return nil
}

// Rotate puts the prepared key in force, making one if none was prepared, and
// retires the current one.
func (m *Minter) Rotate() (kid string, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err = m.prepare(); err == nil {
		err = m.promote()
	}
	if err != nil {
		return "", fmt.Errorf("rotating keys: %w", err)
	}
	return m.keys[0].ID, nil
}

// prepare makes a prepared key unless there is one, and saves.
func (m *Minter) prepare() error {
	for _, k := range m.keys {
		if k.State == prepared {
			return nil
		}
	}
	k, err := newMintKey(m.algorithm)
	if err != nil {
		return err
	}
	return m.save(append(append([]mintKey{}, m.keys...), k))
}

func (m *Minter) promote() error {
	now := time.Now()
	var next []mintKey
	for _, k := range m.keys {
		switch {
		case k.State == prepared:
			k.State = current
			next = append([]mintKey{k}, next...)
		case k.State == current:
			k.State, k.Retired = retired, now
			next = append(next, k)
		case now.Sub(k.Retired) < keptAfter:
			next = append(next, k)
		}
	}
	return m.save(next)
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
	key := jose.SigningKey{Algorithm: a, Key: jose.JSONWebKey{Key: k.private, KeyID: k.ID}}
	k.signer, err = jose.NewSigner(key, (&jose.SignerOptions{}).WithType("JWT"))
	return err
}

func (m *Minter) read() error {
	sealed, err := os.ReadFile(m.path)
	if err != nil {
		return err
	}
	plain, err := m.box.Open(sealPurpose, sealed)
	if err != nil {
		return fmt.Errorf("%s: %w", m.path, err)
	}
	defer clear(plain)
	var keys []mintKey
	if err := json.Unmarshal(plain, &keys); err != nil {
		return fmt.Errorf("%s: %w", m.path, err)
	}
	for i := range keys {
		if err := keys[i].open(m.algorithm); err != nil {
			return fmt.Errorf("%s: %w", m.path, err)
		}
	}
	if len(keys) == 0 || keys[0].State != current {
		return fmt.Errorf("%s holds no current key", m.path)
	}
	m.keys = keys
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

// save seals the keys on disk, whole or not at all, and then uses them.
func (m *Minter) save(keys []mintKey) error {
	plain, err := json.Marshal(keys)
	if err != nil {
		return err
	}
	defer clear(plain)
	if err := writeWhole(m.path, m.box.Seal(sealPurpose, plain), 0o600); err != nil {
		return err
	}
	m.keys = keys
	return nil
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
