package authn

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/portreeve/portreeve/internal/directory"
	"github.com/portreeve/portreeve/internal/policy"
	"github.com/portreeve/portreeve/internal/secret"
	"github.com/portreeve/portreeve/internal/signin"
	"github.com/portreeve/portreeve/internal/token"
)

// waste costs what checking a password costs.
func (q *claim) waste() { secret.Waste(q.cred.Secret()) }

// bearer verifies a token. Its person must be the mailbox asked for, whatever
// name was sent beside it.
func (v *Verifier) bearer(ctx context.Context, q *claim) (signin.Principal, error) {
	if v.Tokens == nil {
		return signin.Principal{}, refuse(signin.TokenInvalid, "no token issuer is configured")
	}
	claims, err := v.Tokens.Verify(ctx, q.cred.Secret())
	if err != nil {
		return signin.Principal{}, tokenError(err)
	}
	who, err := v.vouched(ctx, q, claims.Address)
	if err != nil {
		return signin.Principal{}, err
	}
	if err := v.mayOpen(ctx, who, q, signin.TokenOfAnother); err != nil {
		return signin.Principal{}, err
	}
	grant := grantOf(&claims)
	if v.Revocations != nil && v.Revocations.Revoked(who.ID, grant, claims.Issued) {
		return signin.Principal{}, refuse(signin.TokenInvalid, "the grant %q was revoked", grant)
	}
	p, err := q.principal(claims.Methods)
	p.Issuer, p.AuthTime, p.Grant = claims.Issuer, claims.AuthTime, grant
	if claims.Session > 0 {
		p.Until = q.attempt.At.Add(claims.Session)
	}
	return p, err
}

// vouched finds the person whom an issuer names, and makes them if the issuer
// names the mailbox that was asked for and nobody has it yet.
func (v *Verifier) vouched(ctx context.Context, q *claim, named string) (directory.Person, error) {
	address, err := v.Vouchers.Vouched(q.attempt.Listener, named)
	if err != nil {
		return directory.Person{}, refuse(signin.TokenInvalid, "the token's person is no name here: %v", err)
	}
	if address == q.mailbox.Address {
		if q.known {
			return q.mailbox, nil
		}
		return v.newcomer(ctx, q, address)
	}
	who, known, err := v.Directory.Lookup(ctx, address)
	if err != nil {
		return directory.Person{}, trouble(signin.DirectoryAway, fmt.Errorf("looking up %s: %w", address, err))
	}
	if !known {
		who = directory.Person{Address: address}
	}
	return who, nil
}

// grantOf names what a sign-in with a foreign token hangs on.
func grantOf(c *token.Claims) string {
	if c.ID == "" {
		return ""
	}
	return c.Issuer + ":" + c.ID
}

func tokenError(err error) error {
	var r *token.Refusal
	if errors.As(err, &r) {
		return refuse(r.Code, "%s", r.Detail)
	}
	return trouble(signin.DirectoryAway, err)
}

// certificate verifies a client certificate, which the handshake has chained to
// the listener's client CA. Its person must be the mailbox asked for.
func (v *Verifier) certificate(ctx context.Context, q *claim) (signin.Principal, error) {
	if v.Certificates == nil || len(q.attempt.TLS.Certificate) == 0 {
		return signin.Principal{}, refuse(signin.CertificateInvalid, "no client certificate was shown, or none is accepted here")
	}
	named, err := v.Certificates.People(ctx, q.attempt.Listener, q.attempt.TLS.Certificate)
	if err != nil {
		return signin.Principal{}, err
	}
	if !v.names(q, named) {
		return signin.Principal{}, refuse(signin.CertificateInvalid, "the certificate is of %.200q, the mailbox is %s", named, q.mailbox.Address)
	}
	if !q.known {
		return signin.Principal{}, refuse(signin.UserUnknown, "nobody has the certificate's name")
	}
	p, err := q.principal(policy.MethodX509SingleFactor)
	if q.attempt.TLS.Resumed {
		p.AuthTime = time.Time{} // the key was proven in an earlier handshake, nobody knows when
	}
	return p, err
}

// names says whether one of the names leads to the mailbox.
func (v *Verifier) names(q *claim, named []string) bool {
	for _, n := range named {
		if address, err := v.Vouchers.Vouched(q.attempt.Listener, n); err == nil && address == q.mailbox.Address {
			return true
		}
	}
	return false
}
