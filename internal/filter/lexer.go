package filter

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

type tokenKind uint8

const (
	tokEnd tokenKind = iota
	tokWord
	tokString
	tokMark // one of ( ) [ ] { } , : = !
)

type token struct {
	kind    tokenKind
	text    string // of a string without quotes and escapes
	at, end int    // in the text, in bytes
}

func (t token) is(mark string) bool { return t.kind == tokMark && t.text == mark }

// word says that the token is that word, in any case.
func (t token) word(w string) bool { return t.kind == tokWord && strings.EqualFold(t.text, w) }

const marks = "()[]{},:=!"

type lexer struct {
	text    string
	at, end int
	escape  byte
}

func (l *lexer) next() (token, error) {
	for l.at < l.end {
		r, n := utf8.DecodeRuneInString(l.text[l.at:l.end])
		if !unicode.IsSpace(r) {
			break
		}
		l.at += n
	}
	start := l.at
	if start >= l.end {
		return token{kind: tokEnd, at: start, end: start}, nil
	}
	c := l.text[start]
	if c == '"' || c == '\'' {
		return l.quoted(c)
	}
	if strings.IndexByte(marks, c) >= 0 {
		l.at++
		return token{kind: tokMark, text: l.text[start:l.at], at: start, end: l.at}, nil
	}
	return l.word()
}

// word reads up to a space, quote or mark. A colon ends a name (g:g eq 'x',
// protocol:pop3) but not a time or an IPv6 address, which begin with a digit.
func (l *lexer) word() (token, error) {
	start := l.at
	numeric := l.text[start] >= '0' && l.text[start] <= '9'
	for l.at < l.end {
		r, n := utf8.DecodeRuneInString(l.text[l.at:l.end])
		if r == utf8.RuneError && n == 1 {
			return token{}, &SyntaxError{Text: l.text, Offset: l.at, Message: "this is not UTF-8"}
		}
		if unicode.IsControl(r) && !unicode.IsSpace(r) {
			return token{}, &SyntaxError{Text: l.text, Offset: l.at, Message: "a control character"}
		}
		if unicode.IsSpace(r) || r == '"' || r == '\'' || strings.ContainsRune(marks, r) && (r != ':' || !numeric) {
			break
		}
		l.at += n
	}
	return token{kind: tokWord, text: l.text[start:l.at], at: start, end: l.at}, nil
}

// quoted reads a string. The quote is doubled to stand for itself; in double
// quotes the dialect's escape character makes the next one literal.
func (l *lexer) quoted(quote byte) (token, error) {
	start := l.at
	var b strings.Builder
	for l.at++; l.at < l.end; l.at++ {
		c := l.text[l.at]
		switch {
		case c == quote && l.at+1 < l.end && l.text[l.at+1] == quote:
			l.at++
		case c == quote:
			l.at++
			return token{kind: tokString, text: b.String(), at: start, end: l.at}, nil
		case quote == '"' && l.escape != 0 && c == l.escape && l.at+1 < l.end:
			l.at++
			c = unescape(l.text[l.at])
		}
		b.WriteByte(c)
	}
	return token{}, &SyntaxError{Text: l.text, Offset: start, Message: "the text that starts here has no closing quote"}
}

// unescape is what follows a backquote (PowerShell) or backslash (JSON).
func unescape(c byte) byte {
	switch c {
	case 'n':
		return '\n'
	case 't':
		return '\t'
	}
	return c
}
