package policyfile

import (
	"bytes"
	"fmt"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Fault is something wrong at a place in a file.
type Fault struct {
	File    string
	Pos     Pos
	Pointer string // of the value, if known
	Message string
	excerpt string
}

// Error is the fault with four source lines and a caret.
func (f *Fault) Error() string { return f.Brief() + "\n" + f.excerpt }

// Brief is the fault in one line, for logs.
func (f *Fault) Brief() string {
	return f.Place() + ": " + f.Message
}

// Place is where it is: file, line and column.
func (f *Fault) Place() string { return fmt.Sprintf("%s:%d:%d", f.File, f.Pos.Line, f.Pos.Column) }

const (
	excerptLines = 4
	excerptWidth = 120 // characters of a line that are shown
)

func (s *source) fault(pos Pos, pointer, message string) *Fault {
	pos.Line, pos.Column = max(pos.Line, 1), max(pos.Column, 1)
	return &Fault{File: s.name, Pos: pos, Pointer: pointer, Message: message, excerpt: s.excerpt(pos)}
}

// at turns an offset into a place.
func (s *source) at(offset int) Pos {
	before := s.text[:min(max(offset, 0), len(s.text))]
	line := bytes.Count(before, []byte("\n")) + 1
	start := bytes.LastIndexByte(before, '\n') + 1
	return Pos{line, utf8.RuneCount(before[start:]) + 1}
}

// excerpt shows the line with its caret among its neighbours.
func (s *source) excerpt(pos Pos) string {
	first := max(pos.Line-2, 1)
	lines := s.lines(first)
	if missing := excerptLines - len(lines); missing > 0 && first > 1 {
		first = max(first-missing, 1)
		lines = s.lines(first)
	}
	var b strings.Builder
	for i, raw := range lines {
		number := first + i
		shown, caret := raw, -1
		if number == pos.Line {
			shown, caret = window(raw, pos.Column-1)
		} else {
			shown, _ = window(raw, 0)
		}
		fmt.Fprintf(&b, "%5d | %s\n", number, shown)
		if caret >= 0 {
			fmt.Fprintf(&b, "      | %s^\n", blank(shown, caret))
		}
	}
	return strings.TrimRight(b.String(), "\n")
}

// lines gives the lines of an excerpt from the first on, secrets hidden.
func (s *source) lines(first int) (lines []string) {
	rest := s.text
	for number := 1; len(rest) > 0 && number < first+excerptLines; number++ {
		line, after, _ := bytes.Cut(rest, []byte("\n"))
		if number >= first {
			lines = append(lines, s.redact(string(bytes.TrimRight(line, "\r"))))
		}
		rest = after
	}
	return lines
}

// secretLine matches a literal behind a key that mostly holds a secret: a
// fault's excerpt goes to terminals and logs, and in a text that is no YAML
// nobody can tell secrets apart.
var secretLine = regexp.MustCompile(`(?i)((?:^|[\s{,"'-])(?:[\w-]*(?:password|passphrase|secret|nonce|api_key|master_key|token))["']?\s*:\s*)([^\s{\[#][^#]*)`)

// secretFlow matches what stands in braces or brackets behind such a key. It is
// shown where it says where the secret is, and nowhere else.
var (
	secretFlow  = regexp.MustCompile(`(?i)(?:^|[\s{,"'-])[\w-]*(?:password|passphrase|secret|api_key|master_key)["']?\s*:\s*([{\[])`)
	secretPlace = regexp.MustCompile(`^\{\s*["']?(?:file|env|credential)["']?\s*:[^,{}\[\]]*\}`)
)

const redacted = "[redacted]"

func (s *source) redact(line string) string {
	for _, h := range s.hidden {
		line = strings.ReplaceAll(line, h, redacted)
	}
	for _, at := range secretFlow.FindAllStringSubmatchIndex(line, -1) {
		if value := at[2]; !secretPlace.MatchString(line[value:]) {
			line = line[:value] + redacted
			break
		}
	}
	return secretLine.ReplaceAllStringFunc(line, func(found string) string {
		part := secretLine.FindStringSubmatch(found)
		if strings.Contains(strings.ToLower(part[1]), "token") && spell.MatchString(part[2]) {
			return found
		}
		return part[1] + redacted
	})
}

// spell is a length of time or a yes or no, which is no token (access_token: 10m,
// token_as_password: true).
var spell = regexp.MustCompile(`^(?:[0-9]{1,6}(?:\.[0-9]{1,3})?(?:ms|s|m|h|d)|true|false)[\s,}]*$`)

// window cuts a long line to what stands around a column and gives the
// column's place in it.
func window(line string, column int) (string, int) {
	r := []rune(strings.Map(func(r rune) rune {
		if r == '\t' || unicode.IsPrint(r) {
			return r
		}
		return unicode.ReplacementChar
	}, line))
	column = min(column, len(r))
	from := 0
	if column >= excerptWidth {
		from = column - excerptWidth/2
	}
	to := min(len(r), from+excerptWidth)
	shown := string(r[from:to])
	if from > 0 {
		shown = "…" + shown
		from--
	}
	if to < len(r) {
		shown += "…"
	}
	return shown, column - from
}

// blank is the space before a caret; tabs stay tabs, so that it stands under its word.
func blank(line string, n int) string {
	var b strings.Builder
	for _, r := range line {
		if n == 0 {
			break
		}
		n--
		if r != '\t' {
			r = ' '
		}
		b.WriteRune(r)
	}
	b.WriteString(strings.Repeat(" ", max(n, 0)))
	return b.String()
}
