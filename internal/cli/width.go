package cli

import (
	"io"
	"os"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"golang.org/x/term"
)

const (
	plainWidth = 96 // characters of a line of prose where nobody knows how wide the page is
	leastWidth = 40 // characters; a terminal that is narrower breaks lines by itself
)

// terminalWidth is how many characters a terminal shows in a line; false where
// there is none, or none that says so.
func terminalWidth(w io.Writer) (width int, terminal bool) {
	f, ok := w.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return 0, false
	}
	width, _, err := term.GetSize(int(f.Fd()))
	if err != nil || width <= 0 {
		return plainWidth, true
	}
	return max(width, leastWidth), true
}

// gap is the space between two columns.
const gap = "  "

// grid aligns rows in columns as wide as their widest cell. Where width is not
// zero and the columns have no room in it, those of several words are broken
// between words; what has no spaces, such as an id, is never broken.
func grid(w io.Writer, indent string, rows [][]string, width int) error {
	wide, word := measure(rows)
	if width > 0 {
		wide = narrow(wide, word, width-len(indent))
	}
	for _, r := range rows {
		cells, lines := make([][]string, len(r)), 1
		for i := range r {
			cells[i] = []string{r[i]}
			if width > 0 && utf8.RuneCountInString(r[i]) > wide[i] {
				cells[i] = wrapped(r[i], wide[i])
			}
			lines = max(lines, len(cells[i]))
		}
		for n := range lines {
			line := indent
			for i := range cells {
				cell := ""
				if n < len(cells[i]) {
					cell = cells[i][n]
				}
				line += cell + strings.Repeat(" ", max(wide[i]-utf8.RuneCountInString(cell), 0)) + gap
			}
			if _, err := io.WriteString(w, strings.TrimRight(line, " ")+"\n"); err != nil {
				return err
			}
		}
	}
	return nil
}

// localTime is a moment as a terminal shows it, which is one word.
var localTime = regexp.MustCompile(`^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d$`)

// measure finds each column's widest cell and longest word, in characters.
func measure(rows [][]string) (wide, word []int) {
	for _, r := range rows {
		for i, cell := range r {
			if i == len(wide) {
				wide, word = append(wide, 0), append(word, 0)
			}
			wide[i] = max(wide[i], utf8.RuneCountInString(cell))
			words := strings.Fields(cell)
			if localTime.MatchString(cell) {
				words = []string{cell}
			}
			for _, one := range words {
				word[i] = max(word[i], utf8.RuneCountInString(one))
			}
		}
	}
	return wide, word
}

// narrow takes from the widest column that can give, until all have room. Where
// they never will, everything stays as wide as it is.
func narrow(wide, word []int, room int) []int {
	whole := slices.Clone(wide)
	const least = 12 // characters: below it a column of prose becomes a ladder
	sum := len(gap) * (len(wide) - 1)
	for _, n := range wide {
		sum += n
	}
	for ; sum > room; sum-- {
		widest := -1
		for i := range wide {
			if wide[i] > max(word[i], least) && (widest < 0 || wide[i] > wide[widest]) {
				widest = i
			}
		}
		if widest < 0 {
			return whole
		}
		wide[widest]--
	}
	return wide
}

// wrapped breaks a text between words into lines of a width; a longer word has
// a line of its own.
func wrapped(text string, width int) (lines []string) {
	line := ""
	for _, word := range strings.Fields(text) {
		switch {
		case line == "":
			line = word
		case utf8.RuneCountInString(line)+1+utf8.RuneCountInString(word) > width:
			lines, line = append(lines, line), word
		default:
			line += " " + word
		}
	}
	return append(lines, line)
}
