package imap

import (
	"bytes"
	"slices"
	"strings"

	"github.com/portreeve/portreeve/internal/wire/line"
)

// Response is one line from a backend.
type Response struct {
	Tag  string // Untagged, "+" for a continuation request, or the command's tag
	Name string // in upper case: OK, NO, BAD, BYE, PREAUTH, CAPABILITY, …; empty for a continuation
	Code string // the response code without its brackets
	Text string // what follows
}

// ParseResponse reads a line of a backend before sign-in, as line.Reader
// returns it. A literal has no place there and makes it an error.
func ParseResponse(b []byte) (Response, error) {
	if bytes.HasPrefix(b, []byte("+")) {
		return Response{Tag: "+", Text: string(bytes.TrimPrefix(b[1:], []byte{' '}))}, nil
	}
	if _, _, ok := line.LiteralAt(b); ok {
		return Response{}, line.Broken("literal in a response before sign-in")
	}
	tag, after, ok := bytes.Cut(b, []byte{' '})
	if !ok || len(tag) == 0 || len(tag) > maxTag {
		return Response{}, line.Broken("not an IMAP response")
	}
	name, rest, _ := bytes.Cut(after, []byte{' '})
	r := Response{Tag: string(tag), Name: strings.ToUpper(string(name))}
	if len(rest) > 0 && rest[0] == '[' && isStatus(r.Name) {
		code, text, ok := bytes.Cut(rest[1:], []byte{']'})
		if !ok {
			return Response{}, line.Broken("response code without an end")
		}
		r.Code, rest = string(code), bytes.TrimPrefix(text, []byte{' '})
	}
	r.Text = string(rest)
	return r, nil
}

func isStatus(name string) bool {
	switch name {
	case "OK", "NO", "BAD", "BYE", "PREAUTH":
		return true
	}
	return false
}

// Capabilities returns the list that came with the response, in a code or as
// an untagged response of its own.
func (r Response) Capabilities() (Capabilities, bool) {
	if r.Tag == Untagged && r.Name == "CAPABILITY" {
		return strings.Fields(r.Text), true
	}
	if name, list, _ := strings.Cut(r.Code, " "); strings.EqualFold(name, "CAPABILITY") {
		return strings.Fields(list), true
	}
	return nil, false
}

// Capabilities is what a server says it can do, in its own spelling and order.
type Capabilities []string

// Has says whether name, such as "AUTH=PLAIN", is in the list; letters' case does not count.
func (c Capabilities) Has(name string) bool {
	return slices.ContainsFunc(c, func(have string) bool { return strings.EqualFold(have, name) })
}

// String is the list as it goes over the wire.
func (c Capabilities) String() string { return strings.Join(c, " ") }
