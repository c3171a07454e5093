package token

import (
	"crypto/rand"
	"crypto/sha256"
	"sync"
	"time"
)

// seenMost is how many verified tokens are remembered, at about 300 bytes each.
const seenMost = 16_384

// seen remembers verified tokens by keyed hash until they expire, since a
// program shows the same one at every connection. Only good tokens get in, so
// nobody without one can push any out. It is emptied whenever keys change.
type seen struct {
	key     [sha256.Size]byte
	buffers sync.Pool
	mu      sync.RWMutex
	claims  map[[sha256.Size]byte]Claims
	era     uint64
}

func newSeen() *seen {
	s := &seen{claims: map[[sha256.Size]byte]Claims{}}
	_, _ = rand.Read(s.key[:])
	s.buffers.New = func() any { b := make([]byte, 0, maxToken+sha256.Size); return &b }
	return s
}

// print is SHA-256 of key and token. It leaves this process nowhere, so that
// the plain keyed hash will do, at a fifth of HMAC's time for small tokens.
func (s *seen) print(bearer []byte) [sha256.Size]byte {
	b := s.buffers.Get().(*[]byte)
	*b = append(append((*b)[:0], s.key[:]...), bearer...)
	sum := sha256.Sum256(*b)
	clear(*b)
	s.buffers.Put(b)
	return sum
}

func (s *seen) find(print [sha256.Size]byte, now time.Time) (Claims, bool) {
	s.mu.RLock()
	c, ok := s.claims[print]
	s.mu.RUnlock()
	return c, ok && now.Before(c.Expires.Add(leeway))
}

func (s *seen) generation() uint64 {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.era
}

// add remembers a token, unless keys have changed since it was looked at.
func (s *seen) add(print [sha256.Size]byte, c Claims, era uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if era != s.era {
		return
	}
	for old := range s.claims {
		if len(s.claims) < seenMost {
			break
		}
		delete(s.claims, old)
	}
	s.claims[print] = c
}

func (s *seen) clear() {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.claims)
	s.era++
}
