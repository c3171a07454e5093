package server

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/portreeve/portreeve/internal/authn"
	"github.com/portreeve/portreeve/internal/config"
	"github.com/portreeve/portreeve/internal/secret"
	"github.com/portreeve/portreeve/internal/token"
	"github.com/portreeve/portreeve/internal/upstream"
)

// openUpstream makes browser sign-in at the providers that have sign_in.
func (s *Server) openUpstream(context.Context) (err error) {
	var providers []upstream.Provider
	for name, c := range s.Config.Issuers {
		if c.SignIn == nil {
			continue
		}
		p, err := providerOf(name, &c)
		if err != nil {
			return err
		}
		providers = append(providers, p)
	}
	if len(providers) == 0 {
		return nil
	}
	slices.SortFunc(providers, func(a, b upstream.Provider) int { return cmp.Compare(a.Name, b.Name) })
	s.upstream, err = upstream.New(upstream.Options{Providers: providers, Public: string(s.Config.PublicURL), Store: s.store, Box: s.box,
		Everything: authn.Everything, Log: s.Log, Settle: s.settle})
	return err
}

func providerOf(name string, c *config.Issuer) (p upstream.Provider, err error) {
	in := c.SignIn
	p = upstream.Provider{Name: name, Label: in.Label, Issuer: c.Issuer, ClientID: in.ClientID, Secret: secret.NewText([]byte(in.ClientSecret.Reveal())),
		Scopes: in.Scopes, ACRValues: in.ACRValues, Domains: in.Domains, People: in.People, Groups: in.Groups}
	if p.Tokens, err = claimsOf(name, c); err != nil {
		return p, err
	}
	p.Tokens.Groups, p.Tokens.Verified = in.GroupsClaim, token.VerifiedBySaying
	if in.TrustAddresses {
		p.Tokens.Verified = token.VerifiedAnyhow
	}
	if in.CA == "" {
		return p, nil
	}
	if p.Roots, err = authorities(string(in.CA)); err != nil {
		return p, fmt.Errorf("issuer %s, sign_in, ca: %w", name, err)
	}
	return p, nil
}
