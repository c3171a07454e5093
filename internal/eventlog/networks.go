package eventlog

import (
	"context"
	"encoding/binary"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/portreeve/portreeve/internal/network"
	"github.com/portreeve/portreeve/internal/store"
)

const (
	// maxNetworks is how many networks one person is known on; a traveller's
	// oldest gives way. About 60 bytes each.
	maxNetworks = 64
	// seenEvery is how exactly the last time is kept.
	seenEvery = 24 * time.Hour
)

// networks is the index of the networks that people have signed in from.
type networks struct {
	mu  sync.RWMutex
	per map[string][]known
}

type known struct {
	prefix netip.Prefix
	last   time.Time
}

func loadNetworks(ctx context.Context, db *store.Store) (*networks, error) {
	all, err := db.Networks(ctx)
	if err != nil {
		return nil, err
	}
	n := &networks{per: make(map[string][]known)}
	n.learn(all)
	return n, nil
}

func (n *networks) known(person string, addr netip.Addr) bool {
	if person == "" {
		return false
	}
	p := network.Of(addr)
	if !p.IsValid() {
		return false
	}
	n.mu.RLock()
	defer n.mu.RUnlock()
	return slices.ContainsFunc(n.per[person], func(k known) bool { return k.prefix == p })
}

// seen says whether that a person signed in from an address is news worth keeping.
func (n *networks) seen(person string, addr netip.Addr, at time.Time) (store.Network, bool) {
	p := network.Of(addr)
	if person == "" || !p.IsValid() {
		return store.Network{}, false
	}
	n.mu.RLock()
	defer n.mu.RUnlock()
	for _, k := range n.per[person] {
		if k.prefix == p && at.Sub(k.last) < seenEvery {
			return store.Network{}, false
		}
	}
	return store.Network{Person: person, Prefix: p, First: at, Last: at}, true
}

// learn takes up what has been kept.
func (n *networks) learn(list []store.Network) {
	if len(list) == 0 {
		return
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, w := range list {
		of := n.per[w.Person]
		i := slices.IndexFunc(of, func(k known) bool { return k.prefix == w.Prefix })
		switch {
		case i >= 0:
			if w.Last.After(of[i].last) {
				of[i].last = w.Last
			}
		case len(of) < maxNetworks:
			n.per[w.Person] = append(of, known{w.Prefix, w.Last})
		default:
			oldest := 0
			for j := range of {
				if of[j].last.Before(of[oldest].last) {
					oldest = j
				}
			}
			of[oldest] = known{w.Prefix, w.Last}
		}
	}
}

// forget drops those last seen before a time, as the store does.
func (n *networks) forget(before time.Time) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for person, of := range n.per {
		of = slices.DeleteFunc(of, func(k known) bool { return k.last.Before(before) })
		if n.per[person] = of; len(of) == 0 {
			delete(n.per, person)
		}
	}
}

// appendNetwork and readNetwork are a network's form in the journal.
func appendNetwork(b []byte, w store.Network) []byte {
	b = binary.AppendVarint(b, w.First.UnixNano())
	b = binary.AppendVarint(b, w.Last.UnixNano())
	prefix := w.Prefix.String()
	b = append(b, byte(len(prefix)))
	return append(append(b, prefix...), w.Person...)
}

func readNetwork(b []byte) (w store.Network, err error) {
	first, n := binary.Varint(b)
	last, m := binary.Varint(b[max(n, 0):])
	if n <= 0 || m <= 0 {
		return w, errItem
	}
	b = b[n+m:]
	if len(b) == 0 || len(b) < 1+int(b[0]) {
		return w, errItem
	}
	w.First, w.Last = fromNanos(first), fromNanos(last)
	if w.Prefix, err = netip.ParsePrefix(string(b[1 : 1+b[0]])); err != nil {
		return w, errItem
	}
	w.Person = string(b[1+b[0]:])
	return w, nil
}
