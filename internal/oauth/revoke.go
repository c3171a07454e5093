package oauth

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/zitadel/oidc/v3/pkg/oidc"
	"github.com/zitadel/oidc/v3/pkg/op"

	"github.com/portreeve/portreeve/internal/client"
	"github.com/portreeve/portreeve/internal/grant"
	"github.com/portreeve/portreeve/internal/signin"
	"github.com/portreeve/portreeve/internal/store"
	"github.com/portreeve/portreeve/internal/token"
)

// Revocation ends what a token hangs on (RFC 7009): the program has thrown away
// one of its tokens, and the others are worth no more. A token that is none, or
// none any more, is what was asked for already.
func (s *Server) Revocation(ctx context.Context, r *op.ClientRequest[oidc.RevocationRequest]) (*op.Response, error) {
	c := of(r.Client)
	g, err := s.shown(ctx, r.Data.Token)
	switch {
	case errors.Is(err, grant.ErrUnknown):
		s.slow.wrong(ctx, knock(ctx).Client.Addr())
		return op.NewResponse(struct{}{}), nil
	case err != nil:
		return nil, s.wordedFault(ctx, request{&c, "revocation"}, err)
	case g.Client != c.ID:
		return nil, refuse(grant.InvalidGrant, "The token is another program's.")
	}
	err = s.Grants.End(ctx, store.Actor{UID: -1, Name: g.Address}, g.ID, grant.ByProgram)
	if err != nil && !errors.Is(err, grant.ErrUnknown) {
		return nil, s.wordedFault(ctx, request{&c, "revocation"}, err)
	}
	return op.NewResponse(struct{}{}), nil
}

// shown is the grant that a token of ours hangs on; ErrUnknown if there is none.
func (s *Server) shown(ctx context.Context, text string) (grant.Grant, error) {
	if strings.Count(text, ".") != 2 {
		g, err := s.Grants.ByRefresh(ctx, text)
		var no *grant.Refusal
		if errors.As(err, &no) {
			err = grant.ErrUnknown
		}
		return g, err
	}
	c, err := s.access(ctx, text)
	if err != nil {
		return grant.Grant{}, err
	}
	g, stands := s.Grants.ByID(c.Grant)
	if !stands {
		return g, grant.ErrUnknown
	}
	return g, nil
}

// own are the claims of an access token of ours, and whether it opens a mailbox.
type own struct {
	token.Claims
	mail bool
}

// access reads an access token of ours; ErrUnknown if it is none that is valid.
func (s *Server) access(ctx context.Context, text string) (own, error) {
	c, err := s.mail.Verify(ctx, []byte(text))
	mail := err == nil
	var no *token.Refusal
	if errors.As(err, &no) && no.Code == signin.TokenAtWrongDoor {
		c, err = s.plain.Verify(ctx, []byte(text))
	}
	if errors.As(err, &no) {
		err = grant.ErrUnknown
	}
	return own{c, mail}, err
}

// about is what somebody who holds a token is told of it (RFC 7662, section 2.2).
type about struct {
	Active   bool   `json:"active"`
	Scope    string `json:"scope,omitempty"`
	Client   string `json:"client_id,omitempty"`
	Username string `json:"username,omitempty"`
	Email    string `json:"email,omitempty"` // where mail servers look for who it is
	Type     string `json:"token_type,omitempty"`
	Expires  int64  `json:"exp,omitempty"`
	Issued   int64  `json:"iat,omitempty"`
	Subject  string `json:"sub,omitempty"`
	Audience string `json:"aud,omitempty"`
	Issuer   string `json:"iss,omitempty"`
	ID       string `json:"jti,omitempty"`
}

// Introspect tells what a token is worth (RFC 7662). Who asks must be
// confidential, and hears of its own tokens alone; a mail server, of those that we
// mint for it. What programs hold is worth nothing at a mail server: there it would
// open a mailbox past the door, and all that is judged at it. Of everything else
// the answer is that it is not active, and nothing more.
func (s *Server) Introspect(ctx context.Context, r *op.Request[op.IntrospectionRequest]) (*op.Response, error) {
	asking, err := s.VerifyClient(ctx, &op.Request[op.ClientCredentials]{Method: r.Method, URL: r.URL, Header: r.Header, Form: r.Form, Data: r.Data.ClientCredentials})
	if err != nil {
		return nil, err
	}
	c := of(asking)
	if c.Public {
		return nil, stranger()
	}
	a, err := s.worth(ctx, &c, r.Data.Token)
	if err != nil && !errors.Is(err, grant.ErrUnknown) {
		return nil, s.wordedFault(ctx, request{&c, "introspection"}, err)
	}
	return op.NewResponse(a), nil
}

func (s *Server) worth(ctx context.Context, c *client.Client, text string) (about, error) {
	if strings.Count(text, ".") != 2 {
		g, err := s.shown(ctx, text)
		if err != nil || g.Client != c.ID {
			return about{}, err
		}
		return about{Active: true, Scope: g.Scope.String(), Client: g.Client, Username: g.Address, Email: g.Address, Type: "refresh_token", Expires: unix(g.Until),
			Subject: g.Person, Issuer: s.Issuer}, nil
	}
	o, err := s.access(ctx, text)
	if errors.Is(err, grant.ErrUnknown) && c.Kind == client.Managed && s.Minted != nil {
		return s.minted(c, text)
	}
	if err != nil {
		return about{}, err
	}
	g, stands := s.Grants.ByID(o.Grant)
	if !stands || o.ClientID != c.ID {
		return about{}, nil
	}
	switch p, err := s.People.Person(ctx, g.Person); {
	case errors.Is(err, store.ErrNotFound), err == nil && p.Disabled:
		return about{}, nil
	case err != nil:
		return about{}, err
	}
	a := about{Active: true, Scope: o.Scope, Client: o.ClientID, Username: g.Address, Email: g.Address, Type: "Bearer", Expires: unix(o.Expires), Issued: unix(o.Issued),
		Subject: o.Subject, Audience: s.Issuer, Issuer: s.Issuer, ID: o.ID}
	if o.mail {
		a.Audience += token.MailAudience
	}
	return a, nil
}

// minted is what a token that we made for a backend is worth to that backend: the
// client that asks is called as the backend's audience. Its name says so and not its
// id, since the configuration names the audience, and knows of no ids; an
// administrator gave the name, and nobody else's is like it.
func (s *Server) minted(c *client.Client, text string) (about, error) {
	m, err := s.Minted.Verify([]byte(text))
	var no *token.Refusal
	if errors.As(err, &no) {
		return about{}, nil
	}
	if err != nil || m.Audience != c.Name {
		return about{}, err
	}
	return about{Active: true, Scope: m.Scope, Client: m.Audience, Username: m.Address, Email: m.Address, Type: "Bearer", Expires: unix(m.Expires), Issued: unix(m.Issued),
		Subject: m.Address, Audience: m.Audience, Issuer: s.Issuer}, nil
}

func unix(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.Unix()
}
