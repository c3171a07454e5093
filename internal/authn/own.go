package authn

import (
	"context"
	"errors"
	"net/netip"

	"github.com/portreeve/portreeve/internal/directory"
	"github.com/portreeve/portreeve/internal/grant"
	"github.com/portreeve/portreeve/internal/protocol"
	"github.com/portreeve/portreeve/internal/signin"
	"github.com/portreeve/portreeve/internal/token"
)

// Grants says what a token of our own hangs on, as it is now.
type Grants interface {
	Standing(id string, p protocol.Protocol, from netip.Addr) (grant.Standing, error)
}

// own is the person whom one of our own access tokens was given for. Who they
// are and what they proved is the grant's to say, which may have ended since;
// the token names it, and which of its doors it opens.
func (v *Verifier) own(ctx context.Context, q *claim, claims *token.Claims) (signin.Principal, error) {
	if v.Grants == nil {
		return signin.Principal{}, refuse(signin.TokenInvalid, "no tokens are issued here")
	}
	if !claims.Scopes.Covers(q.attempt.Protocol) {
		return signin.Principal{}, refuse(signin.ScopeMissing, "the token's scopes are %.200q", claims.Scope)
	}
	st, err := v.Grants.Standing(claims.Grant, q.attempt.Protocol, q.attempt.Client.Addr())
	if err != nil {
		return signin.Principal{}, grantError(err)
	}
	who, err := v.grantee(ctx, q, &st)
	if err != nil {
		return signin.Principal{}, err
	}
	if err := v.mayShow(who, q); err != nil {
		return signin.Principal{}, err
	}
	hangsOn := grant.Prefix + claims.Grant
	if v.Revocations != nil && v.Revocations.Revoked(who.ID, hangsOn, claims.Issued) {
		return signin.Principal{}, refuse(signin.GrantEnded, "the grant was revoked")
	}
	p, err := q.principal(who, st.Methods)
	p.AuthTime, p.Key, p.Flow, p.Grant, p.Until = st.AuthTime, st.Key, st.Flow, hangsOn, earlier(q.until, st.Until)
	if v.ClientName != nil {
		p.Client = v.ClientName(st.Client)
	}
	return p, err
}

// grantee finds the person of a grant: the mailbox's own, or somebody who opens
// it as a delegate.
func (v *Verifier) grantee(ctx context.Context, q *claim, st *grant.Standing) (directory.Person, error) {
	if q.known && q.mailbox.ID == st.Person {
		return q.mailbox, nil
	}
	who, known, err := v.lookup(ctx, st.Address)
	if err != nil {
		return who, err
	}
	if !known || who.ID != st.Person {
		return who, refuse(signin.TokenOfAnother, "the token is of %s, who is nobody here now", st.Address)
	}
	return who, nil
}

func grantError(err error) error {
	var r *grant.Refusal
	if errors.As(err, &r) {
		return refuse(r.Code, "%s", r.Detail)
	}
	return trouble(signin.InternalFault, err)
}
