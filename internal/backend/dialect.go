package backend

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/portreeve/portreeve/internal/protocol"
	"github.com/portreeve/portreeve/internal/sasl"
)

const (
	maxWords      = 200    // of a backend's words in an error, bytes
	dummyResponse = "AQ==" // ^A in base64, RFC 7628 section 3.2.3
)

// dialect is what a protocol says for itself on the way to a sign-in, in this
// order. Errors are plain; login wraps ErrRefused where the server said that
// the credentials are wrong.
type dialect interface {
	greet(*talk) error
	offersTLS(*talk) (bool, error)
	startTLS(*talk) error // asks for it and reads the consent
	learn(*talk) error    // capabilities, if they are not known
	introduce(*talk, *Options, *Request) error
	mechanisms() []string // that the server offers, in upper case
	login(t *talk, mechanism string, response []byte) error

	goodbye() string
	capability() string // for Conn.Capability, after login
	offered() []string  // for clients before sign-in
}

// newDialect begins a conversation; nil for protocols that are none. hello is
// the name we give in EHLO.
func newDialect(p protocol.Protocol, hello string) dialect {
	switch p {
	case protocol.IMAP:
		return &imapDialect{}
	case protocol.POP3:
		return &pop3Dialect{}
	case protocol.Submission:
		return &smtpDialect{hello: hello}
	case protocol.Sieve:
		return &sieveDialect{}
	}
	return nil
}

// server is one endpoint of one backend, ready to be dialled.
type server struct {
	options  *Options
	protocol protocol.Protocol
	endpoint Endpoint
	tls      *tls.Config // nil without TLS
	sources  *sources
	// confirmed are the people whom the mail server knows by our name for them.
	confirmed *names
	breaker   breaker
}

// open connects and speaks up to where credentials may be sent.
func (s *server) open(ctx context.Context, q *Request) (*talk, dialect, error) {
	done, err := s.breaker.enter(func() error { return s.answers(ctx) })
	if err != nil {
		return nil, nil, awayError("connecting", err)
	}
	t, d, err := s.approach(ctx, q)
	done(err)
	return t, d, err
}

// answers says whether the server talks to us when no client is named.
func (s *server) answers(ctx context.Context) error {
	t, d, err := s.approach(ctx, &Request{Protocol: s.protocol})
	if err != nil {
		return err
	}
	_ = t.send(d.goodbye())
	t.abandon()
	return nil
}

func (s *server) approach(ctx context.Context, q *Request) (*talk, dialect, error) {
	t, err := s.dial(ctx, q)
	if err != nil {
		return nil, nil, awayError("connecting", err)
	}
	hello := s.options.Hello
	if s.endpoint.Proxy > 0 { // the server takes us for the client, so let it have the client's name
		hello = clientHello(q.EHLO, hello)
	}
	d := newDialect(s.protocol, hello)
	if err := s.prepare(t, d, q); err != nil {
		t.abandon()
		return nil, nil, err
	}
	return t, d, nil
}

// prepare is the part of the conversation in which nothing secret is said.
func (s *server) prepare(t *talk, d dialect, q *Request) error {
	if s.endpoint.TLS == TLSImplicit {
		if err := t.startTLS(s.tls); err != nil {
			return awayError("TLS", err)
		}
	}
	if err := d.greet(t); err != nil {
		return awayError("greeting", err)
	}
	if s.endpoint.TLS == TLSStartTLS {
		if err := s.upgrade(t, d); err != nil {
			return awayError("STARTTLS", err)
		}
	}
	if err := d.learn(t); err != nil {
		return awayError("capabilities", err)
	}
	if err := d.introduce(t, s.options, q); err != nil {
		return awayError("introducing the client", err)
	}
	return nil
}

var errNoTLS = errors.New("it does not offer TLS")

// upgrade goes over to TLS; a server that does not offer it, or somebody in
// between who hides that it does, gets nothing more.
func (s *server) upgrade(t *talk, d dialect) error {
	offers, err := d.offersTLS(t)
	if err != nil {
		return err
	}
	if !offers {
		return errNoTLS
	}
	if err := d.startTLS(t); err != nil {
		return err
	}
	return t.startTLS(s.tls)
}

// credential is what we show to a backend.
type credential struct {
	mechanism string
	identity  sasl.Identity
	secret    []byte
}

// Format prints the mechanism only.
func (c credential) Format(s fmt.State, _ rune) { _, _ = fmt.Fprintf(s, "%s [redacted]", c.mechanism) }

// signIn opens a connection and signs in.
func (s *server) signIn(ctx context.Context, q *Request, c credential) (*Conn, error) {
	response, err := sasl.Response(c.mechanism, c.identity, c.secret)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrRefused, err) // no server could take it, and it goes to none
	}
	defer clear(response)
	t, d, err := s.open(ctx, q)
	if err != nil {
		return nil, err
	}
	if err := s.authenticate(t, d, c.mechanism, response); err != nil {
		t.abandon()
		return nil, err
	}
	conn, err := t.finish()
	if err != nil {
		t.abandon()
		return nil, awayError("signing in", err)
	}
	conn.Name, conn.Capability, conn.goodbye = s.options.Name, d.capability(), d.goodbye()
	if m, ok := d.(*smtpDialect); ok {
		conn.XCLIENT, conn.Chunking = m.xclient, m.ext.Has("CHUNKING")
	}
	return conn, nil
}

func (s *server) authenticate(t *talk, d dialect, mechanism string, response []byte) error {
	if !slices.Contains(d.mechanisms(), mechanism) {
		return awayError("signing in", fmt.Errorf("it does not offer %s", mechanism))
	}
	t.wait = answerTTL
	err := d.login(t, mechanism, response)
	if err == nil || errors.Is(err, ErrRefused) {
		return err
	}
	return awayError("signing in", err)
}

// after lists what follows prefix in those words that begin with it, in upper case.
func after(words []string, prefix string) []string {
	var out []string
	for _, w := range words {
		if up := strings.ToUpper(w); strings.HasPrefix(up, prefix) {
			out = append(out, up[len(prefix):])
		}
	}
	return out
}
