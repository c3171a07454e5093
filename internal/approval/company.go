package approval

import "github.com/portreeve/portreeve/internal/store"

// company is what the organisation's people have in common. It is learnt where
// many of them are pinned, so that neither a thief nor one of them can teach it
// anything.
type company struct {
	owners map[operator]int // people with an adopted window in an owner's networks
	hellos map[string]int   // people whose programs showed a TLS hello where their place is pinned tightly
}

// operator is an owner of networks in one country.
type operator struct {
	asn     uint32
	country string
}

// enoughPeople are how many do the same before it is the organisation's way:
// more than a thief has accounts, and fewer than a village has subscribers of
// one provider.
const enoughPeople = 5

// join adds what one person's windows say, or takes it back.
func (c *company) join(windows []*held, by int) {
	if c.owners == nil {
		c.owners = map[operator]int{}
	}
	seen := map[operator]bool{}
	for _, w := range windows {
		o := operator{w.ASN, w.Country}
		if w.Kind == store.AdoptedWindow && o.asn != 0 && o.country != "" && !seen[o] {
			seen[o] = true
			if c.owners[o] += by; c.owners[o] <= 0 {
				delete(c.owners, o)
			}
		}
	}
}

// hello adds that one person's program shows a TLS hello, or takes it back.
func (c *company) hello(ja4 string, by int) {
	if c.hellos == nil {
		c.hellos = map[string]int{}
	}
	if c.hellos[ja4] += by; c.hellos[ja4] <= 0 {
		delete(c.hellos, ja4)
	}
}

// at says that a knock comes from networks in which the organisation's people
// are at home, and not from a machine that somebody rents.
func (c *company) at(k *Knock) bool { return c.owners[operator{k.ASN, k.Country}] >= enoughPeople }

// shows says that a TLS hello is one which the organisation's programs show.
func (c *company) shows(ja4 string) bool { return c.hellos[ja4] >= enoughPeople }
