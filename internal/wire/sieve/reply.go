package sieve

import (
	"bytes"
	"strconv"
	"strings"

	"github.com/portreeve/portreeve/internal/wire/line"
)

const (
	maxText   = 400  // octets of a text for people
	maxQuoted = 1024 // octets of a quoted string; RFC 5804, section 1.2
)

// OK, No and Bye write a reply: the response code without its parentheses
// (empty for none; Code writes one with an argument) and a text. What is not
// printable ASCII in them becomes '?'.
func OK(code, text string) string  { return status("OK", code, text) }
func No(code, text string) string  { return status("NO", code, text) }
func Bye(code, text string) string { return status("BYE", code, text) }

func status(word, code, text string) string {
	if code != "" {
		word += " (" + line.Text(code, line.MaxSASL) + ")"
	}
	if text != "" {
		word += " " + String(line.Text(text, maxText))
	}
	return word + "\r\n"
}

// Code writes a response code with an argument, such as NOOP's TAG.
func Code(name, argument string) string {
	return name + " " + String(line.Text(argument, maxQuoted))
}

// Challenge writes a server's challenge, given in base64.
func Challenge(base64 string) string { return String(base64) + "\r\n" }

// String writes a string: quoted where it fits, otherwise as a literal from a
// server.
func String(s string) string {
	if len(s) > maxQuoted || strings.ContainsAny(s, "\x00\r\n") {
		return "{" + strconv.Itoa(len(s)) + "}\r\n" + s
	}
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"`
}

// ClientString writes a string as a client does, whose literals are {n+}.
func ClientString(s string) string {
	if q := String(s); q[0] == '"' {
		return q
	}
	return "{" + strconv.Itoa(len(s)) + "+}\r\n" + s
}

// Capability is one line of a server's list.
type Capability struct {
	Name     string
	Value    string
	HasValue bool // STARTTLS has none, SASL may have an empty one
}

// Capabilities writes a list, without the OK behind it.
func Capabilities(list ...Capability) string {
	var b strings.Builder
	for _, c := range list {
		b.WriteString(String(c.Name))
		if c.HasValue {
			b.WriteString(" " + String(c.Value))
		}
		b.WriteString("\r\n")
	}
	return b.String()
}

// Response is what a backend answers.
type Response struct {
	Status string   // OK, NO or BYE; empty for a line of strings: a capability or a challenge
	Code   string   // in upper case, without parentheses
	Arg    string   // the code's argument
	Text   string   // for people; never for the client
	Words  []string // the strings of a line without a status
}

// maxWords is how many strings a line of a backend's may have before sign-in.
const maxWords = 4

// ReadResponse reads one response or one line of strings. Anything else breaks
// the connection.
func ReadResponse(l *line.Reader) (Response, error) {
	b, err := l.ReadLine(line.MaxSASL)
	if err != nil {
		return Response{}, err
	}
	r := Reader{line: l, rest: b}
	if len(b) > 0 && (b[0] == '"' || b[0] == '{') {
		words, err := r.strings(nil)
		return Response{Words: words}, broken(err)
	}
	word, rest, _ := bytes.Cut(b, []byte{' '})
	out := Response{Status: strings.ToUpper(string(word))}
	if out.Status != "OK" && out.Status != "NO" && out.Status != "BYE" {
		return Response{}, line.Broken("not a ManageSieve response")
	}
	r.rest = rest
	if err := r.code(&out); err != nil {
		return Response{}, broken(err)
	}
	if r.More() {
		words, err := r.strings(nil)
		if err != nil {
			return Response{}, broken(err)
		}
		out.Text = words[0]
	}
	return out, nil
}

// broken makes every fault of a server's grammar fatal.
func broken(err error) error {
	if err != nil && !line.Fatal(err) {
		return line.Broken("ManageSieve response: " + err.Error())
	}
	return err
}

// strings reads the strings up to the line's end. A text may hold line ends.
func (r *Reader) strings(words []string) ([]string, error) {
	for r.More() {
		if len(words) == maxWords {
			return nil, line.Syntax("too many strings")
		}
		v, err := r.anyString()
		if err != nil {
			return nil, err
		}
		words = append(words, string(v))
	}
	return words, nil
}

func (r *Reader) anyString() (v []byte, err error) {
	if r.rest[0] == '{' {
		return r.literal()
	}
	v, r.rest, err = line.Quoted(r.rest)
	return v, err
}

// code reads a response code: (NAME) or (NAME "argument").
func (r *Reader) code(out *Response) error {
	if r.space(); len(r.rest) == 0 || r.rest[0] != '(' {
		return nil
	}
	n := bytes.IndexAny(r.rest, " )")
	if n < 0 {
		return line.Syntax("response code without an end")
	}
	out.Code = strings.ToUpper(string(r.rest[1:n]))
	r.rest = r.rest[n:]
	if r.space(); len(r.rest) > 0 && r.rest[0] != ')' {
		v, err := r.anyString()
		if err != nil {
			return err
		}
		out.Arg = string(v)
		r.space()
	}
	if len(r.rest) == 0 || r.rest[0] != ')' {
		return line.Syntax("response code without an end")
	}
	r.rest = r.rest[1:]
	return nil
}

// maxCapabilities is over what any server lists; Dovecot lists eight.
const maxCapabilities = 64

// ReadCapabilities reads a list up to the response behind it, which it returns.
func ReadCapabilities(l *line.Reader) ([]Capability, Response, error) {
	var list []Capability
	for range maxCapabilities {
		r, err := ReadResponse(l)
		if err != nil || r.Status != "" {
			return list, r, err
		}
		c := Capability{Name: strings.ToUpper(r.Words[0]), HasValue: len(r.Words) > 1}
		if c.HasValue {
			c.Value = r.Words[1]
		}
		list = append(list, c)
	}
	return nil, Response{}, line.Broken("capabilities without an end")
}

// Find returns the value of a capability.
func Find(list []Capability, name string) (value string, ok bool) {
	for _, c := range list {
		if strings.EqualFold(c.Name, name) {
			return c.Value, true
		}
	}
	return "", false
}
