package proxy

import (
	"cmp"
	"container/list"
	"net/netip"
	"sync"

	"github.com/portreeve/portreeve/internal/network"
)

// Default limits on connections that have not signed in.
const (
	perSource = 100   // of one IPv4 address or IPv6 /64
	inAll     = 20000 // of everybody
)

// Admission counts the connections that have not signed in, over all
// listeners. Where a source, or all together, have too many, the oldest is
// closed to make room, so that a flood throws out itself first.
type Admission struct {
	PerSource, InAll int // 0 are the defaults; set before the first connection

	mu      sync.Mutex
	all     list.List // of *Admitted, oldest first
	sources map[netip.Prefix]*list.List
}

// Admitted is one connection's place.
type Admitted struct {
	in       *Admission
	source   netip.Prefix
	evict    func()
	atAll    *list.Element
	atSource *list.Element
}

// Enter takes a place for a connection from addr; evict may be called later,
// from any goroutine, and must not wait. An invalid addr is nobody in
// particular: it counts in all, and not as a source.
func (a *Admission) Enter(addr netip.Addr, evict func()) *Admitted {
	p := &Admitted{in: a, source: network.Host(addr), evict: evict}
	var out *Admitted
	a.mu.Lock()
	if a.sources == nil {
		a.sources = map[netip.Prefix]*list.List{}
	}
	mine := a.sources[p.source]
	if mine == nil {
		mine = list.New()
		a.sources[p.source] = mine
	}
	switch {
	case addr.IsValid() && mine.Len() >= cmp.Or(a.PerSource, perSource):
		out = mine.Front().Value.(*Admitted)
	case a.all.Len() >= cmp.Or(a.InAll, inAll):
		out = a.all.Front().Value.(*Admitted)
	}
	if out != nil {
		a.remove(out)
		if mine.Len() == 0 { // removing the last one dropped the list
			a.sources[p.source] = mine
		}
	}
	p.atAll, p.atSource = a.all.PushBack(p), mine.PushBack(p)
	a.mu.Unlock()
	if out != nil {
		out.evict()
	}
	return p
}

// Leave gives the place back; calling it twice is harmless.
func (p *Admitted) Leave() {
	p.in.mu.Lock()
	defer p.in.mu.Unlock()
	p.in.remove(p)
}

// Len is the number of connections that have not signed in.
func (a *Admission) Len() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.all.Len()
}

// remove takes a place off both lists; the caller holds the lock.
func (a *Admission) remove(p *Admitted) {
	if p.atAll == nil {
		return
	}
	a.all.Remove(p.atAll)
	mine := a.sources[p.source]
	mine.Remove(p.atSource)
	if mine.Len() == 0 {
		delete(a.sources, p.source)
	}
	p.atAll, p.atSource = nil, nil
}
