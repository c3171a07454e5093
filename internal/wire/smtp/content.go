package smtp

import (
	"bytes"
	"errors"
	"strings"
)

// ErrDoubtful means that servers differ on whether a message ends here: a dot
// alone between line ends that are not both CR LF. Behind it nobody can tell
// what is mail and what is a command.
var ErrDoubtful = errors.New("a dot alone on a line that is not ended by CR LF")

// Content follows a message's content to its end, a dot alone on a line.
type Content struct{ scan bodyScan }

// NewContent begins behind the CR LF of DATA.
func NewContent() *Content { return &Content{newBodyScan()} }

// Next says how many of the octets that come next belong to the content, the
// end itself included, and whether that is all of it.
func (c *Content) Next(p []byte) (n int, ended bool, err error) {
	n, end := c.scan.scan(p)
	if end == bodyDoubtful {
		return n, false, ErrDoubtful
	}
	return n, end == bodyEnded, nil
}

// Sender is the address in MAIL's argument and the parameters behind it, and ok
// only if it is written so that no server could read another: FROM:<address>,
// without a route and without quotes. The empty address is the null sender.
func Sender(arg []byte) (address, params string, ok bool) {
	rest, found := cutPrefixFold(string(arg), "FROM:")
	if !found {
		return "", "", false
	}
	rest, found = strings.CutPrefix(strings.TrimLeft(rest, " "), "<")
	address, params, closed := strings.Cut(rest, ">")
	if !found || !closed || strings.ContainsAny(address, "\"\\<:,; \t") || strings.HasPrefix(address, "@") {
		return "", "", false
	}
	for _, p := range strings.Fields(params) {
		key, _, _ := strings.Cut(p, "=")
		if key == "" || strings.ContainsFunc(key, func(r rune) bool { return r != '-' && (r < '0' || r > '9') && (r|0x20 < 'a' || r|0x20 > 'z') }) {
			return "", "", false
		}
	}
	return address, params, params == "" || params[0] == ' '
}

func cutPrefixFold(s, prefix string) (string, bool) {
	if len(s) < len(prefix) || !strings.EqualFold(s[:len(prefix)], prefix) {
		return "", false
	}
	return s[len(prefix):], true
}

// Chunk reads BDAT's argument in its strict form: SIZE or SIZE LAST.
func Chunk(arg []byte) (size uint64, last, ok bool) {
	var l commandLine
	if len(arg) > maxArgs {
		return 0, false, false
	}
	l.nargs = copy(l.args[:], arg)
	size, ok = l.chunkSize()
	return size, bytes.IndexByte(arg, ' ') >= 0, ok
}
