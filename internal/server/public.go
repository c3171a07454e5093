package server

import (
	"context"
	"crypto/tls"
	"fmt"
	"os"
	"time"

	"github.com/portreeve/portreeve/internal/adminlog"
	"github.com/portreeve/portreeve/internal/certs"
	"github.com/portreeve/portreeve/internal/eventlog"
	"github.com/portreeve/portreeve/internal/signin"
	"github.com/portreeve/portreeve/internal/web"
)

type floor = time.Duration

// hostname is our name in SMTP's banner.
func (s *Server) hostname() string {
	if s.Config.Hostname != "" {
		return s.Config.Hostname
	}
	if h, err := os.Hostname(); err == nil {
		return h
	}
	return "localhost"
}

// openPublic opens the listener of the public pages.
func (s *Server) openPublic(ctx context.Context) error {
	c := s.Config.Public
	if !c.Address.IsValid() {
		return nil
	}
	l, err := s.listen(ctx, c.Address)
	if err != nil {
		return fmt.Errorf("listener public: %w", err)
	}
	s.public = newVisitors(l, c.ProxyFrom, c.TLS == "none")
	if c.TLS == "implicit" {
		if s.certs == nil {
			return fmt.Errorf("listener public: it speaks TLS, and no certificate is configured under tls")
		}
		s.public = tls.NewListener(s.public, s.certs.TLSConfig(certs.Options{NextProtos: []string{"http/1.1"}}))
	}
	return s.openPages()
}

// publicPages are the pages that anybody may read.
func (s *Server) publicPages() (*web.Public, error) {
	return web.New(web.Options{Name: s.Config.DefaultDomain, Languages: s.languages, Keys: s.publicKeys, Find: func(ctx context.Context, ref signin.Reference) (web.Refused, bool) {
		e, err := s.store.EventByReference(ctx, ref)
		if err != nil || e.Succeeded() {
			return web.Refused{}, false
		}
		return web.Refused{Program: e.Facts.Program, Protocol: e.Facts.Protocol.Row().Label}, true
	}})
}

// publicKeys are the public keys of what we mint, nil if we mint nothing.
func (s *Server) publicKeys() []byte {
	if s.minter == nil {
		return nil
	}
	doc, err := s.minter.JWKS()
	if err != nil {
		s.Log.Error("cannot publish the keys of minted tokens", "err", err)
		return nil
	}
	return doc
}

// sinks are where sign-ins are told besides the database.
func (s *Server) sinks() ([]eventlog.Sink, error) {
	var sinks []eventlog.Sink
	for _, to := range s.Config.Log.To {
		o := adminlog.Options{Target: adminlog.Target(to), Form: adminlog.Form(s.Config.Log.Format)}
		if o.Target == adminlog.Syslog {
			o.Socket = string(s.Config.Log.Syslog)
		}
		w, err := adminlog.New(o)
		if err != nil {
			return nil, fmt.Errorf("telling sign-ins to %s: %w", to, err)
		}
		s.writers = append(s.writers, w)
		sinks = append(sinks, w)
	}
	return sinks, nil
}
