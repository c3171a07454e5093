// Package imap is the IMAP grammar before sign-in (RFC 9051, RFC 3501): reading
// commands from programs (Reader), answering them (reply.go), reading what a
// backend answers (response.go), and recognising an ID command in bytes that
// pass by after sign-in (PeekID).
//
// A command is read in two steps. Next returns tag and name after the first
// line only, so that a caller who wants no password on this connection refuses
// before any literal or continuation has been asked for. The arguments follow
// on request. What a command left unread, literals included, Next skips.
package imap

import (
	"bytes"
	"strings"

	"github.com/portreeve/portreeve/internal/wire/line"
)

const (
	maxTag = 128 // octets; no limit in the RFC, programs use fewer than ten

	// MaxLiteral is the longest literal taken before sign-in, in octets: a name
	// or a password, held to what a line may hold.
	MaxLiteral = line.MaxLine
)

// Faults of IMAP's own.
var (
	// ErrLiteralSize is a literal over the limit that was not asked for: answer NO or BAD, nothing follows.
	ErrLiteralSize = line.Syntax("literal too big")
	// ErrLiteralForced is a literal over the limit that is already on its way: answer BYE and close.
	ErrLiteralForced = line.Broken("literal too big")
	// ErrForbidden is a name or password with NUL, CR or LF.
	ErrForbidden = line.Syntax("forbidden character")
)

// Command is the beginning of a command.
type Command struct {
	Tag  string // empty if what was read had no valid one: answer with "*"
	Name string // in upper case
}

// Reader reads commands. It is for one goroutine.
type Reader struct {
	line *line.Reader
	cont func() error // tells the program to send its literal
	rest []byte       // the current command's line, from where nothing has been read yet
}

// NewReader reads from l. cont writes a continuation request; it is called only
// for a synchronising literal within the limit, and only from Astring and ID.
func NewReader(l *line.Reader, cont func() error) *Reader {
	return &Reader{line: l, cont: cont}
}

// Next skips what is left of the last command and reads the first line of the
// next. With an error that is not fatal the tag is filled in if there was one.
func (r *Reader) Next() (Command, error) {
	if err := r.skip(); err != nil {
		return Command{}, err
	}
	b, err := r.line.ReadLine(line.MaxSASL)
	r.rest = b // whatever is wrong with the line: if it ends with a literal, that is skipped
	if err != nil {
		return Command{}, err
	}
	tag, after, ok := cutTag(b)
	if !ok {
		return Command{}, line.Syntax("invalid tag")
	}
	name, rest, err := line.Verb(after)
	if err != nil {
		return Command{Tag: tag}, err
	}
	if len(b) > line.MaxLine && name != "AUTHENTICATE" {
		return Command{Tag: tag}, line.ErrTooLong
	}
	r.rest = rest
	return Command{Tag: tag, Name: name}, nil
}

// cutTag takes a tag off b: 1*<any ASTRING-CHAR except "+">.
func cutTag(b []byte) (tag string, rest []byte, ok bool) {
	word, rest, _ := bytes.Cut(b, []byte{' '})
	if len(word) == 0 || len(word) > maxTag {
		return "", nil, false
	}
	for _, c := range word {
		if c <= ' ' || c > '~' || strings.IndexByte(`(){%*"\+`, c) >= 0 {
			return "", nil, false
		}
	}
	return string(word), rest, true
}

// skip passes over the rest of a command. A synchronising literal was never
// asked for, so nothing of it comes; any other is on its way.
func (r *Reader) skip() error {
	for {
		lit, _, ok := line.LiteralAt(r.rest)
		r.rest = nil
		if !ok || lit.Sync {
			return nil
		}
		if lit.Size > MaxLiteral {
			return ErrLiteralForced
		}
		_, err := r.line.ReadN(lit.Size)
		if err != nil {
			return err
		}
		if r.rest, err = r.line.ReadLine(0); line.Fatal(err) {
			return err
		}
	}
}

// Astring reads one argument: an atom, a quoted string or a literal of at most
// max octets. Octets over 127 are taken in strings and literals, where programs
// put passwords of any charset, and in no atom. The value is a copy.
func (r *Reader) Astring(max int) ([]byte, error) {
	r.space()
	v, err := r.astring(max)
	if err != nil {
		return nil, err
	}
	if len(v) > max {
		return nil, line.Syntax("argument too long")
	}
	if line.Forbidden(v) {
		return nil, ErrForbidden
	}
	return v, nil
}

func (r *Reader) space() {
	for len(r.rest) > 0 && r.rest[0] == ' ' {
		r.rest = r.rest[1:]
	}
}

func (r *Reader) astring(max int) ([]byte, error) {
	if len(r.rest) == 0 {
		return nil, line.Syntax("argument missing")
	}
	switch r.rest[0] {
	case '"':
		v, rest, err := line.Quoted(r.rest)
		if err != nil {
			return nil, err
		}
		if len(rest) > 0 && rest[0] != ' ' && rest[0] != ')' {
			return nil, line.Syntax("space expected")
		}
		r.rest = rest
		return v, nil
	case '{':
		return r.literal(max)
	}
	return r.atom()
}

// atom is wider than the RFC's: '%', '*', ']' and '\' stand in names that people
// type unquoted (user*master), and in passwords of careless scripts.
func (r *Reader) atom() ([]byte, error) {
	n := 0
	for ; n < len(r.rest); n++ {
		if c := r.rest[n]; c <= ' ' || c > '~' || c == '(' || c == ')' || c == '{' || c == '"' {
			break
		}
	}
	if n == 0 || n < len(r.rest) && r.rest[n] != ' ' && r.rest[n] != ')' {
		return nil, line.Syntax("invalid atom")
	}
	v := bytes.Clone(r.rest[:n])
	r.rest = r.rest[n:]
	return v, nil
}

// literal reads a literal's octets and the line that goes on behind it.
func (r *Reader) literal(max int) ([]byte, error) {
	lit, at, ok := line.LiteralAt(r.rest)
	if !ok || at != 0 {
		return nil, line.Syntax("invalid literal")
	}
	switch tooBig := lit.Size > min(max, MaxLiteral); {
	case lit.Sync && tooBig:
		r.rest = nil
		return nil, ErrLiteralSize
	case tooBig && lit.Size > MaxLiteral:
		return nil, ErrLiteralForced
	case tooBig: // on its way, and Next will skip it
		return nil, ErrLiteralSize
	case lit.Sync:
		r.rest = nil
		if err := r.cont(); err != nil {
			return nil, err
		}
	}
	b, err := r.line.ReadN(lit.Size)
	if err != nil {
		return nil, err
	}
	v := bytes.Clone(b)
	if r.rest, err = r.line.ReadLine(0); err != nil {
		return nil, err
	}
	if len(r.rest) > 0 && r.rest[0] != ' ' && r.rest[0] != ')' {
		return nil, line.Syntax("space expected")
	}
	return v, nil
}

// End says whether the command has no further arguments.
func (r *Reader) End() error {
	r.space()
	if len(r.rest) > 0 {
		return line.Syntax("too many arguments")
	}
	return nil
}

// Authenticate reads AUTHENTICATE's arguments: the mechanism in upper case and
// the initial response (RFC 4959), decoded; nil means that there was none, so
// that one has to be asked for.
func (r *Reader) Authenticate() (mechanism string, initial []byte, err error) {
	r.space()
	mech, rest, found := bytes.Cut(r.rest, []byte{' '})
	r.rest = rest
	if mechanism, err = line.Mechanism(mech); err != nil {
		return "", nil, err
	}
	if r.space(); !found || len(r.rest) == 0 {
		return mechanism, nil, nil
	}
	initial, err = line.InitialResponse(r.rest)
	r.rest = nil
	return mechanism, initial, err
}

// Response reads the one line that answers a continuation request, as it is: a
// base64 response, "*" to cancel, or, after an error challenge, whatever the
// program thinks right (Thunderbird sends its whole AUTHENTICATE line again,
// neomutt the octet 1). The slice is good until the next call.
func (r *Reader) Response() ([]byte, error) {
	r.rest = nil
	return r.line.ReadLine(line.MaxSASL)
}
