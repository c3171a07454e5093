package backend

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/portreeve/portreeve/internal/mailtest"
	"github.com/portreeve/portreeve/internal/protocol"
)

func TestAuthSocketChecksPasswordsAndNames(t *testing.T) {
	d := mailtest.StartDovecot(t, mailtest.DovecotOptions{
		Users:  map[string]string{mailtest.Person: mailtest.Password, "alias@example.org": mailtest.Password, "off@example.org": mailtest.Password},
		Fields: map[string]string{"alias@example.org": "user=mary@example.org", "off@example.org": "nologin"},
	})
	o := Options{AuthSocket: d.AuthSocket, Endpoints: map[protocol.Protocol]Endpoint{protocol.IMAP: {Address: d.IMAP, TLS: TLSNone}}}
	p := newPool(t, o)
	login := func(address, password string) error {
		q := request(protocol.IMAP, 1)
		q.Address, q.Password = address, []byte(password)
		return p.Login(context.Background(), q)
	}
	if err := login(mailtest.Person, mailtest.Password); err != nil {
		t.Fatalf("%v\n%s", err, d.Log())
	}
	if strings.Contains(d.Log(), "Login: user=") {
		t.Error("a mailbox was opened only to check a password")
	}
	if err := login("off@example.org", mailtest.Password); !errors.Is(err, ErrRefused) {
		t.Error(err)
	}
	var other *OtherName
	if err := login("alias@example.org", mailtest.Password); !errors.As(err, &other) || other.Final != mailtest.Person {
		t.Errorf("%v\n%s", err, d.Log())
	}
	c, err := p.Dial(context.Background(), request(protocol.IMAP, 1))
	if err != nil {
		t.Fatal(err)
	}
	exchange(t, c, "x SELECT INBOX", "x OK")
	_ = c.Close()
	begin := time.Now()
	for _, wrong := range []string{"wrong", "wrong again", "and again"} {
		if err := login(mailtest.Person, wrong); !errors.Is(err, ErrRefused) {
			t.Error(err)
		}
	}
	if took := time.Since(begin); took > 8*time.Second {
		t.Errorf("Dovecot's penalty acts: three wrong passwords took %v", took)
	}
	d.Stop()
	if err := login(mailtest.Person, mailtest.Password); !errors.Is(err, ErrAway) {
		t.Error(err)
	}
}

func TestOurOwnCredentialOpensNobodyElse(t *testing.T) {
	d := mailtest.StartDovecot(t, mailtest.DovecotOptions{
		Users:  map[string]string{mailtest.Person: mailtest.Password, "alias@example.org": mailtest.Password},
		Fields: map[string]string{"alias@example.org": "user=mary@example.org"},
	})
	o := Options{AuthSocket: d.AuthSocket, Endpoints: map[protocol.Protocol]Endpoint{protocol.IMAP: {Address: d.IMAP, TLS: TLSNone}},
		Login: LoginMaster, MasterUser: mailtest.MasterUser, MasterPassword: mailtest.MasterPassword, MasterSeparator: "*"}
	dial := func(o Options, address string) error {
		q := request(protocol.IMAP, 1)
		q.Address, q.Password = address, nil
		c, err := newPool(t, o).Dial(context.Background(), q)
		if err == nil {
			_ = c.Close()
		}
		return err
	}
	if err := dial(o, mailtest.Person); err != nil {
		t.Fatalf("%v\n%s", err, d.Log())
	}
	var other *OtherName
	if err := dial(o, "alias@example.org"); !errors.As(err, &other) || other.Final != mailtest.Person {
		t.Errorf("%v\n%s", err, d.Log())
	}
	o.Canonical = func(name string) (string, bool) { return "alias@example.org", name == mailtest.Person }
	if err := dial(o, "alias@example.org"); err != nil {
		t.Errorf("an alias that is configured: %v", err)
	}
	if err := dial(o, "nobody@example.org"); !errors.Is(err, ErrAway) || errors.Is(err, ErrRefused) {
		t.Errorf("our own credential was refused, and that is trouble: %v", err)
	}
}

// TestAuthSocketFaults plays servers that are not what they should be.
func TestAuthSocketFaults(t *testing.T) {
	const hello = "VERSION\t1\t1\nMECH\tPLAIN\tplaintext\nSPID\t7\nCUID\t1\nCOOKIE\tx\nDONE\n"
	for name, tt := range map[string]struct {
		say  string
		want error
	}{
		"temp":              {hello + "FAIL\t1\tuser=mary\ttemp\n", ErrAway},
		"temp_fail":         {hello + "FAIL\t1\tuser=mary\tcode=temp_fail\n", ErrAway},
		"disabled":          {hello + "FAIL\t1\tuser=mary\tcode=user_disabled\n", ErrRefused},
		"no name":           {hello + "OK\t1\n", ErrAway},
		"another answer":    {hello + "OK\t2\tuser=mary@example.org\nFAIL\t1\tuser=x\n", ErrRefused},
		"major version":     {strings.Replace(hello, "\t1\t1", "\t2\t0", 1) + "OK\t1\tuser=mary@example.org\n", ErrAway},
		"closed":            {hello, ErrAway},
		"another protocol":  {"* OK hello\r\n", ErrAway},
		"endless line":      {strings.Repeat("x", 100_000), ErrAway},
		"endless handshake": {strings.Repeat("MECH\tX\n", 5000), ErrAway},
		"another person":    {hello + "OK\t1\tuser=mary\x01t@example.org\n", nil},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "s")
			l, err := net.Listen("unix", path)
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			go func() {
				c, err := l.Accept()
				if err != nil {
					return
				}
				defer c.Close()
				go func() { _, _ = fmt.Fprint(c, tt.say) }()
				in := bufio.NewScanner(c)
				for n := 0; n < 3 && in.Scan(); n++ { // VERSION, CPID, AUTH
				}
				time.Sleep(50 * time.Millisecond)
			}()
			p := newPool(t, Options{AuthSocket: path, LoginTimeout: 2 * time.Second, Endpoints: map[protocol.Protocol]Endpoint{protocol.IMAP: {Address: "127.0.0.1:1", TLS: TLSNone}}})
			err = p.Login(context.Background(), request(protocol.IMAP, 1))
			var other *OtherName
			if tt.want == nil && !errors.As(err, &other) || tt.want != nil && !errors.Is(err, tt.want) {
				t.Errorf("got %v", err)
			}
		})
	}
}
