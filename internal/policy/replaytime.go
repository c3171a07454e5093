package policy

import (
	"net/netip"
	"time"
)

// Network tells two addresses apart if the locations do. It is compared with
// that of another address and says nothing else.
func (s *Snapshot) Network(a netip.Addr) int { return s.locator.Class(a) }

// Freshness tells two proofs apart if a sign-in frequency may: one bit for each
// that is still met. ok is false if there are more of them than bits.
func (s *Snapshot) Freshness(at, proof time.Time) (met uint64, ok bool) {
	if len(s.paces) > 64 {
		return 0, false
	}
	f := Facts{At: at, AuthTime: proof}
	age, known := proofAge(&f)
	for i, q := range s.paces {
		if known && q.allows(age) {
			met |= 1 << i
		}
	}
	return met, true
}
