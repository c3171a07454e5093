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

const labelWidth = 14 // characters

// line prints a label and its value, or nothing where there is no value.
func (s *sheet) line(label, value string) {
	if value != "" {
		fmt.Fprintf(s.w, "%-*s%s\n", labelWidth, label, printable(value))
	}
}

func (s *sheet) head(title string) { fmt.Fprintf(s.w, "\n%s\n", printable(title)) }

// text prints a paragraph, wrapped and indented.
func (s *sheet) text(paragraph string) {
	const width = 96 // characters
	line := " "
	for _, word := range strings.Fields(printable(paragraph)) {
		if utf8.RuneCountInString(line)+1+utf8.RuneCountInString(word) > width && line != " " {
			fmt.Fprintln(s.w, line)
			line = " "
		}
		line += " " + word
	}
	fmt.Fprintln(s.w, line)
}

// table prints rows in columns as wide as their widest cell.
func (s *sheet) table(indent string, rows [][]string) {
	var width []int
	for _, r := range rows {
		for i, cell := range r {
			if i == len(width) {
				width = append(width, 0)
			}
			width[i] = max(width[i], utf8.RuneCountInString(printable(cell)))
		}
	}
	for _, r := range rows {
		line := indent
		for i, cell := range r {
			cell = printable(cell)
			line += cell
			if i < len(r)-1 {
				line += strings.Repeat(" ", width[i]-utf8.RuneCountInString(cell)+2)
			}
		}
		fmt.Fprintln(s.w, strings.TrimRight(line, " "))
	}
}
