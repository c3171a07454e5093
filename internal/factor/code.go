package factor

import (
	"crypto/rand"
	"strings"
)

// alphabet has 32 signs that are not mistaken for each other (Crockford's):
// five bits each.
const alphabet = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"

// maxCode bounds what is read of a code or pass as typed, in bytes.
const maxCode = 256

// newCode makes a random code of n signs.
func newCode(n int) string {
	b := make([]byte, n)
	_, _ = rand.Read(b)
	for i := range b {
		b[i] = alphabet[b[i]%32]
	}
	return string(b)
}

// typed is a code as it was meant: without what people put between signs, in
// capitals, and with the letters that look like digits as those.
func typed(code string) []byte {
	if len(code) > maxCode {
		return nil
	}
	return []byte(lookalikes.Replace(strings.ToUpper(code)))
}

var lookalikes = strings.NewReplacer(" ", "", "-", "", "\t", "", "O", "0", "I", "1", "L", "1")
