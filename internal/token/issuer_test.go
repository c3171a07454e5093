package token

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/portreeve/portreeve/internal/signin"
)

const (
	testIssuer   = "https://id.example.org"
	testAudience = "mail"
)

// pair is a key pair of the tests' issuer.
type pair struct {
	kid       string
	algorithm jose.SignatureAlgorithm
	private   crypto.Signer
}

var (
	ecPair    = sync.OnceValue(func() pair { return newPair("ec", jose.ES256) })
	rsaPair   = sync.OnceValue(func() pair { return newPair("rsa", jose.RS256) })
	edPair    = sync.OnceValue(func() pair { return newPair("ed", jose.EdDSA) })
	otherPair = sync.OnceValue(func() pair { return newPair("ec", jose.ES256) }) // a stranger's, under the same kid
)

func newPair(kid string, a jose.SignatureAlgorithm) pair {
	p := pair{kid: kid, algorithm: a}
	var err error
	switch a {
	case jose.RS256:
		p.private, err = rsa.GenerateKey(rand.Reader, 2048)
	case jose.EdDSA:
		_, p.private, err = ed25519.GenerateKey(rand.Reader)
	default:
		p.private, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	}
	if err != nil {
		panic(err)
	}
	return p
}

func (p pair) jwk() jose.JSONWebKey {
	return jose.JSONWebKey{Key: p.private.Public(), KeyID: p.kid, Algorithm: string(p.algorithm), Use: "sig"}
}

func keySet(t testing.TB, pairs ...pair) []byte {
	var set jose.JSONWebKeySet
	for _, p := range pairs {
		set.Keys = append(set.Keys, p.jwk())
	}
	raw, err := json.Marshal(set)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// members are a token's claims or header.
type members map[string]any

// with returns a copy with one member changed; nil takes it out.
func (m members) with(name string, value any) members {
	n := members{}
	for k, v := range m {
		n[k] = v
	}
	if n[name] = value; value == nil {
		delete(n, name)
	}
	return n
}

func good() members {
	now := time.Now().Unix()
	return members{"iss": testIssuer, "aud": testAudience, "sub": "4711", "email": "mary@example.org", "jti": "one",
		"iat": now - 10, "nbf": now - 10, "exp": now + 600}
}

func (p pair) header() members {
	return members{"alg": string(p.algorithm), "kid": p.kid, "typ": "JWT"}
}

func encode(t testing.TB, m any) string {
	raw, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return base64.RawURLEncoding.EncodeToString(raw)
}

// sign signs any header and claims whatever they say.
func (p pair) sign(t testing.TB, header, claims members) string {
	k, isRSA := p.private.(*rsa.PrivateKey)
	if !isRSA || header["alg"] != "PS256" {
		return p.signText(t, encode(t, header), encode(t, claims))
	}
	input := encode(t, header) + "." + encode(t, claims)
	sum := sha256.Sum256([]byte(input))
	sig, err := rsa.SignPSS(rand.Reader, k, crypto.SHA256, sum[:], &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash})
	if err != nil {
		t.Fatal(err)
	}
	return input + "." + base64.RawURLEncoding.EncodeToString(sig)
}

func (p pair) signText(t testing.TB, header, claims string) string {
	input := header + "." + claims
	sum := sha256.Sum256([]byte(input))
	var sig []byte
	var err error
	switch k := p.private.(type) {
	case *ecdsa.PrivateKey:
		r, s, e := ecdsa.Sign(rand.Reader, k, sum[:])
		sig, err = append(r.FillBytes(make([]byte, 32)), s.FillBytes(make([]byte, 32))...), e
	case *rsa.PrivateKey:
		sig, err = rsa.SignPKCS1v15(rand.Reader, k, crypto.SHA256, sum[:])
	case ed25519.PrivateKey:
		sig = ed25519.Sign(k, []byte(input))
	}
	if err != nil {
		t.Fatal(err)
	}
	return input + "." + base64.RawURLEncoding.EncodeToString(sig)
}

func (p pair) token(t testing.TB, claims members) string { return p.sign(t, p.header(), claims) }

func hs256(input string, key []byte) string {
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(input))
	return input + "." + base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

func issuerWith(keys string) Issuer {
	return Issuer{Name: "example", Issuer: testIssuer, Audiences: []string{testAudience}, Keys: keys}
}

func keyFile(t testing.TB, raw []byte) string {
	path := filepath.Join(t.TempDir(), "jwks.json")
	if err := os.WriteFile(path, raw, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func newVerifier(t testing.TB, issuers ...Issuer) *Verifier {
	t.Helper()
	v, err := NewVerifier(issuers, "https://gate.example.org/backends")
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// door is a verifier of the tests' issuer with all its keys.
func door(t testing.TB) *Verifier {
	return newVerifier(t, issuerWith(keyFile(t, keySet(t, ecPair(), rsaPair(), edPair()))))
}

func codeOf(err error) signin.Code {
	var r *Refusal
	if errors.As(err, &r) {
		return r.Code
	}
	return -1
}

// keyServer serves a key set that can be changed and counts who asks.
type keyServer struct {
	*httptest.Server
	mu    sync.Mutex
	body  []byte
	code  int
	asked atomic.Int32
}

func serveKeys(t testing.TB, body []byte) *keyServer {
	s := &keyServer{body: body, code: http.StatusOK}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		s.asked.Add(1)
		s.mu.Lock()
		defer s.mu.Unlock()
		w.WriteHeader(s.code)
		_, _ = w.Write(s.body)
	}))
	t.Cleanup(s.Close)
	return s
}

func (s *keyServer) set(code int, body []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.code, s.body = code, body
}

// age makes what a key source has done look so much older.
func age(v *Verifier, d time.Duration) {
	for _, i := range v.issuers {
		i.keys.mu.Lock()
		i.keys.tried, i.keys.fetched = i.keys.tried.Add(-d), i.keys.fetched.Add(-d)
		i.keys.mu.Unlock()
	}
}

func verify(v *Verifier, s string) (Claims, error) { return v.Verify(context.Background(), []byte(s)) }
