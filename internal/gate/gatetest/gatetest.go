// Package gatetest holds what tests need that drive a real gate behind pages or
// endpoints: names made by the rules, and a log that is read while it is written.
package gatetest

import (
	"strings"
	"sync"

	"github.com/portreeve/portreeve/internal/name"
)

// Names makes names by rules alone, whatever the listener.
type Names struct{ Rules name.Rules }

// Canonical is the one address of what was typed.
func (n Names) Canonical(_, typed string) (string, error) {
	a, err := n.Rules.Canonical(typed)
	return a.Full, err
}

// Delegated cuts a spelling that names a person and a mailbox.
func (n Names) Delegated(_, typed string) (person, mailbox string, ok bool) {
	return n.Rules.Delegated(typed)
}

// Vouched is the address that an issuer states.
func (n Names) Vouched(_, stated string) (string, error) {
	a, err := n.Rules.Vouched(stated)
	return a.Full, err
}

// Log keeps what is written to it, for several writers and readers at once. Its
// zero value is ready.
type Log struct {
	mu   sync.Mutex
	text strings.Builder
}

// Write adds to the log.
func (l *Log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

// String is all that was written.
func (l *Log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}
