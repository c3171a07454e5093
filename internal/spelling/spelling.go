// Package spelling finds the word that was probably meant by a mistyped one, for
// the "did you mean" of errors. It knows no words of its own.
package spelling

import "strings"

// Suggest finds the word that was probably meant, and says whether one is
// near enough to be worth a "did you mean".
func Suggest(typed string, words []string) (string, bool) {
	lower := strings.ToLower(typed)
	best, nearest := "", 1+max(1, len(lower)/3)
	for _, w := range words {
		if d := distance(lower, strings.ToLower(w), nearest); d < nearest {
			best, nearest = w, d
		}
	}
	if best == "" && len(lower) >= 3 {
		for _, w := range words {
			if l := strings.ToLower(w); strings.HasPrefix(l, lower) || strings.HasSuffix(l, lower) || strings.HasPrefix(lower, l) {
				return w, true
			}
		}
	}
	return best, best != ""
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
