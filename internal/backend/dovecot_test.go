package backend

import (
	"context"
	"errors"
	"io"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/portreeve/portreeve/internal/mailtest"
	"github.com/portreeve/portreeve/internal/protocol"
	"github.com/portreeve/portreeve/internal/signin"
)

// ids makes a sign-in's id out of a number.
func id(n byte) signin.ID { return signin.NewID(time.Now().UnixMilli(), [10]byte{9: n}) }

func newPool(t *testing.T, o Options) *Pool {
	t.Helper()
	if o.Name == "" {
		o.Name = "dovecot"
	}
	p, err := New([]Options{o}, Routes{Default: o.Name})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Close() })
	return p
}

func request(p protocol.Protocol, n byte) Request {
	return Request{ID: id(n), Address: mailtest.Person, Protocol: p, EHLO: "client.example",
		Client: netip.MustParseAddrPort("203.0.113.7:50001"), Local: netip.MustParseAddrPort("192.0.2.1:993"),
		Password: []byte(mailtest.Password)}
}

// exchange sends a line on a signed-in connection and reads until it sees want.
func exchange(t *testing.T, c *Conn, send, want string) string {
	t.Helper()
	var rw io.ReadWriter = c.Socket
	if c.TLS != nil {
		rw = c.TLS
	}
	_ = c.Socket.SetDeadline(time.Now().Add(10 * time.Second))
	if _, err := io.WriteString(rw, send+"\r\n"); err != nil {
		t.Fatal(err)
	}
	got := string(c.Early)
	for b := make([]byte, 4096); !strings.Contains(got, want); {
		n, err := rw.Read(b)
		if got += string(b[:n]); err != nil {
			t.Fatalf("%v after %q", err, got)
		}
	}
	return got
}

func TestLoginHoldsWhatDialClaims(t *testing.T) {
	d := mailtest.StartDovecot(t, mailtest.DovecotOptions{Trusted: true})
	postfix := mailtest.StartPostfix(t, mailtest.PostfixOptions{Dovecot: d})
	roots, own := d.Authority.Pool(), postfix.Authority.Pool()
	const imap, pop3, sieve, smtp = protocol.IMAP, protocol.POP3, protocol.Sieve, protocol.Submission
	for _, tt := range []struct {
		name      string
		protocol  protocol.Protocol
		endpoint  Endpoint
		proxy     int
		say, want string
	}{
		{"imap in clear", imap, Endpoint{Address: d.IMAP, TLS: TLSNone}, 0, "x SELECT INBOX", "x OK"},
		{"imap with STARTTLS", imap, Endpoint{Address: d.IMAP, TLS: TLSStartTLS, ServerName: mailtest.ServerName, RootCAs: roots}, 0, "x SELECT INBOX", "x OK"},
		{"imap in TLS", imap, Endpoint{Address: d.IMAPS, RootCAs: roots}, 0, "x SELECT INBOX", "x OK"},
		{"imap behind PROXY 1", imap, Endpoint{Address: d.IMAPProxy, TLS: TLSNone}, 1, "x SELECT INBOX", "x OK"},
		{"imap behind PROXY 2 with STARTTLS", imap, Endpoint{Address: d.IMAPProxy, TLS: TLSStartTLS, RootCAs: roots}, 2, "x SELECT INBOX", "x OK"},
		{"pop3 in clear", pop3, Endpoint{Address: d.POP3, TLS: TLSNone}, 0, "STAT", "+OK 0 0"},
		{"pop3 with STLS", pop3, Endpoint{Address: d.POP3, TLS: TLSStartTLS, RootCAs: roots}, 0, "STAT", "+OK 0 0"},
		{"pop3 in TLS", pop3, Endpoint{Address: d.POP3S, RootCAs: roots}, 0, "STAT", "+OK 0 0"},
		{"pop3 behind PROXY 2", pop3, Endpoint{Address: d.POP3Proxy, TLS: TLSNone}, 2, "STAT", "+OK 0 0"},
		{"sieve in clear", sieve, Endpoint{Address: d.Sieve, TLS: TLSNone}, 0, "LISTSCRIPTS", "OK"},
		{"sieve with STARTTLS", sieve, Endpoint{Address: d.Sieve, TLS: TLSStartTLS, RootCAs: roots}, 0, "LISTSCRIPTS", "OK"},
		{"sieve behind PROXY 1", sieve, Endpoint{Address: d.SieveProxy, TLS: TLSNone}, 1, "LISTSCRIPTS", "OK"},
		{"submission in clear", smtp, Endpoint{Address: postfix.Submission, TLS: TLSNone}, 0, "MAIL FROM:<mary@example.org>", "250 "},
		{"submission with STARTTLS", smtp, Endpoint{Address: postfix.Submission, TLS: TLSStartTLS, RootCAs: own}, 0, "MAIL FROM:<mary@example.org>", "250 "},
		{"submission in TLS", smtp, Endpoint{Address: postfix.Submissions, RootCAs: own}, 0, "MAIL FROM:<mary@example.org>", "250 "},
		{"submission behind PROXY 2", smtp, Endpoint{Address: postfix.SubmissionProxy, TLS: TLSNone}, 2, "MAIL FROM:<mary@example.org>", "250 "},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := newPool(t, Options{Endpoints: map[protocol.Protocol]Endpoint{tt.protocol: tt.endpoint}, ID: tt.proxy == 0, Proxy: tt.proxy})
			q := request(tt.protocol, 1)
			if err := p.Login(context.Background(), q); err != nil {
				t.Fatalf("%v\n%s%s", err, d.Log(), postfix.Log())
			}
			if string(q.Password) != mailtest.Password {
				t.Error("the caller's password was wiped")
			}
			q.Password = nil // so that it cannot sign in again
			c, err := p.Dial(context.Background(), q)
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			exchange(t, c, tt.say, tt.want)
			if tt.protocol == imap && (!strings.Contains(c.Capability, "IDLE") || !strings.Contains(c.Capability, "NOTIFY")) {
				t.Errorf("capability %q", c.Capability)
			}
			if c.XCLIENT || c.Name != "dovecot" {
				t.Errorf("%+v", c)
			}
			known := d.Logged("rip=203.0.113.7, lip=192.0.2.1") || d.Logged("rip=203.0.113.7, lip=127.0.0.1")
			if tt.protocol == smtp {
				known = tt.proxy == 0 || postfix.Logged("proxied/smtpd") && postfix.Logged("connect from unknown[203.0.113.7]")
			} else if tt.proxy == 0 {
				known = known && d.Logged("session=<"+string(q.ID.Reference())+">")
			}
			if !known {
				t.Errorf("the backend does not know the client:\n%s%s", d.Log(), postfix.Log())
			}
		})
	}
}

func TestIMAPWrongPassword(t *testing.T) {
	d := mailtest.StartDovecot(t, mailtest.DovecotOptions{Hasty: true})
	p := newPool(t, Options{Endpoints: map[protocol.Protocol]Endpoint{protocol.IMAP: {Address: d.IMAP, TLS: TLSNone}}})
	for n, change := range []func(*Request){
		func(q *Request) { q.Password = []byte("wrong") },
		func(q *Request) { q.Address = "nobody@example.org" },
		func(q *Request) { q.Password = []byte("sec\r\nret") },
		func(q *Request) { q.Password = nil },
		func(q *Request) { q.Address, q.Password = mailtest.Person+"*gate", []byte(mailtest.MasterPassword) },
	} {
		q := request(protocol.IMAP, byte(n))
		change(&q)
		if err := p.Login(context.Background(), q); !errors.Is(err, ErrRefused) || errors.Is(err, ErrAway) {
			t.Errorf("%d: %v", n, err)
		}
	}
}

func TestIMAPByMaster(t *testing.T) {
	d := mailtest.StartDovecot(t, mailtest.DovecotOptions{Hasty: true})
	for name, separator := range map[string]string{"separator": "*", "authorization identity": ""} {
		t.Run(name, func(t *testing.T) {
			o := Options{Endpoints: map[protocol.Protocol]Endpoint{protocol.IMAP: {Address: d.IMAPS, RootCAs: d.Authority.Pool()}},
				Login: LoginMaster, MasterUser: mailtest.MasterUser, MasterPassword: mailtest.MasterPassword, MasterSeparator: separator}
			q := request(protocol.IMAP, 1)
			q.Password = nil
			c, err := newPool(t, o).Dial(context.Background(), q)
			if err != nil {
				t.Fatalf("%v\n%s", err, d.Log())
			}
			defer c.Close()
			exchange(t, c, "x SELECT INBOX", "x OK")
			if !d.Logged("Login: user=<" + mailtest.Person + ">") {
				t.Error(d.Log())
			}
			o.MasterPassword = "not it"
			if _, err := newPool(t, o).Dial(context.Background(), q); !errors.Is(err, ErrAway) || errors.Is(err, ErrRefused) {
				t.Errorf("a refused master user is not the person's fault: %v", err)
			}
		})
	}
}
