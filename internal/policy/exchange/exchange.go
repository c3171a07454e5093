// Package exchange reads and writes the Exchange words for who may use what:
// mailbox switches as Get-CASMailbox | Export-Csv prints them, organisation
// switches, and authentication policies as ConvertTo-Json or Export-Csv do.
//
// A file that is read and written again is the same file, byte for byte; an
// edit changes the cells edited and nothing else. Null (nothing between two
// delimiters) is kept apart from the empty text (""), and a collection that an
// export turned into a type name is unknown, not empty. It decides nothing.
package exchange

import "fmt"

// Error is a fault in a file, with its place as a person counts: from 1.
type Error struct {
	Line    int
	Column  int    // in characters; 0 is the whole line
	Field   string // the column's name, or the JSON member's; empty if none
	Message string
}

func (e *Error) Error() string {
	s := fmt.Sprintf("line %d", e.Line)
	if e.Column > 0 {
		s += fmt.Sprintf(", column %d", e.Column)
	}
	if e.Field != "" {
		s += fmt.Sprintf(" (%s)", e.Field)
	}
	return s + ": " + e.Message
}

// quote shows a cell's text in a message, shortened and without control characters.
func quote(s string) string {
	const most = 40 // characters
	if r := []rune(s); len(r) > most {
		s = string(r[:most]) + "…"
	}
	return fmt.Sprintf("%q", s)
}
