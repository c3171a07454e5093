// Package dialogue plays wire dialogues, written down as files, against a
// front-end under the real proxy, over loopback sockets and a real relay. It
// serves the tests of package front.
//
// A file holds sections in txtar form; each is one connection:
//
//	-- name starttls plaintext --   words after the name are options
//	C: text     the client sends a line (CR LF is added; \r \n \0 \xNN are understood)
//	c: text     the same without a line end
//	S: text     the server's next line must be this; … stands for anything
//	TLS         the client begins TLS
//	B: text     the backend must get this line
//	b: text     the backend sends this line
//	CLOSED      the server must have closed the connection
//
// Who signs in with the password or token "right" is let in. "early",
// "uniform" and "trouble" are refused in that tone, everything else uniformly.
// The options sender=ADDRESS and rate=N limit what may be sent by whoever is in.
package dialogue

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/tools/txtar"

	"github.com/portreeve/portreeve/internal/backend"
	"github.com/portreeve/portreeve/internal/certs"
	"github.com/portreeve/portreeve/internal/policy"
	"github.com/portreeve/portreeve/internal/protocol"
	"github.com/portreeve/portreeve/internal/proxy"
	"github.com/portreeve/portreeve/internal/relay"
	"github.com/portreeve/portreeve/internal/session"
	"github.com/portreeve/portreeve/internal/signin"
)

// patience is how long a line may take; a dialogue that hangs fails then.
const patience = 5 * time.Second

// Front is the front-end under test.
type Front struct {
	Protocol     protocol.Protocol
	Dialect      func(*proxy.Conn) proxy.Dialect
	Capabilities []string // what the backend offers
	Capability   string   // what it says with its tagged OK (IMAP)
	Settings     proxy.Settings
}

// Play plays every dialogue of testdata/*.txt.
func Play(t *testing.T, f Front) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no dialogues in testdata: %v", err)
	}
	for _, file := range files {
		archive, err := txtar.ParseFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, section := range archive.Files {
			name, options, _ := strings.Cut(section.Name, " ")
			t.Run(strings.TrimSuffix(filepath.Base(file), ".txt")+"/"+name, func(t *testing.T) {
				t.Parallel()
				f.play(t, strings.Fields(options), strings.Split(strings.TrimRight(string(section.Data), "\n"), "\n"))
			})
		}
	}
}

// stage is one dialogue under way.
type stage struct {
	t       *testing.T
	client  net.Conn
	r       *bufio.Reader
	backend chan net.Conn
	back    net.Conn
	br      *bufio.Reader
	roots   *tls.Config
	log     *record
}

func (f Front) play(t *testing.T, options, lines []string) {
	s := f.open(t, options)
	for i, line := range lines {
		if line == "" || line[0] == '#' {
			continue
		}
		if err := s.line(line); err != nil {
			t.Fatalf("line %d, %q: %v", i+1, line, err)
		}
	}
	for _, secret := range []string{"right", "s3cret"} {
		if strings.Contains(s.log.String(), secret) {
			t.Errorf("the operator's log holds a secret: %s", s.log.String())
		}
	}
}

// open starts a listener with the front-end, and a client connected to it.
func (f Front) open(t *testing.T, options []string) *stage {
	t.Helper()
	authority, err := certs.Local("localhost")
	if err != nil {
		t.Fatal(err)
	}
	manager, err := certs.Static(authority.Server)
	if err != nil {
		t.Fatal(err)
	}
	serverTLS := manager.TLSConfig(certs.Options{Hello: proxy.Hello})
	clientTLS := &tls.Config{RootCAs: authority.Pool(), ServerName: "localhost"}
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(cancel)
	pool, err := relay.NewPool(relay.Options{})
	if err != nil {
		t.Fatal(err)
	}
	go func() { _ = pool.Run(ctx) }()
	t.Cleanup(func() { _ = pool.Close() })
	s := &stage{t: t, backend: make(chan net.Conn, 1), roots: clientTLS, log: &record{}}
	o := proxy.Options{Name: "test", Protocol: f.Protocol, TLS: proxy.TLSNone, TLSConfig: serverTLS, Settings: f.Settings,
		Dialect: f.Dialect, Gate: gate{limits(options)}, Backends: &backends{s: s, front: f}, Sessions: &session.Registry{}, Relay: pool,
		Journal: journal{}, Admission: &proxy.Admission{}, Log: slog.New(slog.NewTextHandler(s.log, nil))}
	if slices.Contains(options, "starttls") {
		o.TLS = proxy.TLSStart
	}
	if slices.Contains(options, "plaintext") {
		o.PlaintextFrom = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
	}
	if slices.Contains(options, "proxy-from") {
		o.ProxyFrom = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
		o.PlaintextFrom = []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}
	}
	for _, way := range []struct {
		option string
		pass   proxy.PassBy
	}{{"forwarder-id", proxy.PassID}, {"forwarder-xclient", proxy.PassXCLIENT}, {"forwarder-proxy", proxy.PassProxy}} {
		if slices.Contains(options, way.option) {
			o.Forwarders = []*proxy.Forwarder{{Name: "webmail", From: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}, Pass: way.pass}}
		}
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- proxy.New(o).Serve(ctx, l) }()
	s.client, err = net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	s.r = bufio.NewReader(s.client)
	t.Cleanup(func() {
		_ = s.client.Close()
		if s.back != nil {
			_ = s.back.Close()
		}
		cancel()
		if err := <-served; err != nil {
			t.Errorf("serving: %v", err)
		}
	})
	return s
}

// line plays one line.
func (s *stage) line(line string) error {
	_ = s.client.SetDeadline(time.Now().Add(patience))
	if line == "TLS" {
		c := tls.Client(s.client, s.roots)
		s.client, s.r = c, bufio.NewReader(c)
		return c.Handshake()
	}
	if line == "CLOSED" {
		rest, err := io.ReadAll(s.r)
		if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) && !strings.Contains(err.Error(), "reset") {
			return fmt.Errorf("still open: %w", err)
		}
		if len(rest) > 0 {
			return fmt.Errorf("before closing came %q", rest)
		}
		return nil
	}
	what, text, _ := strings.Cut(line, ":")
	text = strings.TrimPrefix(text, " ")
	switch what {
	case "C":
		_, err := io.WriteString(s.client, unescape(text)+"\r\n")
		return err
	case "c":
		_, err := io.WriteString(s.client, unescape(text))
		return err
	case "S":
		return expect(s.r, text)
	case "B", "b":
		return s.backendLine(what, text)
	}
	return fmt.Errorf("no such line: %q", what)
}

func (s *stage) backendLine(what, text string) error {
	if s.back == nil {
		select {
		case s.back = <-s.backend:
			s.br = bufio.NewReader(s.back)
		case <-time.After(patience):
			return errors.New("the backend was never dialled")
		}
	}
	_ = s.back.SetDeadline(time.Now().Add(patience))
	if what == "B" {
		return expect(s.br, text)
	}
	_, err := io.WriteString(s.back, unescape(text)+"\r\n")
	return err
}

func expect(r *bufio.Reader, want string) error {
	got, err := r.ReadString('\n')
	if err != nil {
		return fmt.Errorf("want it, got %q and %w", got, err)
	}
	got, crlf := strings.CutSuffix(got, "\r\n")
	pattern := "^" + strings.ReplaceAll(regexp.QuoteMeta(want), "…", ".*") + "$"
	if !crlf || !regexp.MustCompile(pattern).MatchString(got) {
		return fmt.Errorf("got %q", got)
	}
	return nil
}

// unescape reads the escapes of a Go string.
func unescape(s string) string {
	u, err := strconv.Unquote(`"` + strings.ReplaceAll(s, `"`, `\"`) + `"`)
	if err != nil {
		return s
	}
	return u
}

// limits reads what may be sent, nil if anything.
func limits(options []string) *signin.Sending {
	var s signin.Sending
	for _, o := range options {
		if a, ok := strings.CutPrefix(o, "sender="); ok {
			s.Senders = append(s.Senders, a)
		}
		if n, ok := strings.CutPrefix(o, "rate="); ok {
			s.PerHour, _ = strconv.Atoi(n)
			left := s.PerHour
			s.Take = func(time.Time) bool { left--; return left >= 0 }
		}
	}
	if s.Senders == nil && s.PerHour == 0 {
		return nil
	}
	return &s
}

// gate lets "right" in and refuses by what the secret says.
type gate struct{ sending *signin.Sending }

func (g gate) SignIn(_ context.Context, a signin.Attempt, c signin.Credential) signin.Outcome {
	o := signin.Outcome{Attempt: a, Facts: policy.Facts{Address: c.Name(), Proven: true, Addr: a.Client.Addr()}, Verdict: policy.Verdict{Effect: policy.Allow}}
	o.Attempt.ID = signin.NewID(1, [10]byte{1})
	o.Principal.Sending = g.sending
	tone := map[string]signin.Tone{"early": signin.Early, "trouble": signin.Trouble}
	if secret := string(c.Secret()); secret != "right" {
		how, ok := tone[secret]
		if !ok {
			how = signin.Uniform
		}
		o.Code = signin.WrongCredentials
		o.Reply = signin.Reply{Tone: how, Text: "PR1 for " + c.Name() + " from " + a.Client.Addr().String()}
	}
	return o
}

func (gate) Rejudge(_ context.Context, o signin.Outcome) signin.Outcome { return o }

func (gate) Trouble(c signin.Code, _ signin.Reference) signin.Reply {
	return signin.Reply{Tone: signin.Trouble, Text: c.String()}
}

// backends gives a socket whose other end the dialogue plays.
type backends struct {
	s     *stage
	front Front
}

func (b *backends) Dial(context.Context, backend.Request) (*backend.Conn, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	defer l.Close()
	near, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		return nil, err
	}
	far, err := l.Accept()
	if err != nil {
		return nil, err
	}
	b.s.backend <- far
	return &backend.Conn{Socket: relay.NewSocket(near.(*net.TCPConn)), Capability: b.front.Capability}, nil
}

func (*backends) Release(signin.ID) {}

func (b *backends) Capabilities(protocol.Protocol) []string { return b.front.Capabilities }

type journal struct{}

func (journal) Session(signin.SessionEvent) {}

// record keeps the operator's log of a dialogue.
type record struct {
	mu sync.Mutex
	b  strings.Builder
}

func (r *record) Write(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.b.Write(p)
}

func (r *record) String() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.b.String()
}
