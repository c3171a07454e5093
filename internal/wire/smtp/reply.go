package smtp

import (
	"strconv"
	"strings"

	"github.com/portreeve/portreeve/internal/wire/line"
)

// maxText is the longest text of a reply's line: 512 octets with everything (RFC 5321, section 4.5.3.1.5).
const maxText = 480

// Line writes a reply: code, enhanced status code (RFC 3463; empty for none, as
// in the answer to EHLO), and one or more lines. What is not printable ASCII
// becomes '?'.
func Line(code int, enhanced string, lines ...string) string {
	if len(lines) == 0 {
		lines = []string{""}
	}
	if enhanced != "" {
		enhanced += " "
	}
	var b strings.Builder
	for i, l := range lines {
		sep := "-"
		if i == len(lines)-1 {
			sep = " "
		}
		b.WriteString(strconv.Itoa(code) + sep + enhanced + line.Text(l, maxText) + "\r\n")
	}
	return b.String()
}

// Reply is a backend's reply.
type Reply struct {
	Code  int
	Lines []string // without the code
}

const (
	maxReplyLines = 64    // an EHLO has about fifteen
	maxReplyLine  = 12288 // octets: a challenge may be as long as a response (RFC 4954, section 4)
)

// ReadReply reads a whole reply. Anything that is none breaks the connection.
func ReadReply(l *line.Reader) (Reply, error) {
	var r Reply
	for range maxReplyLines {
		b, err := l.ReadLine(maxReplyLine)
		if err != nil {
			return Reply{}, err
		}
		code, last, text, ok := cutReply(b)
		if !ok || r.Code != 0 && code != r.Code {
			return Reply{}, line.Broken("not an SMTP reply")
		}
		r.Code = code
		r.Lines = append(r.Lines, string(text))
		if last {
			return r, nil
		}
	}
	return Reply{}, line.Broken("reply without an end")
}

func cutReply(b []byte) (code int, last bool, text []byte, ok bool) {
	if len(b) < 3 || b[0] < '2' || b[0] > '5' {
		return 0, false, nil, false
	}
	for _, c := range b[:3] {
		if c < '0' || c > '9' {
			return 0, false, nil, false
		}
		code = code*10 + int(c-'0')
	}
	if len(b) == 3 {
		return code, true, nil, true
	}
	return code, b[3] != '-', b[4:], b[3] == ' ' || b[3] == '-'
}

// Text is the whole text in one line.
func (r Reply) Text() string { return strings.Join(r.Lines, " ") }

// Enhanced is the enhanced status code at the beginning, empty if there is none.
func (r Reply) Enhanced() string {
	if len(r.Lines) == 0 {
		return ""
	}
	word, _, _ := strings.Cut(r.Lines[0], " ")
	parts := strings.Split(word, ".")
	if len(parts) != 3 || parts[0] != strconv.Itoa(r.Code/100) {
		return ""
	}
	for _, p := range parts {
		if n, err := strconv.ParseUint(p, 10, 16); err != nil || n > 999 {
			return ""
		}
	}
	return word
}

// Extensions are the lines of an answer to EHLO behind the first, as they came.
type Extensions []string

// Extensions returns the keywords of a positive answer to EHLO.
func (r Reply) Extensions() Extensions {
	if r.Code != 250 || len(r.Lines) == 0 {
		return nil
	}
	return r.Lines[1:]
}

// keyword is the word a line begins with; "AUTH=PLAIN" is an old spelling of AUTH.
func keyword(l string) (word, params string) {
	if i := strings.IndexAny(l, " ="); i >= 0 {
		return l[:i], l[i+1:]
	}
	return l, ""
}

// Lookup returns what follows a keyword, all of its lines together.
func (e Extensions) Lookup(name string) (params string, ok bool) {
	for _, l := range e {
		if word, p := keyword(l); strings.EqualFold(word, name) {
			params, ok = strings.TrimSpace(params+" "+p), true
		}
	}
	return params, ok
}

// Has says whether a keyword is in the list.
func (e Extensions) Has(name string) bool {
	_, ok := e.Lookup(name)
	return ok
}

// Without returns the list less some keywords.
func (e Extensions) Without(names ...string) Extensions {
	var out Extensions
lines:
	for _, l := range e {
		word, _ := keyword(l)
		for _, n := range names {
			if strings.EqualFold(word, n) {
				continue lines
			}
		}
		out = append(out, l)
	}
	return out
}

// Intersect keeps what other has as well, word for word but for case: what
// several backends can all do. A line with parameters of its own on each (SIZE)
// is kept if the keyword is there, with the smaller number where both are numbers.
func (e Extensions) Intersect(other Extensions) Extensions {
	var out Extensions
	for _, l := range e {
		word, mine := keyword(l)
		theirs, ok := other.Lookup(word)
		switch {
		case !ok:
		case strings.EqualFold(mine, theirs):
			out = append(out, l)
		default:
			a, errA := strconv.ParseUint(mine, 10, 63)
			b, errB := strconv.ParseUint(theirs, 10, 63)
			if errA == nil && errB == nil {
				if a == 0 || b != 0 && b < a { // SIZE 0 is "no limit"
					a = b
				}
				out = append(out, word+" "+strconv.FormatUint(a, 10))
			}
		}
	}
	return out
}
