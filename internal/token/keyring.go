package token

import (
	"crypto"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/portreeve/portreeve/internal/secret"
)

// ringPurpose is what the keyring's file is sealed for.
const ringPurpose = "keys of tokens for programs"

// ringAlgorithms are what the keyring signs with: the default first.
var ringAlgorithms = []jose.SignatureAlgorithm{jose.ES256, jose.RS256}

// KeyringOptions say where the keys are.
type KeyringOptions struct {
	Path string // the file of sealed keys; made if it is missing
	// Lead is how long a prepared key is public before Rotate puts it in force,
	// so that whoever keeps a copy of the public keys has learned it; 0: not at all.
	Lead time.Duration
}

// Keyring holds the keys that sign what programs are given: one for ES256 and
// one for RS256, each with the next one and with those that were in force
// before. They sign no token for a backend.
type Keyring struct {
	path string
	lead time.Duration
	box  *secret.Box

	mu   sync.Mutex // held while the keys change
	keys atomic.Pointer[ring]
}

// ring is the keys at a moment.
type ring struct {
	of      map[jose.SignatureAlgorithm][]mintKey
	signers map[signedAs]jose.Signer
	public  map[string]ringKey // by kid
}

type signedAs struct {
	algorithm jose.SignatureAlgorithm
	typ       string
}

type ringKey struct {
	algorithm jose.SignatureAlgorithm
	public    crypto.PublicKey
	until     time.Time // zero is for good
}

// The types of what is signed.
const (
	TypeAccess = "at+jwt" // RFC 9068
	TypeID     = "JWT"
	TypeLogout = "logout+jwt" // OpenID Connect Back-Channel Logout 1.0
)

var ringTypes = []string{TypeAccess, TypeID, TypeLogout}

// Format prints no key, which fmt would find in unexported members.
func (k *Keyring) Format(s fmt.State, _ rune) {
	_, _ = fmt.Fprint(s, "the keys of tokens for programs")
}

// OpenKeyring reads the sealed keys, or makes the first.
func OpenKeyring(o KeyringOptions, box *secret.Box) (*Keyring, error) {
	k := &Keyring{path: o.Path, lead: o.Lead, box: box}
	of := map[jose.SignatureAlgorithm][]mintKey{}
	err := readSealed(k.path, box, ringPurpose, &of)
	if errors.Is(err, fs.ErrNotExist) {
		err = k.change(of, func(keys []mintKey, a jose.SignatureAlgorithm) ([]mintKey, error) {
			keys, err := withPrepared(keys, a)
			return promoted(keys, time.Now()), err
		})
	} else if err == nil {
		err = k.use(of)
	}
	if err != nil {
		return nil, fmt.Errorf("opening the keys that sign tokens for programs: %w", err)
	}
	return k, nil
}

// change makes the keys of each algorithm others, saves them and uses them.
func (k *Keyring) change(of map[jose.SignatureAlgorithm][]mintKey, do func([]mintKey, jose.SignatureAlgorithm) ([]mintKey, error)) error {
	next := map[jose.SignatureAlgorithm][]mintKey{}
	for _, a := range ringAlgorithms {
		var err error
		if next[a], err = do(of[a], a); err != nil {
			return err
		}
	}
	if err := writeSealed(k.path, k.box, ringPurpose, next); err != nil {
		return err
	}
	return k.use(next)
}

// use puts keys in force that are saved.
func (k *Keyring) use(of map[jose.SignatureAlgorithm][]mintKey) error {
	r := &ring{of: of, signers: map[signedAs]jose.Signer{}, public: map[string]ringKey{}}
	for _, a := range ringAlgorithms {
		if err := openAll(of[a], a); err != nil {
			return fmt.Errorf("%s, %s: %w", k.path, a, err)
		}
		for _, key := range of[a] {
			one := ringKey{algorithm: a, public: key.private.Public()}
			if key.State == retired {
				one.until = key.Retired.Add(keptAfter)
			}
			r.public[key.ID] = one
		}
		for _, typ := range ringTypes {
			var err error
			if r.signers[signedAs{a, typ}], err = of[a][0].signerOf(a, typ); err != nil {
				return fmt.Errorf("%s, %s: %w", k.path, a, err)
			}
		}
	}
	k.keys.Store(r)
	return nil
}

// Sign signs claims as a token of one of the types, with the current key of an
// algorithm; the empty one is ES256.
func (k *Keyring) Sign(alg jose.SignatureAlgorithm, typ string, claims any) (string, error) {
	if alg == "" {
		alg = ringAlgorithms[0]
	}
	signer := k.keys.Load().signers[signedAs{alg, typ}]
	if signer == nil {
		return "", fmt.Errorf("signing a token: no key signs %q by %q", typ, alg)
	}
	payload, err := json.Marshal(claims)
	if err != nil {
		return "", fmt.Errorf("signing a token: %w", err)
	}
	jws, err := signer.Sign(payload)
	if err != nil {
		return "", fmt.Errorf("signing a token: %w", err)
	}
	return jws.CompactSerialize()
}

// Set is the public keys, those that sign first.
func (k *Keyring) Set() jose.JSONWebKeySet {
	now, r := time.Now(), k.keys.Load()
	var signing, others []jose.JSONWebKey
	for _, a := range ringAlgorithms {
		for _, key := range r.of[a] {
			public := jose.JSONWebKey{Key: key.private.Public(), KeyID: key.ID, Algorithm: string(a), Use: "sig"}
			switch {
			case key.State == current:
				signing = append(signing, public)
			case !key.over(now):
				others = append(others, public)
			}
		}
	}
	return jose.JSONWebKeySet{Keys: append(signing, others...)}
}

// JWKS is the public keys as a key set (RFC 7517).
func (k *Keyring) JWKS() ([]byte, error) {
	raw, err := json.Marshal(k.Set())
	if err != nil {
		return nil, fmt.Errorf("publishing keys: %w", err)
	}
	return raw, nil
}

// Prepare makes the next keys and publishes them beside the current ones.
func (k *Keyring) Prepare() error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if err := k.change(k.keys.Load().of, withPrepared); err != nil {
		return fmt.Errorf("preparing keys: %w", err)
	}
	return nil
}

// ErrTooEarly says that the next keys have not been public for long enough.
var ErrTooEarly = errors.New("the next keys have not been public for long enough")

// Rotate puts the prepared keys in force and retires the current ones, and
// returns the ids of those in force. If none were prepared it prepares them; if
// they have not been public for Lead yet, it says ErrTooEarly and leaves the
// current ones in force.
func (k *Keyring) Rotate() (kids []string, err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if err := k.change(k.keys.Load().of, withPrepared); err != nil {
		return nil, fmt.Errorf("rotating keys: %w", err)
	}
	now := time.Now()
	for _, keys := range k.keys.Load().of {
		for _, key := range keys {
			if ready := key.Made.Add(k.lead); key.State == prepared && now.Before(ready) {
				return nil, fmt.Errorf("rotating keys: %w: again from %s on", ErrTooEarly, ready.UTC().Format(time.RFC3339))
			}
		}
	}
	err = k.change(k.keys.Load().of, func(keys []mintKey, _ jose.SignatureAlgorithm) ([]mintKey, error) { return promoted(keys, now), nil })
	if err != nil {
		return nil, fmt.Errorf("rotating keys: %w", err)
	}
	for _, a := range ringAlgorithms {
		kids = append(kids, k.keys.Load().of[a][0].ID)
	}
	return kids, nil
}

// Verify checks the signature and the type of what Sign signed, and returns its
// claims as JSON. It looks at none of them.
func (k *Keyring) Verify(compact, typ string) (payload []byte, err error) {
	t, err := k.signed(compact, typ)
	if err != nil {
		return nil, err
	}
	return t.jws.UnsafePayloadWithoutVerification(), nil // verified in signed
}

// signed takes a token apart and returns it once its signature is ours.
func (k *Keyring) signed(compact, typ string) (*parsed, error) {
	h, err := ringHeaderOf(compact, typ)
	if err != nil {
		return nil, err
	}
	t, err := parse(compact, func(t string) bool { return t == typ })
	if err != nil {
		return nil, err
	}
	key, ours := k.keys.Load().public[h.kid] // a key in a map: the id leads to no file
	if !ours || !key.until.IsZero() && !time.Now().Before(key.until) {
		return nil, refuse(invalid, "we have no key %.60q", h.kid)
	}
	if t.kid != h.kid || key.algorithm != t.algorithm {
		return nil, refuse(invalid, "algorithm %s is not that of key %s", t.algorithm, h.kid)
	}
	if _, err := t.jws.Verify(key.public); err != nil {
		return nil, refuse(invalid, "the signature is wrong")
	}
	return t, nil
}

// ringHeader is the header of what we sign, which has these members and no other.
type ringHeader struct{ algorithm, kid, typ string }

// ringHeaderOf reads the header of a token that must be one of ours.
func ringHeaderOf(compact, typ string) (h ringHeader, err error) {
	coded, err := firstPart(compact)
	if err != nil {
		return h, err
	}
	raw, err := base64.RawURLEncoding.Strict().DecodeString(coded)
	if err != nil {
		return h, refuse(invalid, "the token's header is not base64url")
	}
	members, err := readClaims(raw)
	if err != nil {
		return h, refuse(invalid, "the token's header is no JSON object, or a member is repeated")
	}
	for name := range members {
		if name != "alg" && name != "kid" && name != "typ" {
			return h, refuse(invalid, "a token with the header %.20q", name)
		}
	}
	var errs [3]error
	h.algorithm, errs[0] = members.text("alg")
	h.kid, errs[1] = members.text("kid")
	h.typ, errs[2] = members.text("typ")
	if err := errors.Join(errs[:]...); err != nil {
		return h, refuse(invalid, "the token's header lacks alg, kid or typ")
	}
	if h.typ != typ {
		return h, refuse(invalid, "a token of type %.40q", h.typ)
	}
	return h, nil
}
