package token

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/portreeve/portreeve/internal/signin"
)

const (
	maxToken = 12 << 10         // bytes; RFC 4954's limit for SASL
	leeway   = 60 * time.Second // clocks differ; RFC 7519 section 4.1.4 speaks of "a few minutes" at most
	// refreshEach is how often Run looks whether keys are old.
	refreshEach = time.Minute
)

// Verifier checks bearer tokens of configured issuers. It is safe for
// concurrent use.
type Verifier struct {
	issuers map[string]*issuer // by iss
	foreign []string           // issuers whose tokens are for backends, never for us
	seen    *seen
}

// NewVerifier makes a verifier. notOurs are values of iss that we mint tokens
// for backends under: they are refused by name, and cannot be configured.
func NewVerifier(issuers []Issuer, notOurs ...string) (*Verifier, error) {
	v := &Verifier{issuers: map[string]*issuer{}, foreign: notOurs, seen: newSeen()}
	for _, o := range issuers {
		i, err := newIssuer(o)
		if err != nil {
			return nil, err
		}
		if v.issuers[o.Issuer] != nil {
			return nil, fmt.Errorf("two issuers are %q", o.Issuer)
		}
		if slices.Contains(notOurs, o.Issuer) {
			return nil, fmt.Errorf("issuer %s: %q is who mints our own tokens for backends, which are not taken at the door", o.Name, o.Issuer)
		}
		v.issuers[o.Issuer] = i
	}
	return v, nil
}

// Verify says what a token proves. A *Refusal says why it proves nothing; any
// other error means that it could not be found out.
func (v *Verifier) Verify(ctx context.Context, bearer []byte) (Claims, error) {
	if len(bearer) > maxToken {
		return Claims{}, refuse(signin.TokenInvalid, "a token of %d bytes", len(bearer))
	}
	now := time.Now()
	print := v.seen.print(bearer)
	if c, ok := v.seen.find(print, now); ok {
		return c, nil
	}
	generation := v.seen.generation()
	t, i, err := v.signed(ctx, bearer, plainType)
	if err != nil {
		return Claims{}, err
	}
	c, err := i.judge(&t.claims, now)
	if err != nil {
		return Claims{}, err
	}
	v.seen.add(print, c, generation)
	return c, nil
}

// signed takes a token apart and returns it with its issuer once its signature
// is that issuer's.
func (v *Verifier) signed(ctx context.Context, raw []byte, fits func(typ string) bool) (*parsed, *issuer, error) {
	t, err := parse(string(raw), fits)
	if err != nil {
		return nil, nil, err
	}
	i, err := v.issuerOf(t)
	if err != nil {
		return nil, nil, err
	}
	return t, i, v.checkSignature(ctx, i, t)
}

// Run keeps the keys fresh until ctx ends. A failure keeps the old ones and is
// told by States.
func (v *Verifier) Run(ctx context.Context) error {
	v.Refresh(ctx)
	tick := time.NewTicker(refreshEach)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			v.Refresh(ctx)
		}
	}
}

// Refresh fetches the keys that are old.
func (v *Verifier) Refresh(ctx context.Context) {
	for _, i := range v.issuers {
		if !i.keys.stale() {
			continue
		}
		if changed, _ := i.keys.refetch(ctx, fetchPause); changed {
			v.seen.clear()
		}
	}
}

func (s *keySource) stale() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return time.Since(s.fetched) >= keysFresh || s.fault != nil
}

// State is how one issuer's keys are, for status.
type State struct {
	Name    string    `json:"name"`
	Issuer  string    `json:"issuer"`
	Keys    int       `json:"keys"`
	Fetched time.Time `json:"fetched"`
	Fault   string    `json:"fault,omitempty"` // of the last attempt
}

// States says how the issuers' keys are, by name.
func (v *Verifier) States() []State {
	var all []State
	for _, i := range v.issuers {
		st := State{Name: i.Name, Issuer: i.Issuer.Issuer}
		if keys := i.keys.keys.Load(); keys != nil {
			st.Keys = len(*keys)
		}
		i.keys.mu.Lock()
		st.Fetched = i.keys.fetched
		if i.keys.fault != nil {
			st.Fault = i.keys.fault.Error()
		}
		i.keys.mu.Unlock()
		all = append(all, st)
	}
	slices.SortFunc(all, func(a, b State) int { return strings.Compare(a.Name, b.Name) })
	return all
}

// parsed is a token taken apart and not believed yet.
type parsed struct {
	jws       *jose.JSONWebSignature
	algorithm jose.SignatureAlgorithm
	kid       string
	claims    claimSet
}

// parse takes apart a compact JWS (RFC 7515 section 7.1). It is strict where
// the library is lenient: one spelling of each token, and no header that brings
// a key or a rule of its own.
func parse(s string, fits func(typ string) bool) (*parsed, error) {
	if err := compact(s); err != nil {
		return nil, err
	}
	jws, err := jose.ParseSignedCompact(s, known)
	if err != nil {
		return nil, refuse(signin.TokenInvalid, "%s", malformed(err))
	}
	if len(jws.Signatures) != 1 {
		return nil, refuse(signin.TokenInvalid, "a token with %d signatures", len(jws.Signatures))
	}
	h := jws.Signatures[0].Protected
	if h.JSONWebKey != nil {
		return nil, refuse(signin.TokenInvalid, "a token that brings its own key")
	}
	for name, value := range h.ExtraHeaders {
		switch name {
		case "typ":
			if t, ok := value.(string); !ok || !fits(t) {
				return nil, refuse(signin.TokenInvalid, "a token of type %.40q", fmt.Sprint(value))
			}
		case "jku", "x5u", "crit", "b64", "cty", "zip", "enc":
			return nil, refuse(signin.TokenInvalid, "a token with the header %s", name)
		}
	}
	claims, err := readClaims(jws.UnsafePayloadWithoutVerification())
	if err != nil {
		return nil, err
	}
	return &parsed{jws, jose.SignatureAlgorithm(h.Algorithm), h.KeyID, claims}, nil
}

// plainType is typ of an access or id token (RFC 9068 section 2.1); a logout
// token, a security event or a DPoP proof is something else.
func plainType(t string) bool {
	t = strings.TrimPrefix(strings.ToLower(t), "application/")
	return t == "jwt" || t == "at+jwt"
}

// compact checks the outer form: three parts of base64url, each in its one
// spelling without stray bits, line ends or padding.
func compact(s string) error {
	parts := strings.Split(s, ".")
	if len(parts) != 3 {
		return refuse(signin.TokenInvalid, "no JWT: %d parts", len(parts))
	}
	for _, p := range parts {
		if p == "" || strings.ContainsAny(p, "\r\n") {
			return refuse(signin.TokenInvalid, "a part of the token is empty or broken into lines")
		}
		if _, err := base64.RawURLEncoding.Strict().DecodeString(p); err != nil {
			return refuse(signin.TokenInvalid, "a part of the token is not base64url")
		}
	}
	return nil
}

// malformed words a parser's error without repeating what was sent.
func malformed(err error) string {
	var alg *jose.ErrUnexpectedSignatureAlgorithm
	if errors.As(err, &alg) {
		return fmt.Sprintf("algorithm %.20q", alg.Got)
	}
	return "the token's header cannot be read"
}

func (v *Verifier) issuerOf(t *parsed) (*issuer, error) {
	iss, err := t.claims.text("iss")
	if err != nil {
		return nil, err
	}
	if slices.Contains(v.foreign, iss) {
		return nil, refuse(signin.TokenAtWrongDoor, "a token that we mint for backends")
	}
	i := v.issuers[iss]
	if i == nil {
		return nil, refuse(signin.TokenInvalid, "issuer %.200q is not configured", iss)
	}
	return i, nil
}

func (v *Verifier) checkSignature(ctx context.Context, i *issuer, t *parsed) error {
	if !slices.Contains(i.algorithms, t.algorithm) {
		return refuse(signin.TokenInvalid, "algorithm %s is not allowed for %s", t.algorithm, i.Name)
	}
	keys, changed, err := i.keys.find(ctx, t.kid, t.algorithm)
	if changed {
		v.seen.clear()
	}
	if err != nil {
		return fmt.Errorf("verifying a token of %s: %w", i.Name, err)
	}
	for _, k := range keys {
		if _, err := t.jws.Verify(k.public); err == nil {
			return nil
		}
	}
	if len(keys) == 0 {
		return refuse(signin.TokenInvalid, "%s has no %s key %.60q", i.Name, t.algorithm, t.kid)
	}
	return refuse(signin.TokenInvalid, "the signature is wrong")
}
