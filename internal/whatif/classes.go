package whatif

import (
	"maps"
	"net/netip"
	"runtime"
	"slices"
	"sync"
	"time"

	"github.com/portreeve/portreeve/internal/network"
	"github.com/portreeve/portreeve/internal/policy"
	"github.com/portreeve/portreeve/internal/signin"
)

// maxClasses bounds how many classes are kept; a log with more has no preview.
const maxClasses = 100_000

// Classes are recorded sign-ins counted by everything that policies ask, but
// for the time: equal ones are judged once. Addresses are kept as networks, so
// a location narrower than that, and a rule that asks for the time, make an
// answer approximate; see Rough.
type Classes struct {
	mu      sync.Mutex // while several count
	kinds   map[string]*ClassKind
	places  map[netip.Prefix]int32 // numbered from 1
	classes map[classKey]*class
	full    bool
}

// ClassKind is a kind of sign-ins in Classes.
type ClassKind struct {
	kept
	number int32
	ended  bool // it stays refused whatever the rules say
}

// classKey is a kind's number, a place's, and one bit: the proof had just been given.
type classKey uint64

func keyOf(kind, place int32, fresh bool) classKey {
	k := classKey(kind)<<32 | classKey(place)<<1
	if fresh {
		k |= 1
	}
	return k
}

// class is one kind of sign-ins from one place: the latest, and how many there
// were on each day.
type class struct {
	kind          *ClassKind
	at            int64 // Unix nanoseconds
	judged, proof time.Time
	addr          netip.Addr
	id            signin.ID
	days          []day // ascending
}

// Stamp puts what is the latest sign-in's own into an event of its kind.
func (x *class) Stamp(e *signin.Event) {
	e.At, e.ID, e.Facts.At, e.Facts.AuthTime = time.Unix(0, x.at).UTC(), x.id, x.judged, x.proof
}

type day struct{ number, count int64 }

const secondsOfDay = 24 * 60 * 60

func dayOf(t time.Time) int64 {
	n := t.Unix()
	if n < 0 {
		n -= secondsOfDay - 1
	}
	return n / secondsOfDay
}

// NewClasses makes an empty table.
func NewClasses() *Classes {
	return &Classes{kinds: map[string]*ClassKind{}, places: map[netip.Prefix]int32{}, classes: map[classKey]*class{}}
}

// Full says that there are more kinds of sign-ins than are kept.
func (c *Classes) Full() bool { return c.full }

// Len is how many classes there are.
func (c *Classes) Len() int { return len(c.classes) }

// kind is the one kind of a name.
func (c *Classes) kind(name string, k *kept) *ClassKind {
	c.mu.Lock()
	defer c.mu.Unlock()
	x := c.kinds[name]
	if x == nil {
		x = &ClassKind{*k, int32(len(c.kinds)), k.basis() == ended}
		if len(c.kinds) >= maxClasses {
			c.full = true
			return x
		}
		c.kinds[name] = x
	}
	return x
}

// place is the number of a network.
func (c *Classes) place(p netip.Prefix) int32 {
	c.mu.Lock()
	defer c.mu.Unlock()
	n, ok := c.places[p]
	if !ok {
		n = int32(len(c.places)) + 1
		if len(c.places) >= maxClasses {
			c.full = true
			return n
		}
		c.places[p] = n
	}
	return n
}

// add adds what was counted elsewhere.
func (c *Classes) add(key classKey, y *class) {
	x := c.classes[key]
	if x == nil {
		if len(c.classes) >= maxClasses {
			c.full = true
			return
		}
		c.classes[key] = y
		return
	}
	if y.at > x.at {
		x.at, x.judged, x.proof, x.addr, x.id = y.at, y.judged, y.proof, y.addr, y.id
	}
	for _, d := range y.days {
		x.days = addDay(x.days, d)
	}
}

// addDay adds to days, which are ascending: sign-ins come nearly in order.
func addDay(days []day, d day) []day {
	i := len(days)
	for i > 0 && days[i-1].number > d.number {
		i--
	}
	switch {
	case i > 0 && days[i-1].number == d.number:
		days[i-1].count += d.count
		return days
	case i == len(days):
		return append(days, d)
	}
	return slices.Insert(days, i, d)
}

// freshness is how new a proof must be to count as just given.
const freshness = 5 * time.Minute

// Replay judges each class once and counts its sign-ins of the days from and
// to, whole days of UTC. Several goroutines share the work.
func (c *Classes) Replay(change *Change, from, to time.Time) *Tally {
	first, last := dayOf(from), int64(1)<<62
	if !to.IsZero() {
		last = dayOf(to)
	}
	all := slices.Collect(maps.Values(c.classes))
	parts := make([]*Tally, runtime.GOMAXPROCS(0))
	var wg sync.WaitGroup
	for i := range parts {
		wg.Go(func() {
			parts[i] = replayed(all[len(all)*i/len(parts):len(all)*(i+1)/len(parts)], change, first, last)
		})
	}
	wg.Wait()
	for _, t := range parts[1:] {
		parts[0].Add(t)
	}
	return parts[0]
}

func replayed(classes []*class, change *Change, first, last int64) *Tally {
	c := NewCounter(change, nil)
	kinds := map[*ClassKind]*Kind{}
	for _, x := range classes {
		var n int64
		for _, d := range x.days {
			if d.number >= first && d.number <= last {
				n += d.count
			}
		}
		if n == 0 {
			continue
		}
		k := kinds[x.kind]
		if k == nil {
			k = &Kind{kept: x.kind.kept, number: int32(len(kinds))}
			kinds[x.kind] = k
		}
		p := c.Place(x.addr)
		c.ask(k, &p, x).add(&c.ev, n)
	}
	for _, k := range kinds {
		c.settle(k)
	}
	return c.tally
}

// Rough says why answers by classes are approximate for a change; empty if
// they are not, but for the days, which are whole.
func Rough(change *Change) (why []string) {
	timed, narrow := false, false
	for _, s := range []*policy.Snapshot{change.Before.Rules, change.After.Rules} {
		timed = timed || s.TimeMatters()
		for _, l := range s.Source().Locations {
			for _, r := range l.Ranges {
				narrow = narrow || network.Of(r.From).Addr() != r.From || r.To.Next().IsValid() && network.Of(r.To.Next()).Addr() != r.To.Next()
			}
		}
	}
	if timed {
		why = append(why, "A rule asks for the time: each kind of sign-in was judged by its latest one.")
	}
	if narrow {
		why = append(why, "A location is narrower than a network of 256 addresses (IPv6: /48): each kind of sign-in was judged by its latest address.")
	}
	return why
}
