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

// refused says why the author that people will be shown is none who may be, or
// nothing. Servers and programs read odd headers in odd ways, so what could be
// read in two is refused. last says that the message may end with what was read.
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
	seen := 0
	for _, f := range unfold(string(text)) {
		name, value, found := strings.Cut(f, ":")
		name = strings.TrimLeft(strings.TrimRight(name, " \t"), ".") // a doubled dot is one dot less behind us
		if !found || !strings.EqualFold(name, "From") {
			continue
		}
		if seen++; seen > 1 {
			return "more than one From"
		}
		if why := author(value, sending); why != "" {
			return why
		}
	}
	return ""
}

// unfold joins continued lines (RFC 5322, section 2.2.3).
func unfold(text string) (fields []string) {
	for _, l := range strings.Split(text, "\r\n") {
		if len(fields) > 0 && (strings.HasPrefix(l, " ") || strings.HasPrefix(l, "\t")) {
			fields[len(fields)-1] += l
			continue
		}
		fields = append(fields, l)
	}
	return fields
}

// author judges From: every address in it, and a name that looks like one.
func author(value string, sending *signin.Sending) string {
	p := mail.AddressParser{WordDecoder: &mime.WordDecoder{}}
	list, err := p.ParseList(value)
	if err != nil || len(list) == 0 {
		return fmt.Sprintf("From cannot be read: %.200q", value)
	}
	for _, a := range list {
		if !sending.May(a.Address) {
			return fmt.Sprintf("From <%.320s>", a.Address)
		}
		if strings.Contains(a.Name, "@") && !sending.May(strings.TrimSpace(a.Name)) {
			return fmt.Sprintf("From shows %.200q as a name", a.Name)
		}
	}
	return ""
}
