package oauth

import (
	"context"
	"net/http"
	"time"

	"github.com/zitadel/oidc/v3/pkg/oidc"
	"github.com/zitadel/oidc/v3/pkg/op"

	"github.com/portreeve/portreeve/internal/client"
)

// party is a client as the library takes one. The library asks it for its grant
// types and how it authenticates; the rest belongs to endpoints that are ours.
type party struct{ client.Client }

func (p party) GetID() string                        { return p.ID }
func (p party) RedirectURIs() []string               { return p.Redirects }
func (p party) PostLogoutRedirectURIs() []string     { return p.PostLogout }
func (p party) ResponseTypes() []oidc.ResponseType   { return []oidc.ResponseType{oidc.ResponseTypeCode} }
func (p party) LoginURL(string) string               { return "" }
func (p party) AccessTokenType() op.AccessTokenType  { return op.AccessTokenTypeJWT }
func (p party) IDTokenLifetime() time.Duration       { return 0 }
func (p party) DevMode() bool                        { return false }
func (p party) IsScopeAllowed(string) bool           { return false }
func (p party) IDTokenUserinfoClaimsAssertion() bool { return false }
func (p party) ClockSkew() time.Duration             { return 0 }

func (p party) ApplicationType() op.ApplicationType {
	if p.Public {
		return op.ApplicationTypeNative
	}
	return op.ApplicationTypeWeb
}

func (p party) AuthMethod() oidc.AuthMethod {
	if p.Public {
		return oidc.AuthMethodNone
	}
	return oidc.AuthMethodBasic // or in the body
}

func (p party) GrantTypes() (list []oidc.GrantType) {
	for _, g := range p.Grants {
		list = append(list, oidc.GrantType(g))
	}
	return list
}

func none(scopes []string) []string { return nil }

func (p party) RestrictAdditionalIdTokenScopes() func([]string) []string     { return none }
func (p party) RestrictAdditionalAccessTokenScopes() func([]string) []string { return none }

// VerifyClient says which program asks. A confidential one shows its secret, in
// one place and not in two (RFC 6749, section 2.3).
//
// A public program has no secret. One that it sends all the same is passed over:
// many programs have a field for it that must be filled in, and what identifies
// nobody gives nobody away. What protects a public program is PKCE.
func (s *Server) VerifyClient(ctx context.Context, r *op.Request[op.ClientCredentials]) (op.Client, error) {
	if r.Data.ClientAssertion != "" {
		return nil, refuse(invalidClient, "Programs authenticate by client_secret_basic or client_secret_post here.")
	}
	inHeader := r.Header.Get("Authorization") != ""
	if inHeader && (r.Form.Get("client_secret") != "" || r.Form.Get("client_id") != "" && r.Form.Get("client_id") != r.Data.ClientID) {
		return nil, refuse(invalidRequest, "Authenticate in the header or in the body, not in both.")
	}
	c, err := s.program(ctx, r.Data.ClientID, r.Data.ClientSecret)
	if err != nil {
		return nil, err
	}
	return party{c}, nil
}

// program finds a client and checks its secret; of one that is not known the
// secret is checked too, so that names cannot be told apart by time.
func (s *Server) program(ctx context.Context, id, secret string) (client.Client, error) {
	c, known := s.Clients.Find(id)
	if !known || !c.Public {
		if !s.Clients.Authenticate(id, secret) || !known {
			s.slow.wrong(ctx, knock(ctx).Client.Addr())
			return c, stranger()
		}
	}
	if err := s.Clients.Admit(c); err != nil {
		return c, op.NewStatusError(refuse(unauthorizedClient, forbiddenClientText), http.StatusBadRequest)
	}
	return c, nil
}
