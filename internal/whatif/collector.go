package whatif

import (
	"net/netip"

	"github.com/portreeve/portreeve/internal/network"
	"github.com/portreeve/portreeve/internal/policy"
	"github.com/portreeve/portreeve/internal/signin"
)

// Collector counts sign-ins that come kind by kind, for Classes. It is for one
// goroutine; several may count for the same Classes.
type Collector struct {
	c     *Classes
	read  ReadKind
	kinds map[string]*ClassKind // what this one has asked the Classes for
	nets  map[netip.Prefix]int32
	ev    signin.Event
	rows  map[classKey]*class // not yet handed over
}

// Collect makes a Collector.
func (c *Classes) Collect(read ReadKind) *Collector {
	return &Collector{c: c, read: read, kinds: map[string]*ClassKind{}, nets: map[netip.Prefix]int32{}, rows: map[classKey]*class{}}
}

// Begin says that the kinds and places asked for before are done with.
func (c *Collector) Begin() {
	if len(c.kinds)+len(c.nets) > maxKinds || len(c.rows) > maxKinds {
		c.Done()
		clear(c.kinds)
		clear(c.nets)
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
func (c *Collector) Place(a netip.Addr) Place {
	net := network.Of(a)
	n, ok := c.nets[net]
	if !ok {
		n = c.c.place(net)
		c.nets[net] = n
	}
	return Place{addr: a, nets: [2]int32{n}}
}

// Count counts a row.
func (c *Collector) Count(k *ClassKind, p *Place, row Row) {
	row.Stamp(&c.ev)
	e := &c.ev
	place := p.nets[0]
	if k.ended {
		place = 0
	}
	key := keyOf(k.number, place, e.Facts.At.Sub(e.Facts.AuthTime) < freshness)
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
