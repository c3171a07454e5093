package token

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/portreeve/portreeve/internal/secret"
	"github.com/portreeve/portreeve/internal/signin"
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
	heads   map[string]head // by a token's first part, to the letter
}

type signedAs struct {
	algorithm jose.SignatureAlgorithm
	typ       string
}

// head is what a token of ours begins with means: by which key it must be
// signed, and how. Nothing of that is read from the token itself.
type head struct {
	typ       string
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
	r := &ring{of: of, signers: map[signedAs]jose.Signer{}, heads: map[string]head{}}
	for _, a := range ringAlgorithms {
		if err := openAll(of[a], a); err != nil {
			return fmt.Errorf("%s, %s: %w", k.path, a, err)
		}
		for i := range of[a] {
			if err := r.add(&of[a][i], a); err != nil {
				return fmt.Errorf("%s, %s: %w", k.path, a, err)
			}
		}
	}
	k.keys.Store(r)
	return nil
}

// add makes known how tokens begin that a key signs, signed or to be signed.
func (r *ring) add(key *mintKey, a jose.SignatureAlgorithm) error {
	for _, typ := range ringTypes {
		signer, err := key.signerOf(a, typ)
		if err != nil {
			return err
		}
		example, err := compactOf(signer, []byte("{}"))
		if err != nil {
			return err
		}
		first, _, _ := strings.Cut(example, ".")
		one := head{typ: typ, algorithm: a, public: key.private.Public()}
		if key.State == retired {
			one.until = key.Retired.Add(keptAfter)
		}
		r.heads[first] = one
		if key.State == current {
			r.signers[signedAs{a, typ}] = signer
		}
	}
	return nil
}

func compactOf(signer jose.Signer, payload []byte) (string, error) {
	jws, err := signer.Sign(payload)
	if err != nil {
		return "", err
	}
	return jws.CompactSerialize()
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
	text, err := compactOf(signer, payload)
	if err != nil {
		return "", fmt.Errorf("signing a token: %w", err)
	}
	return text, nil
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
func (k *Keyring) Verify(text, typ string) (payload []byte, err error) {
	if err := compact(text); err != nil {
		return nil, err
	}
	last := strings.LastIndexByte(text, '.')
	input := text[:last]
	first, body, _ := strings.Cut(input, ".")
	h, ours := k.keys.Load().heads[first]
	switch {
	case !ours:
		return nil, refuse(signin.TokenInvalid, "the token's header is none that we make: %s", headerOf(first))
	case h.typ != typ:
		return nil, refuse(signin.TokenInvalid, "a token of type %s", h.typ)
	case !h.until.IsZero() && !time.Now().Before(h.until):
		return nil, refuse(signin.TokenInvalid, "the token's key is retired")
	}
	signature, _ := base64.RawURLEncoding.DecodeString(text[last+1:]) // compact has tried both
	if payload, _ = base64.RawURLEncoding.DecodeString(body); !h.signed(input, signature) {
		return nil, refuse(signin.TokenInvalid, "the signature is wrong")
	}
	return payload, nil
}

// signed checks a signature (RFC 7518, sections 3.3 and 3.4).
func (h *head) signed(input string, signature []byte) bool {
	sum := sha256.Sum256([]byte(input))
	switch public := h.public.(type) {
	case *ecdsa.PublicKey:
		const half = 32 // bytes of P-256
		if len(signature) != 2*half {
			return false
		}
		r, s := new(big.Int).SetBytes(signature[:half]), new(big.Int).SetBytes(signature[half:])
		return ecdsa.Verify(public, sum[:], r, s)
	case *rsa.PublicKey:
		return rsa.VerifyPKCS1v15(public, crypto.SHA256, sum[:], signature) == nil
	}
	return false
}

// headerOf is a header in short, for administrators.
func headerOf(coded string) string {
	raw, err := base64.RawURLEncoding.DecodeString(coded)
	if err != nil {
		return "not base64url"
	}
	return fmt.Sprintf("%.120q", raw)
}
