// Package spelling finds the word that was probably meant by a mistyped one, for
// the "did you mean" of errors. It knows no words of its own.
package spelling

import "strings"

// Suggest finds the word that was probably meant, and says whether one is
// near enough to be worth a "did you mean". Of addresses, both sides of the @
// must be near: a long domain that they share makes no two names alike.
func Suggest(typed string, words []string) (string, bool) {
	lower := strings.ToLower(typed)
	best, nearest := "", len(lower)+1
	for _, w := range words {
		if d, ok := apart(lower, strings.ToLower(w)); ok && d < nearest {
			best, nearest = w, d
		}
	}
	if best == "" {
		for _, w := range words {
			if partOf(lower, strings.ToLower(w)) {
				return w, true
			}
		}
	}
	return best, best != ""
}

// slips are how many letters of a word may be wrong: people mistype one letter
// of a short word, and more than three of none.
func slips(word string) int {
	switch n := len(word); {
	case n < 3:
		return 0
	case n < 6:
		return 1
	case n < 12:
		return 2
	}
	return 3
}

// apart is how far two words are from each other, if that is near.
func apart(typed, word string) (int, bool) {
	local, domain, isAddress := strings.Cut(typed, "@")
	wordLocal, wordDomain, both := strings.Cut(word, "@")
	if !isAddress || !both {
		d := distance(typed, word, slips(typed)+1)
		return d, d <= slips(typed)
	}
	l, d := distance(local, wordLocal, slips(local)+1), distance(domain, wordDomain, slips(domain)+1)
	return l + d, l <= slips(local) && d <= slips(domain)
}

// partOf says that a word begins or ends with what was typed, or the other way
// round, and that both are long enough for this to be no accident.
func partOf(typed, word string) bool {
	const least = 3 // letters
	short, long := typed, word
	if len(short) > len(long) {
		short, long = long, short
	}
	return len(short) >= least && (strings.HasPrefix(long, short) || len(short) == len(typed) && strings.HasSuffix(long, short)) &&
		(len(short) == len(typed) || 2*len(short) >= len(long))
}

// Nearest is Suggest for who takes an empty word for none.
func Nearest(typed string, words []string) string {
	w, _ := Suggest(typed, words)
	return w
}

// DidYouMean is Suggest as the end of a sentence; empty if nothing is near.
func DidYouMean(typed string, words []string) string {
	if w, ok := Suggest(typed, words); ok {
		return "; did you mean " + w + "?"
	}
	return ""
}

// distance counts the letters to add, take away, change or swap with their
// neighbour (optimal string alignment), giving up at limit.
func distance(a, b string, limit int) int {
	if len(a)-len(b) >= limit || len(b)-len(a) >= limit || len(a) > 100 {
		return limit
	}
	before, last, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(last[j]+1, row[j-1]+1, last[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last, row = last, row, before
	}
	return last[len(b)]
}
