package secret

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"hash"
	"sync"
)

// Print is a keyed fingerprint: equal secrets have equal prints, and without
// the key nothing can be learned from one. It lives in tables in memory only
// and prints as [redacted], because with the key it would allow guessing.
type Print [16]byte

// Format prints [redacted] under every verb.
func (p Print) Format(s fmt.State, _ rune) { _, _ = s.Write([]byte(Redacted)) }

// MarshalText prints [redacted].
func (p Print) MarshalText() ([]byte, error) { return []byte(Redacted), nil }

// Prints makes fingerprints under one key. It is safe for use by several
// goroutines.
type Prints struct{ macs sync.Pool }

// mac is one running HMAC with the room it needs.
type mac struct {
	hash.Hash
	length [8]byte
	sum    [sha256.Size]byte
}

// NewPrints makes fingerprints under a key of this process alone.
func NewPrints() *Prints {
	key := make([]byte, sha256.Size)
	_, _ = rand.Read(key)
	return printsUnder(key)
}

func printsUnder(key []byte) *Prints {
	return &Prints{macs: sync.Pool{New: func() any { return &mac{Hash: hmac.New(sha256.New, key)} }}}
}

// Of fingerprints the parts together: HMAC-SHA-256 over each with its length
// before it, cut to 128 bits.
func (ps *Prints) Of(parts ...[]byte) Print {
	m := ps.macs.Get().(*mac)
	defer ps.macs.Put(m)
	m.Reset()
	for _, part := range parts {
		binary.BigEndian.PutUint64(m.length[:], uint64(len(part)))
		m.Write(m.length[:])
		m.Write(part)
	}
	return Print(m.Sum(m.sum[:0]))
}
