package certs

import (
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"fmt"
	"sync"
	"time"
	"weak"
)

const (
	// ticketRotation and ticketGenerations give a ticket 24 to 48 hours of
	// life: a phone that sleeps over night still resumes, and a stolen key
	// opens two days at most.
	ticketRotation    = 24 * time.Hour
	ticketGenerations = 3 // the newest encrypts; two more still decrypt
)

// tickets are the session ticket keys that all listeners share, so that a
// client resumes at any of them. Listeners with different client authorities
// derive different keys: a certificate proven at one must not resume at another.
type tickets struct {
	mu      sync.Mutex
	seeds   [][32]byte // newest first
	made    time.Time
	configs []member
}

// member is a listener's configuration; weak, because a reload of the
// configuration makes new ones and forgets the old.
type member struct {
	config weak.Pointer[tls.Config]
	label  string
}

func (t *tickets) start(now time.Time) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.renew(now)
}

// rotate makes a new seed when the newest is a day old.
func (t *tickets) rotate(now time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if now.Sub(t.made) < ticketRotation || t.renew(now) != nil {
		return
	}
	kept := t.configs[:0]
	for _, m := range t.configs {
		if c := m.config.Value(); c != nil {
			c.SetSessionTicketKeys(t.keys(m.label))
			kept = append(kept, m)
		}
	}
	t.configs = kept
}

func (t *tickets) renew(now time.Time) error {
	var seed [32]byte
	if _, err := rand.Read(seed[:]); err != nil {
		return fmt.Errorf("making a session ticket key: %w", err)
	}
	t.seeds = append([][32]byte{seed}, t.seeds...)
	if len(t.seeds) > ticketGenerations {
		t.seeds = t.seeds[:ticketGenerations]
	}
	t.made = now
	return nil
}

func (t *tickets) join(c *tls.Config, label string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	c.SetSessionTicketKeys(t.keys(label))
	t.configs = append(t.configs, member{weak.Make(c), label})
}

func (t *tickets) keys(label string) [][32]byte {
	keys := make([][32]byte, len(t.seeds))
	for i, seed := range t.seeds {
		derived, err := hkdf.Key(sha256.New, seed[:], nil, label, len(keys[i]))
		if err != nil {
			panic(err) // only lengths can be at fault, and they are constants
		}
		copy(keys[i][:], derived)
	}
	return keys
}
