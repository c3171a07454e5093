package mailtest

import (
	"encoding/base64"
	"net"
	"net/textproto"
	"strings"
	"testing"
	"time"
)

func plain(authorize, authenticate, password string) string {
	return base64.StdEncoding.EncodeToString([]byte(authorize + "\x00" + authenticate + "\x00" + password))
}

func TestEximTakesMail(t *testing.T) {
	begin := time.Now()
	e := StartExim(t, EximOptions{})
	if took := time.Since(begin); took > startTime {
		t.Errorf("start took %v", took)
	}
	c := ehlo(t, e.Submission)
	for _, a := range []struct{ what, response, want string }{
		{"wrong", plain("", Person, "wrong"), "535 "},
		{"unknown", plain("", "nobody@example.org", ""), "535 "},
		{"wrong master", plain(Person, MasterUser, Password), "535 "},
		{"a person is no master", plain(Person, Another, Password), "535 "},
		{"password", plain("", Person, Password), "235 "},
	} {
		if got := answer(t, c, "AUTH PLAIN "+a.response); !strings.HasPrefix(got, a.want) {
			t.Errorf("%s: %q\n%s", a.what, got, e.Log())
		}
	}
	if got := answer(t, ehlo(t, e.Submission), "AUTH PLAIN "+plain(Person, MasterUser, MasterPassword)); !strings.HasPrefix(got, "235 ") {
		t.Errorf("master: %q", got)
	}
	if got := answer(t, ehlo(t, e.SMTP), "AUTH PLAIN "+plain("", Person, Password)); !strings.HasPrefix(got, "503 ") {
		t.Errorf("auth at the SMTP port: %q", got)
	}
	for _, l := range []struct{ line, want string }{{"MAIL FROM:<mary@example.org>", "250"}, {"RCPT TO:<anna@example.org>", "250"}, {"DATA", "354"}, {"Subject: hello\r\n\r\nyou\r\n.", "250"}} {
		if got := answer(t, c, l.line); !strings.HasPrefix(got, l.want) {
			t.Errorf("%s: %q", l.line, got)
		}
	}
	if !e.Logged("=> anna <" + Another + ">") {
		t.Errorf("not delivered:\n%s", e.Log())
	}
}

// ehlo begins a conversation that the test ends.
func ehlo(t *testing.T, address string) *textproto.Conn {
	t.Helper()
	nc, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	_ = nc.SetDeadline(time.Now().Add(10 * time.Second))
	c := textproto.NewConn(nc)
	t.Cleanup(func() { _ = c.Close() })
	if _, _, err := c.ReadResponse(220); err != nil {
		t.Fatal(err)
	}
	answer(t, c, "EHLO x")
	return c
}

// answer is the last line of a command's answer.
func answer(t *testing.T, c *textproto.Conn, line string) string {
	t.Helper()
	if err := c.PrintfLine("%s", line); err != nil {
		t.Fatal(err)
	}
	for {
		got, err := c.ReadLine()
		if err != nil || len(got) < 4 || got[3] != '-' {
			return got
		}
	}
}

func TestCyrusLetsPeopleIn(t *testing.T) {
	begin := time.Now()
	c := StartCyrus(t, CyrusOptions{Hasty: true})
	if took := time.Since(begin); took > startTime {
		t.Errorf("start took %v", took)
	}
	own, wrong := plain("", Person, Password), plain("", Person, "wrong")
	master, other := plain(Person, MasterUser, MasterPassword), plain(Person, Another, Password)
	for _, a := range []struct{ what, address, line, want string }{
		{"imap", c.IMAP, "a AUTHENTICATE PLAIN " + own, "a OK "},
		{"imap master", c.IMAP, "a AUTHENTICATE PLAIN " + master, "a OK "},
		{"imap wrong", c.IMAP, "a AUTHENTICATE PLAIN " + wrong, "a NO "},
		{"imap, no master", c.IMAP, "a AUTHENTICATE PLAIN " + other, "a NO "},
		{"pop3", c.POP3, "AUTH PLAIN " + own, "+OK "},
		{"pop3 master", c.POP3, "AUTH PLAIN " + master, "+OK "},
		{"pop3 wrong", c.POP3, "AUTH PLAIN " + wrong, "-ERR [AUTH]"},
		{"lmtp", c.LMTP, "NOOP", "250"},
	} {
		if got := say(t, a.address, a.line); !strings.HasPrefix(got, a.want) {
			t.Errorf("%s: %q", a.what, got)
		}
	}
	if got := say(t, c.Sieve); !strings.HasPrefix(got, `"IMPLEMENTATION" "Cyrus`) {
		t.Errorf("sieve: %q", got)
	}
}
