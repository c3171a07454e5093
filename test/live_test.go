package test

import (
	"bufio"
	"fmt"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// closeTime is how long after a change was answered a connection that it no
// longer allows may stay open. A second is promised, and the benchmark measures
// some 30 ms; here the machine is busy with other tests, and only what waits for
// something else than the change is to be found.
const closeTime = 3 * time.Second

// idleScript signs in by a statement of its own, with the secret that it reads, and waits.
const idleScript = `
import imaplib, ssl, sys
host, port, ca, user = sys.argv[1:]
m = imaplib.IMAP4_SSL(host, int(port), ssl_context=ssl.create_default_context(cafile=ca))
secret = sys.stdin.readline().strip()
%s
m.select('INBOX')
m.send(b'x IDLE\r\n')
while True:
    line = m.readline()
    if not line:
        print('closed', flush=True)
        break
    print(line.decode().strip(), flush=True)
`

// idler is Python's imaplib in IDLE.
type idler struct {
	t     testing.TB
	lines chan line
}

type line struct {
	text string
	at   time.Time
}

// idle signs in with the password and waits in IDLE until the test ends.
func (d *door) idle(t testing.TB, person string) *idler {
	t.Helper()
	return d.idleAfter(t, "m.login(user, secret)", person, password)
}

// idleAfter is idle after another way to sign in.
func (d *door) idleAfter(t testing.TB, signIn, person, secret string) *idler {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "/usr/bin/python3", "-c", fmt.Sprintf(idleScript, signIn), "localhost", portOf(d.IMAPS), d.CA, person)
	cmd.WaitDelay, cmd.Stdin = time.Second, strings.NewReader(secret+"\n")
	out, err := cmd.StdoutPipe()
	check(t, err)
	cmd.Stderr = cmd.Stdout
	check(t, cmd.Start())
	i := &idler{t: t, lines: make(chan line, 100)}
	read := make(chan struct{})
	go func() {
		defer close(read)
		defer close(i.lines)
		for s := bufio.NewScanner(out); s.Scan(); {
			i.lines <- line{s.Text(), time.Now()}
		}
	}()
	t.Cleanup(func() { _ = cmd.Process.Kill(); <-read; _ = cmd.Wait() })
	i.until("+ idling", 30*time.Second)
	return i
}

// until waits for a line and says when it came.
func (i *idler) until(want string, within time.Duration) time.Time {
	i.t.Helper()
	late := time.After(within)
	for {
		select {
		case l, more := <-i.lines:
			if strings.Contains(l.text, want) {
				return l.at
			}
			if !more {
				i.t.Fatalf("the idling program ended without %q", want)
			}
		case <-late:
			i.t.Fatalf("no %q within %v", want, within)
		}
	}
}

// A change closes the open connections that it no longer allows, within a
// second, and no other.
func TestAChangeClosesOpenConnections(t *testing.T) {
	t.Parallel()
	s := shared()
	for _, c := range []struct {
		what   string
		before func(t *testing.T, who string)
		change func(t *testing.T, who string)
		code   string // of the next sign-in; empty: it is let in
		reason string // in the log
	}{
		{what: "policy enabled", code: "PR53003", reason: notAllowed, before: func(t *testing.T, who string) {
			policy := strings.NewReplacer(`"includeGroups": ["`+blockedGroup+`"]`, `"includeUsers": ["`+who+`"]`, "Block passwords", "Block "+who, `"enabled"`, `"disabled"`).Replace(blockPasswords)
			if out, err := s.feed(policy, "policy", "import", "-"); err != nil {
				t.Fatalf("policy import: %v\n%s", err, out)
			}
		}, change: func(t *testing.T, who string) { s.do(t, "policy", "enable", "Block "+who) }},
		{what: "put into a group", code: "PR53003", reason: notAllowed, change: func(t *testing.T, who string) { s.do(t, "group", "add-member", blockedGroup, who) }},
		{what: "switched off", code: "PR1001", reason: notAllowed, change: func(t *testing.T, who string) { s.do(t, "mailbox", "set", who, "--imap", "off") }},
		{what: "authentication policy assigned", code: "PR1002", reason: notAllowed, change: func(t *testing.T, who string) { s.do(t, "authpolicy", "assign", noPasswords, "--user", who) }},
		{what: "user disabled", code: "PR50057", reason: notAllowed, change: func(t *testing.T, who string) { s.do(t, "user", "disable", who) }},
		{what: "password changed", code: "PR50126", reason: "the password was changed", change: func(t *testing.T, who string) {
			if out, err := s.feed(s.use("another-Pa55word")+"\n", "user", "set", who, "--password-stdin"); err != nil {
				t.Fatalf("user set: %v\n%s", err, out)
			}
		}},
		{what: "session killed", reason: "ended by", change: func(t *testing.T, who string) { s.do(t, "session", "kill", "--user", who) }},
	} {
		t.Run(c.what, func(t *testing.T) {
			t.Parallel()
			who, other := newPerson(t), newPerson(t)
			mine, others := s.idle(t, who), s.idle(t, other)
			if c.before != nil {
				c.before(t, who)
			}
			s.deliver(t, who, "still here")
			mine.until("EXISTS", 10*time.Second)

			began := time.Now()
			c.change(t, who)
			answered := time.Now()
			closed := mine.until("closed", 10*time.Second)
			t.Logf("closed %v after the command began, %v after it was answered", closed.Sub(began).Round(time.Millisecond), closed.Sub(answered).Round(time.Millisecond))
			if took := closed.Sub(answered); took > closeTime {
				t.Errorf("closed %v after the change was answered", took)
			}
			s.deliver(t, other, "undisturbed")
			others.until("EXISTS", 10*time.Second)

			printed, in := goIMAP(t, s.door, login{person: who, secret: password})
			if in != (c.code == "") {
				t.Errorf("the next sign-in: %s", printed)
			}
			if c.code != "" {
				s.signIn(t, who, c.code)
			}
			s.ended(t, who, c.reason)
		})
	}
}

// notAllowed is how the log words that a change closed a connection.
const notAllowed = "no longer allowed"

// ended waits until the log says why a session of the person's ended. There may
// be two events of one sign-in: a change of policy on the way has it judged again.
func (s *site) ended(t testing.TB, who, reason string) {
	t.Helper()
	all := s.signIns(t, fmt.Sprintf("user eq %q and code eq %q", who, "PR0"))
	var stories string
	for end := time.Now().Add(logWait); time.Now().Before(end); time.Sleep(10 * pollTime) {
		stories = ""
		for _, e := range all {
			stories += s.do(t, "signins", "show", e.Portreeve.Reference)
		}
		if strings.Contains(stories, reason) {
			return
		}
	}
	t.Errorf("the log does not say %q:\n%s", reason, stories)
}
