package line

import "errors"

// Error is a fault of the one who speaks. It is told in the protocol's words
// and counted; after a fatal one nothing that follows can be read.
type Error struct {
	text  string
	fatal bool
}

func (e *Error) Error() string { return e.text }

// Syntax is a fault after which the next command can be read.
func Syntax(text string) *Error { return &Error{text: text} }

// Broken is a fault after which the connection must be closed.
func Broken(text string) *Error { return &Error{text: text, fatal: true} }

// Faults of every protocol.
var (
	ErrTooLong = Broken("line too long")
	ErrBudget  = Broken("too much said before signing in")
	ErrHTTP    = Broken("this is a mail port")
	ErrNUL     = Syntax("NUL in a line")
	ErrBareCR  = Syntax("CR without LF")
	ErrBareLF  = Syntax("LF without CR")
	ErrBase64  = Syntax("invalid base64")
)

// Fatal says whether nothing more can be read: a broken stream, or an error
// that is not the speaker's grammar at all (the connection itself).
func Fatal(err error) bool {
	var e *Error
	return err != nil && (!errors.As(err, &e) || e.fatal)
}
