package organisation

import (
	"encoding/binary"
	"net/netip"
	"time"
)

// thieves steals forty passwords: five long ago, thirty-five in the second month.
func (m *maker) thieves() {
	taken := map[int]bool{}
	victim := func(fit func(*Person) bool) (int, *Person) {
		for {
			if i := m.r.IntN(len(m.world.People)); !taken[i] && fit(m.world.People[i]) {
				taken[i] = true
				return i, m.world.People[i]
			}
		}
	}
	m.oldThieves(victim)
	m.nearThieves(victim)
	m.farThieves(victim)
}

type choice func(fit func(*Person) bool) (int, *Person)

func (p *Person) has(kind machineKind) *machine {
	for _, x := range p.machines {
		if x.kind == kind {
			return x
		}
	}
	return nil
}

func anybody(*Person) bool { return true }

func byDay(p *Person) bool { return !p.night }

// steal adds a theft that is tried over every protocol.
func (m *maker) steal(i int, program, how string, near, old bool, place Place, address func() netip.Addr) {
	t := Theft{Person: i, Old: old, Near: near, How: how}
	for _, protocol := range []string{"imap", "pop3", "submission"} {
		t.Tries = append(t.Tries, SignIn{At: m.Now, Person: i, Protocol: protocol, Program: program, Addr: address(), Place: place, Thief: true, Note: how})
	}
	m.world.Thefts = append(m.world.Thefts, t)
}

// reads adds what an old thief did in the first month.
func (m *maker) reads(i int, protocol, program string, place Place, from, every, times int, hour func() int, address func() netip.Addr) {
	for d := from; d < 30; d += every {
		for range times {
			at := m.Now.Add(-Month).Truncate(24 * time.Hour).Add(time.Duration((d*24+hour())*3600+m.r.IntN(3600)) * time.Second)
			if at.After(m.Now.Add(-Month)) && at.Before(m.Now) {
				m.world.First = append(m.world.First, SignIn{At: at, Person: i, Protocol: protocol, Program: program, Addr: address(), Place: place, Thief: true})
			}
		}
	}
}

func (m *maker) oldThieves(victim choice) {
	abroad := func(code string) *country {
		for _, c := range m.countries {
			if c.code == code {
				return c
			}
		}
		panic("no such country")
	}
	night := func() int { return 1 + m.r.IntN(2) }
	any := func() int { return m.r.IntN(24) }
	i, _ := victim(byDay)
	o := abroad("RO").hosting
	at := m.seat(o, m.r.IntN(regions))
	m.reads(i, "pop3", "python", o.Place, 9, 1, 2, night, at)
	m.steal(i, "python", "a script abroad, every night since the first month", false, true, o.Place, at)

	i, p := victim(func(p *Person) bool { return byDay(p) && p.has(phone) != nil && p.away[0].country == nil })
	o = abroad("VN").isps[0]
	at = m.seat(o, m.r.IntN(regions))
	m.reads(i, "imap", p.has(phone).program, o.Place, 4, 1, 4, any, at)
	m.steal(i, p.has(phone).program, "the victim's own program abroad, since the first month", false, true, o.Place, at)

	o = m.countries[0].hosting
	at = m.seat(o, m.r.IntN(regions))
	for range 2 { // one thief in two accounts
		i, _ = victim(byDay)
		m.reads(i, "imap", "go", o.Place, 3, 2, 2, any, at)
		m.steal(i, "go", "a script in a data centre at home, in two accounts, since the first month", false, true, o.Place, at)
	}

	i, p = victim(func(p *Person) bool { return byDay(p) && p.has(pc) != nil })
	o = p.home.of
	at = m.seat(o, (p.region+6)%regions)
	m.reads(i, "imap", "impostor", o.Place, 12, 1, 2, night, at)
	m.steal(i, "impostor", "at the victim's own provider, at night, since the first month", true, true, o.Place, at)
}

// seat is one address that somebody stays at.
func (m *maker) seat(o *operator, region int) func() netip.Addr {
	a := m.within(o, region)
	return func() netip.Addr { return a }
}

// nearThieves share the victim's country and network owner.
func (m *maker) nearThieves(victim choice) {
	atHome := func(p *Person) bool { return p.has(pc) != nil && p.home.of.Owner != "" }
	for range 3 {
		i, p := victim(atHome)
		m.steal(i, p.has(pc).program, "the victim's own program and provider, in another region", true, false, p.home.place(), m.seat(p.home.of, (p.region+5)%regions))
	}
	for range 2 {
		i, p := victim(atHome)
		m.steal(i, p.has(pc).program+other, "the victim's program in another build, provider and region", true, false, p.home.place(), m.seat(p.home.of, p.region))
	}
	for range 3 {
		i, p := victim(func(p *Person) bool { return p.has(phone) != nil })
		m.steal(i, p.has(phone).program+other, "the victim's kind of telephone in another version, at their mobile operator", true, false, p.mobile.Place, func() netip.Addr { return m.roam(p) })
	}
	for _, program := range []string{"python", "impostor"} {
		i, p := victim(atHome)
		m.steal(i, program, "a script at the victim's provider, in their region", true, false, p.home.place(), m.seat(p.home.of, p.region))
	}
}

// farThieves are elsewhere, most of them abroad.
func (m *maker) farThieves(victim choice) {
	for n := range 25 {
		i, p := victim(anybody)
		c := m.countries[1:][m.r.IntN(len(m.countries)-1)]
		o := pick(m, append([]*operator{c.hosting}, c.isps...))
		if n < 4 { // in the victim's country, with somebody who rents out machines
			o = m.countries[0].hosting
		}
		program := pick(m, []string{"python", "go", "impostor", "thunderbird-windows", "apple-mail-ios"})
		how := program + " from elsewhere"
		if n%3 == 0 {
			program, how = pick(m, p.machines).program, "the victim's own program from elsewhere"
		}
		m.steal(i, program, how, false, false, o.Place, func() netip.Addr { return m.within(o, m.r.IntN(regions)) })
	}
}

// within is an address in one part of an operator's network, IPv6 now and then.
func (m *maker) within(o *operator, region int) netip.Addr {
	if m.chance(0.25) {
		a := o.six.Addr().As16()
		a[4] = byte(region)
		binary.BigEndian.PutUint16(a[5:], uint16(m.r.Uint32()))
		binary.BigEndian.PutUint64(a[8:], m.r.Uint64())
		return netip.AddrFrom16(a)
	}
	a := pick(m, o.regions[region]).Addr().As4()
	a[2], a[3] = byte(m.r.IntN(256)), byte(1+m.r.IntN(254))
	return netip.AddrFrom4(a)
}

// Neighbours are, for each person with a computer at home, a thief who cannot be
// told apart by what is pinned: the same program, in the same part of the same
// provider's network. Twins are, for each person with a telephone, a thief with
// the very same one somewhere in the country. None of them steals here; they are
// for counting.
func (w *World) Neighbours(seed uint64) (neighbours, twins []SignIn) {
	m := &maker{r: newRand(seed), world: w}
	for i, p := range w.People {
		if x := p.has(pc); x != nil {
			neighbours = append(neighbours, SignIn{Person: i, Protocol: x.fetch, Program: x.program, Addr: m.within(p.home.of, p.region), Place: p.home.place()})
		}
		if x := p.has(phone); x != nil {
			o := pick(m, w.providers)
			twins = append(twins, SignIn{Person: i, Protocol: x.fetch, Program: x.program, Addr: m.within(o, m.r.IntN(regions)), Place: o.place()})
		}
	}
	return neighbours, twins
}

// Sampled are sign-ins of the second month by that many different owners whose
// programs, places and devices are all as they were.
func (w *World) Sampled(seed uint64, people int) (numbers []int) {
	r, taken := newRand(seed), map[int]bool{}
	for len(numbers) < min(people, len(w.People)/2) {
		n := r.IntN(len(w.Second))
		if s := &w.Second[n]; s.Note == "" && !taken[s.Person] {
			taken[s.Person] = true
			numbers = append(numbers, n)
		}
	}
	return numbers
}
