package approval

import (
	"cmp"
	"maps"
	"net/netip"
	"slices"

	"github.com/portreeve/portreeve/internal/network"
	"github.com/portreeve/portreeve/internal/protocol"
	"github.com/portreeve/portreeve/internal/store"
)

// many is how many places of one size make the next larger one: who was seen in
// three networks of a pool will be seen in its fourth, who was seen in three
// pools of an owner roams, and who was at three owners is on the way.
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
			wide = append(wide, p.wide(who, h)...)
		}
	}
	wide = append(wide, p.countrywide(who)...)
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
		if site, ok := network.Parse(x); ok {
			for n := range h.nets {
				if site.Overlaps(n) {
					return true
				}
			}
			return false
		}
		return x == who.id || x == who.address || programOf(x) != "" && programOf(x) == h.Program
	})
}

// wide are the windows of a habit that moves about within an owner's networks.
// A part of them is known that it was in three networks of, or in two, each on
// enough days, or on enough days while it was in three of the owner's. They are
// tied to the TLS hello, and so there are none for what an imported log shows: without a hello the place is all there is to pin.
func (p *plan) wide(who *person, h *habit) []Window {
	if p.Widen == WidenNothing || h.JA4 == "" || h.ASN == 0 {
		return nil
	}
	nets := p.networks(who, h)
	w := Window{Protocols: protocolList(h.protocols()), Program: h.Program, JA4: h.JA4, ASN: h.ASN, Owner: h.owner, Country: h.Country, LastUsed: h.last}
	in := p.poolsOf(nets)
	if p.Widen != WidenPool && p.roams(in) {
		return []Window{w}
	}
	var all []Window
	for _, pool := range slices.SortedFunc(maps.Keys(in), comparePrefix) {
		if u := in[pool]; u.nets >= many || u.often > 1 || u.days.count() >= p.Days && len(nets) >= many {
			w.Network = pool
			all = append(all, w)
		}
	}
	return all
}

// poolUse is a habit in one part of an owner's networks.
type poolUse struct {
	nets  int
	often int // nets used on enough days by themselves: the address has changed
	days  days
}

func (p *plan) poolsOf(nets map[netip.Prefix]days) map[netip.Prefix]poolUse {
	in := map[netip.Prefix]poolUse{}
	for n, on := range nets {
		u := in[poolOf(n)]
		if on.count() >= p.Days {
			u.often++
		}
		u.nets, u.days = u.nets+1, u.days.or(on)
		in[poolOf(n)] = u
	}
	return in
}

// networks are those of a habit's owner in which a person used its program: what
// sends does not give the name that it fetches under, but the same TLS hello.
func (p *plan) networks(who *person, h *habit) map[netip.Prefix]days {
	all := map[netip.Prefix]days{}
	for _, o := range who.habits {
		if o.place == h.place && o.JA4 == h.JA4 && (o == h || o.Program == "" || h.Program == "") && p.adoptable(who, o) {
			for n, u := range o.nets {
				all[n] = all[n].or(u.days)
			}
		}
	}
	return all
}

// countrywide are the windows of programs that are carried about: one that was
// in three owners' networks of a country, or in two of which one is an operator
// of telephones, is known in all those of the country in which people of the
// organisation are.
func (p *plan) countrywide(who *person) (all []Window) {
	if p.Widen != WidenCountry {
		return nil
	}
	type carried struct {
		device
		country string
	}
	found := map[carried][]*habit{}
	for _, h := range who.habits {
		if h.JA4 != "" && h.ASN != 0 && p.adoptable(who, h) {
			c := carried{h.device, h.Country}
			found[c] = append(found[c], h)
		}
	}
	for c, habits := range found {
		w := Window{Program: c.Program, JA4: c.JA4, Country: c.country}
		var on days
		var used uint32
		carried := len(habits) >= many
		for _, h := range habits {
			carried = carried || len(habits) > 1 && p.carried(p.poolsOf(p.networks(who, h)))
			on, used = on.or(h.days), used|h.protocols()
			if h.last.After(w.LastUsed) {
				w.LastUsed = h.last
			}
		}
		if carried && on.count() >= p.Days {
			w.Protocols = protocolList(used)
			all = append(all, w)
		}
	}
	slices.SortFunc(all, func(a, b Window) int {
		return cmp.Or(cmp.Compare(a.Country, b.Country), cmp.Compare(a.Program, b.Program), cmp.Compare(a.JA4, b.JA4))
	})
	return all
}

// roams says that a habit is not tied to one part of an owner's networks: it was
// in three, or in two of an operator of telephones, in which everybody has
// another network each day.
func (p *plan) roams(in map[netip.Prefix]poolUse) bool {
	n := 0
	for pool := range in {
		if p.passing(pool) {
			n++
		}
	}
	return len(in) >= many || n >= 2
}

// carried says that a program is on something that is carried about: at an
// operator of telephones it was in many networks.
func (p *plan) carried(in map[netip.Prefix]poolUse) bool {
	for pool, u := range in {
		if u.nets >= many && p.passing(pool) {
			return true
		}
	}
	return p.roams(in)
}

// passing says that everybody has another network each day in a pool.
func (p *plan) passing(pool netip.Prefix) bool {
	c := p.churn[pool]
	return c != nil && c.habits >= enoughHabits && !c.stays()
}

// churn is how networks change in a pool: those that programs were in, and the
// days on which they were, added up over programs.
type churn struct{ nets, days, habits int }

// stays says that a pool gives people the same network for some days.
func (c *churn) stays() bool { return c.nets*10 < c.days*6 }

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
