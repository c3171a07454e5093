// Package organisation makes up two months of an organisation's mail: 5,000
// people with their telephones and computers, at home, in the office and on the
// way, and forty thieves. It is the ground on which adopting what is in use is
// tested, and knows nothing of how that works: it imports nothing of the
// product and speaks of people, machines and access networks only.
//
// Equal seeds make equal months. What cannot be told apart is not made up: a
// thief with the victim's program, in the very part of an access network that
// the victim's own addresses come out of. How many owners' windows would admit
// one is counted by the test instead.
//
// Nobody joins or leaves: who joins is set up with an approval or an app
// password on the first day.
package organisation

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"time"
)

// Spec is what two months are made of.
type Spec struct {
	Seed   uint64
	People int
	Now    time.Time // the first month ends and the second begins
	// Hellos are the fingerprints of each program's TLS hello, by program.
	Hellos map[string]string
	Sample int // so many owners of the second month sign in over real connections too
}

// Month is how long each of the two is.
const Month = 30 * 24 * time.Hour

// World is what was made up.
type World struct {
	People   []*Person
	Networks []Network
	First    []SignIn // in order of time
	Second   []SignIn
	Thefts   []Theft

	providers []*operator // that give access in the country, houses and telephones
}

// SignIn is one sign-in with the right password.
type SignIn struct {
	At       time.Time
	Person   int
	Protocol string // imap, pop3 or submission
	Program  string // a name in Programs
	Addr     netip.Addr
	Place    Place
	Thief    bool
	Note     string // what is out of the ordinary, for people to read
}

// Theft is a stolen password and how its thief tries it in the second month.
type Theft struct {
	Person int
	Old    bool // at it since the first month
	Near   bool // in the victim's country, and a network owner of theirs
	How    string
	Tries  []SignIn
}

// Person is somebody with a mailbox.
type Person struct {
	Address string

	machines []*machine
	home     *line
	office   *line // nil: works elsewhere
	mobile   *operator
	region   int
	night    bool    // works at night
	away     [2]stay // abroad, each month
	still    [2]stay // only the telephone is used
}

type stay struct {
	from, to int // days
	country  *country
	hotel    *line
}

func (s stay) on(day int) bool { return s.country != nil && day >= s.from && day < s.to }

// machine is one program on one device.
type machine struct {
	program string
	kind    machineKind
	perDay  float64 // sign-ins on a day of use
	use     float64 // of days
	sends   float64 // of sign-ins
	fetch   string  // imap or pop3
	changes int     // day of the second month on which it is replaced, -1
	next    string
	updates int // day of the second month on which its program is updated, -1
}

type machineKind int

const (
	desk machineKind = iota // at the office
	pc                      // at home
	phone
)

// Make makes up two months.
func Make(spec Spec) *World {
	m := &maker{Spec: spec, r: rand.New(rand.NewPCG(spec.Seed, 5000)), world: &World{}}
	m.earth()
	for i := range spec.People {
		m.world.People = append(m.world.People, m.person(i))
	}
	for month := range 2 {
		all := &m.world.First
		if month == 1 {
			all = &m.world.Second
		}
		for i, p := range m.world.People {
			for d := range 30 {
				*all = append(*all, m.dayOf(i, p, month, d)...)
			}
		}
	}
	m.thieves()
	for _, all := range [][]SignIn{m.world.First, m.world.Second} {
		slices.SortStableFunc(all, func(a, b SignIn) int { return a.At.Compare(b.At) })
	}
	m.world.Networks = m.networks
	m.world.providers = slices.Concat(m.countries[0].isps, m.countries[0].mobile)
	return m.world
}

type maker struct {
	Spec
	r         *rand.Rand
	world     *World
	networks  []Network
	countries []*country // the first is where the organisation is
	offices   []*line
	next      [4]byte // the next free /16
	next6     uint32
}

func (m *maker) chance(p float64) bool { return m.r.Float64() < p }

func pick[T any](m *maker, list []T) T { return list[m.r.IntN(len(list))] }

// weighted picks by weights that sum to 1.
func weighted(m *maker, weights map[string]float64) string {
	names := make([]string, 0, len(weights))
	for n := range weights {
		names = append(names, n)
	}
	slices.Sort(names)
	x := m.r.Float64()
	for _, n := range names {
		if x -= weights[n]; x < 0 {
			return n
		}
	}
	return names[len(names)-1]
}

func (m *maker) person(i int) *Person {
	c := m.countries[0]
	p := &Person{Address: fmt.Sprintf("p%04d@example.org", i), region: m.r.IntN(regions), mobile: pick(m, c.mobile), night: m.chance(0.02)}
	p.home = m.line(pick(m, c.isps), p.region)
	if m.chance(0.8) {
		p.office = pick(m, m.offices)
	}
	p.machines = m.machines(p)
	for month := range 2 {
		if m.chance(0.04) { // abroad for a week or so, and in a hotel's network there
			from := m.r.IntN(28)
			abroad := pick(m, m.countries[1:])
			p.away[month] = stay{from, from + 2 + m.r.IntN(8), abroad, m.line(pick(m, abroad.isps), m.r.IntN(regions))}
		}
		if m.chance(0.12) { // two weeks of holidays
			from := m.r.IntN(20)
			p.still[month] = stay{from, from + 14, c, nil}
		}
	}
	return p
}

// What people use, by kind of machine; shares are of an ordinary organisation.
var (
	desks  = map[string]float64{"outlook": 0.62, "thunderbird-windows": 0.3, "evolution": 0.08}
	pcs    = map[string]float64{"thunderbird-windows": 0.45, "apple-mail-mac": 0.3, "outlook": 0.2, "pop-fetcher": 0.05}
	phones = map[string]float64{"apple-mail-ios": 0.5, "samsung": 0.25, "k-9": 0.15, "gmail": 0.1}
)

func (m *maker) machines(p *Person) []*machine {
	var all []*machine
	add := func(kind machineKind, program string, perDay, use, sends float64) {
		x := &machine{program: program, kind: kind, perDay: perDay, use: use, sends: sends, fetch: "imap", changes: -1, updates: -1}
		if program == "pop-fetcher" {
			x.fetch = "pop3"
		}
		if m.chance(0.01) { // a new device of another make: every eighth year
			x.changes, x.next = m.r.IntN(30), weighted(m, map[machineKind]map[string]float64{desk: desks, pc: pcs, phone: phones}[kind])
		}
		if m.chance(0.08) { // an update that changes the TLS hello
			x.updates = m.r.IntN(30)
		}
		all = append(all, x)
	}
	if p.office != nil {
		add(desk, weighted(m, desks), 1, 0.95, 0.25)
	}
	if m.chance(0.5) || p.office == nil {
		use := 0.75
		if m.chance(0.15) {
			use = 0.12 // a computer that is hardly used
		}
		add(pc, weighted(m, pcs), 1, use, 0.2)
	}
	if m.chance(0.78) {
		add(phone, weighted(m, phones), 1, 0.97, 0.12)
	}
	return all
}

// dayOf is one day of one person.
func (m *maker) dayOf(i int, p *Person, month, day int) (all []SignIn) {
	start := m.Now.Add(time.Duration(month-1)*Month + time.Duration(day)*24*time.Hour)
	weekday := start.Weekday() != time.Saturday && start.Weekday() != time.Sunday
	for _, x := range p.machines {
		if !m.chance(x.use) || x.kind == desk && !weekday || x.kind != phone && (p.away[month].on(day) || p.still[month].on(day)) {
			continue
		}
		for range 1 + m.r.IntN(int(2*x.perDay)) {
			s := SignIn{Person: i, Protocol: x.fetch, Program: x.program}
			if m.chance(x.sends) {
				s.Protocol = "submission"
			}
			if month == 1 && x.changes >= 0 && day >= x.changes {
				s.Program, s.Note = x.next, "a new device"
			} else if month == 1 && x.updates >= 0 && day >= x.updates {
				s.Program, s.Note = x.program+updated, "an update"
			}
			hour := m.hour(p, x.kind, weekday)
			s.At = start.Truncate(24 * time.Hour).Add(time.Duration(hour*3600+m.r.IntN(3600)) * time.Second)
			if s.At.Before(start) {
				s.At = s.At.Add(24 * time.Hour) // days are counted from Now's time of day
			}
			m.where(&s, p, x.kind, month, day, hour, weekday)
			all = append(all, s)
		}
	}
	return all
}

// updated marks a program's newer version: another hello of the same library.
const updated = "+"

// hour is when somebody uses a machine, in UTC.
func (m *maker) hour(p *Person, kind machineKind, weekday bool) int {
	if p.night {
		return (20 + m.r.IntN(10)) % 24
	}
	switch {
	case kind == desk:
		return 7 + m.r.IntN(10)
	case kind == pc && weekday:
		return 16 + m.r.IntN(6)
	case m.chance(0.03): // a telephone looks by itself
		return m.r.IntN(24)
	}
	return 6 + m.r.IntN(16)
}

// where is from which address a machine signs in.
func (m *maker) where(s *SignIn, p *Person, kind machineKind, month, day, hour int, weekday bool) {
	t := month*30 + day
	at := func(l *line) { s.Addr, s.Place = m.address(l, t), l.place() }
	working := weekday && hour >= 7 && hour < 17 && p.office != nil
	switch {
	case kind == desk:
		at(p.office)
	case kind == pc:
		at(p.home)
	case p.away[month].on(day):
		if m.chance(0.4) { // mobile data is carried home, as roaming is
			s.Addr, s.Place = m.roam(p), p.mobile.place()
			return
		}
		at(p.away[month].hotel)
		s.Note = "abroad"
	case m.chance(0.005): // a café, friends, a train: two hours a fortnight
		at(m.line(pick(m, m.countries[0].isps), m.r.IntN(regions)))
		s.Note = "somewhere else"
	case working && m.chance(0.6):
		at(p.office)
	case !working && m.chance(0.75):
		at(p.home)
	default:
		s.Addr, s.Place = m.roam(p), p.mobile.place()
	}
}
