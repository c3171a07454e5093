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

func TestIMAPByPassword(t *testing.T) {
	d := mailtest.StartDovecot(t, mailtest.DovecotOptions{Trusted: true})
	for name, e := range map[string]Endpoint{
		"clear":    {Address: d.IMAP, TLS: TLSNone},
		"starttls": {Address: d.IMAP, TLS: TLSStartTLS, ServerName: mailtest.ServerName, RootCAs: d.Authority.Pool()},
		"implicit": {Address: d.IMAPS, RootCAs: d.Authority.Pool()},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPool(t, Options{Endpoints: map[protocol.Protocol]Endpoint{protocol.IMAP: e}, ID: true})
			q := request(protocol.IMAP, 1)
			if err := p.Login(context.Background(), q); err != nil {
				t.Fatalf("%v\n%s", err, d.Log())
			}
			before := strings.Count(d.Log(), "Login: user=<"+mailtest.Person+">")
			c, err := p.Dial(context.Background(), q)
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			if strings.Count(d.Log(), "Login: user=<"+mailtest.Person+">") != before {
				t.Error("signed in twice")
			}
			if !strings.Contains(c.Capability, "IDLE") || !strings.Contains(c.Capability, "NOTIFY") {
				t.Errorf("capability %q", c.Capability)
			}
			if got := exchange(t, c, "x SELECT INBOX", "x OK"); !strings.Contains(got, "* 0 EXISTS") {
				t.Error(got)
			}
			if !d.Logged("rip=203.0.113.7, lip=192.0.2.1") || !d.Logged("session=<"+string(q.ID.Reference())+">") {
				t.Errorf("Dovecot does not know the client:\n%s", d.Log())
			}
			if string(q.Password) != mailtest.Password {
				t.Error("the caller's password was wiped")
			}
		})
	}
}

func TestIMAPWrongPassword(t *testing.T) {
	d := mailtest.StartDovecot(t, mailtest.DovecotOptions{Trusted: true})
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
	d := mailtest.StartDovecot(t, mailtest.DovecotOptions{})
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
