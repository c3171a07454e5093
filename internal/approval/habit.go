package approval

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"math/bits"
	"net/netip"
	"slices"
	"time"

	"github.com/portreeve/portreeve/internal/network"
	"github.com/portreeve/portreeve/internal/policy"
	"github.com/portreeve/portreeve/internal/protocol"
	"github.com/portreeve/portreeve/internal/signin"
	"github.com/portreeve/portreeve/internal/store"
)

// device is a program as far as it can be told apart: by the name it gives
// itself and by its TLS hello.
type device struct{ Program, JA4 string }

// same says that two may be one program on one machine, updated meanwhile.
func (d device) same(o device) bool {
	return d.Program == o.Program && (d.JA4 == o.JA4 || sameLibrary(d.JA4, o.JA4))
}

// place is whose network it is and where; without a file that tells, the network itself.
type place struct {
	ASN     uint32
	Country string
	Network netip.Prefix
}

func placeOf(k *Knock) place {
	if k.ASN == 0 || k.Country == "" {
		return place{Network: network.Of(k.Addr)}
	}
	return place{ASN: k.ASN, Country: k.Country}
}

// days is a set of days, counted from the first of those looked at.
type days [2]uint64

// maxSeen is how many days fit: what was used longer ago is no habit.
const maxSeen = 128

func (d *days) add(n int) {
	if n >= 0 && n < maxSeen {
		d[n/64] |= 1 << (n % 64)
	}
}

func (d days) count() int { return bits.OnesCount64(d[0]) + bits.OnesCount64(d[1]) }

func (d days) and(o days) days { return days{d[0] & o[0], d[1] & o[1]} }

func (d days) or(o days) days { return days{d[0] | o[0], d[1] | o[1]} }

// habit is what one person did with one program in the networks of one owner.
type habit struct {
	person string
	device
	place
	owner string

	nets        map[netip.Prefix]*netUse
	addrs       []netip.Addr // the first few
	hours       [24]int64    // in how many of each it was used, UTC
	used        int64        // hours in all
	hour        int64        // the last, since 1970
	days        days
	count       int64
	first, last time.Time
	apart       bool            // from what the person does most: neither its program nor its place leads there
	torn        map[*netUse]int // how often the same program was in another country's network within the hour
}

// netUse is a habit in one /24 or /48.
type netUse struct {
	days      days
	protocols uint32 // bits by protocol
	count     int64
	last      time.Time
}

func (h *habit) protocols() (all uint32) {
	for _, n := range h.nets {
		all |= n.protocols
	}
	return all
}

func protocolList(set uint32) (list []protocol.Protocol) {
	for p := range protocol.Protocol(protocol.Count) {
		if set&(1<<p) != 0 {
			list = append(list, p)
		}
	}
	return list
}

// person is everything the log shows of one person's passwords.
type person struct {
	id, address string
	habits      []*habit
	first       time.Time
	latest      map[device]sighting
}

type sighting struct {
	at  time.Time
	h   *habit
	net *netUse
}

// tornWithin is how soon nobody carries a device from one country's networks to another's.
const tornWithin = time.Hour

// past is what the log shows of a time.
type past struct {
	from, to time.Time
	people   map[string]*person
	hours    [24]int64 // of all habits
	used     int64     // hours in all
	signIns  int64

	devices map[netip.Prefix][]library // of everybody, the first few of each network

	// When all is read.
	usual     string          // the organisation's country, empty if it has none
	libraries map[library]int // people in that country, by what they use there
	guests    map[place]int   // people with a program that is not rare, by where they use it
	pools     map[netip.Prefix]*churn
}

// library is a program's TLS library, or its name where there is no hello.
type library string

func (d device) library() library {
	if l := libraryOf(d.JA4); l != "" {
		return library(l)
	}
	return library(d.Program)
}

// knockOf is a recorded sign-in as a knock.
func knockOf(e *signin.Event) Knock {
	f := &e.Facts
	return Knock{ID: e.ID, At: e.At, Person: f.Person, Protocol: f.Protocol, Program: f.Program, JA4: e.TLS.JA4, Addr: f.Addr,
		Country: f.Country, ASN: f.ASN, Owner: e.NetOwner}.cleaned()
}

// passwords walks the sign-ins of a time that showed a right password to a
// protocol whose programs can be asked for nothing more.
func (s *Service) passwords(ctx context.Context, from, to time.Time, whom func(string) bool, do func(*Knock, *signin.Event)) error {
	filter := store.EventFilter{From: from, To: to, Credentials: []policy.CredentialKind{policy.CredentialPassword}, Outcome: signin.EndAllowed}
	for e, err := range s.Store.AllEvents(ctx, filter) {
		if err != nil {
			return fmt.Errorf("reading the log: %w", err)
		}
		k := knockOf(e)
		if k.Person == "" || k.Protocol == protocol.Portal || k.Protocol == protocol.Webmail || !network.Of(k.Addr).IsValid() || !whom(k.Person) {
			continue
		}
		do(&k, e)
	}
	return nil
}

// read learns the habits of those chosen.
func (s *Service) read(ctx context.Context, from, to time.Time, whom func(string) bool) (*past, error) {
	p := &past{from: from, to: to, people: map[string]*person{}, devices: map[netip.Prefix][]library{}}
	err := s.passwords(ctx, from, to, whom, func(k *Knock, e *signin.Event) { p.add(k, e) })
	p.usual, p.pools = p.majority(), p.churn()
	p.common()
	return p, err
}

func (p *past) add(k *Knock, e *signin.Event) {
	who := p.people[k.Person]
	if who == nil {
		who = &person{id: k.Person, address: e.Facts.Address, first: k.At, latest: map[device]sighting{}}
		p.people[k.Person] = who
	}
	d, at, n := device{k.Program, k.JA4}, placeOf(k), max(e.Count, 1)
	i := slices.IndexFunc(who.habits, func(h *habit) bool { return h.device == d && h.place == at })
	p.signIns += n
	if i < 0 {
		if who.makeRoom(p.dayOf(k.At)); len(who.habits) >= maxHabits {
			return // it is not adopted
		}
		i = len(who.habits)
		who.habits = append(who.habits, &habit{person: k.Person, device: d, place: at, owner: k.Owner, first: k.At, nets: map[netip.Prefix]*netUse{}})
	}
	h := who.habits[i]
	if hour := k.At.Unix() / 3600; hour != h.hour { // a script that looks each second is not many people
		h.hour = hour
		h.hours[k.At.UTC().Hour()]++
		p.hours[k.At.UTC().Hour()]++
		h.used, p.used = h.used+1, p.used+1
	}
	net := h.add(k, n, p.dayOf(k.At), p.dayOf(cmp.Or(e.Last, k.At)))
	who.sight(h, net, k.At)
	site, l := network.Of(k.Addr), d.library()
	if seen := p.devices[site]; len(seen) < manyDevices && !slices.Contains(seen, l) {
		p.devices[site] = append(seen, l)
	}
}

// maxHabits is of one person. Whoever has a password can show another TLS hello
// each time, and what is compared with one another must not grow with that.
const maxHabits = 500

// makeRoom forgets, where there is no room, what was done on one day only and
// not today.
func (p *person) makeRoom(today int) {
	if len(p.habits) < maxHabits {
		return
	}
	var now days
	now.add(today)
	gone := map[*habit]bool{}
	p.habits = slices.DeleteFunc(p.habits, func(h *habit) bool {
		gone[h] = h.days.count() == 1 && h.days != now
		return gone[h]
	})
	maps.DeleteFunc(p.latest, func(_ device, s sighting) bool { return gone[s.h] })
}

// manyDevices is how many libraries make a network a place that people share,
// such as an office: a thief has one.
const manyDevices = 3

func (p *past) dayOf(t time.Time) int { return int(t.Sub(p.from) / day) }

func (h *habit) add(k *Knock, n int64, first, last int) *netUse {
	site := network.Of(k.Addr)
	u := h.nets[site]
	if u == nil {
		u = &netUse{}
		h.nets[site] = u
	}
	for _, d := range []int{first, last} {
		u.days.add(d)
		h.days.add(d)
	}
	u.protocols |= 1 << k.Protocol
	u.count += n
	h.count += n
	u.last, h.last = k.At, k.At
	if len(h.addrs) < keptAddrs && !slices.Contains(h.addrs, k.Addr) {
		h.addrs = append(h.addrs, k.Addr)
	}
	return u
}

// keptAddrs is how many addresses of a habit are compared with other people's.
const keptAddrs = 8

// sight notices a program that is in two countries at once.
func (p *person) sight(h *habit, net *netUse, at time.Time) {
	if h.JA4 == "" && h.Program == "" || h.Country == "" {
		return
	}
	if was, seen := p.latest[h.device]; seen && was.h.Country != h.Country && at.Sub(was.at) < tornWithin {
		h.tear(was.net)
		was.h.tear(net)
	}
	p.latest[h.device] = sighting{at, h, net}
}

func (h *habit) tear(other *netUse) {
	if h.torn == nil {
		h.torn = map[*netUse]int{}
	}
	h.torn[other]++
}

// settledDays are the days on which a network must have been used to be where
// somebody stays. A telephone abroad shows its operator's addresses at home from
// one moment to the next, but not those of its owner's house.
const settledDays = 5

// tornTimes counts how often a habit's program was at the same time where its owner stays.
func (h *habit) tornTimes() (n int) {
	for other, times := range h.torn {
		if other.days.count() >= settledDays {
			n += times
		}
	}
	return n
}

// settledOn are the days on which a person was where they stay in a country: in
// their house, whose address may change, or at work.
func (p *past) settledOn(who *person, country string) (on days) {
	for _, h := range who.habits {
		if h.Country != country {
			continue
		}
		in := map[netip.Prefix]days{}
		for network, n := range h.nets {
			if n.days.count() >= settledDays {
				on = on.or(n.days)
			}
			in[poolOf(network)] = in[poolOf(network)].or(n.days)
		}
		for pool, d := range in {
			if c := p.pools[pool]; c != nil && c.stays() && d.count() >= settledDays {
				on = on.or(d)
			}
		}
	}
	return on
}

// majority is the country of the organisation, in which most people are, empty
// if it has none. It counts people: one script can sign in more often than all
// of them.
func (p *past) majority() string {
	in, all := map[string]int{}, 0
	for _, who := range p.people {
		if country, on := who.home("", nil); on > 0 {
			in[country]++
			all++
		}
	}
	for country, n := range in {
		if n*10 >= all*6 {
			return country
		}
	}
	return ""
}

// home is the country in which a person is: the organisation's, if they are
// seen there at all, or else that of most days. Days alone would say where a
// script is that looks every night, and so what hardly anybody uses says
// nothing, unless there is nothing else.
func (p *past) home(who *person) (country string, on int) {
	if country, on := who.home(p.usual, p.rare); on > 0 {
		return country, on
	}
	return who.home(p.usual, nil)
}

func (p *person) home(majority string, except func(*habit) bool) (country string, on int) {
	in := map[string]days{}
	for _, h := range p.habits {
		if h.Country != "" && (except == nil || !except(h)) {
			in[h.Country] = in[h.Country].or(h.days)
		}
	}
	if n := in[majority].count(); n >= settledDays {
		return majority, n
	}
	for c, d := range in {
		if n := d.count(); n > on || n == on && c < country {
			country, on = c, n
		}
	}
	return country, on
}
