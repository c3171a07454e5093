package submission

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/portreeve/portreeve/internal/proxy"
	"github.com/portreeve/portreeve/internal/signin"
	"github.com/portreeve/portreeve/internal/wire/line"
)

// lenient is a mail server that takes whatever it can for a line's end and for
// a message's end, so that what is smuggled past a stricter reader is obeyed.
type lenient struct {
	bareLF      bool // LF alone ends a line, and a dot between two ends a message
	refusesDATA bool
	refusesRCPT bool

	mail, rcpt bool
	from       string
	mails      []sent
	bad        []string // commands that only the gate may give
}

type sent struct{ from, text string }

func (s *lenient) serve(c net.Conn) {
	defer c.Close()
	r := bufio.NewReader(c)
	say := func(text string) bool { _, err := io.WriteString(c, text+"\r\n"); return err == nil }
	for {
		l, err := s.line(r)
		if err != nil {
			return
		}
		verb, arg, _ := strings.Cut(l, " ")
		ok := true
		switch strings.ToUpper(verb) {
		case "MAIL":
			s.mail, s.rcpt, s.from = true, false, arg
			ok = say("250 Ok")
		case "RCPT":
			if !s.mail || s.refusesRCPT {
				ok = say("503 no")
				break
			}
			s.rcpt = true
			ok = say("250 Ok")
		case "DATA":
			if !s.rcpt || s.refusesDATA {
				ok = say("554 no")
				break
			}
			if !say("354 go on") {
				return
			}
			text, err := s.content(r)
			if err != nil {
				return
			}
			s.mails = append(s.mails, sent{s.from, text})
			s.mail, s.rcpt = false, false
			ok = say("250 queued")
		case "BDAT":
			var n int
			var last string
			_, _ = fmt.Sscan(arg, &n, &last)
			b := make([]byte, n)
			if _, err := io.ReadFull(r, b); err != nil {
				return
			}
			if !s.rcpt {
				ok = say("503 no")
				break
			}
			s.mails = append(s.mails, sent{s.from, string(b)})
			ok = say("250 Ok")
		case "RSET", "EHLO", "HELO":
			s.mail, s.rcpt = false, false
			ok = say("250 Ok")
		case "XCLIENT", "XFORWARD", "STARTTLS", "AUTH", "SEND", "SOML", "SAML":
			s.bad = append(s.bad, l)
			ok = say("500 no")
		case "QUIT":
			say("221 bye")
			return
		default:
			ok = say("250 Ok")
		}
		if !ok {
			return
		}
	}
}

func (s *lenient) line(r *bufio.Reader) (string, error) {
	l, err := r.ReadString('\n')
	for err == nil && !s.bareLF && !strings.HasSuffix(l, "\r\n") {
		var more string
		more, err = r.ReadString('\n')
		l += more
	}
	return strings.TrimRight(l, "\r\n"), err
}

func (s *lenient) content(r *bufio.Reader) (string, error) {
	var b strings.Builder
	for {
		l, err := r.ReadString('\n')
		if err != nil {
			return "", err
		}
		strict := strings.HasSuffix(b.String(), "\r\n") || b.Len() == 0
		if l == ".\r\n" && (strict || s.bareLF) || l == ".\n" && s.bareLF {
			return b.String(), nil
		}
		b.WriteString(strings.TrimPrefix(l, "."))
	}
}

// against plays bytes against a watched session before a server, and returns
// once both are done.
func against(t *testing.T, s *lenient, said []byte, sending *signin.Sending) string {
	t.Helper()
	client, ours := net.Pipe()
	back, theirs := net.Pipe()
	served, watched := make(chan struct{}), make(chan struct{})
	go func() { defer close(served); s.serve(theirs) }()
	var d dialect
	d.line = line.New(strings.NewReader(""), line.Limits{})
	go func() {
		defer close(watched)
		_ = d.Watch(proxy.Watched{Client: ours, Backend: back, Sending: sending, Overstep: func(c signin.Code, _ string) signin.Reply { return signin.Reply{Text: c.String()} }})
		_, _ = ours.Close(), back.Close()
	}()
	_ = client.SetDeadline(time.Now().Add(20 * time.Second))
	var heard bytes.Buffer
	read := make(chan struct{})
	go func() { defer close(read); _, _ = io.Copy(&heard, client) }()
	_, _ = client.Write(said)
	_, _ = io.WriteString(client, "\r\nQUIT\r\n.\r\nQUIT\r\n") // whatever state it is in
	select {
	case <-watched:
	case <-time.After(200 * time.Millisecond):
		_ = client.Close() // it waits for the rest of a message
		<-watched
	}
	_ = client.Close()
	<-served
	<-read
	return heard.String()
}

// Each refused sender may be a row of its own in the log.
func TestRefusedSendersAreBounded(t *testing.T) {
	var said strings.Builder
	for n := range 2 * maxOversteps {
		fmt.Fprintf(&said, "MAIL FROM:<boss%d@example.org>\r\n", n)
	}
	heard := against(t, &lenient{}, []byte(said.String()), &signin.Sending{Senders: []string{"printer@example.org"}})
	if n := strings.Count(heard, "550 5.7.1"); n != maxOversteps || !strings.Contains(heard, "421 4.7.0 too many refused mails") {
		t.Errorf("%d were refused:\n%.300s", n, heard[max(0, len(heard)-300):])
	}
}

// pieces are what random conversations are made of.
var pieces = []string{"MAIL FROM:<printer@example.org>\r\n", "MAIL FROM:<boss@example.org>\r\n", "mail from:<boss@example.org> SIZE=1\r\n", "MAIL FROM:<printer@example.org>\nMAIL FROM:<boss@example.org>\r\n",
	"RCPT TO:<mary@example.org>\r\n", "DATA\r\n", "DATA \r\n", "RSET\r\n", "NOOP\r\n", "EHLO x\r\n", "BDAT 0 LAST\r\n", "BDAT 26\r\nFrom: boss@example.org\r\n\r\n", "BDAT 27 LAST\r\nFrom: printer@example.org\r\n", "BDAT 40\r\n",
	"From: printer@example.org\r\n", "From: boss@example.org\r\n", "fRoM\t: boss@example.org\r\n", "From:\r\n boss@example.org\r\n", "Subject: x\r\n", "\r\n", "text\r\n", ".\r\n", "..\r\n", "\n.\r\n", "\r\n.\n", "\n.\n", "\r.\r\n", ".\n", "\r\n.\r\n", "\r", "\n", "\x00",
	"XCLIENT LOGIN=boss\r\n", "STARTTLS\r\n", "AUTH PLAIN AHgAeA==\r\n", "SEND FROM:<boss@example.org>\r\n", " MAIL FROM:<boss@example.org>\r\n", "\tDATA\r\n", ".From: boss@example.org\r\n"}

// Whatever a program says, in whatever order, and however leniently the server
// reads it: no mail of another sender, and none that shows another author.
func TestNoConversationSendsAsSomebodyElse(t *testing.T) {
	t.Parallel()
	sending := &signin.Sending{Senders: []string{"printer@example.org"}}
	rounds := 600
	if testing.Short() {
		rounds = 200
	}
	carried := 0
	for seed := range rounds {
		r := rand.New(rand.NewPCG(uint64(seed), 7))
		var said []byte
		if r.IntN(2) == 0 {
			said = []byte(pieces[0] + pieces[4] + "DATA\r\n")
		}
		for range 1 + r.IntN(12) {
			said = append(said, pieces[r.IntN(len(pieces))]...)
		}
		s := &lenient{bareLF: r.IntN(2) == 0, refusesDATA: r.IntN(8) == 0, refusesRCPT: r.IntN(8) == 0}
		against(t, s, said, sending)
		carried += len(s.mails)
		for _, m := range s.mails {
			if !strings.HasPrefix(strings.ToLower(m.from), "from:<printer@example.org>") || authored(m.text) {
				t.Fatalf("seed %d (lenient %v): %q sent %q as %s", seed, s.bareLF, said, m.text, m.from)
			}
		}
		if len(s.bad) > 0 {
			t.Fatalf("seed %d: %q has the server hear %q", seed, said, s.bad)
		}
	}
	if carried < rounds/20 {
		t.Errorf("only %d mails came through in %d conversations: the test shows nothing", carried, rounds)
	}
}

// authored says that a reader who takes every line end for one sees another
// author in the header.
func authored(text string) bool {
	head, _, _ := strings.Cut(strings.ReplaceAll(strings.ReplaceAll("\n"+text, "\r\n", "\n"), "\r", "\n"), "\n\n")
	for _, l := range strings.Split(strings.ReplaceAll(head, "\n ", " "), "\n") {
		name, value, _ := strings.Cut(l, ":")
		if strings.EqualFold(strings.TrimSpace(name), "from") && strings.Contains(value, "boss@") {
			return true
		}
	}
	return false
}

func TestAuthors(t *testing.T) {
	sending := &signin.Sending{Senders: []string{"printer@example.org", "@example.net"}}
	for head, may := range map[string]bool{
		"From: printer@example.org":                                    true,
		"From: \"A printer\" <PRINTER@example.org>":                    true,
		"From: a@example.net, b@example.net":                           true,
		"Subject: no author":                                           true,
		"From: printer@example.org, boss@example.org":                  false,
		"From: boss@example.org":                                       false,
		"From: boss@example.org <printer@example.org>":                 false,
		"From: =?utf-8?q?boss=40example=2Eorg?= <printer@example.org>": false,
		"From: \"printer@example.org\" <printer@example.org>":          true,
		"From: boss@example.org (printer@example.org)":                 false,
		"From:":                   false,
		"From: undisclosed:;":     false,
		"FROM : boss@example.org": false,
		"From: printer@example.org\r\nFrom: x@y.z":        false,
		"From: printer@example.org\r\n\tboss@example.org": false,
		"X: y\rFrom: boss@example.org":                    false,
		"..From: boss@example.org":                        false,
		"Fro\x00m: boss@example.org":                      false,
		// What goes on from nothing, or from a line that a doubled dot hides.
		" From: boss@example.org":                            false,
		"\tFrom: boss@example.org\r\nSubject: x":             false,
		"From: printer@example.org\r\n. , boss@example.org":  false,
		"From: printer@example.org\r\n.\t<boss@example.org>": false,
		// A line with which the header ends for one server and not for another.
		"From: printer@example.org\r\nnothing\r\n , boss@example.org": false,
		"From boss@example.org\r\nFrom: printer@example.org":          false,
		"\ufeffFrom: boss@example.org\r\nSubject: x":                  false,
		"Hello, this is no header":                                    true,
		// Who else is shown.
		"From: printer@example.org\r\nSender: boss@example.org":                                    false,
		"From: printer@example.org\r\nSender: printer@example.org":                                 true,
		"From: printer@example.org\r\nSender: printer@example.org\r\nSender: printer@example.org":  false,
		"From: printer@example.org\r\nResent-From: boss@example.org":                               false,
		"Resent-From: a@example.net\r\nFrom: printer@example.org\r\nResent-From: boss@example.org": false,
		"Resent-From: a@example.net\r\nFrom: printer@example.org\r\nResent-From: b@example.net":    true,
		"Resent-Sender: boss@example.org\r\nFrom: printer@example.org":                             false,
		"From: \"boss@example.org\": printer@example.org;":                                         false,
		"From: The Boss: printer@example.org;":                                                     false,
		"From: \"Printer: second floor\" <printer@example.org>":                                    true,
		"From: \"=?utf-8?q?boss=40example=2Eorg?=\" <printer@example.org>":                         false,
		"From: =?utf-8?q?boss=EF=BC=A0example=2Eorg?= <printer@example.org>":                       false,
		"From: \"boss\uff20example.org\" <printer@example.org>":                                    false,
		"From: =?utf-8?q?boss?= =?utf-8?q?=40example=2Eorg?= <printer@example.org>":                false,
		"From: =?utf-8?q?Printer_=C3=BC?= <printer@example.org>":                                   true,
		"From: (boss@example.org) printer@example.org":                                             false,
		"From: printer@example.org (The printer)":                                                  true,
		"From: <printer@example.org> (boss@example.org)":                                           false,
	} {
		h := header{raw: []byte(head + "\r\n\r\nbody"), whole: true}
		if why := h.refused(sending, true); (why == "") != may {
			t.Errorf("%q: refused for %q", head, why)
		}
	}
}
