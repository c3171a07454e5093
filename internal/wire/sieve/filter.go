package sieve

// Filter keeps a signed-in program from leaving the session that was judged.
// UNAUTHENTICATE ends the sign-in and leaves the connection open (RFC 5804,
// section 2.14.1): whoever signed in next would be let in by the server alone,
// unseen. STARTTLS, so late, would hide all that follows. Cyrus 3.6 takes both.
// They are spoiled in place, without changing the length, where a line begins
// with them, and the server says NO.
//
// Every line is looked at, whether or not it belongs to a literal: servers
// differ in whether the literal of a command they do not like is read as
// commands (Cyrus does so up to the next line). No Sieve script has a line that
// begins with one of these words, except as text.
//
// The last letter is the one that is spoiled: those before it may be gone
// already. It is for one goroutine.
type Filter struct {
	word [len(unauthenticate)]byte // the line's first word so far, in upper case
	n    int
	past bool // it is longer than any we look for, or another
}

const (
	unauthenticate = "UNAUTHENTICATE"
	startTLS       = "STARTTLS"
	spoiler        = 'Z' // neither word has it
)

// FromClient is given the next octets on their way to the server, cut anywhere,
// and changes them in place.
func (f *Filter) FromClient(p []byte) {
	for i, c := range p {
		switch {
		case c == '\r' || c == '\n':
			f.n, f.past = 0, false
		case f.past, f.n == 0 && c <= ' ':
		case f.letter(c):
			p[i] = spoiler
		}
	}
}

// letter adds one to the word and says whether that completes one of the two.
func (f *Filter) letter(c byte) bool {
	if 'a' <= c && c <= 'z' {
		c -= 'a' - 'A'
	}
	f.word[f.n] = c
	f.n++
	word := string(f.word[:f.n])
	switch {
	case word == unauthenticate || word == startTLS:
		f.past = true
		return true
	case f.n == len(f.word):
		f.past = true
	}
	return false
}
