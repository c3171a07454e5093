// Package secret keeps passwords and keys at rest and in hand: hashing and
// verifying passwords, sealing what must be read back, fingerprints for tables
// in memory, and a bounded pool so that guessers cannot buy all processor time.
//
// New hashes are argon2id; hashes brought along from elsewhere are verified
// and never made. Everything secret prints as [redacted]. The package knows no
// users: who a secret belongs to is the caller's business.
package secret

import (
	"crypto/sha256"
	"crypto/subtle"
	"fmt"
)

// Redacted is what every secret prints as.
const Redacted = "[redacted]"

// Text is a secret in hand. It prints as [redacted] under every verb, in JSON
// and in slog. The bytes are behind a func, because fmt looks into unexported
// members of other structs without asking for their Format method, but prints
// no more of a func than its address.
type Text struct{ bytes func() []byte }

// NewText makes a Text of b and takes ownership of it.
func NewText(b []byte) Text { return Text{func() []byte { return b }} }

// Bytes returns the secret itself; the caller must not keep it.
func (t Text) Bytes() []byte {
	if t.bytes == nil {
		return nil
	}
	return t.bytes()
}

// Clear overwrites the secret.
func (t Text) Clear() { clear(t.Bytes()) }

// Format prints [redacted] under every verb.
func (t Text) Format(s fmt.State, _ rune) { _, _ = s.Write([]byte(Redacted)) }

// MarshalText prints [redacted], which covers JSON, YAML and slog.
func (t Text) MarshalText() ([]byte, error) { return []byte(Redacted), nil }

// Equal compares two secrets in a time that depends on neither their content
// nor, beyond hashing them, on their lengths.
func Equal(a, b []byte) bool {
	x, y := sha256.Sum256(a), sha256.Sum256(b)
	return subtle.ConstantTimeCompare(x[:], y[:]) == 1
}
