// Package pop3 is the POP3 grammar before sign-in: RFC 1939, RFC 2449 (CAPA),
// RFC 5034 (AUTH), RFC 2595 (STLS), and Dovecot's XCLIENT. It reads commands
// from programs, writes replies, and reads what a backend replies. It knows no
// mailbox command; the caller refuses whatever it does not expect.
package pop3

import (
	"bytes"

	"github.com/portreeve/portreeve/internal/wire/line"
)

// Command is one line from a program.
type Command struct {
	Name string // in upper case
	// Arg is everything behind the one space after the name, as sent: a
	// password (PASS) may begin or end with blanks. Good until the next call.
	Arg []byte
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

// Word is the argument without the blanks around it, as USER's is meant.
func (c Command) Word() []byte { return bytes.Trim(c.Arg, " \t") }

// Auth reads AUTH's arguments: the mechanism in upper case, empty if the
// program asks for the list of them, and the initial response, decoded; nil
// means that there was none, so that one has to be asked for.
func (c Command) Auth() (mechanism string, initial []byte, err error) {
	mech, rest, _ := bytes.Cut(c.Word(), []byte{' '})
	if len(mech) == 0 {
		return "", nil, nil
	}
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
// to cancel, or whatever a program thinks right (JavaMail takes an error
// challenge for success and sends STAT). Good until the next call.
func (r *Reader) Response() ([]byte, error) { return r.line.ReadLine(line.MaxSASL) }
