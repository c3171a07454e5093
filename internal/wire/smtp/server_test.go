package smtp

import (
	"bytes"
	"fmt"
	"strings"
)

// server reads bytes as some server does. What it obeys is written down.
type server struct {
	chunking    bool // knows BDAT
	bareLF      bool // LF alone ends a line of content, and so does a dot between two
	bareCR      bool // CR alone ends a line, too
	cutsAt      int  // a longer command line is cut here, and its rest is a command
	lenientBDAT bool // a BDAT that is not strict is no command, instead of the end
	brokenBDAT  bool // refuses BDAT and reads its chunk as commands, though it offers CHUNKING
	strictLF    bool // only CR LF ends a command
	refusesDATA bool
	earlyReply  bool // refuses a message in the middle of it, and reads what follows as commands

	in, out []byte
	rcpt    bool
	content bool
	chunk   int // octets of a chunk still to come
	closed  bool
	obeyed  []string // commands that only the gate may give
	mails   []string
}

func (s *server) run() {
	for len(s.in) > 0 && !s.closed {
		if s.chunk > 0 {
			s.readChunk()
			continue
		}
		if s.content {
			if !s.readContent() {
				return
			}
			continue
		}
		i := s.lineEnd(s.in)
		if s.cutsAt > 0 && (i < 0 && len(s.in) >= s.cutsAt || i > s.cutsAt) {
			s.command(string(s.in[:s.cutsAt]), s.cutsAt)
			continue
		}
		if i < 0 {
			return
		}
		s.command(string(s.in[:i]), i)
	}
}

// lineEnd is behind the first line's end.
func (s *server) lineEnd(b []byte) int {
	if s.strictLF && !s.bareCR && !s.bareLF {
		if i := bytes.Index(b, []byte("\r\n")); i >= 0 {
			return i + 2
		}
		return -1
	}
	for i, c := range b {
		if c == '\n' || s.bareCR && c == '\r' && (i+1 == len(b) || b[i+1] != '\n') {
			return i + 1
		}
	}
	return -1
}

func (s *server) say(code int) { s.out = append(s.out, fmt.Sprintf("%d-x\r\n%d y\r\n", code, code)...) }

func (s *server) command(l string, n int) {
	s.in = s.in[n:]
	words := strings.Fields(l)
	if len(words) == 0 {
		s.say(500)
		return
	}
	switch verb := strings.ToUpper(words[0]); verb {
	case "XCLIENT", "XFORWARD", "STARTTLS":
		s.obeyed = append(s.obeyed, l)
		s.say(220)
	case "RCPT":
		s.rcpt = true
		s.say(250)
	case "RSET":
		s.rcpt = false
		s.say(250)
	case "DATA":
		if !s.rcpt || s.refusesDATA || len(words) > 1 {
			s.say(554)
			return
		}
		s.content, s.rcpt = true, false
		s.mails = append(s.mails, "")
		s.say(354)
	case "HELO":
		s.chunking = false
		s.say(250)
	case "BDAT":
		if s.lenientBDAT && !strings.HasPrefix(strings.ToUpper(l), "BDAT ") {
			s.say(500)
			return
		}
		s.bdat(words)
	case "QUIT":
		s.say(221)
		s.closed = true
	case "NOOP", "EHLO", "MAIL":
		s.say(250)
	default:
		s.say(500)
	}
}

func (s *server) bdat(words []string) {
	var size int
	if _, err := fmt.Sscanf(strings.Join(words[1:], " "), "%d", &size); err != nil || size < 0 || len(words) > 3 {
		s.say(521)
		s.closed = !s.lenientBDAT
		return
	}
	if !s.chunking || s.brokenBDAT {
		s.say(502)
		return
	}
	s.mails, s.chunk = append(s.mails, ""), size
	s.readChunk()
}

func (s *server) readChunk() {
	n := min(s.chunk, len(s.in))
	s.mails[len(s.mails)-1] += string(s.in[:n])
	if s.in, s.chunk = s.in[n:], s.chunk-n; s.chunk == 0 {
		s.say(250)
	}
}

// readContent reads one line of content; false if there is none yet.
func (s *server) readContent() bool {
	i := bytes.Index(s.in, []byte("\r\n")) + 2
	if s.bareLF {
		i = bytes.IndexByte(s.in, '\n') + 1
	}
	if s.bareCR {
		i = s.lineEnd(s.in)
	}
	if i < 2 && !(i == 1 && (s.bareLF || s.bareCR)) {
		return false
	}
	l := string(s.in[:i])
	s.in = s.in[i:]
	end := l == ".\r\n"
	if s.bareLF || s.bareCR {
		end = strings.TrimRight(l, "\r\n") == "."
	}
	switch {
	case end:
		s.content = false
		s.say(250)
	case s.earlyReply:
		s.content = false
		s.say(552)
	default:
		s.mails[len(s.mails)-1] += l
	}
	return true
}
