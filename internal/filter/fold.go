package filter

import (
	"cmp"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Comparisons ignore case as all these languages do, rune by rune and without
// allocating: they run on the path of a sign-in.

func lower(s string) string { return strings.ToLower(s) }

func fold(r rune) rune {
	if r < utf8.RuneSelf {
		if 'A' <= r && r <= 'Z' {
			r += 'a' - 'A'
		}
		return r
	}
	return unicode.ToLower(unicode.ToUpper(r))
}

// cutFold takes prefix from the front of s, if it is there in any case.
func cutFold(s, prefix string) (rest string, found bool) {
	for prefix != "" {
		if s == "" {
			return s, false
		}
		p, pn := utf8.DecodeRuneInString(prefix)
		r, rn := utf8.DecodeRuneInString(s)
		if fold(p) != fold(r) {
			return s, false
		}
		prefix, s = prefix[pn:], s[rn:]
	}
	return s, true
}

func hasPrefixFold(s, prefix string) bool {
	_, ok := cutFold(s, prefix)
	return ok
}

func hasSuffixFold(s, suffix string) bool {
	for suffix != "" {
		if s == "" {
			return false
		}
		p, pn := utf8.DecodeLastRuneInString(suffix)
		r, rn := utf8.DecodeLastRuneInString(s)
		if fold(p) != fold(r) {
			return false
		}
		suffix, s = suffix[:len(suffix)-pn], s[:len(s)-rn]
	}
	return true
}

func containsFold(s, part string) bool {
	for {
		if hasPrefixFold(s, part) {
			return true
		}
		if s == "" {
			return false
		}
		_, n := utf8.DecodeRuneInString(s)
		s = s[n:]
	}
}

func compareFold(a, b string) int {
	for a != "" && b != "" {
		x, xn := utf8.DecodeRuneInString(a)
		y, yn := utf8.DecodeRuneInString(b)
		if c := cmp.Compare(fold(x), fold(y)); c != 0 {
			return c
		}
		a, b = a[xn:], b[yn:]
	}
	return cmp.Compare(len(a), len(b))
}

// like matches * (any run) and ? (any one character). It goes back to the last
// star only, so it takes at most len(s) × len(pattern) steps.
func like(s, pattern string) bool {
	starPattern, starText, starred := "", "", false
	for {
		p, pn := utf8.DecodeRuneInString(pattern)
		r, rn := utf8.DecodeRuneInString(s)
		switch {
		case pn > 0 && p == '*':
			starred, starPattern, starText = true, pattern[pn:], s
			pattern = starPattern
		case pn == 0 && rn == 0:
			return true
		case pn > 0 && rn > 0 && (p == '?' || fold(p) == fold(r)):
			pattern, s = pattern[pn:], s[rn:]
		case starred && starText != "":
			_, n := utf8.DecodeRuneInString(starText)
			starText = starText[n:]
			pattern, s = starPattern, starText
		default:
			return false
		}
	}
}
