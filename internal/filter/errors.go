package filter

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// SyntaxError says what is wrong with a filter and where.
type SyntaxError struct {
	Text    string // the whole filter
	Offset  int    // in bytes
	Message string
	// Suggestion is a name or word that was probably meant, empty if none is near.
	Suggestion string
}

func (e *SyntaxError) Error() string {
	s := fmt.Sprintf("filter, character %d: %s", e.Character(), e.Message)
	if e.Suggestion != "" {
		s += "; did you mean " + e.Suggestion + "?"
	}
	return s
}

// Character is the place in characters, counted from 1.
func (e *SyntaxError) Character() int { return utf8.RuneCountInString(e.before()) + 1 }

func (e *SyntaxError) before() string { return e.Text[:min(max(e.Offset, 0), len(e.Text))] }

// caretReach is how much of a long filter Caret shows on each side, in characters.
const caretReach = 60

// Caret is the part of the filter round the fault, and below it a caret.
func (e *SyntaxError) Caret() string {
	before, after := []rune(printable(e.before())), []rune(printable(e.Text[len(e.before()):]))
	dots := ""
	if len(before) > caretReach {
		before, dots = before[len(before)-caretReach:], "…"
	}
	tail := ""
	if len(after) > caretReach {
		after, tail = after[:caretReach], "…"
	}
	indent := strings.Repeat(" ", utf8.RuneCountInString(dots)+len(before))
	return dots + string(before) + string(after) + tail + "\n" + indent + "^"
}

// printable keeps line breaks, control and direction characters away from the terminal.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsSpace(r) {
			return ' '
		}
		if !unicode.IsPrint(r) {
			return '·'
		}
		return r
	}, s)
}
