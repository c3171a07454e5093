package directory

import (
	"sync"
	"time"

	"github.com/portreeve/portreeve/internal/secret"
)

const (
	provenFor  = time.Hour // a program signs in every few minutes; what changes the password changes the print
	provenMost = 20_000    // entries of 24 bytes; one is forgotten for a new one
)

// proven remembers by keyed fingerprint which passwords were right for which
// hash, so that a program that signs in every few minutes costs one slow hash
// an hour. The hash is part of the print: a changed password is never found.
type proven struct {
	prints *secret.Prints
	mu     sync.Mutex
	until  map[secret.Print]time.Time
}

func newProven() *proven {
	return &proven{prints: secret.NewPrints(), until: map[secret.Print]time.Time{}}
}

func (v *proven) print(person, hash string, password []byte) secret.Print {
	return v.prints.Of([]byte(person), []byte(hash), password)
}

func (v *proven) holds(p secret.Print) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	until, ok := v.until[p]
	if ok && time.Now().After(until) {
		delete(v.until, p)
		return false
	}
	return ok
}

// add enters a right password. Only right ones come here, so nobody can push
// out other people's by guessing.
func (v *proven) add(p secret.Print) {
	v.mu.Lock()
	defer v.mu.Unlock()
	for old := range v.until {
		if len(v.until) < provenMost {
			break
		}
		delete(v.until, old)
	}
	v.until[p] = time.Now().Add(provenFor)
}
