package approval

import (
	"cmp"
	"maps"
	"net/netip"
	"slices"

	"github.com/portreeve/portreeve/internal/protocol"
	"github.com/portreeve/portreeve/internal/store"
)

// many is how many places of one size make the next larger one: who was seen in
// three networks of a pool will be seen in its fourth, and who was seen in three
// pools of an owner roams.
const many = 3

// poolOf is the part of an owner's networks that a /24 or /48 is out of: the
// size in which access providers hand out addresses to one region or gateway.
func poolOf(network netip.Prefix) netip.Prefix {
	bits := 40
	if network.Addr().Is4() {
		bits = 16
	}
	return netip.PrefixFrom(network.Addr(), bits).Masked()
}

// windows are what of a person's habits is adopted.
func (p *plan) windows(who *person) []Window {
	var wide []Window
	for _, h := range who.habits {
		if p.adoptable(who, h) {
			wide = append(wide, p.wide(h)...)
		}
	}
	all := append(wide, p.narrow(who, wide)...)
	for i := range all {
		all[i].Person, all[i].Kind = who.id, store.AdoptedWindow
	}
	return senders(all)
}

// senders adds what lets a program that fetches send from where it fetches: it
// may not have sent for a month, and sending it gives no name, so that the TLS
// hello is what is pinned.
func senders(all []Window) []Window {
	type sender struct {
		network  netip.Prefix
		asn      uint32
		country  string
		identity string // the hello, or its library in a place that is pinned tightly
	}
	of := func(w *Window) sender {
		s := sender{w.Network, w.ASN, w.Country, w.JA4}
		if tight(w.Network) {
			s.identity = libraryOf(w.JA4)
		}
		return s
	}
	have := map[sender]bool{}
	for _, w := range all {
		if w.Program == "" && slices.Contains(w.Protocols, protocol.Submission) {
			have[of(&w)] = true
		}
	}
	for _, w := range all {
		if s := of(&w); w.JA4 != "" && !have[s] && (slices.Contains(w.Protocols, protocol.IMAP) || slices.Contains(w.Protocols, protocol.POP3)) {
			have[s] = true
			w.Program, w.Protocols = "", []protocol.Protocol{protocol.Submission}
			all = append(all, w)
		}
	}
	return all
}

// adoptable says that nothing speaks against a habit.
func (p *plan) adoptable(who *person, h *habit) bool {
	if s := p.suspects[h]; s != nil && !s.Included {
		return false
	}
	return !slices.ContainsFunc(p.Exclude, func(x string) bool {
		if network, ok := prefix(x); ok {
			for n := range h.nets {
				if network.Overlaps(n) {
					return true
				}
			}
			return false
		}
		return x == who.id || x == who.address || programOf(x) != "" && programOf(x) == h.Program
	})
}

// prefix reads a network or an address.
func prefix(s string) (netip.Prefix, bool) {
	if p, err := netip.ParsePrefix(s); err == nil {
		return p.Masked(), true
	}
	if a, err := netip.ParseAddr(s); err == nil {
		return netip.PrefixFrom(a, a.BitLen()), true
	}
	return netip.Prefix{}, false
}

// wide are the windows of a habit that moves about within an owner's networks.
// They are tied to the very TLS hello, and so there are none for what an
// imported log shows: without a hello the place is all there is to pin.
func (p *plan) wide(h *habit) []Window {
	if p.Widen == WidenNothing || h.JA4 == "" || h.ASN == 0 || h.days.count() < p.Days || len(h.nets) < many {
		return nil
	}
	w := Window{Protocols: protocolList(h.protocols()), Program: h.Program, JA4: h.JA4, ASN: h.ASN, Owner: h.owner, Country: h.Country, LastUsed: h.last}
	in := map[netip.Prefix]int{}
	for n := range h.nets {
		in[poolOf(n)]++
	}
	if p.Widen == WidenOwner && (len(in) >= many || p.roams(in)) {
		return []Window{w}
	}
	var all []Window
	for _, pool := range slices.SortedFunc(maps.Keys(in), comparePrefix) {
		if in[pool] >= many {
			w.Network = pool
			all = append(all, w)
		}
	}
	return all
}

// roams says that a habit is at home with an operator of telephones: it was in
// two pools in which everybody has another network each day.
func (p *plan) roams(in map[netip.Prefix]int) bool {
	n := 0
	for pool := range in {
		if c := p.churn[pool]; c != nil && c.habits >= enoughHabits && c.nets*10 >= c.days*6 {
			n++
		}
	}
	return n >= 2
}

// churn is how networks change in a pool: those that programs were in, and the
// days on which they were, added up over programs.
type churn struct{ nets, days, habits int }

// enoughHabits is how many programs tell what a pool is used for.
const enoughHabits = 5

func (p *past) churn() map[netip.Prefix]*churn {
	all := map[netip.Prefix]*churn{}
	for _, who := range p.people {
		for _, h := range who.habits {
			in := map[netip.Prefix]days{}
			for n, u := range h.nets {
				pool := poolOf(n)
				if all[pool] == nil {
					all[pool] = &churn{}
				}
				all[pool].nets++
				in[pool] = in[pool].or(u.days)
			}
			for pool, d := range in {
				all[pool].days += d.count()
				all[pool].habits++
			}
		}
	}
	return all
}

// spot is one program in one network; its library is empty where no TLS hello is known.
type spot struct {
	network          netip.Prefix
	program, library string
}

// byLibrary forgets the program's name where the TLS library tells more: a
// program that sends may not give the name that it fetches under.
func (s spot) byLibrary() spot {
	if s.library != "" {
		s.program = ""
	}
	return s
}

// narrow are the windows for each network in which a program was used on
// enough days. In a network that a wide one covers they are made only where the
// person stays: there the program may be updated.
func (p *plan) narrow(who *person, wide []Window) []Window {
	type found struct {
		Window
		asn       uint32
		days      days
		protocols uint32
	}
	spots, habitual := map[spot]*found{}, map[spot]days{}
	for _, h := range who.habits {
		if !p.adoptable(who, h) {
			continue
		}
		for n, u := range h.nets {
			at := spot{n, h.Program, libraryOf(h.JA4)}
			f := spots[at]
			if f == nil {
				f = &found{Window: Window{Network: n, Program: h.Program, Owner: h.owner}, asn: h.ASN}
				spots[at] = f
			}
			if f.LastUsed.Before(u.last) {
				f.LastUsed, f.JA4 = u.last, h.JA4
			}
			f.days, f.protocols = f.days.or(u.days), f.protocols|u.protocols
			habitual[at.byLibrary()] = habitual[at.byLibrary()].or(u.days)
		}
	}
	var all []Window
	for at, f := range spots {
		n := max(f.days.count(), habitual[at.byLibrary()].count())
		if n >= p.Days && (n >= settledDays || !covered(wide, at, f.asn)) {
			f.Protocols = protocolList(f.protocols)
			all = append(all, f.Window)
		}
	}
	slices.SortFunc(all, func(a, b Window) int {
		return cmp.Or(comparePrefix(a.Network, b.Network), cmp.Compare(a.Program, b.Program), cmp.Compare(a.JA4, b.JA4))
	})
	return all
}

// covered says that a wide window admits a program in a network.
func covered(wide []Window, at spot, asn uint32) bool {
	return slices.ContainsFunc(wide, func(w Window) bool {
		return w.Program == at.program && libraryOf(w.JA4) == at.library && w.ASN == asn && (!w.Network.IsValid() || w.Network.Overlaps(at.network))
	})
}

func comparePrefix(a, b netip.Prefix) int {
	return cmp.Or(a.Addr().Compare(b.Addr()), cmp.Compare(a.Bits(), b.Bits()))
}
