package approval

import (
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/portreeve/portreeve/internal/network"
	"github.com/portreeve/portreeve/internal/store"
)

// household remembers in which networks each person's programs were let in
// lately. Who moves, or is given other addresses by their provider, moves with
// everything: where the telephone is let in, the computer at home is at home.
// It is kept in memory only; the next telephone teaches it anew.
type household struct {
	mu    sync.Mutex
	where map[string][]sight // by person, the latest last
}

// sight is a program, by its TLS library, in a network.
type sight struct {
	network netip.Prefix
	library string
	at      time.Time
}

const (
	movesWithin = 7 * 24 * time.Hour // from one program of a house to the next
	sightGrain  = time.Hour          // how exactly it is kept
	maxSights   = 8                  // of one person
)

// seen notes a knock that was let in.
func (h *household) seen(k *Knock) {
	now := sight{network.Of(k.Addr), libraryOf(k.JA4), k.At}
	if now.library == "" {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	of := h.where[k.Person]
	i := slices.IndexFunc(of, func(s sight) bool { return s.network == now.network && s.library == now.library })
	switch {
	case i >= 0 && now.at.Sub(of[i].at) < sightGrain:
		return
	case i >= 0:
		of = slices.Delete(of, i, i+1)
	case len(of) >= maxSights:
		of = slices.Delete(of, 0, 1)
	}
	if h.where == nil {
		h.where = map[string][]sight{}
	}
	h.where[k.Person] = append(of, now)
}

// forget empties what is known of a person, since what it was learnt from may be
// what was taken back.
func (h *household) forget(person string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.where, person)
}

// has says that another program of the person was let in from a knock's network lately.
func (h *household) has(k *Knock) bool {
	site, library := network.Of(k.Addr), libraryOf(k.JA4)
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.ContainsFunc(h.where[k.Person], func(s sight) bool {
		return s.network == site && s.library != library && k.At.Sub(s.at).Abs() < movesWithin
	})
}

// moved finds the adopted window of a program that is where another one of the
// person's was let in lately, in other networks of the owner that it was known
// at. Its hello must be the very one. What somebody approved holds where they
// approved it. x.mu is held.
func (x *index) moved(k *Knock) *held {
	if k.JA4 == "" || k.Owner == "" || !x.household.has(k) {
		return nil
	}
	i := slices.IndexFunc(x.windows[k.Person], func(w *held) bool {
		return w.Kind == store.AdoptedWindow && pooled(w.Network) && w.Owner == k.Owner && w.JA4 == k.JA4 && (w.Program == "" || w.Program == k.Program) &&
			slices.Contains(w.Protocols, k.Protocol) && x.live(w, k.At)
	})
	if i < 0 {
		return nil
	}
	return x.windows[k.Person][i]
}
