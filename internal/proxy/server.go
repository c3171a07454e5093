// Package proxy is the life of one line-protocol connection, the same for all
// of them: accept, PROXY header, TLS, the talk before sign-in, the gate, the
// backend, the session, the relay, the end.
//
// What is said on the wire belongs to a Dialect; who may enter, to the gate.
// Everything that happens before somebody has signed in is bounded here in
// time and in number, and by the readers of package wire in bytes.
package proxy

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/portreeve/portreeve/internal/backend"
	"github.com/portreeve/portreeve/internal/certs"
	"github.com/portreeve/portreeve/internal/protocol"
	"github.com/portreeve/portreeve/internal/relay"
	"github.com/portreeve/portreeve/internal/session"
	"github.com/portreeve/portreeve/internal/signin"
)

// Dialect is what a protocol must say for itself. One is made for each
// connection, so it may keep state between calls.
type Dialect interface {
	// Greet sends the first line.
	Greet() error
	// ReadCredential talks with the client until it shows a credential. An
	// error ends the connection; ErrClientLeft means that the client said goodbye.
	ReadCredential(ctx context.Context) (signin.Credential, error)
	// Refuse tells a refusal in the protocol's words.
	Refuse(signin.Reply) error
	// Accept tells that the person is in; what it sends is the last we say.
	Accept(*backend.Conn) error
	// Buffered are the bytes read from the client and not used: they are the backend's.
	Buffered() []byte
	// Goodbye says why we hang up, if the protocol has words for it. It may be called at any time before Accept.
	Goodbye(why string) error
}

// Peeker is a Dialect that wants to see the client's first bytes in passing.
type Peeker interface {
	Peek(Learner) relay.Peeker
}

// Learner takes what a program tells of itself after sign-in.
type Learner interface {
	Learn(signin.Hints)
}

// Filterer is a Dialect that must defuse commands after sign-in. fromBackend
// sees what the backend answers before the client can. Both are nil where
// nothing needs to be defused on this connection.
type Filterer interface {
	Filter(*backend.Conn) (fromClient, fromBackend func([]byte))
}

// Gate decides.
type Gate interface {
	SignIn(context.Context, signin.Attempt, signin.Credential) signin.Outcome
	Rejudge(context.Context, signin.Outcome) signin.Outcome
	Trouble(signin.Code, signin.Reference) signin.Reply
}

// Backends opens the way in for those who may enter.
type Backends interface {
	Dial(context.Context, backend.Request) (*backend.Conn, error)
	Release(signin.ID)
	Capabilities(protocol.Protocol) []string
}

// Journal writes down how sessions began and ended.
type Journal interface {
	Session(signin.SessionEvent)
}

// TLSMode is how a listener speaks TLS.
type TLSMode uint8

// The TLS modes.
const (
	TLSNone TLSMode = iota
	TLSStart
	TLSImplicit
)

// PassBy is how a forwarder passes the browser's address on.
type PassBy uint8

// The ways. PassID is IMAP's ID and, over the protocols that have none, XCLIENT.
const (
	PassNothing PassBy = iota
	PassID
	PassProxy
	PassXCLIENT
)

// Forwarder is a configured webmail host. All listeners share one.
type Forwarder struct {
	Name string
	From []netip.Prefix
	Pass PassBy

	passed, silent atomic.Int64
}

// Passes says that it may pass the browser's address on that way; nil may not.
func (f *Forwarder) Passes(way PassBy) bool {
	return f != nil && (f.Pass == way || f.Pass == PassID && way == PassXCLIENT)
}

// count notes a sign-in that came with the browser's address or without.
func (f *Forwarder) count(passed bool) {
	if passed {
		f.passed.Add(1)
	} else {
		f.silent.Add(1)
	}
}

// ForwarderState is what `status` tells of a forwarder. One that passes no
// address hides everybody behind its own.
type ForwarderState struct {
	Name   string `json:"name"`
	Passed int64  `json:"withAddress"`
	Silent int64  `json:"withoutAddress"`
}

// State is what `status` tells.
func (f *Forwarder) State() ForwarderState {
	return ForwarderState{f.Name, f.passed.Load(), f.silent.Load()}
}

// Settings are how a listener tells refusals.
type Settings struct {
	// Hostname is the name in SMTP's banner.
	Hostname string
	// IMAPEarlyCode is the response code of a refusal decided before the secret, "UNAVAILABLE" by default.
	IMAPEarlyCode string
	// POP3EarlyCode is POP3's, "SYS/PERM" by default.
	POP3EarlyCode string
	// SMTPCode is the enhanced status code behind 535, "5.7.8" by default.
	SMTPCode string
	// Alert adds an untagged NO [ALERT], which mutt and neomutt show.
	Alert bool
	// XOAUTH2Challenge sends the base64 error challenge, with which several programs hang.
	XOAUTH2Challenge bool
	// RefuseAtMail accepts AUTH that was refused early and refuses MAIL FROM, the only text Thunderbird shows there.
	RefuseAtMail bool
	// NoTokens says that no issuer's tokens are taken, so that none are asked for.
	NoTokens bool
	// OpenIDConfiguration is told in OAUTHBEARER's error JSON, and TokenScope, a
	// scope of tokens that open the door; without one, RFC 7628 has programs ask
	// for tokens without any.
	OpenIDConfiguration, TokenScope string
}

// Options are one listener's.
type Options struct {
	Name          string
	Protocol      protocol.Protocol
	TLS           TLSMode
	TLSConfig     *tls.Config
	ProxyFrom     []netip.Prefix
	PlaintextFrom []netip.Prefix
	Forwarders    []*Forwarder
	// OnlyFrom, if any, are the only networks that may connect (a listener for
	// devices that need old TLS).
	OnlyFrom   []netip.Prefix
	SignInTime time.Duration // whole sign-in; 0 is signInTimeout
	Settings   Settings
	Dialect    func(*Conn) Dialect

	Gate      Gate
	Backends  Backends
	Sessions  *session.Registry
	Relay     *relay.Pool
	Journal   Journal
	Admission *Admission
	Log       *slog.Logger
	// Overstep writes down what a signed-in person was refused to do and
	// returns the words; nil writes nothing down.
	Overstep func(signin.Outcome, signin.Code, string) signin.Reply
}

// Server serves one listener.
type Server struct {
	Options
	conns sync.WaitGroup
}

// New makes a server.
func New(o Options) *Server { return &Server{Options: o} }

// Hello puts a client hello's fingerprint into its connection. The listener's
// TLS configuration must call it for every hello.
func Hello(h *tls.ClientHelloInfo) {
	if c, ok := h.Context().Value(helloKey{}).(*Conn); ok {
		c.facts.JA4 = certs.JA4(h)
	}
}

// Serve accepts connections until ctx ends, then waits for those signing in.
// The listener must have been tuned: relay.Tune.
func (s *Server) Serve(ctx context.Context, l net.Listener) error {
	stop := context.AfterFunc(ctx, func() { _ = l.Close() })
	defer stop()
	defer s.conns.Wait()
	pause := acceptPause{}
	for {
		nc, err := l.Accept()
		switch {
		case err == nil:
			pause.reset()
		case ctx.Err() != nil:
			return nil
		case errors.Is(err, net.ErrClosed):
			return err
		default: // descriptors used up, most likely: wait and go on
			s.Log.Warn("cannot accept a connection", "listener", s.Name, "err", err)
			pause.wait(ctx)
			continue
		}
		tc, ok := nc.(*net.TCPConn)
		if !ok {
			_ = nc.Close()
			return fmt.Errorf("listener %s is not TCP", s.Name)
		}
		s.conns.Go(func() { s.serve(ctx, tc) })
	}
}

// acceptPause doubles from 5 ms to 1 s while accepting fails.
type acceptPause struct{ d time.Duration }

func (p *acceptPause) reset() { p.d = 0 }

func (p *acceptPause) wait(ctx context.Context) {
	p.d = min(max(2*p.d, 5*time.Millisecond), time.Second)
	select {
	case <-time.After(p.d):
	case <-ctx.Done():
	}
}

// from says that an address is in one of the networks.
func (s *Server) from(networks []netip.Prefix, addr netip.Addr) bool {
	addr = addr.Unmap()
	for _, n := range networks {
		if n.Contains(addr) {
			return true
		}
	}
	return false
}

func (s *Server) forwarderAt(addr netip.Addr) *Forwarder {
	for _, f := range s.Forwarders {
		if s.from(f.From, addr) {
			return f
		}
	}
	return nil
}
