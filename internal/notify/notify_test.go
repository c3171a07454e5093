package notify

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/mail"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/emersion/go-smtp"

	"github.com/portreeve/portreeve/internal/mailtest"
	"github.com/portreeve/portreeve/internal/store"
)

func mailer(t testing.TB, o Options) *Mailer {
	t.Helper()
	o.From, o.Name, o.PublicURL = "gate@example.org", "Portreeve", "https://mail.example.org"
	m, err := New(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// received waits for so many mails in somebody's mailbox and gives their text.
func received(t testing.TB, d *mailtest.Dovecot, person string, want int) []string {
	t.Helper()
	var mails []string
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		files, _ := filepath.Glob(filepath.Join(d.MailRoot, person, "new", "*"))
		if len(files) >= want {
			for _, f := range files {
				raw, err := os.ReadFile(f)
				if err != nil {
					t.Fatal(err)
				}
				mails = append(mails, string(raw))
			}
			return mails
		}
	}
	t.Fatalf("%d mails did not arrive:\n%s", want, d.Log())
	return nil
}

// Through a real Postfix into a real Dovecot, over each kind of TLS.
func TestANoticeArrives(t *testing.T) {
	d := mailtest.StartDovecot(t, mailtest.DovecotOptions{})
	p := mailtest.StartPostfix(t, mailtest.PostfixOptions{Dovecot: d})
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(p.Authority.PEM())
	n := 0
	for _, o := range []Options{{Address: p.SMTP, TLS: "none"}, {Address: p.SMTP, TLS: "starttls", RootCAs: roots}, {Address: p.Submissions, TLS: "implicit", RootCAs: roots}} {
		m := mailer(t, o)
		if err := m.Send(t.Context(), mailtest.Person, "Ein Programm wartet – bitte prüfen", "Grüße.\nhttps://mail.example.org/r/ABC\n"); err != nil {
			t.Fatalf("%s: %v", o.TLS, err)
		}
		n++
		for _, raw := range received(t, d, mailtest.Person, n) {
			msg, err := mail.ReadMessage(strings.NewReader(raw))
			if err != nil {
				t.Fatal(err)
			}
			h := msg.Header
			from, err := h.AddressList("From")
			if err != nil || from[0].Address != "gate@example.org" || from[0].Name != "Portreeve" || h.Get("Auto-Submitted") != "auto-generated" ||
				!strings.HasSuffix(h.Get("Message-ID"), "@example.org>") || h.Get("User-Agent") != "" || !strings.HasPrefix(h.Get("Content-Type"), "text/plain") {
				t.Errorf("headers %v", h)
			}
			for _, c := range []byte(raw) {
				if c > 0x7e {
					t.Fatalf("not ASCII: %q", raw)
				}
			}
		}
	}
	// A certificate that nobody vouches for is not spoken to.
	m := mailer(t, Options{Address: p.SMTP, TLS: "starttls"})
	if err := m.Send(t.Context(), mailtest.Person, "x", "y"); err == nil {
		t.Error("sent to a server with somebody's certificate")
	}
	// Nothing that a stranger wrote becomes a header, a recipient or a command.
	m = mailer(t, Options{Address: p.SMTP, TLS: "none"})
	evil := "hi\r\nBcc: anna@example.org\r\n\r\n.\r\nMAIL FROM:<x@example.org>\r\n"
	if err := m.Send(t.Context(), mailtest.Person, evil, evil+"\n.\nQUIT\n"); err != nil {
		t.Fatal(err)
	}
	n++
	all := received(t, d, mailtest.Person, n)
	for _, raw := range all {
		if msg, err := mail.ReadMessage(strings.NewReader(raw)); err != nil || msg.Header.Get("Bcc") != "" {
			t.Errorf("%v:\n%s", err, raw)
		}
	}
	for _, to := range []string{"mary@example.org\r\nRCPT TO:<anna@example.org>", "mary@example.org, anna@example.org", "<mary@example.org>", "mary", "", "Mary <mary@example.org>", "m\u00fc@example.org"} {
		if err := m.Send(t.Context(), to, "x", "y"); err == nil {
			t.Errorf("sent to %q", to)
		}
	}
	if files, _ := filepath.Glob(filepath.Join(d.MailRoot, mailtest.Another, "new", "*")); len(files) > 0 {
		t.Errorf("%s got mail", mailtest.Another)
	}
}

// One a day of a kind, person and program, from a queue with an end.
func TestNoticesAreFew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := mailer(t, Options{Address: "127.0.0.1:9", TLS: "none"})
		n := Notice{Person: "mary", To: "mary@example.org", Kind: "approval", Program: "fetchmail", Subject: "s", Text: "t"}
		other := n
		other.Program = "mutt"
		if !m.Tell(n) || m.Tell(n) || !m.Tell(other) {
			t.Error("not one of each")
		}
		time.Sleep(23 * time.Hour)
		if m.Tell(n) {
			t.Error("told again within a day")
		}
		time.Sleep(2 * time.Hour)
		if !m.Tell(n) {
			t.Error("not told again after a day")
		}
		for i := range 2 * queueMost {
			n.Program = fmt.Sprint(i)
			m.Tell(n)
		}
		if s := m.State(); s.Waiting != queueMost || s.Dropped != int64(queueMost+3) {
			t.Errorf("%+v", s)
		}
		n.To = "not an address"
		if m.Tell(n) {
			t.Error("told nobody")
		}
	})
}

// A mail server that is away is tried again, and the notice given up in the end.
func TestAMailServerThatIsAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var faults []string
		m := mailer(t, Options{Address: "127.0.0.1:1", TLS: "none", Fault: func(to string, _ error) { faults = append(faults, to) }})
		ctx, cancel := context.WithCancel(t.Context())
		m.Tell(Notice{Person: "mary", To: "mary@example.org", Kind: "factor", Subject: "s", Text: "t"})
		over := make(chan error, 1)
		go func() { over <- m.Run(ctx) }()
		time.Sleep(3 * time.Hour)
		cancel()
		if err := <-over; err != nil {
			t.Error(err)
		}
		if s := m.State(); s.Failed != 1 || len(faults) != 1 {
			t.Errorf("%+v, %v", s, faults)
		}
	})
}

func TestWhatStrangersWriteIsHarmless(t *testing.T) {
	for in, want := range map[string]string{
		"Thunderbird 128.5":                "Thunderbird 128.5",
		"evil.example/login":               "evil example login",
		"see https://evil.example":         "see https evil example",
		"a@b.example":                      "a b example",
		"line\r\nBcc: x":                   "line Bcc x",
		"\u202egnihsihp":                   "gnihsihp",
		"zero\u200bwidth":                  "zerowidth",
		strings.Repeat("long", 100):        strings.Repeat("long", 9) + "lon…",
		"\xff\xfe":                         "",
		"Müller":                           "Müller",
		"<script>alert(1)</script>":        "script alert(1) script",
		"\x1b[31mred\x07":                  "[31mred",
		"www.evil.example":                 "www evil example",
		"ends.":                            "ends.",
		"data:text/html;base64,AAAA":       "data text html;base64,AAAA",
		"full\u3000width\u2028line\u0085x": "full width line x",
	} {
		if got := Word(in, 40); got != want {
			t.Errorf("%q became %q, not %q", in, got, want)
		}
	}
	for in, want := range map[string]string{
		"see https://mail.example.org/r/ABC.":     "see https://mail.example.org/r/ABC.",
		"https://mail.example.org":                "https://mail.example.org",
		"https://mail.example.org.evil.example/x": "https mail.example.org.evil.example/x",
		"https://mail.example.org@evil.example/x": "https mail.example.org@evil.example/x",
		"https://mail.example.org:8443/":          "https mail.example.org:8443/",
		"http://evil.example":                     "http evil.example",
		"xhttps://mail.example.org/":              "xhttps mail.example.org/",
		"a\r\nb\x00c\td":                          "a\nbc d",
	} {
		if got := cleanText(in, "https://mail.example.org"); got != want {
			t.Errorf("%q became %q, not %q", in, got, want)
		}
	}
}

func FuzzWord(f *testing.F) {
	for _, s := range []string{"Thunderbird", "a\r\nb", "evil.example", "\u202e", "://"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		w := Word(s, 60)
		if strings.ContainsAny(w, "\r\n@/:<>\"\\\x00") || len([]rune(w)) > 60 {
			t.Fatalf("%q became %q", s, w)
		}
		text := cleanText(s, "https://mail.example.org")
		for at := strings.Index(text, "://"); at >= 0; at = -1 {
			if !strings.HasPrefix(text[max(0, at-5):], "https://mail.example.org") {
				t.Fatalf("%q holds a link", text)
			}
		}
	})
}

// taker is a mail server that takes everything, and counts.
func taker(t *testing.T) (address string, taken *atomic.Int64) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	taken = &atomic.Int64{}
	s := smtp.NewServer(smtp.BackendFunc(func(*smtp.Conn) (smtp.Session, error) { return taking{taken}, nil }))
	go func() { _ = s.Serve(l) }()
	return l.Addr().String(), taken
}

type taking struct{ taken *atomic.Int64 }

func (taking) Mail(string, *smtp.MailOptions) error { return nil }
func (taking) Rcpt(string, *smtp.RcptOptions) error { return nil }
func (taking) Reset()                               {}
func (taking) Logout() error                        { return nil }
func (s taking) Data(r io.Reader) error {
	_, err := io.Copy(io.Discard, r)
	s.taken.Add(1)
	return err
}

// Who was told is not told again after a restart, for a day; who is gone, or
// whose notice did not leave, is not remembered.
func TestARestartTellsNobodyAgain(t *testing.T) {
	dir := t.TempDir()
	person := func(id string) store.Person {
		return store.Person{ID: id, Address: id + "@example.org", SecretKind: store.SecretBackend}
	}
	server, taken := taker(t)
	// session runs a mailer over the database until so many mails have left and are known to have.
	session := func(o Options, tell []Notice, want int64) (queued int) {
		t.Helper()
		db, err := store.Open(t.Context(), store.Options{Dir: dir})
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		for _, id := range []string{"mary", "anna"} {
			p := person(id)
			err := db.Change(t.Context(), store.Actor{Name: "test"}, "", func(tx *store.Tx) error { return tx.AddPerson(&p) })
			if err != nil && !errors.Is(err, store.ErrExists) {
				t.Fatal(err)
			}
		}
		o.TLS, o.Store = "none", db
		m := mailer(t, o)
		for _, n := range tell {
			if m.Tell(n) {
				queued++
			}
		}
		ctx, cancel := context.WithCancel(t.Context())
		over := make(chan error, 1)
		go func() { over <- m.Run(ctx) }()
		for end := time.Now().Add(20 * time.Second); m.State().Sent < want && time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		}
		cancel()
		if err := <-over; err != nil || m.State().Sent != want {
			t.Fatalf("%+v, %v", m.State(), err)
		}
		return queued
	}
	of := func(id, kind, program string) Notice {
		return Notice{Person: id, To: id + "@example.org", Kind: kind, Program: program, Subject: "s", Text: "t"}
	}
	all := []Notice{of("mary", "approval", "mutt"), of("mary", "factor", "mutt"), of("anna", "approval", "mutt"), of("nobody", "approval", "mutt")}
	if n := session(Options{Address: "127.0.0.1:1"}, all[:1], 0); n != 1 {
		t.Fatal("not queued")
	}
	if n := session(Options{Address: server}, all, 4); n != 4 {
		t.Errorf("%d told: one that never left is told after the restart", n)
	}
	if n := session(Options{Address: server}, append(all, of("mary", "approval", "pine")), 2); n != 2 {
		t.Errorf("%d told after the restart; another program and a stranger are news", n)
	}
	if taken.Load() != 6 {
		t.Errorf("%d mails left", taken.Load())
	}
	db, err := store.Open(t.Context(), store.Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	// A day later there is nothing left to remember, and the rows go with the next notice.
	later := time.Now().Add(-25 * time.Hour)
	err = db.Write(t.Context(), func(tx *store.Tx) error {
		return errors.Join(tx.PutNotice(store.Notice{Person: "mary", Kind: "approval", About: "mutt", At: later}),
			tx.PutNotice(store.Notice{Person: "anna", Kind: "factor", About: "mutt", At: later}),
			tx.PutNotice(store.Notice{Person: "mary", Kind: "approval", About: "pine", At: time.Now().Add(240 * time.Hour)}))
	})
	if err != nil {
		t.Fatal(err)
	}
	m := mailer(t, Options{Address: server, TLS: "none", Store: db})
	if !m.Tell(all[0]) || m.Tell(all[1]) {
		t.Error("what was told a day ago counts, or what was told today does not")
	}
	if at := m.told[subject{"mary", "approval", "pine"}]; at.After(time.Now()) {
		t.Error("a wrong clock keeps a person from being told for days")
	}
	if err := m.keep(t.Context(), all[0]); err != nil {
		t.Fatal(err)
	}
	if rows, err := db.Notices(t.Context(), time.Time{}, 100); err != nil || len(rows) != 4 {
		t.Errorf("%v, %v", rows, err)
	}
}
