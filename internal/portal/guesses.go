package portal

import (
	"net/netip"
	"sync"
	"time"

	"github.com/portreeve/portreeve/internal/network"
)

// Bounds of codes that were typed in and belong to no program. Only who is signed
// in can type one, so that tries are counted by person first. A code is one of
// 20^8, 26 thousand million; with as many programs waiting as are remembered
// (8192) one try in three million finds one, and a person who never stops, ten an
// hour, finds one in 36 years. It would let a stranger's program into their own
// mailbox, and nobody into another's.
//
// A network's bound is there for who has many people's passwords. It is wide, as
// an office of hundreds may be one address, and never takes a person's first
// tries: whoever has typed a code wrong thrice at most is heard beside anybody.
const (
	guessesEach    = 10 // of a person
	guessesNetwork = 100
	guessesOwn     = 3 // of a person, whatever their network did
	guessesFor     = time.Hour
	guessesMost    = 20_000 // people, and networks, remembered, of 100 bytes; the oldest makes room
)

// guesses counts the tries of each person and each network.
type guesses struct {
	mu       sync.Mutex
	people   counts[string] // by id
	networks counts[netip.Prefix]
}

// counts are tries that were wrong, or are being looked at.
type counts[K comparable] map[K]*tries

type tries struct {
	since time.Time
	n     int
}

func newGuesses() *guesses {
	return &guesses{people: counts[string]{}, networks: counts[netip.Prefix]{}}
}

// take takes a try of a person's and of their network's, and says whether there
// was one. It is taken before the code is looked at, so that tries at the same
// moment count too. Who has none leaves no trace: a person costs others nothing
// beyond their own tries, from however many networks.
func (g *guesses) take(person string, from netip.Addr, now time.Time) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	mine := g.people.of(person, now)
	if mine.n >= guessesEach {
		return false
	}
	ours := g.networks.of(network.Of(from), now)
	if ours.n >= guessesNetwork && mine.n >= guessesOwn {
		return false
	}
	mine.n++
	ours.n++
	return true
}

// give gives back a try that was none: its code was right.
func (g *guesses) give(person string, from netip.Addr) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.people.giveBack(person)
	g.networks.giveBack(network.Of(from))
}

func (g *guesses) sweep(now time.Time) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.people.sweep(now)
	g.networks.sweep(now)
}

// of is the count of one, begun anew an hour after its first try.
func (c counts[K]) of(k K, now time.Time) *tries {
	t := c[k]
	if t != nil && now.Sub(t.since) <= guessesFor {
		return t
	}
	if t == nil && len(c) >= guessesMost {
		c.makeRoom()
	}
	t = &tries{since: now}
	c[k] = t
	return t
}

// makeRoom forgets the oldest.
func (c counts[K]) makeRoom() {
	var oldest K
	var since time.Time
	for k, t := range c {
		if since.IsZero() || t.since.Before(since) {
			oldest, since = k, t.since
		}
	}
	delete(c, oldest)
}

func (c counts[K]) giveBack(k K) {
	t := c[k]
	if t == nil {
		return
	}
	if t.n--; t.n <= 0 {
		delete(c, k)
	}
}

func (c counts[K]) sweep(now time.Time) {
	for k, t := range c {
		if now.Sub(t.since) > guessesFor {
			delete(c, k)
		}
	}
}
