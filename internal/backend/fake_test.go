package backend

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/portreeve/portreeve/internal/mailtest"
	"github.com/portreeve/portreeve/internal/protocol"
)

// fake is a mail server that does what a script says, once per connection.
// Steps: "S: text" sends a line, "C: prefix" reads one that must begin so,
// "tls", "rst", "close", "silence" (until the client goes), "flood" (a line
// without an end), "lines" (lines without an end).
type fake struct {
	address string
	mu      sync.Mutex
	clear   bytes.Buffer // what came in outside TLS
	wrong   string       // what was not as the script says
}

func startFake(t *testing.T, cert *tls.Certificate, steps ...string) *fake {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	f := &fake{address: l.Addr().String()}
	var all sync.WaitGroup
	all.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			all.Go(func() { f.play(c, cert, steps) })
		}
	})
	t.Cleanup(func() { _ = l.Close(); all.Wait() })
	return f
}

// tap notes what is read.
type tap struct {
	net.Conn
	f *fake
}

func (c tap) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	c.f.mu.Lock()
	c.f.clear.Write(b[:n])
	c.f.mu.Unlock()
	return n, err
}

func (f *fake) play(raw net.Conn, cert *tls.Certificate, steps []string) {
	defer raw.Close()
	_ = raw.SetDeadline(time.Now().Add(20 * time.Second))
	var c net.Conn = tap{raw, f}
	in := bufio.NewReader(c)
	for _, step := range steps {
		kind, text, _ := strings.Cut(step, " ")
		switch kind {
		case "S:":
			_, _ = io.WriteString(c, strings.ReplaceAll(text, "|", "\r\n")+"\r\n")
		case "C:":
			l, err := in.ReadString('\n')
			if err != nil { // the client has gone
				return
			}
			if !strings.HasPrefix(l, text) {
				f.mu.Lock()
				f.wrong = "got " + l + " instead of " + text
				f.mu.Unlock()
				return
			}
		case "tls":
			sealed := tls.Server(raw, &tls.Config{Certificates: []tls.Certificate{*cert}})
			if sealed.Handshake() != nil {
				return
			}
			c, in = sealed, bufio.NewReader(sealed)
		case "rst":
			_ = raw.(*net.TCPConn).SetLinger(0)
			return
		case "close":
			return
		case "silence":
			_, _ = io.Copy(io.Discard, in)
			return
		case "flood", "lines":
			junk := bytes.Repeat([]byte("a"), 4096)
			if kind == "lines" {
				junk = bytes.Repeat([]byte("* x 250-x\r\n"), 400)
			}
			for {
				if _, err := c.Write(junk); err != nil {
					return
				}
			}
		}
	}
}

func (f *fake) heard() (clear, wrong string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.clear.String(), f.wrong
}

// What each protocol says up to where credentials may be sent.
var ready = map[protocol.Protocol][]string{
	protocol.IMAP:       {"S: * OK [CAPABILITY IMAP4rev1 AUTH=PLAIN] hello"},
	protocol.POP3:       {"S: +OK hello", "C: CAPA", "S: +OK", "S: SASL PLAIN", "S: ."},
	protocol.Submission: {"S: 220 hello", "C: EHLO", "S: 250-x", "S: 250 AUTH PLAIN"},
	protocol.Sieve:      {`S: "SASL" "PLAIN"`, "S: OK"},
}

var authenticate = map[protocol.Protocol][]string{
	protocol.IMAP: {"C: p AUTHENTICATE PLAIN", "S: + ", "C: "}, protocol.POP3: {"C: AUTH PLAIN "},
	protocol.Submission: {"C: AUTH PLAIN "}, protocol.Sieve: {`C: AUTHENTICATE "PLAIN" "`},
}

func steps(lists ...[]string) []string {
	var all []string
	for _, l := range lists {
		all = append(all, l...)
	}
	return all
}

func TestFaultsOfABackendAreNeverAWrongPassword(t *testing.T) {
	authority, stranger := mailtest.NewAuthority(t), mailtest.NewAuthority(t)
	good, foreign, misnamed := authority.Certificate(t), stranger.Certificate(t), authority.Certificate(t, "other.example")
	const imap, pop3, smtp, sieve = protocol.IMAP, protocol.POP3, protocol.Submission, protocol.Sieve
	type fault struct {
		name     string
		protocol protocol.Protocol
		tls      TLSKind
		cert     *tls.Certificate
		steps    []string
	}
	faults := []fault{
		{"IMAP PREAUTH", imap, TLSNone, nil, []string{"S: * PREAUTH hello", "silence"}},
		{"IMAP PREAUTH before STARTTLS", imap, TLSStartTLS, &good, []string{"S: * PREAUTH hello", "C: p STARTTLS", "S: p OK", "tls", "silence"}},
		{"IMAP BYE", imap, TLSNone, nil, []string{"S: * BYE too many"}},
		{"IMAP greeting of SMTP", imap, TLSNone, nil, []string{"S: 220 hello"}},
		{"IMAP literal in the greeting", imap, TLSNone, nil, []string{"S: * OK {99999999}"}},
		{"IMAP without STARTTLS", imap, TLSStartTLS, &good, steps(ready[imap], []string{"silence"})},
		{"IMAP STARTTLS refused", imap, TLSStartTLS, &good, []string{"S: * OK [CAPABILITY STARTTLS AUTH=PLAIN] hello", "C: p STARTTLS", "S: p NO not now", "silence"}},
		{"IMAP bytes behind STARTTLS", imap, TLSStartTLS, &good, []string{"S: * OK [CAPABILITY STARTTLS] hello", "C: p STARTTLS", "S: p OK begin|* CAPABILITY AUTH=PLAIN", "tls", "silence"}},
		{"POP3 bytes behind STLS", pop3, TLSStartTLS, &good, []string{"S: +OK", "C: CAPA", "S: +OK|STLS|.", "C: STLS", "S: +OK begin|+OK", "tls", "silence"}},
		{"SMTP bytes behind STARTTLS", smtp, TLSStartTLS, &good, []string{"S: 220 x", "C: EHLO", "S: 250-x|250 STARTTLS", "C: STARTTLS", "S: 220 go|250 AUTH PLAIN", "tls", "silence"}},
		{"ManageSieve bytes behind STARTTLS", sieve, TLSStartTLS, &good, []string{`S: "STARTTLS"|OK`, "C: STARTTLS", `S: OK|"SASL" "PLAIN"|OK`, "tls", "silence"}},
		{"certificate of a stranger", imap, TLSImplicit, &foreign, steps([]string{"tls"}, ready[imap], []string{"silence"})},
		{"certificate of another name", imap, TLSImplicit, &misnamed, steps([]string{"tls"}, ready[imap], []string{"silence"})},
		{"certificate of a stranger after STARTTLS", smtp, TLSStartTLS, &foreign, []string{"S: 220 x", "C: EHLO", "S: 250-x|250 STARTTLS", "C: STARTTLS", "S: 220 go", "tls", "silence"}},
		{"no TLS where there should be", imap, TLSImplicit, nil, steps(ready[imap], []string{"silence"})},
		{"leavable, said before", imap, TLSNone, nil, []string{"S: * OK [CAPABILITY IMAP4rev1 AUTH=PLAIN UNAUTHENTICATE] hello", "silence"}},
		{"leavable, said after", imap, TLSNone, nil, steps(ready[imap], authenticate[imap], []string{"S: p OK [CAPABILITY IMAP4rev1 UNAUTHENTICATE] in", "silence"})},
		{"mechanism not offered", imap, TLSNone, nil, []string{"S: * OK [CAPABILITY IMAP4rev1 LOGINDISABLED] hello", "silence"}},
		{"IMAP unavailable", imap, TLSNone, nil, steps(ready[imap], authenticate[imap], []string{"S: p NO [UNAVAILABLE] later"})},
		{"IMAP limit", imap, TLSNone, nil, steps(ready[imap], authenticate[imap], []string{"S: p NO [LIMIT] too many"})},
		{"IMAP referral", imap, TLSNone, nil, steps(ready[imap], authenticate[imap], []string{"S: p NO [REFERRAL imap://evil.example/] there"})},
		{"IMAP BAD", imap, TLSNone, nil, steps(ready[imap], authenticate[imap], []string{"S: p BAD what"})},
		{"IMAP BYE instead of an answer", imap, TLSNone, nil, steps(ready[imap], authenticate[imap], []string{"S: * BYE gone"})},
		{"IMAP answer to another tag", imap, TLSNone, nil, steps(ready[imap], authenticate[imap], []string{"S: q OK fine", "silence"})},
		{"IMAP challenges without end", imap, TLSNone, nil, steps(ready[imap], authenticate[imap], []string{"S: + ", "C: AQ==", "S: + ", "silence"})},
		{"POP3 trouble", pop3, TLSNone, nil, steps(ready[pop3], authenticate[pop3], []string{"S: -ERR [SYS/TEMP] later"})},
		{"POP3 in use", pop3, TLSNone, nil, steps(ready[pop3], authenticate[pop3], []string{"S: -ERR [IN-USE] locked"})},
		{"SMTP trouble", smtp, TLSNone, nil, steps(ready[smtp], authenticate[smtp], []string{"S: 454 4.7.0 later"})},
		{"SMTP shutting down", smtp, TLSNone, nil, steps(ready[smtp], authenticate[smtp], []string{"S: 421 4.3.2 bye"})},
		{"SMTP greeting 554", smtp, TLSNone, nil, []string{"S: 554 go away"}},
		{"SMTP two codes in one reply", smtp, TLSNone, nil, []string{"S: 220 x", "C: EHLO", "S: 250-x|235 ok"}},
		{"ManageSieve try later", sieve, TLSNone, nil, steps(ready[sieve], authenticate[sieve], []string{`S: NO (TRYLATER) "later"`})},
		{"ManageSieve BYE", sieve, TLSNone, nil, steps(ready[sieve], authenticate[sieve], []string{`S: BYE "bye"`})},
		{"ManageSieve endless literal", sieve, TLSNone, nil, []string{"S: {4294967295}", "flood"}},
	}
	for _, p := range []protocol.Protocol{imap, pop3, smtp, sieve} {
		faults = append(faults,
			fault{p.String() + " reset", p, TLSNone, nil, []string{"rst"}},
			fault{p.String() + " closed", p, TLSNone, nil, []string{"close"}},
			fault{p.String() + " silent", p, TLSNone, nil, []string{"silence"}},
			fault{p.String() + " silent under TLS", p, TLSImplicit, &good, []string{"tls", "silence"}},
			fault{p.String() + " silent in the handshake", p, TLSImplicit, &good, []string{"silence"}},
			fault{p.String() + " silent at the credentials", p, TLSNone, nil, steps(ready[p], authenticate[p], []string{"silence"})},
			fault{p.String() + " reset at the credentials", p, TLSNone, nil, steps(ready[p], authenticate[p], []string{"rst"})},
			fault{p.String() + " endless line", p, TLSNone, nil, []string{"flood"}},
			fault{p.String() + " endless lines", p, TLSNone, nil, []string{"lines"}},
			fault{p.String() + " endless answer", p, TLSNone, nil, steps(ready[p], authenticate[p], []string{"flood"})})
	}
	for _, tt := range faults {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			f := startFake(t, tt.cert, tt.steps...)
			p := newPool(t, Options{LoginTimeout: time.Second, Endpoints: map[protocol.Protocol]Endpoint{
				tt.protocol: {Address: f.address, TLS: tt.tls, RootCAs: authority.Pool()}}})
			begin := time.Now()
			err := p.Login(context.Background(), request(tt.protocol, 1))
			if !errors.Is(err, ErrAway) || errors.Is(err, ErrRefused) {
				t.Errorf("got %v", err)
			}
			if took := time.Since(begin); took > 5*time.Second {
				t.Errorf("took %v", took)
			}
			heard, wrong := f.heard()
			t.Log(err)
			if tt.tls != TLSNone && strings.Contains(heard, "AUTH") {
				t.Errorf("credentials without TLS: %q", heard)
			}
			if wrong != "" {
				t.Errorf("the script went wrong: %s (%v)", wrong, err)
			}
		})
	}
}

func TestRefusalsAreToldFromTrouble(t *testing.T) {
	for p, answers := range map[protocol.Protocol][]string{
		protocol.IMAP:       {"p NO [AUTHENTICATIONFAILED] no", "p NO no", "* NO [ALERT] x|p NO [authorizationfailed] no"},
		protocol.POP3:       {"-ERR [AUTH] no", "-ERR no"},
		protocol.Submission: {"535 5.7.8 no", "535-x|535 no"},
		protocol.Sieve:      {`NO "no"`, "NO", "NO {2}|no"},
	} {
		for _, answer := range answers {
			f := startFake(t, nil, steps(ready[p], authenticate[p], []string{"S: " + answer, "silence"})...)
			pool := newPool(t, Options{LoginTimeout: 5 * time.Second, Endpoints: map[protocol.Protocol]Endpoint{p: {Address: f.address, TLS: TLSNone}}})
			if err := pool.Login(context.Background(), request(p, 1)); !errors.Is(err, ErrRefused) || errors.Is(err, ErrAway) {
				t.Errorf("%v %q: %v", p, answer, err)
			}
		}
	}
}

func TestLOGINGoesInLiterals(t *testing.T) {
	q := request(protocol.IMAP, 1)
	q.Password = []byte(`s" {5}`)
	for answer, want := range map[string]error{"p OK in": nil, "p NO [AUTHENTICATIONFAILED] no": ErrRefused, "p NO [UNAVAILABLE] no": ErrAway, "* BYE": ErrAway} {
		f := startFake(t, nil, "S: * OK [CAPABILITY IMAP4rev1] hello", "C: p LOGIN {16}\r\n", "S: + name", "C: mary@example.org {6}\r\n", "S: + secret", "C: s\" {5}\r\n", "S: "+answer, "silence")
		p := imapPool(t, f.address)
		if err := p.Login(context.Background(), q); !errors.Is(err, want) {
			t.Errorf("%s: %v", answer, err)
		}
		_ = p.Close()
		if _, wrong := f.heard(); wrong != "" {
			t.Error(wrong)
		}
	}
	f := startFake(t, nil, "S: * OK [CAPABILITY IMAP4rev1] hello", "C: p LOGIN {16}\r\n", "S: p NO not me", "silence")
	if err := imapPool(t, f.address).Login(context.Background(), q); !errors.Is(err, ErrRefused) {
		t.Error(err)
	}
	o := Options{Login: LoginMaster, MasterUser: "gate", MasterPassword: "x", Endpoints: map[protocol.Protocol]Endpoint{protocol.IMAP: {Address: f.address, TLS: TLSNone}}}
	if _, err := newPool(t, o).Dial(context.Background(), q); !errors.Is(err, ErrAway) {
		t.Errorf("an authorization identity that LOGIN cannot carry: %v", err)
	}
}

func TestWhatComesBehindTheAnswerIsKept(t *testing.T) {
	for p, answer := range map[protocol.Protocol]string{
		protocol.IMAP: "p OK [CAPABILITY IMAP4rev1 IDLE] in", protocol.POP3: "+OK in", protocol.Submission: "235 in", protocol.Sieve: "OK",
	} {
		f := startFake(t, nil, steps(ready[p], authenticate[p], []string{"S: " + answer + "|* early", "silence"})...)
		pool := newPool(t, Options{Endpoints: map[protocol.Protocol]Endpoint{p: {Address: f.address, TLS: TLSNone}}})
		c, err := pool.Dial(context.Background(), request(p, 1))
		if err != nil {
			t.Fatal(p, err)
		}
		exchange(t, c, "x", "* early\r\n")
		_ = c.Close()
		if p == protocol.IMAP && c.Capability != "IMAP4rev1 IDLE" {
			t.Errorf("capability %q", c.Capability)
		}
	}
}

func TestABackendThatIsDown(t *testing.T) {
	address := mailtest.FreeAddress(t)
	p := newPool(t, Options{Endpoints: map[protocol.Protocol]Endpoint{protocol.IMAP: {Address: address, TLS: TLSNone}}})
	begin := time.Now()
	if _, err := p.Dial(context.Background(), request(protocol.IMAP, 1)); !errors.Is(err, ErrAway) {
		t.Error(err)
	}
	if took := time.Since(begin); took > 4*time.Second { // it would wait as long as for a silent one
		t.Errorf("took %v", took)
	}
}

func TestSilenceAfterTheGreetingEndsInTime(t *testing.T) {
	t.Parallel()
	f := startFake(t, nil, "S: * OK hello", "silence")
	p := newPool(t, Options{Endpoints: map[protocol.Protocol]Endpoint{protocol.IMAP: {Address: f.address, TLS: TLSNone}}})
	begin := time.Now()
	if err := p.Login(context.Background(), request(protocol.IMAP, 1)); !errors.Is(err, ErrAway) {
		t.Error(err)
	}
	if took := time.Since(begin); took > 8*time.Second {
		t.Errorf("took %v", took)
	}
}

func TestNobodyWaitsForASilentBackendAgainAndAgain(t *testing.T) {
	f := startFake(t, nil, "silence")
	p := newPool(t, Options{LoginTimeout: 2 * time.Second, Endpoints: map[protocol.Protocol]Endpoint{protocol.IMAP: {Address: f.address, TLS: TLSNone}}})
	try := func() time.Duration {
		begin := time.Now()
		if err := p.Login(context.Background(), request(protocol.IMAP, 1)); !errors.Is(err, ErrAway) {
			t.Error(err)
		}
		return time.Since(begin)
	}
	for range breakerLimit {
		if took := try(); took < 1900*time.Millisecond {
			t.Fatalf("gave up after %v", took)
		}
	}
	var all sync.WaitGroup
	all.Go(func() { try() }) // the one that tries
	time.Sleep(50 * time.Millisecond)
	for range 20 {
		if took := try(); took > 1500*time.Millisecond {
			t.Errorf("waited %v beside the one that tries", took)
		}
	}
	all.Wait()
	back := letsIn(t)
	p.backends["dovecot"].servers[protocol.IMAP].endpoint.Address = back.address
	for range 3 {
		if err := p.Login(context.Background(), request(protocol.IMAP, 2)); err != nil {
			t.Errorf("it is back: %v", err)
		}
	}
	_ = p.Close()
}

func TestAnEndedContextEndsTheSignIn(t *testing.T) {
	f := startFake(t, nil, "silence")
	p := newPool(t, Options{Endpoints: map[protocol.Protocol]Endpoint{protocol.IMAP: {Address: f.address, TLS: TLSNone}}})
	ctx, cancel := context.WithCancel(context.Background())
	time.AfterFunc(50*time.Millisecond, cancel)
	begin := time.Now()
	if err := p.Login(ctx, request(protocol.IMAP, 1)); !errors.Is(err, context.Canceled) || !errors.Is(err, ErrAway) {
		t.Error(err)
	}
	if took := time.Since(begin); took > 4*time.Second {
		t.Errorf("took %v", took)
	}
}
