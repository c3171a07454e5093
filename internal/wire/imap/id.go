package imap

import (
	"bytes"
	"strings"

	"github.com/portreeve/portreeve/internal/signin"
	"github.com/portreeve/portreeve/internal/wire/line"
)

// RFC 2971, section 3.3, and for keys Dovecot's x-forward-… names, which are longer than its 30 octets.
const (
	maxPairs = 30
	maxKey   = 128
	maxValue = 1024
)

// ID reads the argument of an ID command (RFC 2971): NIL, or pairs in one pair
// of parentheses, the only ones that are taken before sign-in. Keys come in
// lower case; a pair whose value is NIL says nothing and is left out.
func (r *Reader) ID() ([]signin.Pair, error) {
	r.space()
	if len(r.rest) == 0 || r.rest[0] != '(' {
		v, err := r.Astring(len("NIL"))
		if err == nil && !strings.EqualFold(string(v), "NIL") {
			err = line.Syntax("list expected")
		}
		if err != nil {
			return nil, err
		}
		return nil, r.End()
	}
	r.rest = r.rest[1:]
	var pairs []signin.Pair
	for n := 0; ; n++ {
		if r.space(); len(r.rest) > 0 && r.rest[0] == ')' {
			r.rest = r.rest[1:]
			return pairs, r.End()
		}
		if n == maxPairs {
			return nil, line.Syntax("too many pairs")
		}
		key, err := r.Astring(maxKey)
		if err != nil {
			return nil, err
		}
		value, null, err := r.nstring()
		if err != nil {
			return nil, err
		}
		if !null {
			pairs = append(pairs, signin.Pair{Key: strings.ToLower(string(key)), Value: string(value)})
		}
	}
}

// nstring tells the atom NIL from the string "NIL".
func (r *Reader) nstring() (v []byte, null bool, err error) {
	r.space()
	atom := len(r.rest) > 0 && r.rest[0] != '"' && r.rest[0] != '{'
	if v, err = r.Astring(maxValue); err != nil {
		return nil, false, err
	}
	return v, atom && bytes.EqualFold(v, []byte("NIL")), nil
}
