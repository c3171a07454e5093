package token

import (
	"bytes"
	"context"
	"sync/atomic"
	"time"

	"github.com/portreeve/portreeve/internal/scope"
	"github.com/portreeve/portreeve/internal/signin"
)

// Own checks the access tokens that we gave to programs ourselves. What they
// hang on, and so whether they still count, is the grant's business.
type Own struct {
	issuer, audience string
	keys             *Keyring
	seen             *seen
	of               atomic.Pointer[ring] // whose tokens are remembered
}

// MailAudience is behind the issuer in the audience of tokens that open a mailbox.
const MailAudience = "/mail"

// NewOwn makes one for tokens of an issuer and an audience.
func NewOwn(issuer, audience string, keys *Keyring) *Own {
	return &Own{issuer: issuer, audience: audience, keys: keys, seen: newSeen()}
}

// Verify says what one of our access tokens says. A *Refusal says why it is none.
func (o *Own) Verify(_ context.Context, bearer []byte) (Claims, error) {
	if len(bearer) > maxToken {
		return Claims{}, refuse(signin.TokenInvalid, "a token of %d bytes", len(bearer))
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
	payload, err := o.keys.Verify(string(bearer), TypeAccess)
	if err != nil {
		return Claims{}, err
	}
	claims, err := readClaims(payload)
	if err != nil {
		return Claims{}, err
	}
	c, err := o.judge(&claims, now)
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
		return Claims{}, refuse(signin.TokenInvalid, "issuer %.200q is not this one", iss)
	}
	audience, err := c.text("aud")
	if err != nil || audience != o.audience {
		return Claims{}, refuse(signin.TokenAtWrongDoor, "the audience is %.200q", audience)
	}
	if out.Issued, out.Expires, err = c.times(now); err != nil {
		return Claims{}, err
	}
	if !c.has("iat") {
		return Claims{}, refuse(signin.TokenInvalid, "claim iat is missing or no time")
	}
	if c.has("events") || c.has("nonce") {
		return Claims{}, refuse(signin.TokenInvalid, "an access token has no events and no nonce")
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
		return Claims{}, refuse(signin.TokenInvalid, "claim scope is no list of scopes")
	}
	if out.Address, err = c.text("email"); err != nil {
		return Claims{}, err
	}
	return out, nil
}

// Mine says that a token begins as ours do. That proves nothing: it tells whose
// refusal of it is the true one.
func (o *Own) Mine(bearer []byte) bool {
	first, _, _ := bytes.Cut(bearer, []byte("."))
	_, ours := o.keys.keys.Load().heads[string(first)]
	return ours
}
