package line

import (
	"bytes"
	"encoding/base64"
)

// Quoted takes a quoted string off the front of b: IMAP's and ManageSieve's
// (RFC 9051, section 4.3; RFC 5804, section 1.2), where a backslash stands
// before a quote or another backslash only. Octets over 127 pass: programs send
// passwords in whatever charset they please. The value is a copy.
func Quoted(b []byte) (value, rest []byte, err error) {
	if len(b) == 0 || b[0] != '"' {
		return nil, b, Syntax("string expected")
	}
	value = make([]byte, 0, min(len(b), 64))
	for i := 1; i < len(b); i++ {
		switch c := b[i]; c {
		case '"':
			return value, b[i+1:], nil
		case '\\':
			if i++; i == len(b) || b[i] != '"' && b[i] != '\\' {
				return nil, b, Syntax("invalid escape in a string")
			}
			value = append(value, b[i])
		default:
			value = append(value, c)
		}
	}
	return nil, b, Syntax("string without an end")
}

// Literal is the head of a literal, which always ends its line.
type Literal struct {
	Size int  // octets; more than any limit if the number is absurd
	Sync bool // the sender waits until it is told to go on
}

// absurd is returned for every number that is longer than maxDigits: no limit allows it.
const (
	absurd    = 1<<31 - 1
	maxDigits = 9
)

// LiteralAt finds the head of a literal at the end of b and says where it
// begins: {n} or {n+} (RFC 7888).
func LiteralAt(b []byte) (lit Literal, at int, ok bool) {
	n := len(b)
	if n < len("{0}") || b[n-1] != '}' {
		return lit, 0, false
	}
	at = bytes.LastIndexByte(b, '{')
	if at < 0 {
		return lit, 0, false
	}
	digits := b[at+1 : n-1]
	lit.Sync = true
	if i := len(digits) - 1; i >= 0 && digits[i] == '+' {
		digits, lit.Sync = digits[:i], false
	}
	if len(digits) == 0 {
		return lit, 0, false
	}
	for _, c := range digits {
		if c < '0' || c > '9' {
			return lit, 0, false
		}
		if lit.Size = lit.Size*10 + int(c-'0'); len(digits) > maxDigits {
			lit.Size = absurd
		}
	}
	return lit, at, true
}

// Forbidden says whether a name or password holds what no backend may be
// given: NUL, CR or LF.
func Forbidden(b []byte) bool { return bytes.ContainsAny(b, "\x00\r\n") }

// Base64 decodes a SASL message. Padding is demanded, as RFC 4954 and 9051 do.
func Base64(b []byte) ([]byte, error) {
	out := make([]byte, base64.StdEncoding.DecodedLen(len(b)))
	n, err := base64.StdEncoding.Decode(out, b)
	if err != nil || bytes.ContainsAny(b, "\r\n") { // the library skips line ends
		clear(out)
		return nil, ErrBase64
	}
	return out[:n], nil
}

// InitialResponse decodes what follows the mechanism on its line, where "="
// stands for an empty response (RFC 4954 section 4, RFC 5034 section 4, RFC 9051
// section 6.2.2).
func InitialResponse(b []byte) ([]byte, error) {
	if len(b) == 1 && b[0] == '=' {
		return []byte{}, nil
	}
	return Base64(b)
}

// maxMechanism is Dovecot's limit; the registry allows 20 (RFC 4422, section 3.1).
const maxMechanism = 64

// Mechanism checks the name of a SASL mechanism and returns it in upper case.
func Mechanism(b []byte) (string, error) {
	if len(b) == 0 || len(b) > maxMechanism {
		return "", Syntax("mechanism expected")
	}
	up := make([]byte, len(b))
	for i, c := range b {
		switch c = Upper(c); {
		case 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '-', c == '_':
			up[i] = c
		default:
			return "", Syntax("invalid mechanism")
		}
	}
	return string(up), nil
}

// Upper is c in upper case if it is an ASCII letter.
func Upper(c byte) byte {
	if 'a' <= c && c <= 'z' {
		c -= 'a' - 'A'
	}
	return c
}

// maxVerb is longer than any command there is (UNAUTHENTICATE has 14 letters).
const maxVerb = 24

// Verb takes the first word off b, in upper case; what follows keeps all but the
// one space between. Letters only: everything that is not a command's name is
// refused here.
func Verb(b []byte) (verb string, rest []byte, err error) {
	word, rest, _ := bytes.Cut(b, []byte{' '})
	if len(word) == 0 || len(word) > maxVerb {
		return "", nil, Syntax("command expected")
	}
	var up [maxVerb]byte
	for i, c := range word {
		if c = Upper(c); c < 'A' || c > 'Z' {
			return "", nil, Syntax("command expected")
		}
		up[i] = c
	}
	return string(up[:len(word)]), rest, nil
}

// Text makes s fit for one line of a reply: printable ASCII, at most max octets.
// Whatever else came in (a line end from a backend, a name) becomes '?'.
func Text(s string, max int) string {
	clean := len(s) <= max
	for i := 0; clean && i < len(s); i++ {
		clean = ' ' <= s[i] && s[i] <= '~'
	}
	if clean {
		return s
	}
	b := []byte(s[:min(len(s), max)])
	for i, c := range b {
		if c < ' ' || c > '~' {
			b[i] = '?'
		}
	}
	return string(b)
}
