package directory

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/go-ldap/ldap/v3"
)

const (
	maxAnswer   = 64 << 20         // bytes of the answer to one request; a page of 500 people has about 1 MB
	keptLinks   = 4                // idle connections of each kind and server
	idleTime    = 2 * time.Minute  // after it an idle connection is not used again; servers close them after some minutes
	retryFirst  = 2 * time.Second  // how long a server that did not answer is left alone, doubled each time
	retryLatest = 30 * time.Second // at most
)

// errAway says that no server could be asked.
var errAway = errors.New("no server of the directory answers")

// errSent says that a password was sent up and no answer came: it may have been
// counted, so no other server is asked with it.
var errSent = errors.New("the directory did not answer")

// server is one LDAP server. It keeps two kinds of connections: those signed in
// as the service account, which search, and those on which people's passwords
// are tried, which never search.
type server struct {
	l    *LDAP
	url  string
	host string // host:port
	name string // in its certificate
	tls  bool   // from the first byte

	mu      sync.Mutex
	idle    map[linkKind][]*link
	closed  bool
	fault   error // of the last attempt, nil if it answered
	until   time.Time
	backoff time.Duration
}

type linkKind uint8

const (
	searching linkKind = iota
	binding
)

// link is one connection. It is used by one request at a time.
type link struct {
	*ldap.Conn
	raw   *bounded
	of    *server
	kind  linkKind
	since time.Time // idle since
	used  bool      // it was idle: the server may have closed it meanwhile
}

// bounded is a connection that takes no endless answer and waits for no peer
// that does not read: the library has a bound for neither.
type bounded struct {
	net.Conn
	patience time.Duration
	mu       sync.Mutex
	left     int
}

var errTooLong = errors.New("the directory's answer is longer than any that makes sense")

func (b *bounded) Read(p []byte) (int, error) {
	n, err := b.Conn.Read(p)
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.left -= n; b.left < 0 {
		return 0, errTooLong
	}
	return n, err
}

func (b *bounded) Write(p []byte) (int, error) {
	b.mu.Lock()
	b.left = maxAnswer
	b.mu.Unlock()
	_ = b.Conn.SetWriteDeadline(time.Now().Add(b.patience))
	return b.Conn.Write(p)
}

// newServer reads an address: ldaps://host[:port] or ldap://host[:port].
func newServer(l *LDAP, address string) (*server, error) {
	u, err := url.Parse(address)
	if err != nil || u.Hostname() == "" || u.Scheme != "ldap" && u.Scheme != "ldaps" {
		return nil, fmt.Errorf("%q is no address such as ldaps://ldap.example.org", address)
	}
	port := u.Port()
	if port == "" {
		port = map[string]string{"ldap": "389", "ldaps": "636"}[u.Scheme]
	}
	s := &server{l: l, url: address, host: net.JoinHostPort(u.Hostname(), port), name: u.Hostname(), tls: u.Scheme == "ldaps", idle: map[linkKind][]*link{}}
	if l.ServerName != "" {
		s.name = l.ServerName
	}
	return s, nil
}

func (s *server) tlsConfig() *tls.Config {
	return &tls.Config{ServerName: s.name, RootCAs: s.l.CAs, MinVersion: tls.VersionTLS12}
}

// with runs use on a connection of a kind. A connection that was idle and turns
// out to be closed is replaced once; one that failed is not kept.
func (s *server) with(ctx context.Context, kind linkKind, use func(*link) error) error {
	for {
		k, err := s.take(ctx, kind)
		if err != nil {
			s.note(err)
			return err
		}
		stop := context.AfterFunc(ctx, func() { _ = k.raw.Close() })
		err = use(k)
		undisturbed := stop()
		if !broken(err) && undisturbed {
			s.note(nil)
			s.give(k)
			return err
		}
		k.end()
		if err == nil {
			return nil
		}
		if ctx.Err() == nil && k.used && !timedOut(err) {
			continue
		}
		if ctx.Err() != nil {
			err = fmt.Errorf("%w: %w", context.Cause(ctx), err)
		}
		s.note(err)
		if kind == binding {
			err = fmt.Errorf("%w: %w", errSent, err)
		}
		return fmt.Errorf("%s: %w", s.url, err)
	}
}

// verdicts are answers about a person, whichever server gives them.
var verdicts = []error{ErrWrong, ErrSpent, ErrExpired, errBarred, errNobody}

// broken says that an error is the connection's or the server's, and no answer.
func broken(err error) bool {
	var said *ldap.Error
	if err == nil || slices.ContainsFunc(verdicts, func(v error) bool { return errors.Is(err, v) }) {
		return false
	}
	return !errors.As(err, &said) || said.ResultCode >= ldap.ErrorNetwork
}

// timedOut says that the server took the request and did not answer. The
// library tells it in words only.
func timedOut(err error) bool { return err != nil && strings.Contains(err.Error(), "timed out") }

// note keeps whether the server answers, so that people do not wait for one
// that does not.
func (s *server) note(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fault = err; err == nil {
		s.backoff = 0
		return
	}
	s.backoff = min(max(2*s.backoff, retryFirst), retryLatest)
	s.until = time.Now().Add(s.backoff)
}

// rests says that the server did not answer a moment ago.
func (s *server) rests() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.fault != nil && time.Now().Before(s.until)
}

func (s *server) state() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.fault
}

func (s *server) take(ctx context.Context, kind linkKind) (*link, error) {
	s.mu.Lock()
	for n := len(s.idle[kind]); n > 0; n = len(s.idle[kind]) {
		k := s.idle[kind][n-1]
		s.idle[kind] = s.idle[kind][:n-1]
		if !k.IsClosing() && time.Since(k.since) < idleTime {
			s.mu.Unlock()
			k.used = true
			return k, nil
		}
		go k.end()
	}
	s.mu.Unlock()
	return s.dial(ctx, kind)
}

func (s *server) give(k *link) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed || k.IsClosing() || len(s.idle[k.kind]) >= keptLinks {
		go k.end()
		return
	}
	k.since = time.Now()
	s.idle[k.kind] = append(s.idle[k.kind], k)
}

func (k *link) end() {
	_ = k.raw.Close() // first, or Close would wait for a peer that does not read
	_ = k.Close()
}

// close ends the idle connections; those in use end when they are given back.
func (s *server) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	for _, all := range s.idle {
		for _, k := range all {
			go k.end()
		}
	}
	clear(s.idle)
}

// dial connects, makes the connection private, and signs the service account in
// on one that is to search.
func (s *server) dial(ctx context.Context, kind linkKind) (*link, error) {
	ctx, cancel := context.WithTimeout(ctx, s.l.Timeout)
	defer cancel()
	raw, err := (&net.Dialer{}).DialContext(ctx, "tcp", s.host)
	if err != nil {
		return nil, fmt.Errorf("connecting to %s: %w", s.url, err)
	}
	k, err := s.seal(ctx, raw, kind)
	if err != nil {
		_ = raw.Close()
		return nil, err
	}
	if kind == binding || s.l.BindDN == "" {
		return k, nil
	}
	stop := context.AfterFunc(ctx, func() { _ = raw.Close() })
	defer stop()
	if err := s.l.signedIn(k); err != nil {
		k.end()
		return nil, err
	}
	return k, nil
}

// seal puts TLS on a connection. Without TLS it is used to our own machine only,
// which the configuration has seen to and newServer's caller again.
func (s *server) seal(ctx context.Context, raw net.Conn, kind linkKind) (*link, error) {
	stop := context.AfterFunc(ctx, func() { _ = raw.Close() })
	defer stop()
	b := &bounded{Conn: raw, patience: s.l.Timeout, left: maxAnswer}
	k := &link{raw: b, of: s, kind: kind}
	if s.tls {
		c := tls.Client(b, s.tlsConfig())
		if err := c.HandshakeContext(ctx); err != nil {
			return nil, fmt.Errorf("TLS with %s: %w", s.url, explained(err))
		}
		k.Conn = ldap.NewConn(c, true)
	} else {
		k.Conn = ldap.NewConn(b, false)
	}
	k.Start()
	k.SetTimeout(s.l.Timeout)
	if s.tls || !s.l.StartTLS {
		if !s.tls && !toOurselves(raw) {
			k.end()
			return nil, fmt.Errorf("%s: passwords would travel in clear", s.url)
		}
		return k, nil
	}
	if err := k.StartTLS(s.tlsConfig()); err != nil {
		k.end()
		return nil, fmt.Errorf("TLS with %s: %w", s.url, err)
	}
	return k, nil
}

func toOurselves(c net.Conn) bool {
	a, ok := c.RemoteAddr().(*net.TCPAddr)
	return ok && a.IP.IsLoopback()
}

// explained adds what to do to the usual faults of certificates.
func explained(err error) error {
	switch {
	case errors.As(err, new(x509.UnknownAuthorityError)):
		return fmt.Errorf("%w: name the authority's certificate in ca", err)
	case errors.As(err, new(x509.HostnameError)):
		return fmt.Errorf("%w: use that name in urls, or give server_name", err)
	}
	return err
}

// eachServer tries use at one server after another until one answers: those that
// did not a moment ago last, and only by one caller at a time.
func (l *LDAP) eachServer(ctx context.Context, use func(*server) error) error {
	var well, ill []*server
	for _, s := range l.servers {
		if s.rests() {
			ill = append(ill, s)
		} else {
			well = append(well, s)
		}
	}
	var faults []error
	for i, s := range append(well, ill...) {
		if i >= len(well) && !l.mayProbe() {
			faults = append(faults, s.state())
			continue
		}
		err := use(s)
		if !broken(err) || errors.Is(err, errSent) {
			return err
		}
		faults = append(faults, err)
		if ctx.Err() != nil {
			break
		}
	}
	return fmt.Errorf("%w: %w", errAway, errors.Join(faults...))
}

// mayProbe lets one caller a moment try servers that rest, so that a thousand
// sign-ins do not wait for them together.
func (l *LDAP) mayProbe() bool {
	now := time.Now().UnixNano()
	last := l.probed.Load()
	return now-last > int64(retryFirst) && l.probed.CompareAndSwap(last, now)
}
