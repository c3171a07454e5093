package notify

import (
	"strings"
	"unicode"
)

// Word makes something harmless of what a stranger wrote, to stand inside a
// sentence: one line, no more than most characters, and nothing that a mail
// program would turn into a link or an address.
func Word(s string, most int) string {
	s = cleanLine(s, most)
	var b strings.Builder
	runes := []rune(s)
	for i, r := range runes {
		switch {
		case strings.ContainsRune(`@/\:<>"`, r):
			r = ' '
		case r == '.' && i+1 < len(runes) && unicode.IsLetter(runes[i+1]): // evil.example, but not 1.2
			r = ' '
		}
		b.WriteRune(r)
	}
	return strings.Join(strings.Fields(b.String()), " ")
}

// visible keeps what people can see: no controls, nothing that turns the
// direction of writing, nothing invisible.
func visible(r rune) rune {
	switch {
	case unicode.IsSpace(r):
		return ' '
	case unicode.IsControl(r), unicode.In(r, unicode.Cf, unicode.Co, unicode.Cs, unicode.Zl, unicode.Zp), r == unicode.ReplacementChar:
		return -1
	}
	return r
}

// cleanLine makes one line of at most so many characters.
func cleanLine(s string, most int) string {
	s = strings.Join(strings.Fields(strings.Map(visible, strings.ToValidUTF8(s, ""))), " ")
	if r := []rune(s); len(r) > most {
		s = string(r[:most-1]) + "…"
	}
	return s
}

// cleanText keeps the lines of a text, and of links only those to our own pages.
func cleanText(s, public string) string {
	if len(s) > maxText {
		s = s[:maxText]
	}
	s = strings.ToValidUTF8(strings.ReplaceAll(s, "\r\n", "\n"), "")
	lines := strings.Split(s, "\n")
	for i, l := range lines {
		lines[i] = strings.TrimRight(ownLinks(strings.Map(visible, l), public), " ")
	}
	return strings.Join(lines, "\n")
}

// ownLinks takes the sting out of every link that does not lead to us.
func ownLinks(l, public string) string {
	var b strings.Builder
	for {
		before, after, found := strings.Cut(l, "://")
		if !found {
			b.WriteString(l)
			return b.String()
		}
		start := strings.LastIndexFunc(before, func(r rune) bool { return !unicode.IsLetter(r) }) + 1
		b.WriteString(before)
		if public != "" && isUnder(before[start:]+"://"+after, public) {
			b.WriteString("://")
		} else {
			b.WriteString(" ")
		}
		l = after
	}
}

// isUnder says that an address is a page of ours, and not of a host whose name
// begins like ours.
func isUnder(link, public string) bool {
	rest, ok := strings.CutPrefix(link, strings.TrimSuffix(public, "/"))
	switch {
	case !ok:
		return false
	case rest == "", strings.ContainsRune("/?# ", rune(rest[0])):
		return true
	}
	return strings.ContainsRune(".,;)", rune(rest[0])) && (len(rest) == 1 || rest[1] == ' ') // the end of a sentence
}
