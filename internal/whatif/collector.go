package whatif

import (
	"net/netip"

	"github.com/portreeve/portreeve/internal/policy"
	"github.com/portreeve/portreeve/internal/signin"
)

// Collector counts sign-ins that come kind by kind, for Classes. It is for one
// goroutine; several may count for the same Classes.
type Collector struct {
	c     *Classes
	read  ReadKind
	kinds map[string]*ClassKind // what this one has asked the Classes for
	ev    signin.Event
	rows  map[classKey]*class // not yet handed over
}

// Collect makes a Collector.
func (c *Classes) Collect(read ReadKind) *Collector {
	return &Collector{c: c, read: read, kinds: map[string]*ClassKind{}, rows: map[classKey]*class{}}
}

// Begin says that the kinds and places asked for before are done with.
func (c *Collector) Begin() {
	if len(c.kinds) > maxKinds || len(c.rows) > maxKinds {
		c.Done()
		clear(c.kinds)
	}
}

// Kind is the kind of a name, until the next Begin.
func (c *Collector) Kind(name []byte) (*ClassKind, error) {
	if k := c.kinds[string(name)]; k != nil {
		return k, nil
	}
	if err := c.read(name, &c.ev); err != nil {
		return nil, err
	}
	k := keep(&c.ev)
	full := string(name)
	if k.basis() == ended { // whatever it was, it stays refused
		f := &k.facts
		k.facts = policy.Facts{Person: f.Person, Program: f.Program, Protocol: f.Protocol, Credential: f.Credential}
		full = "ended " + f.Person + "\x00" + f.Program + "\x00" + string([]byte{byte(f.Protocol), byte(f.Credential)})
	}
	x := c.c.kind(full, &k)
	c.kinds[string(name)] = x
	return x, nil
}

// Place is the network of an address.
func (c *Collector) Place(a netip.Addr) Place { return Place{addr: a} }

// Count counts a row.
func (c *Collector) Count(k *ClassKind, p *Place, row Row) {
	row.Stamp(&c.ev)
	e := &c.ev
	key := classKey{kind: k.number, fresh: e.Facts.At.Sub(e.Facts.AuthTime) < freshness}
	if !k.ended {
		key.place = placeOf(p.addr)
	}
	x := c.rows[key]
	if x == nil {
		x = &class{kind: k}
		c.rows[key] = x
	}
	if at := e.At.UnixNano(); len(x.days) == 0 || at > x.at {
		x.at, x.addr, x.id = at, p.addr, e.ID
		x.judged, x.proof = e.Facts.At, e.Facts.AuthTime
	}
	x.days = addDay(x.days, day{dayOf(e.At), max(e.Count, 1)})
}

// Done hands over what was counted.
func (c *Collector) Done() {
	c.c.mu.Lock()
	defer c.c.mu.Unlock()
	for key, x := range c.rows {
		c.c.add(key, x)
	}
	clear(c.rows)
}
