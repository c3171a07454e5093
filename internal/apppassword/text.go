package apppassword

import (
	"crypto/rand"
	"strings"
)

// The text of an app password is 32 letters and digits of Crockford's base32:
// the mark, the id under which it is found, 120 random bits, and two characters
// that prove it was typed right. Any case will do, and blanks and hyphens
// between; O is read as 0, I and L as 1. Many a printer takes no more than 32
// characters, and nothing but letters and digits.
const (
	alphabet  = "0123456789abcdefghjkmnpqrstvwxyz"
	mark      = "pr"
	idLen     = 4  // a million of them; those taken are tried again
	secretLen = 24 // 120 bits
	sumLen    = 2
	textLen   = len(mark) + idLen + secretLen + sumLen
	groupLen  = 4 // characters shown together
	maxTyped  = 2 * textLen
)

// clear text in its normal form: small letters, no separators.
type plain [textLen]byte

func (p *plain) id() string     { return string(p[len(mark) : len(mark)+idLen]) }
func (p *plain) secret() []byte { return p[len(mark)+idLen : textLen-sumLen] }

// Form says that a secret has the form of our app passwords. It looks nothing
// up: the mark, the length and the two check characters tell.
func Form(secret []byte) bool {
	p, ok := read(secret)
	clear(p[:])
	return ok
}

// value is what a character stands for, or -1.
var value = func() (v [256]int8) {
	for i := range v {
		v[i] = -1
	}
	for i, c := range []byte(alphabet) {
		v[c] = int8(i)
		if 'a' <= c {
			v[c-'a'+'A'] = int8(i)
		}
	}
	v['o'], v['O'] = 0, 0
	v['i'], v['I'], v['l'], v['L'] = 1, 1, 1, 1
	return v
}()

// read brings what was typed into normal form.
func read(typed []byte) (p plain, ok bool) {
	if len(typed) > maxTyped {
		return p, false
	}
	n := 0
	for _, c := range typed {
		switch {
		case c == ' ' || c == '-':
			continue
		case value[c] < 0 || n == textLen:
			return p, false
		}
		p[n] = alphabet[value[c]]
		n++
	}
	if n != textLen || string(p[:len(mark)]) != mark {
		return p, false
	}
	sum, weighed := sums(p[len(mark):])
	return p, sum == 0 && weighed == 0
}

// sums are the two checks over GF(32) (the polynomial x⁵+x²+1): the plain sum,
// and the sum weighed by place. Both are 0 in a right text, and in none with one
// or two wrong characters or two that changed places.
func sums(chars []byte) (sum, weighed int8) {
	for _, c := range chars {
		v := value[c]
		sum ^= v
		if weighed <<= 1; weighed&32 != 0 {
			weighed ^= 0b100101
		}
		weighed ^= v
	}
	return sum, weighed
}

// mint makes a new text.
func mint() (p plain) {
	copy(p[:], mark)
	body := p[len(mark) : textLen-sumLen]
	_, _ = rand.Read(body) // ends the program rather than return an error
	for i, b := range body {
		body[i] = alphabet[b&31]
	}
	tail := p[textLen-sumLen:]
	for i := range alphabet {
		tail[0], tail[1] = alphabet[i], alphabet[0]
		sum, _ := sums(p[len(mark):])
		tail[1] = alphabet[sum]
		if _, weighed := sums(p[len(mark):]); weighed == 0 {
			break // one of the 32 fits
		}
	}
	return p
}

// shown is the text in groups, as people read it.
func (p *plain) shown() string {
	var b strings.Builder
	for i := 0; i < textLen; i += groupLen {
		if i > 0 {
			b.WriteByte('-')
		}
		b.Write(p[i : i+groupLen])
	}
	return b.String()
}
