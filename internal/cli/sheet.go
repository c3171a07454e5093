package cli

import (
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// sheet prints one thing for people: a label and a value a line, blocks under
// a heading, and small tables aligned by hand, on a terminal and in a pipe alike.
type sheet struct{ w io.Writer }

const labelWidth = 14 // characters; a longer label has its value behind it all the same

// line prints a label and its value, or nothing where there is no value. On a
// terminal a long value goes on below itself.
func (s *sheet) line(label, value string) {
	if value == "" {
		return
	}
	value = printable(value)
	lines := []string{value}
	before := max(labelWidth, utf8.RuneCountInString(label)+len(gap))
	if width, terminal := terminalWidth(s.w); terminal && before+utf8.RuneCountInString(value) > width {
		lines = wrapped(value, width-before)
	}
	for _, value := range lines {
		fmt.Fprintf(s.w, "%-*s%s\n", before, label, value)
		label = ""
	}
}

func (s *sheet) head(title string) { fmt.Fprintf(s.w, "\n%s\n", printable(title)) }

// text prints a paragraph, wrapped and indented.
func (s *sheet) text(paragraph string) {
	for _, line := range wrapped(printable(paragraph), s.width(plainWidth)-len(gap)) {
		fmt.Fprintln(s.w, gap+line)
	}
}

// item prints one of a list. On a terminal a long one goes on below itself,
// deeper; in a pipe it is one line.
func (s *sheet) item(indent, words string) {
	lines := []string{printable(words)}
	if width, terminal := terminalWidth(s.w); terminal {
		deeper := indent + strings.Repeat(gap, 2)
		lines = wrapped(lines[0], width-len(deeper))
		for _, line := range lines {
			fmt.Fprintln(s.w, indent+line)
			indent = deeper
		}
		return
	}
	fmt.Fprintln(s.w, indent+lines[0])
}

// width is the terminal's; without one what suits.
func (s *sheet) width(otherwise int) int {
	if width, terminal := terminalWidth(s.w); terminal {
		return width
	}
	return otherwise
}

// table prints rows in columns as wide as their widest cell; on a terminal no
// wider than that, if it can be.
func (s *sheet) table(indent string, rows [][]string) {
	shown := make([][]string, len(rows))
	for i, r := range rows {
		for _, cell := range r {
			shown[i] = append(shown[i], printable(cell))
		}
	}
	_ = grid(s.w, indent, shown, s.width(0)) // a write error is the reader's going away
}
