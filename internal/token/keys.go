package token

import (
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-jose/go-jose/v4"
)

const (
	fetchTime  = 5 * time.Second // one fetch, answer included; a sign-in waits for it
	fetchBytes = 256 << 10       // a JWKS; Entra's has 20 kB
	fetchPause = time.Minute     // between two fetches because of an unknown kid
	keysFresh  = time.Hour       // then they are fetched again, so that a withdrawn key goes
	keysMost   = 64              // keys of one issuer
	triesMost  = 8               // keys that one token is tried with
	minRSABits = 2048            // RFC 7518 section 3.3
	maxRSABits = 8192            // verifying costs the square of it
)

// key is one public key with the algorithms that it may verify. A key never
// verifies by an algorithm of another family, whatever a token says.
type key struct {
	id         string
	algorithms []jose.SignatureAlgorithm
	public     any
}

func (k *key) fits(a jose.SignatureAlgorithm) bool { return slices.Contains(k.algorithms, a) }

// keySource has the keys of one issuer. Keys stay good while newer ones cannot
// be had; an empty or broken set never replaces a good one.
type keySource struct {
	where  string
	client *http.Client
	keys   atomic.Pointer[[]key]

	mu      sync.Mutex // held while fetching
	fetched time.Time  // last success
	tried   time.Time  // last attempt
	last    []byte     // what the keys were made of
	fault   error      // of the last attempt
}

func newKeySource(where string, client *http.Client) (*keySource, error) {
	if where == "" {
		return nil, errors.New("no keys are configured")
	}
	s := &keySource{where: where}
	if isURL(where) {
		if err := safeURL(where); err != nil {
			return nil, err
		}
		if s.client = client; client != nil {
			return s, nil
		}
		s.client = &http.Client{Timeout: fetchTime, CheckRedirect: func(r *http.Request, via []*http.Request) error {
			if len(via) > 3 {
				return errors.New("too many redirections")
			}
			return safeURL(r.URL.String())
		}}
	}
	return s, nil
}

// errNoKeys means that it cannot be found out whether a token is good.
var errNoKeys = errors.New("the issuer's keys cannot be had")

// find returns the keys that may have signed with this algorithm under this
// id. A token without one is tried with every key that fits. For an unknown id
// the keys are fetched anew, at most once a minute.
func (s *keySource) find(ctx context.Context, id string, a jose.SignatureAlgorithm) (found []key, changed bool, err error) {
	if found = s.among(id, a); len(found) > 0 {
		return found, false, nil
	}
	changed, err = s.refetch(ctx, fetchPause)
	if found = s.among(id, a); len(found) > 0 {
		return found, changed, nil
	}
	return nil, changed, err
}

func (s *keySource) among(id string, a jose.SignatureAlgorithm) (found []key) {
	all := s.keys.Load()
	if all == nil {
		return nil
	}
	for _, k := range *all {
		if (id == "" || k.id == id) && k.fits(a) && len(found) < triesMost {
			found = append(found, k)
		}
	}
	return found
}

// refetch fetches the keys unless that was tried within pause, and says whether
// they are others than before. The error is that of the last attempt.
func (s *keySource) refetch(ctx context.Context, pause time.Duration) (changed bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.tried.IsZero() && time.Since(s.tried) < pause {
		return false, s.fault
	}
	s.tried = time.Now()
	raw, err := s.fetch(ctx)
	if err == nil {
		changed, err = s.take(raw)
	}
	if s.fault = nil; err != nil {
		s.fault = fmt.Errorf("%w: %w", errNoKeys, err)
	}
	return changed, s.fault
}

func (s *keySource) take(raw []byte) (changed bool, err error) {
	keys, err := readKeys(raw)
	if err != nil {
		return false, err
	}
	s.fetched = time.Now()
	if string(raw) == string(s.last) {
		return false, nil
	}
	s.last = raw
	s.keys.Store(&keys)
	return true, nil
}

func (s *keySource) fetch(ctx context.Context) ([]byte, error) {
	if s.client == nil {
		f, err := os.Open(s.where)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		return atMost(f)
	}
	// One client giving up must not take the answer from all who wait for it.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), fetchTime)
	defer cancel()
	q, err := http.NewRequestWithContext(ctx, http.MethodGet, s.where, nil)
	if err != nil {
		return nil, err
	}
	q.Header.Set("Accept", "application/jwk-set+json, application/json")
	r, err := s.client.Do(q)
	if err != nil {
		return nil, err
	}
	defer r.Body.Close()
	if r.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s answers %s", s.where, r.Status)
	}
	return atMost(r.Body)
}

func atMost(r io.Reader) ([]byte, error) {
	raw, err := io.ReadAll(io.LimitReader(r, fetchBytes+1))
	if err == nil && len(raw) > fetchBytes {
		err = fmt.Errorf("a key set over %d bytes", fetchBytes)
	}
	return raw, err
}

// readKeys reads a JWKS (RFC 7517 section 5). Keys of kinds that we do not
// verify with are passed over, as section 5 asks.
func readKeys(raw []byte) ([]key, error) {
	var set struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if err := json.Unmarshal(raw, &set); err != nil {
		return nil, fmt.Errorf("reading a key set: %w", err)
	}
	var keys []key
	for _, one := range set.Keys {
		var j jose.JSONWebKey
		if j.UnmarshalJSON(one) != nil {
			continue
		}
		if k, ok := usable(&j); ok && len(keys) < keysMost {
			keys = append(keys, k)
		}
	}
	if len(keys) == 0 {
		return nil, errors.New("the key set holds no key that can be used")
	}
	return keys, nil
}

func usable(j *jose.JSONWebKey) (key, bool) {
	if !j.Valid() || !j.IsPublic() || (j.Use != "" && j.Use != "sig") {
		return key{}, false
	}
	fits := algorithmsOf(j.Key)
	if j.Algorithm != "" {
		a := jose.SignatureAlgorithm(j.Algorithm)
		if !slices.Contains(fits, a) {
			return key{}, false
		}
		fits = []jose.SignatureAlgorithm{a}
	}
	return key{j.KeyID, fits, j.Key}, len(fits) > 0
}

// algorithmsOf lists what a public key may verify; nothing for a symmetric one.
func algorithmsOf(public any) []jose.SignatureAlgorithm {
	switch k := public.(type) {
	case *rsa.PublicKey:
		if bits := k.N.BitLen(); bits < minRSABits || bits > maxRSABits {
			return nil
		}
		return []jose.SignatureAlgorithm{jose.RS256, jose.RS384, jose.RS512, jose.PS256, jose.PS384, jose.PS512}
	case *ecdsa.PublicKey:
		switch k.Curve.Params().BitSize {
		case 256:
			return []jose.SignatureAlgorithm{jose.ES256}
		case 384:
			return []jose.SignatureAlgorithm{jose.ES384}
		case 521:
			return []jose.SignatureAlgorithm{jose.ES512}
		}
	case ed25519.PublicKey:
		return []jose.SignatureAlgorithm{jose.EdDSA}
	}
	return nil
}
