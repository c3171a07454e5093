package secret

import (
	"crypto/rand"
	"encoding/base32"
	"strings"
)

// markedSize is what a secret of ours is made of, in random bytes: nobody guesses
// it, so that a fast hash of it may be kept.
const markedSize = 32

// NewMarked makes a secret that is shown once: a mark, by which people and scanners
// of published code know what they found, and 256 random bits in 52 small letters
// and digits, which go into forms, addresses and shells as they are.
func NewMarked(mark string) string {
	random := make([]byte, markedSize)
	_, _ = rand.Read(random) // never fails on the systems we run on
	return mark + strings.ToLower(base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(random))
}
