package portal

import (
	"net/netip"
	"sync"
	"time"

	"github.com/portreeve/portreeve/internal/network"
)

// Bounds of codes that were typed in and belong to no program. Only who is signed
// in can type one; a code has eight letters of twenty, so that ten tries in an
// hour find nothing.
const (
	guessesEach = 10
	guessesFor  = time.Hour
	guessesMost = 20_000 // people and networks remembered; nobody more may guess
)

// guesses counts the tries of each person and each network.
type guesses struct {
	mu  sync.Mutex
	all map[any]*tries // by person's id or network
}

type tries struct {
	since time.Time
	n     int
}

func newGuesses() *guesses { return &guesses{all: map[any]*tries{}} }

// take takes a try of a person's and of their network's, and says whether both
// had one. It is taken before the code is looked at, so that tries at the same
// moment count too.
func (g *guesses) take(person string, from netip.Addr, now time.Time) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	ok := true
	keys := [...]any{person, network.Of(from)}
	for _, k := range keys {
		t := g.all[k]
		switch {
		case t == nil && len(g.all) >= guessesMost:
			return false
		case t == nil || now.Sub(t.since) > guessesFor:
			g.all[k] = &tries{since: now}
		case t.n >= guessesEach:
			ok = false
		}
	}
	if ok {
		for _, k := range keys {
			g.all[k].n++
		}
	}
	return ok
}

// give gives back a try that was none: its code was right.
func (g *guesses) give(person string, from netip.Addr) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, k := range [...]any{person, network.Of(from)} {
		if t := g.all[k]; t != nil && t.n > 0 {
			t.n--
		}
	}
}

func (g *guesses) sweep(now time.Time) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for k, t := range g.all {
		if now.Sub(t.since) > guessesFor {
			delete(g.all, k)
		}
	}
}
