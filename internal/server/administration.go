package server

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log"
	"net"
	"net/http"
	"net/netip"
	"slices"

	"github.com/portreeve/portreeve/internal/certs"
	"github.com/portreeve/portreeve/internal/lockout"
	"github.com/portreeve/portreeve/internal/network"
	"github.com/portreeve/portreeve/internal/secret"
)

// openAdministration opens the listener for administrators over HTTPS.
func (s *Server) openAdministration(ctx context.Context) error {
	c := s.Config.Admin
	if !c.Address.IsValid() {
		return nil
	}
	if s.certs == nil {
		return fmt.Errorf("listener admin: it speaks TLS, and no certificate is configured under tls")
	}
	l, err := s.listen(ctx, c.Address)
	if err != nil {
		return fmt.Errorf("listener admin: %w", err)
	}
	if len(c.From) > 0 {
		l = onlyFrom{l, c.From}
	}
	s.remote = tls.NewListener(newVisitors(l, nil, false), s.certs.TLSConfig(certs.Options{NextProtos: []string{"http/1.1"}}))
	return nil
}

// onlyFrom closes connections from anywhere else at once.
type onlyFrom struct {
	net.Listener
	networks []netip.Prefix
}

func (l onlyFrom) Accept() (net.Conn, error) {
	for {
		c, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		from := addrOf(c.RemoteAddr())
		if slices.ContainsFunc(l.networks, func(n netip.Prefix) bool { return n.Contains(from) }) {
			return c, nil
		}
		_ = c.Close()
	}
}

// serveAdministrators serves the interface over HTTPS. A request's head has its
// time; what follows has none, since only who showed a token is read further:
// logs are followed for hours.
func (s *Server) serveAdministrators(h http.Handler) func(context.Context) error {
	return func(ctx context.Context) error {
		srv := &http.Server{Handler: h, ErrorLog: log.New(httpFaults{s.Log}, "", 0), ReadHeaderTimeout: readHeaderTimeout, IdleTimeout: idleTimeout, MaxHeaderBytes: maxHeaderBytes}
		defer context.AfterFunc(ctx, func() { _ = srv.Close() })()
		if err := srv.Serve(s.remote); err != nil && !errors.Is(err, http.ErrServerClosed) {
			return err
		}
		return nil
	}
}

// tokenGuard counts wrong administrators' tokens against the address that they
// come from, so that nobody keeps another address's scripts waiting.
type tokenGuard struct{ *lockout.Guard }

// Knock implements admintoken.Guard.
func (g tokenGuard) Knock(from netip.Addr, print secret.Print) (note func(wrong bool), pass bool) {
	k := lockout.Key{Name: "administrators' tokens from " + network.Host(from).Addr().String(), Addr: from, Secret: print}
	switch g.Check(k) {
	case lockout.Wait:
		return nil, false
	case lockout.Wrong:
		return func(bool) {}, true // looked up all the same: a token made since is right
	}
	return func(wrong bool) {
		r := lockout.Unjudged
		if wrong {
			r = lockout.WrongSecret
		}
		g.Note(k, r)
	}, true
}
