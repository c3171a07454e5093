// Package smtp is the submission grammar before sign-in: RFC 5321, RFC 4954
// (AUTH), RFC 3207 (STARTTLS), and Postfix's XCLIENT. It reads commands from
// programs (Reader), writes and reads replies (reply.go), and keeps XCLIENT out
// of what a signed-in program sends (CommandFilter).
package smtp

import (
	"bytes"

	"github.com/portreeve/portreeve/internal/wire/line"
)

// Command is one line from a program.
type Command struct {
	Name string // in upper case
	Arg  []byte // everything behind the one space after the name; good until the next call
}

// Reader reads commands. It is for one goroutine.
type Reader struct{ line *line.Reader }

// NewReader reads from l.
func NewReader(l *line.Reader) *Reader { return &Reader{l} }

// Next reads the next command.
func (r *Reader) Next() (Command, error) {
	b, err := r.line.ReadLine(line.MaxSASL)
	if err != nil {
		return Command{}, err
	}
	name, arg, err := line.Verb(b)
	if err != nil {
		return Command{}, err
	}
	if len(b) > line.MaxLine && name != "AUTH" {
		return Command{}, line.ErrTooLong
	}
	return Command{Name: name, Arg: arg}, nil
}

// Mail says whether the command would carry mail, which nobody may before
// signing in: 530 5.7.0. After BDAT its chunk follows unasked, so that one ends
// the connection.
func (c Command) Mail() bool {
	switch c.Name {
	case "MAIL", "RCPT", "DATA", "BDAT", "SEND", "SOML", "SAML", "BURL", "ETRN", "TURN", "ATRN":
		return true
	}
	return false
}

// maxHello is the longest name of EHLO: a domain (RFC 5321, section 4.5.3.1.2).
const maxHello = 255

// Hello is the name behind EHLO, HELO or LHLO, fit to be logged and passed on;
// programs send all sorts of names, so its form is not judged.
func (c Command) Hello() (string, error) {
	name := bytes.Trim(c.Arg, " \t")
	if len(name) == 0 || len(name) > maxHello {
		return "", line.Syntax("name expected")
	}
	return line.Text(string(name), maxHello), nil
}

// Auth reads AUTH's arguments: the mechanism in upper case and the initial
// response, decoded; nil means that there was none, so that one has to be asked
// for.
func (c Command) Auth() (mechanism string, initial []byte, err error) {
	mech, rest, _ := bytes.Cut(bytes.Trim(c.Arg, " "), []byte{' '})
	if mechanism, err = line.Mechanism(mech); err != nil {
		return "", nil, err
	}
	if rest = bytes.Trim(rest, " "); len(rest) == 0 {
		return mechanism, nil, nil
	}
	initial, err = line.InitialResponse(rest)
	return mechanism, initial, err
}

// Response reads the one line that answers a challenge, as it is: base64, "*"
// to cancel, or whatever a program thinks right. Good until the next call.
func (r *Reader) Response() ([]byte, error) { return r.line.ReadLine(line.MaxSASL) }
