// Package sieve is the ManageSieve grammar before sign-in (RFC 5804): reading
// commands from programs, writing replies and capabilities, and reading what a
// backend answers. Its strings are quoted or literal as in IMAP, but a literal
// never waits to be asked for.
package sieve

import (
	"bytes"

	"github.com/portreeve/portreeve/internal/wire/line"
)

// Faults of ManageSieve's own.
var (
	// ErrLiteralSize is a literal over the limit, on its way already: answer BYE and close.
	ErrLiteralSize = line.Broken("literal too big")
	// ErrForbidden is an argument with NUL, CR or LF.
	ErrForbidden = line.Syntax("forbidden character")
)

// Reader reads commands. It is for one goroutine.
type Reader struct {
	line *line.Reader
	rest []byte // the current command's line, from where nothing has been read yet
}

// NewReader reads from l.
func NewReader(l *line.Reader) *Reader { return &Reader{line: l} }

// Next skips what is left of the last command and reads the name of the next,
// in upper case. Its arguments follow on request.
func (r *Reader) Next() (name string, err error) {
	if err := r.skip(); err != nil {
		return "", err
	}
	b, err := r.line.ReadLine(line.MaxSASL)
	r.rest = b // whatever is wrong with the line: if it ends with a literal, that is skipped
	if err != nil {
		return "", err
	}
	name, rest, err := line.Verb(b)
	if err != nil {
		return "", err
	}
	if len(b) > line.MaxLine && name != "AUTHENTICATE" {
		return name, line.ErrTooLong
	}
	r.rest = rest
	return name, nil
}

// skip passes over the rest of a command with all its literals.
func (r *Reader) skip() error {
	for {
		lit, _, ok := line.LiteralAt(r.rest)
		r.rest = nil
		if !ok {
			return nil
		}
		if lit.Size > line.MaxSASL {
			return ErrLiteralSize
		}
		if _, err := r.line.ReadN(lit.Size); err != nil {
			return err
		}
		var err error
		if r.rest, err = r.line.ReadLine(0); line.Fatal(err) {
			return err
		}
	}
}

func (r *Reader) space() {
	for len(r.rest) > 0 && r.rest[0] == ' ' {
		r.rest = r.rest[1:]
	}
}

// String reads one argument of at most max octets: a quoted string, or a
// literal, {n+} or, as older programs write it, {n}. The value is a copy.
func (r *Reader) String(max int) ([]byte, error) {
	r.space()
	var v []byte
	var err error
	if len(r.rest) > 0 && r.rest[0] == '{' {
		v, err = r.literal()
	} else {
		v, r.rest, err = line.Quoted(r.rest)
	}
	switch {
	case err != nil:
		return nil, err
	case len(r.rest) > 0 && r.rest[0] != ' ':
		return nil, line.Syntax("space expected")
	case len(v) > max:
		return nil, line.Syntax("argument too long")
	case line.Forbidden(v):
		return nil, ErrForbidden
	}
	return v, nil
}

func (r *Reader) literal() ([]byte, error) {
	lit, at, ok := line.LiteralAt(r.rest)
	if !ok || at != 0 {
		return nil, line.Syntax("invalid literal")
	}
	if lit.Size > line.MaxSASL {
		return nil, ErrLiteralSize
	}
	b, err := r.line.ReadN(lit.Size)
	if err != nil {
		return nil, err
	}
	v := bytes.Clone(b)
	r.rest, err = r.line.ReadLine(0)
	return v, err
}

// More says whether the command has a further argument.
func (r *Reader) More() bool {
	r.space()
	return len(r.rest) > 0
}

// End says whether the command has no further arguments.
func (r *Reader) End() error {
	if r.More() {
		return line.Syntax("too many arguments")
	}
	return nil
}

// Rest is what is left of the line, as XCLIENT's attributes stand there without
// quotes. Good until the next call.
func (r *Reader) Rest() []byte {
	b := r.rest
	r.rest = nil
	return b
}

// Authenticate reads AUTHENTICATE's arguments: the mechanism in upper case and
// the initial response, decoded; nil means that there was none, so that one has
// to be asked for. An empty string is an empty response, and so is "=", which
// some programs carry over from the other protocols.
func (r *Reader) Authenticate() (mechanism string, initial []byte, err error) {
	mech, err := r.String(line.MaxLine)
	if err != nil {
		return "", nil, err
	}
	if mechanism, err = line.Mechanism(mech); err != nil || !r.More() {
		return mechanism, nil, err
	}
	b, err := r.String(line.MaxSASL)
	if err == nil {
		err = r.End()
	}
	if err != nil {
		return mechanism, nil, err
	}
	initial, err = line.InitialResponse(b)
	return mechanism, initial, err
}

// Response reads what answers a challenge: a string with base64, or "*" to
// cancel, and returns what is in it. Whatever else a program thinks right is
// taken as the one line that it is.
func (r *Reader) Response() ([]byte, error) {
	if err := r.skip(); err != nil {
		return nil, err
	}
	b, err := r.line.ReadLine(line.MaxSASL)
	if err != nil {
		return b, err
	}
	if len(b) == 0 || b[0] != '"' && b[0] != '{' {
		return b, nil
	}
	r.rest = b
	v, err := r.String(line.MaxSASL)
	if err == nil {
		err = r.End()
	}
	return v, err
}
