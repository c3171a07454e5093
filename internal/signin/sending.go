package signin

import (
	"slices"
	"strings"
	"time"

	"github.com/portreeve/portreeve/internal/name"
)

// Sending is what an app password may send.
type Sending struct {
	Senders []string // as CanonicalSender makes them, or "@" and a domain; empty: any
	PerHour int      // recipients within an hour over all its sessions; 0: any number
	// Take counts one more recipient against PerHour and says whether there was
	// room; it does not wait. Nil where PerHour is 0.
	Take func(now time.Time) bool
}

// May says whether an address may be the sender.
func (s *Sending) May(address string) bool {
	if len(s.Senders) == 0 {
		return true
	}
	a, err := CanonicalSender(address)
	if err != nil || !strings.Contains(a, "@") {
		return false
	}
	return slices.Contains(s.Senders, a) || slices.Contains(s.Senders, a[strings.LastIndexByte(a, '@'):])
}

// CanonicalSender is the form in which senders are compared: case and width do
// not count; an alias or a detail ("+") is an address of its own.
func CanonicalSender(typed string) (string, error) {
	a, err := name.Rules{}.Canonical(typed)
	return a.Full, err
}
