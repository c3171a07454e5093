package smtp

import (
	"bytes"
	"strings"
)

// spoiler is the letter that is put in place of another: none of the words has it.
const spoiler = 'Z'

// dangerous are the words that no position makes harmless.
var dangerous = [...]string{"XCLIENT", "XFORWARD", "STARTTLS"}

// maxWord is the length of the longest of them.
const maxWord = 8

// wordScan finds the dangerous words in a stream and spoils them. A mismatch
// goes back to the beginning: no word begins with an end of its own beginnings.
type wordScan struct{ at [len(dangerous)]uint8 }

func (w *wordScan) spoil(p []byte) {
	for i, c := range p {
		c &^= 0x20 // letters in upper case; nothing but a letter becomes one of these
		for k, word := range dangerous {
			switch {
			case c == word[w.at[k]]:
				w.at[k]++
			case c == word[0]:
				w.at[k] = 1
			default:
				w.at[k] = 0
			}
			if int(w.at[k]) == len(word) {
				p[i] = spoiler
				*w = wordScan{}
				break
			}
		}
	}
}

// commandLine is a command line so far.
type commandLine struct {
	n      int  // octets
	cr     bool // the last of them was CR
	past   bool // the word is complete
	nword  int
	word   [maxWord + 1]byte
	nargs  int
	args   [maxArgs]byte
	excess bool // args did not hold them
}

// maxArgs is enough for BDAT's arguments, the only ones that are read.
const maxArgs = 32

// name is the command's word, empty if it is longer than any we look for.
func (l *commandLine) name() string {
	if l.nword > maxWord {
		return ""
	}
	return string(l.word[:l.nword])
}

// add takes one octet. A blank before a command, a control or an 8-bit character
// in it is spoiled, so that no server's notion of what to skip matters.
func (l *commandLine) add(c *byte) {
	switch {
	case *c == '\r':
		l.cr = true
	case l.past:
		if l.nargs < maxArgs {
			l.args[l.nargs] = *c
			l.nargs++
		} else {
			l.excess = true
		}
	case l.nword > 0 && (*c == ' ' || *c == '\t'):
		l.past = true
		l.excess = *c == '\t' // no strict form
	default:
		l.letter(c)
	}
}

func (l *commandLine) letter(c *byte) {
	up := *c
	if 'a' <= up && up <= 'z' {
		up -= 'a' - 'A'
	}
	if up <= ' ' || up > '~' {
		*c, up = spoiler, spoiler
	}
	if l.nword > maxWord {
		return
	}
	l.word[l.nword] = up
	l.nword++
	switch string(l.word[:min(l.nword, maxWord)]) {
	case "XCLIENT", "XFORWARD", "STARTTLS", "AUTH":
		*c, l.word[l.nword-1] = spoiler, spoiler
	}
}

// maxChunkDigits keeps every server's arithmetic whole.
const maxChunkDigits = 10

// chunkSize reads BDAT's arguments in their strict form: SIZE or SIZE LAST.
func (l *commandLine) chunkSize() (size uint64, ok bool) {
	digits, last, found := strings.Cut(string(l.args[:l.nargs]), " ")
	if l.excess || len(digits) == 0 || len(digits) > maxChunkDigits || found && !strings.EqualFold(last, "LAST") {
		return 0, false
	}
	for _, c := range []byte(digits) {
		if c < '0' || c > '9' {
			return 0, false
		}
		size = size*10 + uint64(c-'0')
	}
	return size, true
}

// bodyScan looks for the end of a message's content: a dot alone between two
// line ends.
type bodyScan struct {
	last [2]byte // the two octets before
	dot  bool    // a line end and a dot have passed,
	crlf bool    // that line end was CR LF,
	crs  int     // and so many CR came behind
}

// newBodyScan begins behind the CR LF of DATA.
func newBodyScan() bodyScan { return bodyScan{last: [2]byte{'\r', '\n'}} }

type bodyEnd uint8

const (
	bodyGoesOn bodyEnd = iota
	bodyEnded
	bodyDoubtful // an end for servers that take a lone CR or LF as a line's end
)

// scan says how many octets it has dealt with: all of them, or up to the end.
func (b *bodyScan) scan(p []byte) (n int, end bodyEnd) {
	for n < len(p) {
		if b.dot {
			end = b.behindDot(p[n])
			n++
			if end != bodyGoesOn {
				return n, end
			}
			continue
		}
		i := bytes.IndexByte(p[n:], '.')
		if i < 0 {
			n = len(p)
			break
		}
		n += i
		if before := b.before(p, n, 1); before == '\n' || before == '\r' {
			b.dot, b.crs = true, 0
			b.crlf = before == '\n' && b.before(p, n, 2) == '\r'
		}
		n++
	}
	b.last = [2]byte{b.before(p, n, 2), b.before(p, n, 1)}
	return n, bodyGoesOn
}

// before is the octet back before p[n], perhaps of an earlier call.
func (b *bodyScan) before(p []byte, n, back int) byte {
	if n >= back {
		return p[n-back]
	}
	return b.last[len(b.last)+n-back]
}

func (b *bodyScan) behindDot(c byte) bodyEnd {
	switch {
	case c == '\r':
		b.crs++
	case c == '\n' && b.crlf && b.crs == 1:
		return bodyEnded
	case c == '\n', b.crs > 0:
		return bodyDoubtful
	default:
		b.dot = false
	}
	return bodyGoesOn
}

// replyScan reads the codes of replies.
type replyScan struct {
	n    int // octets of the line so far, at most 4
	code int
	more bool // a line of a longer reply
}

// scan reads up to the end of a line; code is that of a reply which is complete.
func (r *replyScan) scan(p []byte) (n int, code int, ok bool) {
	for ; n < len(p) && r.n < 4; n++ {
		c := p[n]
		switch {
		case r.n < 3 && '0' <= c && c <= '9':
			r.code = r.code*10 + int(c-'0')
		case r.n == 3 && (c == ' ' || c == '-' || c == '\r'):
			r.more = c == '-'
		case r.n == 3 && c == '\n':
			r.more = false
			return n + 1, r.end(), true
		default:
			return n, 0, false
		}
		r.n++
	}
	if n == len(p) {
		return n, 0, true
	}
	i := bytes.IndexByte(p[n:], '\n')
	if i < 0 {
		return len(p), 0, true
	}
	return n + i + 1, r.end(), true
}

func (r *replyScan) end() (code int) {
	if !r.more {
		code = r.code
	}
	*r = replyScan{}
	return code
}
