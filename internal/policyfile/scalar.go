package policyfile

import (
	"bytes"
	"regexp"
	"strings"
	"unicode"
)

// plainWord matches texts that mean themselves in YAML, to every reader: they
// begin with a letter (or a slash, or are a path or pattern) and hold nothing
// that has a meaning.
var plainWord = regexp.MustCompile(`^[\pL_/][\pL\pN _./@:+=;()^$*?!%~-]*$`)

// plainNumber matches texts that begin like a number and are none: ids,
// addresses, networks, times, spans.
var plainNumber = regexp.MustCompile(`^([0-9a-f]{8}-[0-9a-f-]{27}|\d+\.\d+\.\d+\.\d+(/\d+)?|[0-9a-f]+(:[0-9a-f]*)*::[0-9a-f:]*[0-9a-f](/\d+)?|[0-9a-f]+(:[0-9a-f]*)*::/\d+|\d{4}-\d\d-\d\d(T\d\d:\d\d:\d\dZ)?|\d+[dhmswy])$`)

// reserved are words that some reader of YAML takes for something else than a text.
var reserved = map[string]bool{"true": true, "false": true, "null": true, "nan": true, "inf": true}

// plain says that a text can stand without quotes; between brackets a comma ends it.
func plain(s string, bracketed bool) bool {
	if !bracketed {
		s = strings.ReplaceAll(s, ",", ";")
	}
	if plainNumber.MatchString(s) {
		return true
	}
	return plainWord.MatchString(s) && !reserved[strings.ToLower(s)] && !strings.Contains(s, ": ") && !strings.HasSuffix(s, ":") &&
		!strings.HasSuffix(s, " ") && !strings.Contains(s, "  ")
}

// quotable says that a text can stand between single quotes, on one line.
func quotable(s string) bool {
	return strings.IndexFunc(s, func(r rune) bool { return !unicode.IsPrint(r) }) < 0
}

// scalar writes a value that holds no others. Cautious is with all quotes.
func scalar(n *Node, cautious, bracketed bool) string {
	switch {
	case n.Kind == Null:
		return "null"
	case n.Kind != String:
		return n.Text
	case plain(n.Text, bracketed) && !cautious:
		return n.Text
	case strings.ContainsAny(n.Text, `\"`) && quotable(n.Text):
		return "'" + strings.ReplaceAll(n.Text, "'", "''") + "'"
	}
	var b bytes.Buffer
	writeText(&b, n.Text)
	return b.String()
}

// key writes a member's name.
func key(name string, cautious bool) string {
	return scalar(&Node{Kind: String, Text: name}, cautious, true)
}

// literal are the lines of a text that reads best as a block, and the block's
// header; none if it cannot be one.
func literal(s string) (header string, lines []string) {
	body := strings.TrimRight(s, "\n")
	if !strings.Contains(body, "\n") || strings.HasPrefix(body, " ") || strings.HasPrefix(body, "\n") || strings.IndexFunc(body, func(r rune) bool {
		return r != '\n' && !unicode.IsPrint(r)
	}) >= 0 {
		return "", nil
	}
	lines = strings.Split(body, "\n")
	for _, l := range lines {
		if strings.HasSuffix(l, " ") || strings.HasPrefix(l, " ") && strings.TrimSpace(l) == "" {
			return "", nil
		}
	}
	switch len(s) - len(body) {
	case 0:
		return "|-", lines
	case 1:
		return "|", lines
	}
	return "", nil
}
