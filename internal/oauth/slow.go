package oauth

import (
	"context"
	"net/netip"
	"sync"
	"time"

	"github.com/portreeve/portreeve/internal/network"
)

// Bounds on wrong secrets, codes and tokens from one source. Right ones pass, as
// many as come and whatever is guessed beside them: a whole office is one address.
// What is guessed has 256 bits, so that no bound is needed to keep it from being
// found: these are on what guessing costs us.
const (
	wrongBurst  = 30              // that are answered at once
	wrongRefill = 2 * time.Second // one more per this
	wrongPause  = time.Second     // that each further one waits
	wrongHeld   = 8               // that wait at once; while so many do, only what is right is heard from there
	maxSources  = 10_000          // remembered; the table is emptied when it is full
)

// slow makes those wait who guess.
type slow struct {
	mu      sync.Mutex
	sources map[netip.Prefix]*debt
}

type debt struct {
	left float64
	at   time.Time
	held int
}

func newSlow() *slow { return &slow{sources: map[netip.Prefix]*debt{}} }

// admit says that a source is heard at all.
func (s *slow) admit(from netip.Addr) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	d := s.sources[network.Host(from)]
	return d == nil || d.held < wrongHeld
}

// wrong counts something wrong from a source, and returns when it may be told so.
func (s *slow) wrong(ctx context.Context, from netip.Addr) {
	d := s.count(network.Host(from), time.Now())
	if d == nil {
		return
	}
	t := time.NewTimer(wrongPause)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
	s.mu.Lock()
	d.held--
	s.mu.Unlock()
}

// count takes one of what a source may do wrong at once; nil: it is told at once,
// since it had one left or as many wait as may.
func (s *slow) count(source netip.Prefix, now time.Time) *debt {
	s.mu.Lock()
	defer s.mu.Unlock()
	d := s.sources[source]
	if d == nil {
		if len(s.sources) >= maxSources {
			clear(s.sources)
		}
		d = &debt{left: wrongBurst, at: now}
		s.sources[source] = d
	}
	d.left = min(wrongBurst, d.left+now.Sub(d.at).Seconds()/wrongRefill.Seconds())
	d.at = now
	if d.left >= 1 {
		d.left--
		return nil
	}
	if d.held >= wrongHeld { // heard for something right beside it, as a device's code that anybody is given
		return nil
	}
	d.held++
	return d
}
