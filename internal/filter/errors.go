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

// nearest finds the candidate that is at most two slips away from the word,
// or begins or ends with it.
func nearest(word string, candidates []string) string {
	const longest = 64 // bytes; nothing here has longer names
	if word == "" || len(word) > longest {
		return ""
	}
	best, bestDistance := "", 3
	if len(word) < 4 {
		bestDistance = 2
	}
	for _, c := range candidates {
		if d := distance(lower(word), lower(c)); d < bestDistance {
			best, bestDistance = c, d
		}
	}
	for _, c := range candidates {
		if best == "" && len(word) >= 3 && (hasPrefixFold(c, word) || hasSuffixFold(c, word)) {
			best = c
		}
	}
	return best
}

// distance is Levenshtein's, with neighbours exchanged counting once.
func distance(a, b string) int {
	rows := [3][]int{make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)}
	older, old, row := rows[0], rows[1], rows[2]
	for j := range old {
		old[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(old[j]+1, row[j-1]+1, old[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], older[j-2]+1)
			}
		}
		older, old, row = old, row, older
	}
	return old[len(b)]
}
