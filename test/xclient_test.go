package test

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/portreeve/portreeve/internal/mailtest"
)

// forged is who a signed-in person would become by XCLIENT.
const forged = "XCLIENT ADDR=192.0.2.66 NAME=forged.test LOGIN=boss@example.org HELO=forged.test"

// Postfix grants XCLIENT by the TCP peer, which is the gate, and takes it at any
// time outside a transaction. Whatever a signed-in person says, before, between
// and behind mails, each mail is hers and from where she is: by default, where
// Postfix is told her address in a PROXY header, and where it is told by XCLIENT,
// through the filter.
func TestXCLIENTChangesNothing(t *testing.T) {
	t.Parallel()
	const gate = "127.0.0.1/32" // whom Postfix takes XCLIENT from
	mary := mailtest.Person
	byXCLIENT := startSite(t, siteOptions{Login: masterLogin, Hasty: true, Floor: "300ms", People: map[string]string{mary: password},
		Postfix: mailtest.PostfixOptions{XCLIENT: gate},
		Backend: func(s *site) string {
			here := strings.NewReplacer(s.postfix.SubmissionProxy, s.postfix.Submission, s.dovecot.IMAPProxy, s.dovecot.IMAP,
				s.dovecot.POP3Proxy, s.dovecot.POP3, s.dovecot.SieveProxy, s.dovecot.Sieve, "proxy: 2", "xclient: true")
			return here.Replace(s.endpoints())
		}})
	byProxy := startSite(t, siteOptions{Login: masterLogin, Hasty: true, Floor: "300ms", People: map[string]string{mary: password},
		Postfix: mailtest.PostfixOptions{XCLIENT: gate}})
	for name, s := range map[string]*site{"PROXY": byProxy, "XCLIENT": byXCLIENT} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s.forge(t, mary)
		})
	}
}

func (s *site) forge(t *testing.T, person string) {
	here := netip.MustParseAddr("127.7.0.1")
	k := s.mustKnock(t, "submission", here)
	if answer, _, err := k.signIn(person, password); err != nil || !in(answer) {
		t.Fatalf("%q, %v", answer, err)
	}
	refused := func(when, line string) {
		t.Helper()
		if answer, _, err := k.say(line); err != nil || !strings.HasPrefix(answer, "5") {
			t.Errorf("%s: %s is answered %q, %v", when, line, answer, err)
		}
	}
	said := func(line, want string) {
		t.Helper()
		if answer, _, err := k.say(line); err != nil || !strings.HasPrefix(answer, want) {
			t.Errorf("%s is answered %q, %v, want %s", line, answer, err, want)
		}
	}
	envelope := "MAIL FROM:<" + person + ">\r\nRCPT TO:<" + person + ">\r\n"
	mails := 0
	mail := func() {
		t.Helper()
		mails++
		said("MAIL FROM:<"+person+">", "250")
		said("RCPT TO:<"+person+">", "250")
		said("DATA", "354")
		said("Subject: a mail\r\n\r\n"+forged+"\r\n.", "250") // the line within the mail is the mail's
	}
	refused("before the first mail", forged)
	refused("in small letters", strings.ToLower(forged))
	refused("XFORWARD", "XFORWARD ADDR=192.0.2.66 NAME=forged.test")
	mail()
	refused("between mails", forged)
	mail()

	// Pipelined behind DATA's end, all in one write.
	_, err := k.Write([]byte(envelope + "DATA\r\n"))
	check(t, err)
	for _, want := range []string{"250", "250", "354"} {
		s.next(t, k, want)
	}
	_, err = k.Write([]byte("Subject: a mail\r\n\r\nhello\r\n.\r\n" + forged + "\r\nNOOP\r\n"))
	check(t, err)
	mails++
	for _, want := range []string{"250", "5", "250"} {
		s.next(t, k, want)
	}
	// And behind BDAT, with the command cut in two.
	body := "Subject: a mail\r\n\r\nhello\r\n"
	_, err = fmt.Fprintf(k, "%sBDAT %d LAST\r\n%sXCLI", envelope, len(body), body)
	check(t, err)
	_, err = fmt.Fprintf(k, "ENT%s\r\nNOOP\r\n", strings.TrimPrefix(forged, "XCLIENT"))
	check(t, err)
	mails++
	for _, want := range []string{"250", "250", "250", "5", "250"} {
		s.next(t, k, want)
	}
	mail()
	said("QUIT", "221")

	if got := s.hers(here, person, mails); got != mails {
		t.Errorf("%d mails are hers and from %s in Postfix's log, want %d:\n%s", got, here, mails, tail(s.postfix.Log(), 40))
	}
	if log := s.postfix.Log(); strings.Contains(log, "192.0.2.66") || strings.Contains(log, "boss@") {
		t.Errorf("Postfix took a forged name or address:\n%s", tail(log, 40))
	}
}

// hers waits until Postfix, which logs behind, has logged so many mails as
// somebody's and from where she is, and returns how many it has.
func (s *site) hers(here netip.Addr, person string, want int) (got int) {
	for end := time.Now().Add(logWait); got != want && time.Now().Before(end); time.Sleep(pollTime) {
		got = 0
		for l := range strings.SplitSeq(s.postfix.Log(), "\n") {
			if strings.Contains(l, "client=") && strings.Contains(l, fmt.Sprintf("[%s]", here)) && strings.Contains(l, "sasl_username="+person) {
				got++
			}
		}
	}
	return got
}

// next reads one answer.
func (s *site) next(t *testing.T, k *knock, want string) {
	t.Helper()
	if answer, err := k.read(dialogues["submission"].last); err != nil || !strings.HasPrefix(answer, want) {
		t.Errorf("answered %q, %v, want %s", answer, err, want)
	}
}
