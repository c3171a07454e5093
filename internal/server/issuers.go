package server

import (
	"cmp"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/portreeve/portreeve/internal/authn"
	"github.com/portreeve/portreeve/internal/certs"
	"github.com/portreeve/portreeve/internal/config"
	"github.com/portreeve/portreeve/internal/policy"
	"github.com/portreeve/portreeve/internal/session"
	"github.com/portreeve/portreeve/internal/signin"
	"github.com/portreeve/portreeve/internal/token"
)

// openIssuers makes the check of bearer tokens. What we mint for backends is
// never accepted at the door.
func (s *Server) openIssuers(context.Context) (err error) {
	var list []token.Issuer
	for name, c := range s.Config.Issuers {
		if len(c.Audience) == 0 {
			continue // for browsers only, see openUpstream
		}
		i, err := claimsOf(name, &c)
		if err != nil {
			return err
		}
		i.Audiences, i.Keys, i.Clients, i.Scopes = c.Audience, cmp.Or(string(c.JWKSFile), string(c.JWKSURL)), c.Clients, c.Scopes
		list = append(list, i)
	}
	if len(list) == 0 {
		return nil
	}
	slices.SortFunc(list, func(a, b token.Issuer) int { return cmp.Compare(a.Name, b.Name) })
	var ours []string
	if s.minter != nil {
		ours = append(ours, s.minter.Issuer())
	}
	s.tokens, err = token.NewVerifier(list, ours...)
	return err
}

// onlyIssuer is the issuer whose tokens programs hold, if there is one and no other.
func (s *Server) onlyIssuer() (issuer string, ok bool) {
	n := 0
	if s.issuer != nil && s.takesTokens() {
		issuer, n = s.issuer.url, 1
	}
	for _, c := range s.Config.Issuers {
		if len(c.Audience) > 0 {
			issuer, n = c.Issuer, n+1
		}
	}
	return issuer, n == 1
}

// claimsOf says how the claims of an issuer's tokens are read, whoever shows them.
func claimsOf(name string, c *config.Issuer) (i token.Issuer, err error) {
	i = token.Issuer{Name: name, Issuer: c.Issuer, Algorithms: c.Algorithms, Address: c.Claims.Address, Domain: c.Domain,
		SessionMax: c.SessionMax, AuthTime: c.AuthTime}
	proves, err := methods(map[string][]string{"": c.Proves})
	if err != nil {
		return i, fmt.Errorf("issuer %s, proves: %w", name, err)
	}
	i.Always = proves[""]
	if i.AMR, err = methods(c.AMR); err != nil {
		return i, fmt.Errorf("issuer %s, amr: %w", name, err)
	}
	if i.ACR, err = methods(c.ACR); err != nil {
		return i, fmt.Errorf("issuer %s, acr: %w", name, err)
	}
	return i, nil
}

// methods reads a mapping of claim values to Graph's method words.
func methods(m map[string][]string) (map[string]policy.Methods, error) {
	out := map[string]policy.Methods{}
	for value, words := range m {
		for _, w := range words {
			bit, ok := policy.ParseMethod(w)
			if !ok {
				return nil, fmt.Errorf("%q is no authentication method", w)
			}
			out[value] |= bit
		}
	}
	return out, nil
}

// clientCAs are the authorities of client certificates, by listener.
type clientCAs map[string]clientCA

// clientCA is the authority of a listener's client certificates, and the
// issuers among them whose certificates prove two factors, nil if none do.
type clientCA struct {
	*certs.ClientCA
	two *certs.ClientCA
}

// openClientCAs reads the authorities of those listeners that have one.
func (s *Server) openClientCAs(context.Context) error {
	s.cas = clientCAs{}
	for _, l := range s.Config.Listeners {
		ca, err := openClientCA(l)
		if err != nil {
			return fmt.Errorf("listener %s: %w", l.Name, err)
		}
		if ca.ClientCA != nil {
			s.cas[l.Name] = ca
		}
	}
	return nil
}

// openClientCA reads a listener's authority; nil if it has none.
func openClientCA(l config.Listener) (ca clientCA, err error) {
	if l.ClientCA == "" {
		return ca, nil
	}
	if l.TwoFactorCA != "" {
		if ca.two, err = certs.LoadClientCA(string(l.TwoFactorCA)); err != nil {
			return ca, err
		}
	}
	var lists []string
	for _, c := range l.CRL {
		lists = append(lists, string(c))
	}
	ca.ClientCA, err = certs.LoadClientCA(string(l.ClientCA), lists...)
	return ca, err
}

// People says whose a certificate is and what it proves. crypto/tls checks no revocation list, so
// it is done here, each time.
func (c clientCAs) People(_ context.Context, listener string, der []byte) ([]string, policy.Methods, error) {
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, 0, &authn.Refusal{Code: signin.CertificateInvalid, Detail: err.Error()}
	}
	ca := c[listener]
	if ca.ClientCA == nil {
		return nil, 0, &authn.Refusal{Code: signin.CertificateInvalid, Detail: "this listener takes no certificates"}
	}
	switch err := ca.Check(leaf, time.Now()); {
	case errors.Is(err, certs.ErrRevoked):
		return nil, 0, &authn.Refusal{Code: signin.CertificateRevoked, Detail: err.Error()}
	case errors.Is(err, certs.ErrNotNow):
		return nil, 0, &authn.Refusal{Code: signin.CertificateInvalid, Detail: err.Error()}
	case err != nil: // a list is missing or has run out: nothing can be said
		return nil, 0, &authn.Trouble{Code: signin.DirectoryAway, Err: err}
	}
	methods := policy.MethodX509SingleFactor
	if ca.two != nil && ca.two.Issued(leaf) {
		methods |= policy.MethodX509MultiFactor
	}
	return certs.People(leaf), methods, nil
}

// certificatesEvery is how late a revocation list that changed acts on open sessions.
const certificatesEvery = 30 * time.Second

// watchCertificates ends the sessions whose client certificate is no longer
// good: no change in the store tells of it.
func (s *Server) watchCertificates(ctx context.Context) error {
	tick := time.NewTicker(certificatesEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			s.sessions.Matching(func(one *session.Session) bool {
				if one.Certificate == nil {
					return false
				}
				_, _, err := s.cas.People(ctx, one.Listener, one.Certificate)
				return err != nil
			}, signin.CertificateRevoked, "the client certificate is no longer good")
		}
	}
}
