package mailtest

import (
	"bufio"
	"net"
	"net/textproto"
	"strings"
	"testing"
	"time"
)

// say sends lines one after the other and returns the last answer.
func say(t *testing.T, address string, lines ...string) string {
	t.Helper()
	c, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(10 * time.Second))
	r := textproto.NewReader(bufio.NewReader(c))
	last, err := r.ReadLine()
	for _, l := range lines {
		if err != nil {
			break
		}
		if _, err = c.Write([]byte(l + "\r\n")); err == nil {
			for last, err = r.ReadLine(); err == nil && strings.HasPrefix(last, "*"); {
				last, err = r.ReadLine()
			}
		}
	}
	if err != nil {
		t.Fatalf("%s: %v", address, err)
	}
	return last
}

func TestDovecotLetsPeopleIn(t *testing.T) {
	begin := time.Now()
	d := StartDovecot(t, DovecotOptions{})
	if took := time.Since(begin); took > startTime {
		t.Errorf("start took %v", took)
	}
	if got := say(t, d.IMAP, "a LOGIN "+Person+" "+Password); !strings.HasPrefix(got, "a OK ") {
		t.Errorf("password: %q\n%s", got, d.Log())
	}
	if got := say(t, d.IMAP, "a LOGIN "+Person+"*"+MasterUser+" "+MasterPassword); !strings.HasPrefix(got, "a OK ") {
		t.Errorf("master: %q\n%s", got, d.Log())
	}
	if got := say(t, d.POP3, "USER "+Person, "PASS "+Password); !strings.HasPrefix(got, "+OK") {
		t.Errorf("pop3: %q\n%s", got, d.Log())
	}
	if got := say(t, d.Sieve); !strings.HasPrefix(got, `"IMPLEMENTATION"`) {
		t.Errorf("sieve: %q", got)
	}
	if got := say(t, d.LMTP, "LHLO x"); !strings.HasPrefix(got, "250") {
		t.Errorf("lmtp: %q", got)
	}
	// Last, because Dovecot then lets everybody at this address wait.
	if got := say(t, d.IMAP, "a LOGIN "+Person+" wrong"); !strings.HasPrefix(got, "a NO [AUTHENTICATIONFAILED]") {
		t.Errorf("wrong: %q", got)
	}
	if !d.Logged("Login: user=<" + Person + ">") {
		t.Error(d.Log())
	}
}

func TestDovecotEndsAtOnce(t *testing.T) {
	d := StartDovecot(t, DovecotOptions{})
	begin := time.Now()
	d.Stop()
	if accepts(d.IMAP) {
		t.Error("still listening")
	}
	if took := time.Since(begin); took > 4*time.Second {
		t.Errorf("took %v\n%s", took, d.Log())
	}
}

func TestPostfixTakesMail(t *testing.T) {
	d := StartDovecot(t, DovecotOptions{})
	begin := time.Now()
	p := StartPostfix(t, PostfixOptions{Dovecot: d})
	if took := time.Since(begin); took > startTime {
		t.Errorf("start took %v", took)
	}
	plain := "AUTH PLAIN AG1hcnlAZXhhbXBsZS5vcmcAc2VjcmV0"
	if got := say(t, p.Submission, "HELO x", plain); !strings.HasPrefix(got, "235 ") {
		t.Errorf("auth: %q\n%s%s", got, p.Log(), d.Log())
	}
	if got := say(t, p.SMTP, "HELO x", plain); !strings.HasPrefix(got, "503 ") {
		t.Errorf("auth at the SMTP port: %q", got)
	}
	got := say(t, p.Submission, "HELO x", plain, "MAIL FROM:<mary@example.org>", "RCPT TO:<anna@example.org>", "DATA", "Subject: hello\r\n\r\nyou\r\n.")
	if !strings.HasPrefix(got, "250 ") {
		t.Errorf("mail: %q\n%s", got, p.Log())
	}
	if !d.Logged("saved mail to INBOX") {
		t.Errorf("not delivered:\n%s%s", p.Log(), d.Log())
	}
}
