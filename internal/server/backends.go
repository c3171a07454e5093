package server

import (
	"context"
	"crypto/x509"
	"fmt"
	"os"
	"path/filepath"

	"github.com/portreeve/portreeve/internal/backend"
	"github.com/portreeve/portreeve/internal/config"
	"github.com/portreeve/portreeve/internal/protocol"
	"github.com/portreeve/portreeve/internal/secret"
	"github.com/portreeve/portreeve/internal/token"
)

// everyDomain is the route of the domains that have none of their own.
const everyDomain = "*"

// openBackends makes the way to the mail servers; nothing is dialled yet.
func (s *Server) openBackends(context.Context) (err error) {
	if s.names, err = newNames(s.Config); err != nil {
		return err
	}
	if err := s.openMinter(); err != nil {
		return err
	}
	var options []backend.Options
	for name, b := range s.Config.Backends {
		o, err := s.backendOptions(name, b)
		if err != nil {
			return fmt.Errorf("backend %s: %w", name, err)
		}
		options = append(options, o)
	}
	routes := backend.Routes{Domains: map[string]string{}, Default: s.Config.Routes[everyDomain]}
	for domain, name := range s.Config.Routes {
		if domain != everyDomain {
			routes.Domains[domain] = name
		}
	}
	if routes.Default == "" && len(options) == 1 {
		routes.Default = options[0].Name
	}
	if s.backends, err = backend.New(options, routes); err != nil {
		return err
	}
	s.later(s.backends.Close)
	return nil
}

// openMinter opens the keys that sign tokens for backends, if one takes tokens.
func (s *Server) openMinter() (err error) {
	for _, b := range s.Config.Backends {
		if b.Login == "token" {
			s.minter, err = token.OpenMinter(token.MinterOptions{Issuer: string(s.Config.PublicURL), Algorithm: s.Config.Tokens.Algorithm,
				Path: filepath.Join(string(s.Config.State), "mint.keys")}, s.box)
			return err
		}
	}
	return nil
}

func (s *Server) backendOptions(name string, b config.Backend) (backend.Options, error) {
	o := backend.Options{Name: name, Endpoints: map[protocol.Protocol]backend.Endpoint{}, MasterUser: b.Master.User,
		MasterPassword: b.Master.Password.Reveal(), MasterSeparator: b.Master.Separator, TokenMechanism: b.Token.Mechanism,
		AuthSocket: b.AuthSocket, Canonical: s.names.reported, SourceAddrs: b.SourceAddresses, Proxy: b.Proxy, ID: b.ID, XCLIENT: b.XCLIENT, Hello: b.Hello}
	for _, p := range []protocol.Protocol{protocol.IMAP, protocol.POP3, protocol.Submission, protocol.Sieve} {
		e := b.EndpointOf(p)
		if e == nil {
			continue
		}
		end := backend.Endpoint{Address: string(e.Address), TLS: tlsKinds[e.TLS], ServerName: e.ServerName, Plaintext: e.Plaintext, Proxy: e.Proxy}
		if e.CA != "" {
			pool, err := authorities(string(e.CA))
			if err != nil {
				return o, err
			}
			end.RootCAs = pool
		}
		o.Endpoints[p] = end
	}
	switch b.Login {
	case "master":
		o.Login = backend.LoginMaster
	case "token":
		o.Login = backend.LoginToken
		o.Mint = func(address string, p protocol.Protocol) (secret.Text, error) {
			return s.minter.Mint(token.Audience{Name: b.Token.Audience, Address: address, Protocol: p})
		}
	}
	return o, nil
}

var tlsKinds = map[string]backend.TLSKind{"implicit": backend.TLSImplicit, "starttls": backend.TLSStartTLS, "none": backend.TLSNone}

// authorities reads a PEM file of certificates to trust.
func authorities(path string) (*x509.CertPool, error) {
	pem, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("reading the authority: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("%s holds no certificate", path)
	}
	return pool, nil
}
