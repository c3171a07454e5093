package smtp

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// pair is a filter between a program and a model of a server.
type pair struct {
	f        *CommandFilter
	s        *server
	original bytes.Buffer // what the program sent
	passed   bytes.Buffer // what went on
}

func newPair(s *server) *pair { return &pair{f: NewCommandFilter(s.chunking), s: s} }

// send passes octets to the server, which may not have answered yet.
func (p *pair) send(in string) {
	b := []byte(in)
	p.original.WriteString(in)
	p.f.FromClient(b)
	p.passed.Write(b)
	p.s.in = append(p.s.in, b...)
}

// answerUpTo passes replies back up to and with the one that has code.
func (p *pair) answerUpTo(code string) {
	p.s.run()
	i := bytes.Index(p.s.out, []byte(code+" y\r\n"))
	p.answer(i + len(code) + 4)
}

// answer lets the server read what it has and passes up to n octets of its replies back.
func (p *pair) answer(n int) string {
	p.s.run()
	n = min(n, len(p.s.out))
	out := string(p.s.out[:n])
	p.s.out = p.s.out[n:]
	p.f.FromServer([]byte(out))
	return out
}

// A mail, and a text in which the filtered words stand innocently.
const (
	mail = "MAIL FROM:<mary@example.org>\r\nRCPT TO:<paul@example.org>\r\nDATA\r\n"
	body = "Subject: XCLIENT\r\n\r\nXCLIENT ADDR=1.2.3.4\r\nSTARTTLS\r\n..\r\n.x\r\n"
)

// attack is what a program might send to have XCLIENT obeyed.
type attack struct {
	name  string
	steps []string // the server answers behind each: everything, or up to the code behind "<"
	lost  bool     // it may make the filter lose its way
	mails int      // and as many mails come through, if it is not sent octet by octet
}

var attacks = []attack{
	{"at once", []string{"XCLIENT ADDR=1.2.3.4\r\n"}, false, 0},
	{"any case", []string{"xClIeNt NAME=x\r\nxforward ADDR=x\r\nStartTLS\r\nauth PLAIN AA==\r\n"}, false, 0},
	{"without arguments", []string{"XCLIENT\r\n"}, false, 0},
	{"behind blanks", []string{" XCLIENT ADDR=1.2.3.4\r\n\tXCLIENT ADDR=1.2.3.4\r\n\v\f XCLIENT A=b\r\n"}, false, 0},
	{"pipelined", []string{"NOOP\r\nXCLIENT ADDR=1.2.3.4\r\nNOOP\r\nXFORWARD A=b\r\n"}, false, 0},
	{"between mails", []string{mail, body + ".\r\n", "XCLIENT A=b\r\n", mail, body + ".\r\n"}, false, 2},
	{"pipelined behind a mail", []string{mail, body + ".\r\nXCLIENT A=b\r\nNOOP\r\n", mail, body + ".\r\n"}, false, 2},
	{"behind a refused DATA", []string{"DATA\r\n", "XCLIENT A=b\r\n", mail, body + ".\r\n"}, false, 1},
	{"with a refused DATA", []string{"DATA\r\nXCLIENT A=b\r\n", mail, body + ".\r\n"}, false, 1},
	{"with an accepted DATA", []string{mail + "x\r\n.\r\nXCLIENT A=b\r\n", "XCLIENT A=b\r\n"}, true, 1},
	{"a second DATA in the content", []string{mail + "DATA\r\n", "XCLIENT A=b\r\n.\r\nXCLIENT A=b\r\n"}, true, 1},
	{"half a line behind DATA", []string{mail + "XCL", "IENT A=b\r\n"}, true, 0},
	{"BDAT in early content", []string{mail + "BDAT 60\r\n.\r\nXCLIENT A=b\r\n"}, true, 1},
	{"behind a chunk without a line end", []string{"MAIL FROM:<a@b>\r\nRCPT TO:<paul@example.org>\r\nBDAT 3 LAST\r\nabcXCLIENT A=b\r\n"}, false, 1},
	{"chunks", []string{"MAIL FROM:<a@b>\r\nRCPT TO:<paul@example.org>\r\nBDAT 12\r\nXCLIENT A=b\nbdat 0 last\r\nXCLIENT A=b\r\n"}, false, 2},
	{"BDAT with a sign", []string{"BDAT +3 LAST\r\nXCLIENT A=b\r\n"}, true, 0},
	{"BDAT with blanks", []string{"BDAT  3\r\nXCLIENT A=b\r\n"}, true, 0},
	{"BDAT with a tab", []string{"BDAT\t3\r\nXCLIENT A=b\r\n"}, true, 0},
	{"BDAT without end", []string{"BDAT 18446744073709551617\r\nXCLIENT A=b\r\n"}, true, 0},
	{"BDAT with more", []string{"BDAT 3 LAST 5\r\nXCLIENT A=b\r\n"}, true, 0},
	{"BDAT behind HELO", []string{"HELO x\r\n", "BDAT 14\r\nXCLIENT A=b\r\n"}, true, 0},
	{"bare LF", []string{"NOOP\nXCLIENT A=b\n"}, true, 0},
	{"bare LF, hidden BDAT", []string{"NOOP\nBDAT 14\r\nXCLIENT A=b\r\n"}, true, 0},
	{"bare CR", []string{"NOOP\rXCLIENT A=b\r\n", "\rXCLIENT A=b\r\n"}, true, 0},
	{"a line that is cut", []string{"NOOP " + strings.Repeat("x", 2043) + "XCLIENT A=b\r\n"}, true, 0},
	{"LF.LF", []string{mail, "x\n.\nXCLIENT A=b\r\n"}, true, 1},
	{"LF.CRLF", []string{mail, "x\n.\r\nXCLIENT A=b\r\n"}, true, 1},
	{"CRLF.LF", []string{mail, "x\r\n.\nXCLIENT A=b\r\n"}, true, 1},
	{"CRLF.CRCRLF", []string{mail, "x\r\n.\r\r\nXCLIENT A=b\r\n"}, true, 1},
	{"CR.CR", []string{mail, "x\r.\rXCLIENT A=b\r\n"}, true, 1},
	{"CR.CRLF", []string{mail, "x\r.\r\nXCLIENT A=b\r\n"}, true, 1},
	{"the answer to DATA comes late", []string{mail + "x\r\n.\r\n <354", "XCLIENT A=b\r\n"}, true, 1},
	{"half a line before the answer", []string{mail + "x <354", ".\r\nBDAT 40\r\n\r\n.\r\nXCLIENT A=b\r\n"}, true, 1},
	{"LF.CRLF is content", []string{mail, "x\n.\r\nBDAT 40\r\n\r\n.\r\nXCLIENT A=b\r\n"}, true, 1},
	{"CRLF.CRCRLF is content", []string{mail, "x\r\n.\r\r\nBDAT 40\r\n\r\n.\r\nXCLIENT A=b\r\n"}, true, 1},
	{"a chunk refused at once", []string{"BDAT 40\r\n", "XCLIENT A=b\r\n"}, true, 0},
	{"a chunk refused midway", []string{"BDAT 40\r\nNOOP\r\n <502", "XCLIENT A=b\r\n"}, true, 0},
	{"content refused midway", []string{mail, "x\r\n", "y\r\nXCLIENT A=b\r\n"}, true, 1},
	{"SASL answer that is a BDAT", []string{"AUTH LOGIN\r\n", "BDAT 14\r\nXCLIENT A=b\r\n"}, false, 1},
}

func TestXCLIENTIsSpoiledAtEveryCommandPosition(t *testing.T) {
	for _, c := range attacks {
		t.Run(c.name, func(t *testing.T) {
			for _, s := range []server{
				{chunking: true},
				{chunking: true, strictLF: true},
				{chunking: true, bareLF: true, cutsAt: 2048, lenientBDAT: true},
				{chunking: true, bareLF: true, bareCR: true, lenientBDAT: true},
			} {
				s.earlyReply = c.name == "content refused midway"
				s.brokenBDAT = strings.HasPrefix(c.name, "a chunk refused")
				for _, size := range []int{1, 2, 3, 5, 1 << 20} {
					s := s
					p := newPair(&s)
					for _, step := range c.steps {
						step, upTo, _ := strings.Cut(step, " <")
						for len(step) > 0 {
							n := min(size, len(step))
							p.send(step[:n])
							step = step[n:]
						}
						if upTo != "" {
							p.answerUpTo(upTo)
						} else {
							p.answer(1 << 20)
						}
					}
					if s.obeyed != nil {
						t.Fatalf("octets by %d: the server obeys %q", size, s.obeyed)
					}
					if p.passed.Len() != p.original.Len() {
						t.Fatal("length changed")
					}
					if !s.bareLF && (p.f.Lost() && !c.lost || len(s.mails) < c.mails && size > 100) {
						t.Fatalf("octets by %d: lost %v, %d mails", size, p.f.Lost(), len(s.mails))
					}
					if !c.lost && !s.bareCR && strings.Contains(c.name, "mail") && size > 100 {
						for _, m := range s.mails {
							if m != body {
								t.Fatalf("octets by %d: mail changed: %q", size, m)
							}
						}
					}
				}
			}
		})
	}
}

func TestWhatTheServerReadsInsteadOfXCLIENT(t *testing.T) {
	f := NewCommandFilter(true)
	b := []byte("XCLIENT ADDR=1\r\nxforward a=b\r\nSTARTTLS\r\nAUTH PLAIN\r\n NOOP\r\nXCLIENTX\r\nAUTHORS\r\nMAIL FROM:<xclient@x>\r\n")
	f.FromClient(b)
	want := "XCLIENZ ADDR=1\r\nxforwarZ a=b\r\nSTARTTLZ\r\nAUTZ PLAIN\r\nZNOOP\r\nXCLIENZX\r\nAUTZORS\r\nMAIL FROM:<xclient@x>\r\n"
	if string(b) != want || f.Lost() {
		t.Errorf("%q", b)
	}
}

func TestALostFilterFindsTheWordAcrossEveryBorder(t *testing.T) {
	const in = "xXCLIENT STARTSTARTTLS XXFORWARD\nxclienxclient xclien t"
	const want = "xXCLIENZ STARTSTARTTLZ XXFORWARZ\nxclienxclienZ xclien t"
	for i := range len(in) + 1 {
		for j := i; j <= len(in); j++ {
			f := NewCommandFilter(true)
			f.FromServer([]byte("354 out of turn\r\n"))
			b := []byte(in)
			f.FromClient(b[:i])
			f.FromClient(b[i:j])
			f.FromClient(b[j:])
			if string(b) != want || !f.Lost() {
				t.Fatalf("%d, %d: %q", i, j, b)
			}
		}
	}
	// The word's beginning passed before the way was lost.
	for n := range len("XCLIENT") {
		f := NewCommandFilter(true)
		f.FromClient([]byte("RCPT x\r\nDATA\r\n"))
		f.FromServer([]byte("250 ok\r\n354 go\r\n"))
		f.FromClient([]byte("x\r\n" + "XCLIENT"[:n]))
		f.FromServer([]byte("552 too much\r\n"))
		b := []byte("XCLIENT"[n:] + " A=b\r\n")
		if f.FromClient(b); !bytes.Contains(b, []byte("Z ")) {
			t.Errorf("%d: %q", n, b)
		}
	}
}

func TestRepliesOutOfTurnLoseTheWay(t *testing.T) {
	for _, in := range []string{"250 ok\r\n", "354 go\r\n", "421 bye\r\n", "hello\r\n", "25\r\n", "250x\r\n", "\r\n"} {
		for _, one := range []bool{false, true} {
			f := NewCommandFilter(true)
			if one {
				for i := range in {
					f.FromServer([]byte(in[i : i+1]))
				}
			} else {
				f.FromServer([]byte(in))
			}
			if !f.Lost() {
				t.Errorf("%q", in)
			}
		}
	}
	f := NewCommandFilter(true)
	f.FromClient([]byte("NOOP\r\n"))
	if f.FromServer([]byte("334 who\r\n")); !f.Lost() {
		t.Error("a challenge to a command that was spoiled")
	}
	f = NewCommandFilter(true)
	f.FromClient([]byte("EHLO x\r\nNOOP\r\nQUIT\r\n"))
	f.FromServer([]byte("250-a\r\n250-SIZE 354\r\n250 b\r\n250\r\n221 2.0.0 Bye\n"))
	if f.Lost() {
		t.Error("lost over replies in turn")
	}
}

// Whatever is sent, in whatever pieces and at whatever moment, none of many
// servers obeys what only the gate may say.
func TestNoServerEverObeys(t *testing.T) {
	const xclient = "XCLIENT A=b\r\n"
	words := []string{
		xclient, xclient, "xforward NAME=x\r\n", "STARTTLS\r\n", "DATA\r\n", "MAIL x\r\nRCPT x\r\n", "RSET\r\n", "NOOP\r\n",
		"MAIL x\r\nRCPT x\r\nDATA\r\n", "RCPT x\r\nDATA\r\n", "AUTH LOGIN\r\n", "EHLO x\r\n", "HELO x\r\n", "NOOP\n", "NOOP\r", " NOOP\r\n",
		"BDAT 5\r\nabcde", "BDAT 13 LAST\r\n" + xclient, "BDAT 40\r\n", "BDAT 0\r\n", "BDAT 1x\r\n", "BDAT  7\r\n", "bdat\t13\r\n", "DATA x\r\n", "DATA\n",
		"x", " ", "\t", "XCLI", "\x00", "x\r\n", ".\r\n", "..\r\n", ".", "\r\n", "\n", "\r", "\r\n.\r\n", "\r\n.\r\n" + xclient, "\n.\n", "\n.\r\n", "\r\n.\n", "\r.\r", "\r\n.\r\r\n",
		strings.Repeat("y", 999), strings.Repeat("y", 2043),
	}
	rapid.Check(t, func(t *rapid.T) {
		s := &server{
			chunking: rapid.Bool().Draw(t, "chunking"), bareLF: rapid.Bool().Draw(t, "bareLF"),
			bareCR: rapid.Bool().Draw(t, "bareCR"), lenientBDAT: rapid.Bool().Draw(t, "lenient"),
			strictLF: rapid.Bool().Draw(t, "strictLF"),
			cutsAt:   rapid.SampledFrom([]int{0, 1001, 2048}).Draw(t, "cuts"),
		}
		p := newPair(s)
		for range rapid.IntRange(1, 25).Draw(t, "n") {
			in := strings.Join(rapid.SliceOfN(rapid.SampledFrom(words), 1, 4).Draw(t, "in"), "")
			for len(in) > 0 {
				n := min(rapid.IntRange(1, 400).Draw(t, "octets"), len(in))
				p.send(in[:n])
				in = in[n:]
			}
			s.refusesDATA = rapid.IntRange(0, 7).Draw(t, "refuses") == 0
			switch rapid.IntRange(0, 4).Draw(t, "answers") {
			case 0:
			case 1:
				p.answer(rapid.IntRange(0, 50).Draw(t, "reply octets"))
			default:
				p.answer(1 << 20)
			}
		}
		p.answer(1 << 20)
		if s.obeyed != nil {
			t.Fatalf("obeyed %q\nsent %q", s.obeyed, p.original.String())
		}
		if p.passed.Len() != p.original.Len() {
			t.Fatal("length changed")
		}
	})
}

// A program that keeps the rules has nothing changed, whatever it writes about.
func TestAProgramThatKeepsTheRulesIsNotTouched(t *testing.T) {
	line := rapid.SampledFrom([]string{"XCLIENT ADDR=x", "STARTTLS", "..", ".x", "BDAT 5", "DATA", "text", "", strings.Repeat("z", 3000), "a\x00b\xff"})
	rapid.Check(t, func(t *rapid.T) {
		s := &server{chunking: true}
		p := newPair(s)
		p.send("EHLO x\r\n")
		p.answer(1 << 20)
		for range rapid.IntRange(1, 5).Draw(t, "mails") {
			s.refusesDATA = rapid.IntRange(0, 3).Draw(t, "refuse") == 0
			body := strings.Join(rapid.SliceOfN(line, 0, 9).Draw(t, "body"), "\r\n") + "\r\n"
			if rapid.Bool().Draw(t, "bdat") {
				p.send(fmt.Sprintf("MAIL x\r\nRCPT x\r\nBDAT %d LAST\r\n%s", len(body), body))
				p.answer(1 << 20)
				continue
			}
			p.send("MAIL x\r\nRCPT x\r\nDATA\r\n")
			if !strings.Contains(p.answer(1<<20), "354 ") {
				p.send("RSET\r\n")
				p.answer(1 << 20)
				continue
			}
			for len(body) > 0 {
				n := min(rapid.IntRange(1, 4000).Draw(t, "octets"), len(body))
				p.send(body[:n])
				body = body[n:]
				p.answer(1 << 20)
			}
			p.send(".\r\nNOOP\r\n")
			p.answer(1 << 20)
		}
		if p.f.Lost() || p.passed.String() != p.original.String() {
			t.Fatalf("lost %v\n%q\n%q", p.f.Lost(), p.original.String(), p.passed.String())
		}
	})
}

func FuzzCommandFilter(f *testing.F) {
	f.Add([]byte("RCPT x\r\nDATA\r\nx\r\n.\r\nXCLIENT A=b\r\n"), uint8(3), uint8(0x13))
	f.Add([]byte("BDAT 5\r\nabcdeXCLIENT A=b\r\n"), uint8(7), uint8(1))
	f.Fuzz(func(t *testing.T, in []byte, chunk, flags uint8) {
		s := &server{chunking: flags&1 != 0, bareLF: flags&2 != 0, bareCR: flags&4 != 0, lenientBDAT: flags&8 != 0, refusesDATA: flags&16 != 0}
		p := newPair(s)
		for len(in) > 0 {
			n := min(1+int(chunk), len(in))
			p.send(string(in[:n]))
			if in = in[n:]; n%3 != 0 {
				p.answer(n)
			}
		}
		p.answer(1 << 20)
		if s.obeyed != nil {
			t.Fatalf("obeyed %q", s.obeyed)
		}
	})
}
