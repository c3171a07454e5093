package proxy

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/portreeve/portreeve/internal/relay"
	"github.com/portreeve/portreeve/internal/signin"
	"github.com/portreeve/portreeve/internal/wire/proxyproto"
)

// Bounds on what may happen before somebody has signed in.
const (
	signInTimeout    = 3 * time.Minute  // whole sign-in: programs hold idle connections while their user answers a second factor; Dovecot gives as much
	handshakeTimeout = 30 * time.Second // one TLS handshake
	headerTimeout    = 5 * time.Second  // the PROXY header comes first and at once
	writeTimeout     = 30 * time.Second // one reply to a client that does not read
	maxBadCommands   = 10               // then the connection is closed
	maxRefusals      = 10               // refused sign-ins on one connection, likewise
)

// Conn is one client's connection before sign-in. A Dialect reads and writes
// it; the time for the whole sign-in is already on it as a deadline.
type Conn struct {
	server *Server
	socket *relay.Socket
	tls    *tls.Conn
	stream net.Conn // socket or tls

	peer      netip.AddrPort // other end of the socket
	origin    netip.AddrPort // who speaks to us, a PROXY header believed
	client    netip.AddrPort // who signs in, a forwarder believed
	local     netip.AddrPort
	forwarder *Forwarder
	facts     signin.TLS
	Hints     signin.Hints

	correlation signin.ID
	deadline    time.Time
	bad         int
	refusals    int

	mu     sync.Mutex
	handle *relay.Handle
	ended  string // what end was told before there was a handle
	wake   func() // also called by end, where there is none
	closed bool
	watch  *watch // of a session that is not the relay's
}

// errTooManyBad ends a connection that has sent too much nonsense.
var errTooManyBad = errors.New("too many bad commands")

// errNotFromHere ends a connection from a network that this listener does not serve.
var errNotFromHere = errors.New("this listener does not serve that network")

// errEnded ends a connection that was told to end.
var errEnded = errors.New("told to end")

// ErrClientLeft is returned by a dialect whose client said goodbye.
var ErrClientLeft = errors.New("client left")

// arrive finds out who speaks to us and on whose behalf, from the PROXY header
// where this peer must send one. A balancer's header says who is at the other
// end of its own connection; a forwarder's, whose browser it acts for.
func (c *Conn) arrive() error {
	c.setDeadline()
	if err := c.introduced(); err != nil {
		return err
	}
	if len(c.server.OnlyFrom) > 0 && !c.server.from(c.server.OnlyFrom, c.origin.Addr()) {
		return errNotFromHere
	}
	return nil
}

func (c *Conn) introduced() error {
	f := c.server.forwarderAt(c.peer.Addr())
	byProxy := f != nil && f.Pass == PassProxy
	if byProxy || c.server.from(c.server.ProxyFrom, c.peer.Addr()) {
		if err := c.readHeader(); err != nil {
			return fmt.Errorf("reading the PROXY header: %w", err)
		}
	}
	if byProxy {
		c.forwarder, c.origin = f, c.peer
		return nil
	}
	if f = c.server.forwarderAt(c.origin.Addr()); f != nil && f.Pass != PassProxy {
		c.forwarder = f
	}
	return nil
}

func (c *Conn) readHeader() error {
	_ = c.socket.SetReadDeadline(time.Now().Add(headerTimeout))
	h, err := proxyproto.Read(c.socket)
	if err != nil {
		return err
	}
	if h.Source.IsValid() {
		c.origin, c.client, c.local = h.Source, h.Source, h.Destination
	}
	c.setDeadline()
	return nil
}

// seal speaks implicit TLS, where it is spoken.
func (c *Conn) seal(ctx context.Context) error {
	if c.server.TLS == TLSImplicit {
		return c.handshake(ctx)
	}
	return nil
}

// setLimit sets the time for reading and writing; false if the connection was
// told to end.
func (c *Conn) setLimit(limit time.Time) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ended == "" {
		_ = c.socket.SetDeadline(limit)
	}
	return c.ended == ""
}

// setDeadline sets the time for the whole sign-in, unless the connection was
// told to end meanwhile.
func (c *Conn) setDeadline() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ended == "" {
		_ = c.socket.SetReadDeadline(c.deadline)
	}
}

// helloKey finds the connection a TLS hello belongs to.
type helloKey struct{}

// handshake speaks TLS and keeps what it told.
func (c *Conn) handshake(ctx context.Context) error {
	limit := time.Now().Add(handshakeTimeout)
	if limit.After(c.deadline) {
		limit = c.deadline
	}
	if !c.setLimit(limit) {
		return errEnded
	}
	t := tls.Server(c.socket, c.server.TLSConfig)
	// Being told to end wakes the handshake by its deadline. A context that can be
	// cancelled would cost it a goroutine of its own.
	if err := t.HandshakeContext(context.WithValue(context.WithoutCancel(ctx), helloKey{}, c)); err != nil {
		return fmt.Errorf("speaking TLS: %w", err)
	}
	state := t.ConnectionState()
	c.facts.Version, c.facts.Cipher, c.facts.ServerName, c.facts.Resumed = state.Version, state.CipherSuite, state.ServerName, state.DidResume
	if len(state.VerifiedChains) > 0 {
		c.facts.Certificate = state.PeerCertificates[0].Raw
	}
	c.tls, c.stream = t, t
	c.setDeadline()
	return nil
}

// Read reads what the client sends, within the time for the whole sign-in.
func (c *Conn) Read(p []byte) (int, error) { return c.stream.Read(p) }

// Write sends to the client; a client that does not read is given up.
func (c *Conn) Write(p []byte) (int, error) {
	_ = c.socket.SetWriteDeadline(time.Now().Add(writeTimeout))
	return c.stream.Write(p)
}

// WriteString sends a reply.
func (c *Conn) WriteString(s string) error {
	_, err := io.WriteString(c, s)
	return err
}

// StartTLS speaks TLS on a connection that began without. The dialect has
// answered the command already and made sure that nothing was sent behind it.
func (c *Conn) StartTLS(ctx context.Context) error {
	if c.tls != nil {
		return errors.New("TLS is spoken already")
	}
	return c.handshake(ctx)
}

// Secure says that TLS is spoken.
func (c *Conn) Secure() bool { return c.tls != nil }

// CanStartTLS says that STARTTLS is to be offered.
func (c *Conn) CanStartTLS() bool { return c.tls == nil && c.server.TLS == TLSStart }

// PasswordsAllowed says that secrets may be asked for here: over TLS, or from
// a network configured for plaintext (RFC 8314, section 4).
func (c *Conn) PasswordsAllowed() bool {
	return c.tls != nil || c.server.from(c.server.PlaintextFrom, c.origin.Addr())
}

// Certificate is the client's certificate if it sent one that its CA vouches for, DER.
func (c *Conn) Certificate() []byte { return c.facts.Certificate }

// Forwarder is the configured forwarder at the other end, or nil.
func (c *Conn) Forwarder() *Forwarder { return c.forwarder }

// Forwarded takes the client's address from a forwarder that may pass it that way.
func (c *Conn) Forwarded(way PassBy, addr netip.AddrPort) {
	if c.forwarder.Passes(way) && addr.Addr().IsValid() {
		c.client = addr
	}
}

// source is who this connection counts for before its sign-in: nobody in
// particular where a forwarder speaks for browsers that it has not named yet.
func (c *Conn) source() netip.Addr {
	if c.forwarder != nil && c.client == c.origin {
		return netip.Addr{}
	}
	return c.client.Addr()
}

// Client and Local are the two ends as far as we know.
func (c *Conn) Client() netip.AddrPort { return c.client }

// Local is our end's address.
func (c *Conn) Local() netip.AddrPort { return c.local }

// Settings are the words this listener's refusals are told in.
func (c *Conn) Settings() *Settings { return &c.server.Settings }

// Capabilities are what the backends offer, less what we replace.
func (c *Conn) Capabilities() []string { return c.server.Backends.Capabilities(c.server.Protocol) }

// Bad counts a command that made no sense; too many end the connection.
func (c *Conn) Bad() error {
	if c.bad++; c.bad >= maxBadCommands {
		return errTooManyBad
	}
	return nil
}

// attempt describes the knock, now that its credential has been read.
func (c *Conn) attempt() signin.Attempt {
	a := signin.Attempt{At: time.Now(), Protocol: c.server.Protocol, Listener: c.server.Name, Client: c.client, Local: c.local,
		Peer: c.origin, TLS: c.facts, Hints: c.Hints, Correlation: c.correlation}
	if c.forwarder != nil {
		a.Forwarder = c.forwarder.Name
		c.forwarder.count(c.client != c.origin)
	}
	return a
}

// end closes the connection from outside, without a goodbye and without
// waiting. It is what a session is ended with.
func (c *Conn) end(_ signin.Code, note string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.handle != nil {
		c.handle.End(note)
		return
	}
	c.ended = note
	if c.wake != nil && !c.closed {
		c.wake()
	}
	if !c.closed {
		_ = c.socket.SetDeadline(time.Now()) // wakes the goroutine that signs in, which closes
	}
}

// evict closes a connection that has not signed in, to make room.
func (c *Conn) evict() { c.end(0, "evicted: too many unauthenticated connections") }

// stop closes a connection that has not signed in, because the server stops.
func (c *Conn) stop() { c.end(0, "the server stops") }

func (c *Conn) close() {
	c.mu.Lock()
	c.closed = true
	c.mu.Unlock()
	_ = c.socket.Close()
}
