package imap

import (
	"strconv"
	"strings"

	"github.com/portreeve/portreeve/internal/wire/line"
)

// maxText is the longest text of a reply, in octets; programs cut or hide longer ones.
const maxText = 400

// Untagged is the tag of a reply that answers no command.
const Untagged = "*"

// OK, No, Bad and Bye write a status response: tag, the response code without
// its brackets (empty for none), text. Whatever is not printable ASCII in code
// or text becomes '?', so no name and no backend's words can end the line.
func OK(tag, code, text string) string  { return status(tag, "OK", code, text) }
func No(tag, code, text string) string  { return status(tag, "NO", code, text) }
func Bad(tag, text string) string       { return status(tag, "BAD", "", text) }
func Bye(code, text string) string      { return status(Untagged, "BYE", code, text) }
func Continue(text string) string       { return "+ " + line.Text(text, line.MaxSASL) + "\r\n" }
func Capability(caps ...string) string  { return "* CAPABILITY " + strings.Join(caps, " ") + "\r\n" }
func CapabilityCode(caps string) string { return "CAPABILITY " + caps }

func status(tag, cond, code, text string) string {
	if tag == "" {
		tag = Untagged
	}
	var b strings.Builder
	b.WriteString(tag + " " + cond + " ")
	if code != "" {
		b.WriteString("[" + line.Text(strings.ReplaceAll(code, "]", ""), line.MaxLine) + "] ")
	}
	if text == "" {
		text = "." // text is 1*TEXT-CHAR
	}
	b.WriteString(line.Text(text, maxText) + "\r\n")
	return b.String()
}

// Quote writes s as a quoted string; ok is false if it has to be a literal.
func Quote(s string) (quoted string, ok bool) {
	var b strings.Builder
	b.WriteByte('"')
	for i := range len(s) {
		switch c := s[i]; {
		case c < ' ' || c > '~':
			return "", false
		case c == '"' || c == '\\':
			b.WriteByte('\\')
			fallthrough
		default:
			b.WriteByte(c)
		}
	}
	b.WriteByte('"')
	return b.String(), true
}

// LiteralHead writes the head of a synchronising literal with its line end;
// its octets follow once the server has sent "+".
func LiteralHead(s string) string { return "{" + strconv.Itoa(len(s)) + "}\r\n" }

// IDList writes pairs as the argument of ID; a pair that cannot be quoted is left out.
func IDList(keysAndValues ...string) string {
	var words []string
	for i := 0; i+1 < len(keysAndValues); i += 2 {
		k, ok := Quote(keysAndValues[i])
		v, ok2 := Quote(keysAndValues[i+1])
		if ok && ok2 {
			words = append(words, k, v)
		}
	}
	if words == nil {
		return "NIL"
	}
	return "(" + strings.Join(words, " ") + ")"
}
