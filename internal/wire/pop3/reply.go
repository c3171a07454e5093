package pop3

import (
	"strings"

	"github.com/portreeve/portreeve/internal/wire/line"
)

// maxText is the longest text of a reply: 512 octets with everything (RFC 2449, section 4).
const maxText = 400

// OK, Err and Challenge write one line. Err's code is a response code without
// its brackets (RFC 2449, section 8; RFC 3206), empty for none. What is not
// printable ASCII becomes '?'.
func OK(text string) string          { return strings.TrimRight("+OK "+line.Text(text, maxText), " ") + "\r\n" }
func Challenge(base64 string) string { return "+ " + line.Text(base64, line.MaxSASL) + "\r\n" }

func Err(code, text string) string {
	if code != "" {
		text = "[" + strings.ReplaceAll(code, "]", "") + "] " + text
	}
	return strings.TrimRight("-ERR "+line.Text(text, maxText), " ") + "\r\n"
}

// List writes a reply of several lines, such as CAPA's.
func List(text string, lines ...string) string {
	var b strings.Builder
	b.WriteString(OK(text))
	for _, l := range lines {
		if strings.HasPrefix(l, ".") {
			b.WriteByte('.')
		}
		b.WriteString(line.Text(l, maxText) + "\r\n")
	}
	b.WriteString(".\r\n")
	return b.String()
}

// Status is the first line of a backend's reply.
type Status struct {
	OK        bool
	Challenge bool   // "+ …": Text is the challenge
	Code      string // without its brackets
	Text      string
}

// ParseStatus reads a status line as line.Reader returns it.
func ParseStatus(b []byte) (s Status, err error) {
	word, text, _ := strings.Cut(string(b), " ")
	switch word {
	case "+OK":
		s.OK = true
	case "-ERR":
	case "+":
		return Status{Challenge: true, Text: text}, nil
	default:
		return s, line.Broken("not a POP3 reply")
	}
	if code, rest, ok := strings.Cut(text, "]"); ok && strings.HasPrefix(code, "[") {
		s.Code, text = code[1:], strings.TrimPrefix(rest, " ")
	}
	s.Text = text
	return s, nil
}

// maxListLines is what a backend's CAPA may have; Dovecot's has ten.
const maxListLines = 64

// ReadList reads the lines that follow a +OK, up to the one with a dot.
func ReadList(l *line.Reader) ([]string, error) {
	var out []string
	for range maxListLines {
		b, err := l.ReadLine(0)
		if err != nil {
			return nil, err
		}
		s := string(b)
		if s == "." {
			return out, nil
		}
		out = append(out, strings.TrimPrefix(s, "."))
	}
	return nil, line.Broken("list without an end")
}
