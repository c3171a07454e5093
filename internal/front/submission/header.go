package submission

import (
	"bytes"
	"fmt"
	"mime"
	"net/mail"
	"strings"

	"github.com/portreeve/portreeve/internal/signin"
)

// maxHeader is how much of a message is held back until its author is known, in
// octets. Headers have some kilobytes.
const maxHeader = 256 << 10

// header is the beginning of a message, up to its first empty line.
type header struct {
	raw   []byte // as it came
	whole bool   // the empty line, or the end of the message, is in it
}

// head reads a message's header and whatever came with it. next says how much of
// what has come belongs to the message, and whether it ends there.
func (s *watched) head(next func(p []byte) (n int, ended bool, err error)) (h header, ended bool, err error) {
	for !h.whole && !ended && len(h.raw) < maxHeader {
		p, err := s.peek()
		if err != nil {
			return h, false, err
		}
		n, over, err := next(p[:min(len(p), maxHeader-len(h.raw))])
		if err != nil {
			return h, false, err
		}
		h.raw = append(h.raw, p[:n]...)
		_, _ = s.client.Discard(n)
		ended = over
		h.whole = bytes.HasPrefix(h.raw, []byte("\r\n")) || bytes.Contains(h.raw, []byte("\r\n\r\n"))
	}
	return h, ended, nil
}

// originators are the fields that say who a message is from; those of who sent it
// on may be there several times (RFC 5322, section 3.6).
var originators = map[string]struct{ repeats bool }{"from": {}, "sender": {}, "resent-from": {true}, "resent-sender": {true}}

// refused says why somebody whom people will be shown as the sender is none who
// may be, or nothing. Servers and programs read odd headers in odd ways, so what
// could be read in two is refused. last says that the message may end with what
// was read.
//
// A message without From is the mail server's to complete, from the envelope.
func (h *header) refused(sending *signin.Sending, last bool) string {
	text, _, whole := bytes.Cut(append([]byte("\r\n"), h.raw...), []byte("\r\n\r\n"))
	switch {
	case !whole && (!last || len(h.raw) >= maxHeader):
		return "the header does not end where it must"
	case bytes.Count(text, []byte{'\n'}) != bytes.Count(text, []byte("\r\n")) || bytes.Count(text, []byte{'\r'}) != bytes.Count(text, []byte("\r\n")) || bytes.IndexByte(text, 0) >= 0:
		return "a bare CR, LF or NUL in the header"
	}
	fields, why := unfold(strings.TrimPrefix(string(text), "\r\n"))
	if why != "" {
		return why
	}
	seen := map[string]bool{}
	for _, f := range fields {
		name, value, _ := strings.Cut(f, ":")
		name = strings.ToLower(strings.TrimRight(name, " \t"))
		o, ok := originators[name]
		switch {
		case !ok:
			continue
		case seen[name] && !o.repeats:
			return "more than one " + name
		}
		seen[name] = true
		if why := author(name, value, sending); why != "" {
			return why
		}
	}
	return ""
}

// unfold joins continued lines (RFC 5322, section 2.2.3), or says what in them
// could be read in two: a line that begins with a dot, behind which there may be
// a blank once the server has taken a doubled one away; a first line that goes on
// from nothing; a line among fields that is none, with which the header ends for
// one server, and not for another.
func unfold(text string) (fields []string, why string) {
	none := 0
	for _, l := range strings.Split(text, "\r\n") {
		switch {
		case strings.HasPrefix(l, "."):
			return nil, "a line of the header begins with a dot"
		case l == "": // there is no header
		case l[0] != ' ' && l[0] != '\t':
			if fields = append(fields, l); !isField(l) {
				none++
			}
		case len(fields) == 0:
			return nil, "the header begins with a continued line"
		default:
			fields[len(fields)-1] += l
		}
	}
	if none > 0 && none < len(fields) {
		return nil, "a line of the header is no field"
	}
	return fields, ""
}

// isField says that a line has a name, of printable characters, and a colon. A
// blank between them is obsolete and read by all.
func isField(l string) bool {
	name, _, found := strings.Cut(l, ":")
	name = strings.TrimRight(name, " \t")
	return found && name != "" && !strings.ContainsFunc(name, func(r rune) bool { return r <= ' ' || r > '~' })
}

// at are the signs that people read as the one within addresses.
const at = "@\uff20\ufe6b"

// author judges a field of senders: every address in it, and names that look like one.
func author(field, value string, sending *signin.Sending) string {
	words := &mime.WordDecoder{}
	p := mail.AddressParser{WordDecoder: words}
	list, err := p.ParseList(value)
	if err != nil || len(list) == 0 {
		return fmt.Sprintf("%s cannot be read: %.200q", field, value)
	}
	if strings.Contains(unquoted(value), ":") {
		return fmt.Sprintf("%s names a group: %.200q", field, value)
	}
	read := 0
	for _, a := range list {
		read += strings.Count(a.Address, "@") + strings.Count(a.Name, "@")
		if !sending.May(a.Address) {
			return fmt.Sprintf("%s <%.320s>", field, a.Address)
		}
		name, err := words.DecodeHeader(a.Name) // programs decode within quotes too
		if err != nil || strings.ContainsAny(name, at) && !sending.May(strings.TrimSpace(name)) {
			return fmt.Sprintf("%s shows %.200q as a name", field, a.Name)
		}
	}
	if strings.Count(value, "@") > read {
		return fmt.Sprintf("%s has an address in a comment: %.200q", field, value)
	}
	return ""
}

// unquoted is a field's value without what stands in quotes.
func unquoted(value string) string {
	var out strings.Builder
	quoted := false
	for i := 0; i < len(value); i++ {
		switch c := value[i]; {
		case c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case !quoted:
			out.WriteByte(c)
		}
	}
	return out.String()
}
