package token

import (
	"context"
	"strings"
	"sync/atomic"
	"time"

	"github.com/portreeve/portreeve/internal/scope"
	"github.com/portreeve/portreeve/internal/signin"
)

const invalid = signin.TokenInvalid

// Own checks the access tokens that we gave to programs ourselves. What they
// hang on, and so whether they still count, is the grant's business.
type Own struct {
	issuer, audience string
	keys             *Keyring
	seen             *seen
	of               atomic.Pointer[ring] // whose tokens are remembered
}

// NewOwn makes one for tokens of an issuer and an audience.
func NewOwn(issuer, audience string, keys *Keyring) *Own {
	return &Own{issuer: issuer, audience: audience, keys: keys, seen: newSeen()}
}

// Verify says what one of our access tokens says. A *Refusal says why it is none.
func (o *Own) Verify(_ context.Context, bearer []byte) (Claims, error) {
	if len(bearer) > maxToken {
		return Claims{}, refuse(invalid, "a token of %d bytes", len(bearer))
	}
	if keys := o.keys.keys.Load(); o.of.Load() != keys {
		o.seen.clear()
		o.of.Store(keys)
	}
	now, print := time.Now(), o.seen.print(bearer)
	if c, ok := o.seen.find(print, now); ok {
		return c, nil
	}
	era := o.seen.generation()
	t, err := o.keys.signed(string(bearer), TypeAccess)
	if err != nil {
		return Claims{}, err
	}
	c, err := o.judge(&t.claims, now)
	if err != nil {
		return Claims{}, err
	}
	o.seen.add(print, c, era)
	return c, nil
}

// judge says what a token with our signature says now. All of its members are
// of our own making, so each must be there as we make it.
func (o *Own) judge(c *claimSet, now time.Time) (Claims, error) {
	out := Claims{Own: true}
	iss, err := c.text("iss")
	if err != nil {
		return Claims{}, err
	}
	if iss != o.issuer {
		return Claims{}, refuse(invalid, "issuer %.200q is not this one", iss)
	}
	audience, err := c.text("aud")
	if err != nil || audience != o.audience {
		return Claims{}, refuse(signin.TokenAtWrongDoor, "the audience is %.200q", audience)
	}
	if out.Issued, out.Expires, err = c.times(now); err != nil {
		return Claims{}, err
	}
	if !c.has("iat") {
		return Claims{}, refuse(invalid, "claim iat is missing or no time")
	}
	if c.has("events") || c.has("nonce") {
		return Claims{}, refuse(invalid, "an access token has no events and no nonce")
	}
	for name, into := range map[string]*string{"sub": &out.Subject, "client_id": &out.ClientID, "jti": &out.ID, "sid": &out.Grant} {
		if *into, err = c.text(name); err != nil {
			return Claims{}, err
		}
	}
	if out.Scope, err = c.optional("scope"); err != nil {
		return Claims{}, err
	}
	if out.Scopes, err = scope.Parse(out.Scope); err != nil {
		return Claims{}, refuse(invalid, "claim scope is no list of scopes")
	}
	if out.Address, err = c.text("email"); err != nil {
		return Claims{}, err
	}
	return out, nil
}

// Mine says that a token names a key of ours. That proves nothing: it tells
// whose refusal of it is the true one.
func (o *Own) Mine(bearer []byte) bool {
	if len(bearer) > maxToken {
		return false
	}
	for _, typ := range ringTypes {
		if h, err := ringHeaderOf(string(bearer), typ); err == nil {
			_, ours := o.keys.keys.Load().public[h.kid]
			return ours
		}
	}
	return false
}

// firstPart is the header of a compact token, as it is coded.
func firstPart(compact string) (string, error) {
	header, _, found := strings.Cut(compact, ".")
	if !found || len(header) > maxHeader {
		return "", refuse(invalid, "no JWT, or its header is too long")
	}
	return header, nil
}

// maxHeader bounds the header of our own tokens, in bytes; they have about 100.
const maxHeader = 512
