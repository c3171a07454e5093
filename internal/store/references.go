package store

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/portreeve/portreeve/internal/signin"
)

// Told is how many refusals that share a row are each told a reference of their
// own. Which row one is counted in hangs on the secret that was shown, so were
// all told the row's, two equal references would say that two secrets were
// equally wrong, and a new one that this one was not.
const Told = 1024

// veil turns a row's reference into those that its repeats are told, and back:
// a Feistel network over its 60 bits. Without the key nobody can tell that two
// of them belong together.
type veil struct{ block cipher.Block }

const (
	veilRounds = 8
	halfBits   = 30
	halfMask   = 1<<halfBits - 1
)

func veilUnder(key []byte) (veil, error) {
	h := hmac.New(sha256.New, key)
	h.Write([]byte("references of repeats"))
	block, err := aes.NewCipher(h.Sum(nil))
	if err != nil {
		return veil{}, fmt.Errorf("making references: %w", err)
	}
	return veil{block}, nil
}

func (v veil) mix(half uint64, round int, repeat int64) uint64 {
	var b [aes.BlockSize]byte
	binary.LittleEndian.PutUint32(b[0:], uint32(half))
	binary.LittleEndian.PutUint32(b[4:], uint32(round))
	binary.LittleEndian.PutUint64(b[8:], uint64(repeat))
	v.block.Encrypt(b[:], b[:])
	return uint64(binary.LittleEndian.Uint32(b[:])) & halfMask
}

func (v veil) on(bits uint64, repeat int64) uint64 {
	left, right := bits>>halfBits, bits&halfMask
	for round := range veilRounds {
		left, right = right, left^v.mix(right, round, repeat)
	}
	return left<<halfBits | right
}

func (v veil) off(bits uint64, repeat int64) uint64 {
	left, right := bits>>halfBits, bits&halfMask
	for round := veilRounds - 1; round >= 0; round-- {
		left, right = right^v.mix(left, round, repeat), left
	}
	return left<<halfBits | right
}

// Reference is what the refused of a row are told: the first the row's own, and
// each repeat (1 to Told-1) one that leads to the same row.
func (s *Store) Reference(row signin.ID, repeat int64) signin.Reference {
	own := row.Reference()
	if repeat <= 0 {
		return own
	}
	return signin.ReferenceOf(s.veil.on(own.Bits(), repeat))
}

// EventByReference finds a sign-in by what its person read; ErrNotFound.
func (s *Store) EventByReference(ctx context.Context, ref signin.Reference) (signin.Event, error) {
	ev, err := s.event(ctx, `ref = ?`, int64(ref.Bits()))
	if !errors.Is(err, ErrNotFound) {
		return ev, err
	}
	rows := make([]uint64, 0, Told)
	for repeat := range int64(Told) {
		rows = append(rows, s.veil.off(ref.Bits(), repeat))
	}
	list, err := json.Marshal(rows)
	if err != nil {
		return ev, fmt.Errorf("reading a sign-in: %w", err)
	}
	return s.event(ctx, `ref IN (SELECT value FROM json_each(?))`, string(list))
}
