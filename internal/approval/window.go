package approval

import (
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/portreeve/portreeve/internal/network"
	"github.com/portreeve/portreeve/internal/policy"
	"github.com/portreeve/portreeve/internal/store"
)

// index is the windows and denials in memory, by person.
type index struct {
	idle time.Duration // unused for so long, a window is no longer open

	mu      sync.RWMutex
	windows map[string][]*held
	denied  map[string]map[netip.Prefix]time.Time // until when

	hellos  map[string][]string // TLS hellos by person, of programs at places pinned tightly
	company company

	household household

	usesMu sync.Mutex
	uses   map[string]used // by window, to be written
}

// used is when a window was last used, and with which TLS hello.
type used struct {
	at  time.Time
	ja4 string
}

// held is one window and when it was last used, as far as is known here.
type held struct {
	Window
	mu    sync.Mutex
	used  time.Time
	hello string
}

// useGrain is how exactly the last use is kept.
const useGrain = time.Hour

// Open finds what was granted to a knock whose password was right. An approval
// is preferred to what was only seen in use.
func (s *Service) Open(k Knock) (Pass, bool) {
	k = k.cleaned()
	w := s.index.find(&k)
	if w == nil {
		return Pass{}, false
	}
	s.index.use(w, &k)
	p := Pass{Methods: policy.MethodKnownProgram, Grant: store.GrantOfWindow(w.ID), Until: w.Expires}
	if w.Kind == store.ApprovalWindow {
		p.Methods = policy.MethodApprovalWindow
	}
	return p, true
}

// Methods are what Open would grant to a knock now, without its being noted as a use.
func (s *Service) Methods(k Knock) policy.Methods {
	k = k.cleaned()
	k.At = time.Now()
	w := s.index.find(&k)
	switch {
	case w == nil:
		return 0
	case w.Kind == store.ApprovalWindow:
		return policy.MethodApprovalWindow
	}
	return policy.MethodKnownProgram
}

// Denied says that the person has said of this source that it is not them.
func (s *Service) Denied(person string, addr netip.Addr) bool {
	site := network.Of(addr)
	s.index.mu.RLock()
	defer s.index.mu.RUnlock()
	until, marked := s.index.denied[person][site]
	return marked && time.Now().Before(until)
}

// deniedWhole says that a person has denied all of a network.
func (x *index) deniedWhole(person string, network netip.Prefix) bool {
	x.mu.RLock()
	defer x.mu.RUnlock()
	for denied, until := range x.denied[person] {
		if denied.Bits() <= network.Bits() && denied.Contains(network.Addr()) && time.Now().Before(until) {
			return true
		}
	}
	return false
}

// cleaned puts a knock into the form in which windows are kept.
func (k Knock) cleaned() Knock {
	if k.At.IsZero() {
		k.At = time.Now()
	}
	k.Program, k.Addr = programOf(k.Program), k.Addr.Unmap()
	return k
}

// programOf is a program's family as it is pinned; a program that was not
// recognised is none.
func programOf(family string) string {
	if family = strings.ToLower(family); family == "unknown" {
		return ""
	}
	return family
}

// tight says that a network is no wider than one /24 or /48.
func tight(p netip.Prefix) bool {
	return p.IsValid() && p.Bits() >= network.Of(p.Addr()).Bits()
}

func (x *index) find(k *Knock) *held {
	if k.Person == "" || !k.Addr.IsValid() {
		return nil
	}
	x.mu.RLock()
	defer x.mu.RUnlock()
	k.common = x.company.at(k)
	var found *held
	for _, w := range x.windows[k.Person] {
		if !x.live(w, k.At) || !admits(&w.Window, k) && !x.follows(&w.Window, k) {
			continue
		}
		if w.Kind == store.ApprovalWindow {
			return w
		}
		if found == nil {
			found = w
		}
	}
	if found == nil {
		found = x.moved(k)
		k.moved = found != nil
	}
	return found
}

// live says that a window is open at a time.
func (x *index) live(w *held, at time.Time) bool {
	return x.why(w, at) == ""
}

// why says what has ended a window by a time, nothing if it is open.
func (x *index) why(w *held, at time.Time) string {
	w.mu.Lock()
	used := w.used
	w.mu.Unlock()
	switch {
	case !w.Expires.IsZero() && !at.Before(w.Expires):
		return "its time is over"
	case !at.Before(used.Add(x.idle)):
		return "it was not used for too long"
	}
	return ""
}

// admits says that a knock shows everything that a window pins. What a knock
// does not show is a no, and a window that is pinned to no place admits nobody.
func admits(w *Window, k *Knock) bool {
	switch {
	case !slices.Contains(w.Protocols, k.Protocol):
	case !w.Network.IsValid() && (w.Country == "" || w.ASN == 0 && (w.JA4 == "" || !k.common)):
	case w.Program != "" && w.Program != k.Program:
	case w.JA4 != "" && !sameHello(w, k.JA4):
	case w.Network.IsValid() && !w.Network.Contains(k.Addr):
	case w.ASN != 0 && w.ASN != k.ASN:
	case w.Country != "" && w.Country != k.Country:
	default:
		return true
	}
	return false
}

// pooled says that a network is no wider than a pool.
func pooled(p netip.Prefix) bool {
	return p.IsValid() && p.Bits() >= poolOf(p).Bits()
}

// use notes that a window was used.
func (x *index) use(w *held, k *Knock) {
	if !k.moved { // or two programs would keep each other at home for ever
		x.sight(w, k)
	}
	w.mu.Lock()
	updated := tight(w.Network) && w.JA4 != "" && k.JA4 != w.hello
	news := updated || k.At.Sub(w.used) >= useGrain
	if news {
		w.used = k.At
	}
	if updated {
		w.hello = k.JA4
	}
	now := used{w.used, w.hello}
	w.mu.Unlock()
	if !news {
		return
	}
	if updated {
		x.learnHello(w.Person, k.JA4)
	}
	x.usesMu.Lock()
	defer x.usesMu.Unlock()
	if x.uses == nil {
		x.uses = map[string]used{}
	}
	x.uses[w.ID] = now
}

// sight notes where a window's person was let in, if nobody has taken it back meanwhile.
func (x *index) sight(w *held, k *Knock) {
	x.mu.RLock()
	defer x.mu.RUnlock()
	if slices.ContainsFunc(x.windows[w.Person], func(o *held) bool { return o.ID == w.ID }) {
		x.household.seen(k)
	}
}

func (x *index) takeUses() map[string]used {
	x.usesMu.Lock()
	defer x.usesMu.Unlock()
	all := x.uses
	x.uses = nil
	return all
}

// giveBack returns uses that could not be written.
func (x *index) giveBack(all map[string]used) {
	x.usesMu.Lock()
	defer x.usesMu.Unlock()
	if x.uses == nil {
		x.uses = map[string]used{}
	}
	for id, u := range all {
		if u.at.After(x.uses[id].at) {
			x.uses[id] = u
		}
	}
}

// learn takes up one person's windows and denials, or everybody's.
func (x *index) learn(person string, windows []Window, denials []Denial) {
	x.mu.Lock()
	defer x.mu.Unlock()
	before := map[string]*held{}
	for _, list := range x.forget(person) {
		for _, w := range list {
			before[w.ID] = w
		}
	}
	for _, w := range windows {
		h := &held{Window: w, used: w.LastUsed, hello: w.JA4}
		if tight(w.Network) {
			x.remember(w.Person, w.JA4)
		}
		if w.Created.After(h.used) {
			h.used = w.Created
		}
		if old := before[w.ID]; old != nil {
			old.mu.Lock()
			if old.used.After(h.used) {
				h.used, h.hello = old.used, old.hello
				if tight(w.Network) {
					x.remember(w.Person, old.hello)
				}
			}
			old.mu.Unlock()
			delete(before, w.ID)
		}
		x.windows[w.Person] = append(x.windows[w.Person], h)
	}
	for _, gone := range before {
		x.household.forget(gone.Person)
	}
	if person != "" {
		x.company.join(x.windows[person], 1)
	} else {
		for _, list := range x.windows {
			x.company.join(list, 1)
		}
	}
	for _, d := range denials {
		if x.denied[d.Person] == nil {
			x.denied[d.Person] = map[netip.Prefix]time.Time{}
		}
		x.denied[d.Person][d.Network] = d.Until
	}
}

// forget empties what is known of one person, or of everybody, and returns the windows.
func (x *index) forget(person string) (gone [][]*held) {
	if person != "" && x.windows != nil {
		gone = append(gone, x.windows[person])
		x.company.join(x.windows[person], -1)
		for _, ja4 := range x.hellos[person] {
			x.company.hello(ja4, -1)
		}
		delete(x.windows, person)
		delete(x.denied, person)
		delete(x.hellos, person)
		return gone
	}
	for _, list := range x.windows {
		gone = append(gone, list)
	}
	x.company = company{}
	x.windows, x.denied, x.hellos = map[string][]*held{}, map[string]map[netip.Prefix]time.Time{}, map[string][]string{}
	return gone
}

// ended is a window that has run out.
type ended struct{ id, person, why string }

func (x *index) over(now time.Time) (all []ended) {
	x.mu.RLock()
	defer x.mu.RUnlock()
	for _, list := range x.windows {
		for _, w := range list {
			if why := x.why(w, now); why != "" {
				all = append(all, ended{w.ID, w.Person, why})
			}
		}
	}
	return all
}

// count is how many windows a person has.
func (x *index) count(person string) int {
	x.mu.RLock()
	defer x.mu.RUnlock()
	return len(x.windows[person])
}

// tightAt says that a person has a window that is pinned to a network or a part of it.
func (x *index) tightAt(person string, network netip.Prefix) bool {
	x.mu.RLock()
	defer x.mu.RUnlock()
	return slices.ContainsFunc(x.windows[person], func(w *held) bool { return tight(w.Network) && network.Overlaps(w.Network) })
}

// widen lets the third approval of a program in one part of an owner's networks
// hold for all of it, and the third such part for the owner: nobody shall have
// to approve each network that a telephone passes through.
func (x *index) widen(w *Window, r *Request) {
	if r.ASN == 0 || r.Country == "" || r.JA4 == "" {
		return
	}
	x.mu.RLock()
	defer x.mu.RUnlock()
	networks, pools := map[netip.Prefix]bool{w.Network: true}, map[netip.Prefix]bool{}
	pool := poolOf(w.Network)
	for _, o := range x.windows[w.Person] {
		if o.Program != w.Program || o.JA4 != w.JA4 && !sameLibrary(o.JA4, w.JA4) || !slices.Contains(o.Protocols, r.Protocol) || !o.Network.IsValid() {
			continue
		}
		switch {
		case tight(o.Network) && pool.Overlaps(o.Network):
			networks[o.Network] = true
		case o.ASN == r.ASN && o.Country == r.Country:
			pools[o.Network] = true
		}
	}
	if len(networks) < many {
		return
	}
	w.Network, w.ASN, w.Country = pool, r.ASN, r.Country
	if pools[pool] = true; len(pools) >= many {
		w.Network = netip.Prefix{}
	}
}
