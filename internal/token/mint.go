package token

import (
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
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
	backDated   = 5 * time.Second
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

// Format prints no key, which fmt would find in unexported members.
func (m *Minter) Format(s fmt.State, _ rune) { _, _ = fmt.Fprintf(s, "the minter of %q", m.issuer) }

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
	next, err := withPrepared(m.keys, m.algorithm)
	if err != nil || len(next) == len(m.keys) {
		return err
	}
	return m.save(next)
}

func (m *Minter) promote() error { return m.save(promoted(m.keys, time.Now())) }

func (m *Minter) read() error {
	var keys []mintKey
	if err := readSealed(m.path, m.box, sealPurpose, &keys); err != nil {
		return err
	}
	if err := openAll(keys, m.algorithm); err != nil {
		return fmt.Errorf("%s: %w", m.path, err)
	}
	m.keys = keys
	return nil
}

// save seals the keys on disk, whole or not at all, and then uses them.
func (m *Minter) save(keys []mintKey) error {
	if err := writeSealed(m.path, m.box, sealPurpose, keys); err != nil {
		return err
	}
	m.keys = keys
	return nil
}
