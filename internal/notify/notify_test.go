package notify

import (
	"context"
	"crypto/x509"
	"fmt"
	"net/mail"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/portreeve/portreeve/internal/mailtest"
)

func mailer(t testing.TB, o Options) *Mailer {
	t.Helper()
	o.From, o.Name, o.PublicURL = "gate@example.org", "Portreeve", "https://mail.example.org"
	m, err := New(o)
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
