package authn

import (
	"context"
	"errors"
	"time"

	"github.com/portreeve/portreeve/internal/directory"
	"github.com/portreeve/portreeve/internal/protocol"
	"github.com/portreeve/portreeve/internal/secret"
	"github.com/portreeve/portreeve/internal/signin"
	"github.com/portreeve/portreeve/internal/token"
)

// waste costs what checking a password costs.
func (q *claim) waste() { secret.Waste(q.cred.Secret()) }

// bearer verifies a token. Its person must be the mailbox asked for or a
// delegate, and who was named as the one who signs in, if somebody was.
func (v *Verifier) bearer(ctx context.Context, q *claim) (signin.Principal, error) {
	if q.attempt.Protocol == protocol.Portal {
		return v.arrival(ctx, q)
	}
	if v.Tokens == nil {
		return signin.Principal{}, refuse(signin.TokenInvalid, "no token issuer is configured")
	}
	claims, err := v.Tokens.Verify(ctx, q.cred.Secret())
	if err != nil {
		return signin.Principal{}, tokenError(err)
	}
	if claims.Own {
		return v.own(ctx, q, &claims)
	}
	return v.holder(ctx, q, &claims)
}

// arrival verifies an ID token that a browser came back from a provider with.
// It counts only for whom that provider speaks for; what it says of their
// groups is in force before policy judges.
func (v *Verifier) arrival(ctx context.Context, q *claim) (signin.Principal, error) {
	if v.Upstream == nil {
		return signin.Principal{}, refuse(signin.TokenInvalid, "no OpenID provider is configured for browsers")
	}
	claims, err := v.Upstream.Verify(ctx, q.cred.Secret())
	if err != nil {
		return signin.Principal{}, tokenError(err)
	}
	address, err := v.Vouchers.Vouched(q.attempt.Listener, claims.Address)
	if err != nil || !v.Upstream.Vouches(claims.Issuer, address) {
		return signin.Principal{}, refuse(signin.ProviderForAnother, "%s does not speak for %.200q", claims.Issuer, claims.Address)
	}
	p, err := v.holder(ctx, q, &claims)
	if err != nil {
		return signin.Principal{}, err
	}
	if err := v.Upstream.Arrived(ctx, p.Person, claims); err != nil {
		return signin.Principal{}, trouble(signin.DirectoryAway, err)
	}
	return p, nil
}

// holder is the person whom a verified token names.
func (v *Verifier) holder(ctx context.Context, q *claim, claims *token.Claims) (signin.Principal, error) {
	who, err := v.vouched(ctx, q, claims.Address)
	if err != nil {
		return signin.Principal{}, err
	}
	if err := v.mayShow(who, q); err != nil {
		return signin.Principal{}, err
	}
	grant := grantOf(claims)
	if v.Revocations != nil && v.Revocations.Revoked(who.ID, grant, claims.Issued) {
		return signin.Principal{}, refuse(signin.TokenInvalid, "the grant %q was revoked", grant)
	}
	p, err := q.principal(who, claims.Methods)
	p.Issuer, p.AuthTime, p.Grant = claims.Issuer, claims.AuthTime, grant
	if claims.Session > 0 {
		p.Until = earlier(q.until, q.attempt.At.Add(claims.Session))
	}
	return p, err
}

// mayShow refuses a token unless its person may open the mailbox, and is the one
// who was named as signing in, if somebody was.
func (v *Verifier) mayShow(who directory.Person, q *claim) error {
	if err := v.mayOpen(who, q, signin.TokenOfAnother); err != nil {
		return err
	}
	if named, err := v.authenticating(q); err != nil || named != q.mailbox.Address && named != who.Address {
		return refuse(signin.TokenOfAnother, "the token is of %s, who is not named beside it", who.Address)
	}
	return nil
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
	who, _, err := v.lookup(ctx, address)
	return who, err
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
// the listener's client CA. Its person must be the mailbox asked for, or a delegate.
func (v *Verifier) certificate(ctx context.Context, q *claim) (signin.Principal, error) {
	if v.Certificates == nil || len(q.attempt.TLS.Certificate) == 0 {
		return signin.Principal{}, refuse(signin.CertificateInvalid, "no client certificate was shown, or none is accepted here")
	}
	named, methods, err := v.Certificates.People(ctx, q.attempt.Listener, q.attempt.TLS.Certificate)
	if err != nil {
		return signin.Principal{}, err
	}
	who, err := v.certified(ctx, q, named)
	if err != nil {
		return signin.Principal{}, err
	}
	if who.ID == "" {
		return signin.Principal{}, refuse(signin.UserUnknown, "nobody has the certificate's name")
	}
	p, err := q.principal(who, methods)
	if q.attempt.TLS.Resumed {
		p.AuthTime = time.Time{} // the key was proven in an earlier handshake, nobody knows when
	}
	return p, err
}

// certified is whoever of the certificate's names may open the mailbox: its
// own person first.
func (v *Verifier) certified(ctx context.Context, q *claim, named []string) (directory.Person, error) {
	var addresses []string
	for _, n := range named {
		address, err := v.Vouchers.Vouched(q.attempt.Listener, n)
		if err == nil && address == q.mailbox.Address {
			return q.mailbox, nil
		}
		if err == nil {
			addresses = append(addresses, address)
		}
	}
	for _, address := range addresses {
		who, known, err := v.lookup(ctx, address)
		if err != nil {
			return directory.Person{}, err
		}
		if known && v.mayOpen(who, q, signin.CertificateInvalid) == nil {
			return who, nil
		}
	}
	return directory.Person{}, refuse(signin.CertificateInvalid, "the certificate is of %.200q, the mailbox is %s", named, q.mailbox.Address)
}
