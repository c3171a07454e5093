package server

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"syscall"

	"github.com/portreeve/portreeve/internal/admin"
	"github.com/portreeve/portreeve/internal/certs"
	"github.com/portreeve/portreeve/internal/config"
	"github.com/portreeve/portreeve/internal/decide/dovecot"
	"github.com/portreeve/portreeve/internal/front/imap"
	"github.com/portreeve/portreeve/internal/front/pop3"
	"github.com/portreeve/portreeve/internal/front/sieve"
	"github.com/portreeve/portreeve/internal/front/submission"
	"github.com/portreeve/portreeve/internal/gate"
	"github.com/portreeve/portreeve/internal/protocol"
	"github.com/portreeve/portreeve/internal/proxy"
	"github.com/portreeve/portreeve/internal/relay"
	"github.com/portreeve/portreeve/internal/web"
)

// dialects are the line protocols spoken at the doors.
var dialects = map[protocol.Protocol]func(*proxy.Conn) proxy.Dialect{
	protocol.IMAP:       imap.New,
	protocol.POP3:       pop3.New,
	protocol.Submission: submission.New,
	protocol.Sieve:      sieve.New,
}

// Bounds of our HTTP listeners.
const (
	readHeaderTimeout = web.ReadHeaderTimeout
	readTimeout       = web.ReadTimeout
	writeTimeout      = web.WriteTimeout
	idleTimeout       = web.IdleTimeout
	maxHeaderBytes    = web.MaxHeaderBytes
)

// openDoors opens every listener, so that a taken port is told before anything is served.
func (s *Server) openDoors(ctx context.Context) (err error) {
	if s.admin, err = admin.Listen(string(s.Config.Admin.Socket), s.Config.Admin.Group); err != nil {
		return err
	}
	s.later(s.admin.Close)
	s.makeForwarders()
	for i := range s.Config.Listeners {
		if err := s.openDoor(ctx, s.Config.Listeners[i]); err != nil {
			return fmt.Errorf("listener %s: %w", s.Config.Listeners[i].Name, err)
		}
	}
	if s.Config.Observe.Address.IsValid() {
		if s.observe, err = s.listen(ctx, s.Config.Observe.Address); err != nil {
			return fmt.Errorf("listener observe: %w", err)
		}
		s.observer = &dovecot.Handler{Observer: s.gate, Listener: observer, Key: []byte(s.Config.Observe.Key.Reveal())}
	}
	if err := s.openAdministration(ctx); err != nil {
		return err
	}
	return s.openPublic(ctx)
}

// listen opens a TCP listener; its address family is what was asked for.
func (s *Server) listen(ctx context.Context, addr netip.AddrPort) (net.Listener, error) {
	l, err := (&net.ListenConfig{KeepAlive: relay.NoKeepAlive, Control: relay.Tune}).Listen(ctx, "tcp", addr.String())
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, fmt.Errorf("opening %s: %w; `ss -ltnp sport = :%d` names who has it", addr, err, addr.Port())
	}
	if err != nil {
		return nil, fmt.Errorf("opening %s: %w", addr, err)
	}
	s.later(l.Close)
	return l, nil
}

func (s *Server) openDoor(ctx context.Context, c config.Listener) error {
	l, err := s.listen(ctx, c.Address)
	if err != nil {
		return err
	}
	o := proxy.Options{Name: c.Name, Protocol: c.Protocol, TLS: tlsModes[c.TLS], ProxyFrom: c.ProxyFrom, PlaintextFrom: c.PlaintextFrom,
		OnlyFrom: c.LegacyTLSFrom, SignInTime: s.Config.Limits.SignInTime, Forwarders: s.forwarders, Settings: s.settings(c), Dialect: dialects[c.Protocol],
		Gate: s.gate, Backends: s.backends, Sessions: s.sessions, Relay: s.relay, Journal: s.events, Admission: s.admission, Log: s.Log,
		Overstep: s.gate.Overstep}
	if o.TLS != proxy.TLSNone {
		if s.certs == nil {
			return fmt.Errorf("it speaks TLS, and no certificate is configured under tls")
		}
		if o.TLSConfig, err = s.tlsConfig(c); err != nil {
			return err
		}
	}
	s.doors = append(s.doors, door{l, proxy.New(o)})
	return nil
}

var tlsModes = map[string]proxy.TLSMode{"implicit": proxy.TLSImplicit, "starttls": proxy.TLSStart, "none": proxy.TLSNone}

func (s *Server) tlsConfig(c config.Listener) (*tls.Config, error) {
	o := certs.Options{Hello: proxy.Hello, ClientCA: s.cas[c.Name].ClientCA}
	if len(c.LegacyTLSFrom) > 0 {
		o.MinVersion = tls.VersionTLS10 // only from the networks named: OnlyFrom
	}
	return s.certs.TLSConfig(o), nil
}

// settings are how a listener tells refusals.
func (s *Server) settings(c config.Listener) proxy.Settings {
	r := c.Refusals
	set := proxy.Settings{Hostname: s.hostname(), IMAPEarlyCode: r.IMAPCode, POP3EarlyCode: r.POP3Code, SMTPCode: r.SMTPCode, Alert: r.IMAPAlert,
		XOAUTH2Challenge: r.XOAUTH2Challenge, RefuseAtMail: r.SMTPRefuseAtMail, NoTokens: !s.takesTokens()}
	if one, ok := s.onlyIssuer(); ok { // of several it cannot be told before the person is known which is meant
		set.OpenIDConfiguration = one + "/.well-known/openid-configuration"
		if s.issuer != nil && one == s.issuer.url {
			set.TokenScope = "urn:ietf:params:oauth:scope:mail"
		}
	}
	return set
}

var passes = map[string]proxy.PassBy{"id": proxy.PassID, "proxy": proxy.PassProxy, "xclient": proxy.PassXCLIENT, "none": proxy.PassNothing}

// makeForwarders reads the webmail hosts; listeners share them.
func (s *Server) makeForwarders() {
	for name, f := range s.Config.Forwarders {
		s.forwarders = append(s.forwarders, &proxy.Forwarder{Name: name, From: f.From, Pass: passes[f.Pass]})
	}
	slices.SortFunc(s.forwarders, func(a, b *proxy.Forwarder) int { return cmp.Compare(a.Name, b.Name) })
}

// words are how refusals are told.
func (s *Server) words() gate.Words {
	w := gate.Words{HelpURL: string(s.Config.HelpURL), DefaultFloor: s.Config.Refusals.Floor, Floors: map[string]floor{}}
	for _, l := range s.Config.Listeners {
		w.Floors[l.Name] = l.Refusals.Floor
	}
	return w
}
