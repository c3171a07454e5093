package importer

import (
	"bufio"
	"crypto/tls"
	"encoding/base64"
	"flag"
	"fmt"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/portreeve/portreeve/internal/mailtest"
)

// With -update the logs of the real servers become the samples in testdata.
var update = flag.Bool("update", false, "write testdata from the real servers' logs")

// quickDovecot logs the program's IMAP ID and makes nobody wait after a wrong password.
const quickDovecot = `
imap_id_log = *
auth_failure_delay = 0
service anvil {
  unix_listener anvil-auth-penalty {
    mode = 0
  }
}
`

// client is a line-protocol client that only says what it is told.
type client struct {
	t    *testing.T
	conn net.Conn
	r    *bufio.Reader
}

func dial(t *testing.T, addr string, tlsNow bool) *client {
	t.Helper()
	conn, err := net.DialTimeout("tcp", addr, 5*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	c := &client{t: t, conn: conn}
	if err := conn.SetDeadline(time.Now().Add(30 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if tlsNow {
		c.conn = tls.Client(conn, &tls.Config{InsecureSkipVerify: true}) // the server is ours and on loopback
	}
	c.r = bufio.NewReader(c.conn)
	return c
}

// say sends a line and reads until one begins with want.
func (c *client) say(line, want string) {
	c.t.Helper()
	if line != "" {
		if _, err := fmt.Fprintf(c.conn, "%s\r\n", line); err != nil {
			c.t.Fatal(err)
		}
	}
	for {
		got, err := c.r.ReadString('\n')
		if err != nil {
			c.t.Fatalf("after %q: %v", line, err)
		}
		if strings.HasPrefix(got, want) {
			return
		}
	}
}

func plain(user, password string) string {
	return base64.StdEncoding.EncodeToString([]byte("\x00" + user + "\x00" + password))
}

// dovecotStory signs in well and badly at every kind of Dovecot's doors.
func dovecotStory(t *testing.T, d *mailtest.Dovecot) {
	c := dial(t, d.IMAPS, true)
	c.say("", "* OK")
	c.say(`1 ID ("name" "Thunderbird" "version" "153.7")`, "1 OK")
	c.say("2 LOGIN "+mailtest.Person+" "+mailtest.Password, "2 OK")
	c.say("3 LOGOUT", "3 OK")

	c = dial(t, d.IMAP, false)
	c.say("", "* OK")
	c.say("1 LOGIN "+mailtest.Person+" wrong", "1 NO")
	c.say("2 AUTHENTICATE PLAIN "+plain(mailtest.Person, "wrong"), "2 NO")
	c.say("3 LOGOUT", "3 OK")

	c = dial(t, d.POP3S, true)
	c.say("", "+OK")
	c.say("USER nobody@example.org", "+OK")
	c.say("PASS wrong", "-ERR")
	c.say("QUIT", "+OK")

	c = dial(t, d.POP3, false)
	c.say("", "+OK")
	c.say("AUTH PLAIN "+plain(mailtest.Another, mailtest.Password), "+OK")
	c.say("QUIT", "+OK")

	c = dial(t, d.Sieve, false)
	c.say("", "OK")
	c.say(`AUTHENTICATE "PLAIN" "`+plain(mailtest.Person, mailtest.Password)+`"`, "OK")
	c.say("LOGOUT", "OK")

	c = dial(t, d.Submission, false)
	c.say("", "220")
	c.say("EHLO laptop.example.org", "250 ")
	c.say("AUTH PLAIN "+plain(mailtest.Person, mailtest.Password), "235")
	_ = c.conn.Close()

	c = dial(t, d.IMAP, false) // names can hold what looks like the line's own fields
	c.say("", "* OK")
	c.say(`1 LOGIN "x>, method=PLAIN, rip=192.0.2.1, lip=192.0.2.2, session=<y" wrong`, "1 NO")
	_ = c.conn.Close()

	c = dial(t, d.IMAP, false)
	c.say("", "* OK")
	c.say("1 LOGOUT", "1 OK")
}

// postfixStory does the same at Postfix's, two mails over one connection among it.
func postfixStory(t *testing.T, p *mailtest.Postfix) {
	c := dial(t, p.Submissions, true)
	c.say("", "220")
	c.say("EHLO laptop.example.org", "250 ")
	c.say("AUTH PLAIN "+plain(mailtest.Person, mailtest.Password), "235")
	for range 2 {
		c.say("MAIL FROM:<"+mailtest.Person+">", "250")
		c.say("RCPT TO:<"+mailtest.Another+">", "250")
		c.say("DATA", "354")
		c.say("Subject: hello\r\n\r\nhello\r\n.", "250")
	}
	c.say("QUIT", "221")

	c = dial(t, p.Submission, false)
	c.say("", "220")
	c.say("EHLO scanner", "250 ")
	c.say("AUTH PLAIN "+plain(mailtest.Person, "wrong"), "535")
	c.say("AUTH LOGIN", "334")
	c.say(base64.StdEncoding.EncodeToString([]byte("nobody@example.org")), "334")
	c.say(base64.StdEncoding.EncodeToString([]byte("wrong")), "535")
	c.say("QUIT", "221")
}

func TestRealLogs(t *testing.T) {
	p0 := mailtest.StartPostfix(t, mailtest.PostfixOptions{})
	d := mailtest.StartDovecot(t, mailtest.DovecotOptions{SubmissionRelay: p0.SMTP, Extra: quickDovecot})
	p := mailtest.StartPostfix(t, mailtest.PostfixOptions{Dovecot: d})
	dovecotStory(t, d)
	postfixStory(t, p)
	if !d.Logged("no auth attempts") || !p.Logged("disconnect from unknown[127.0.0.1] ehlo=1 auth=0/2") {
		t.Fatalf("the logs are not complete\n%s\n%s", d.Log(), p.Log())
	}
	if *update {
		for name, text := range map[string]string{"dovecot-2.3.log": d.Log(), "postfix-3.7.log": p.Log()} {
			text = strings.ReplaceAll(text, p.Dir, "/etc/postfix")
			text = strings.ReplaceAll(text, p0.Dir, "/etc/postfix")
			if err := os.WriteFile("testdata/"+name, []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	o := Options{Latest: time.Now(), Location: time.Local}
	checkEvents(t, Dovecot(strings.NewReader(d.Log()), o), dovecotStoryEvents, false)
	checkEvents(t, Postfix(strings.NewReader(p.Log()), o), postfixStoryEvents, false)
}
