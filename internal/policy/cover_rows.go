package policy

import (
	"math/bits"
	"slices"
	"time"
)

// covering are the policies in force that ask at least as much of every sign-in
// from now on that a policy applies to, first ones first. Each table of the
// snapshot is one condition: whoever covers a policy stands in every row that
// it stands in. So the rows themselves are joined, all candidates at once.
func (s *Snapshot) covering(policy int, now time.Time) coverers {
	c := &cover{s: s, policy: policy, left: slices.Clone(s.enforced), word: policy / 64, bit: 1 << (policy % 64)}
	c.left[c.word] &^= c.bit
	people := func() { c.people(now) }
	// The dearest come last, for the few that are left.
	for _, step := range []func(){c.demands, c.doors, c.rest, c.words, c.devices, people, c.places} {
		step()
		if c.where(); len(c.at) == 0 {
			return nil
		}
	}
	return c.all()
}

// coverers are policies by number, read in ascending order.
type coverers []int

func (c coverers) has(policy int) bool { _, ok := slices.BinarySearch(c, policy); return ok }

// cover is one policy, and the candidates that are left.
type cover struct {
	s      *Snapshot
	policy int
	left   set
	at     []int // the words of left that have a bit
	word   int
	bit    uint64
}

// where finds the words of left that have a bit: soon they are few.
func (c *cover) where() {
	c.at = c.at[:0]
	for i, w := range c.left {
		if w != 0 {
			c.at = append(c.at, i)
		}
	}
}

func (c *cover) all() (all coverers) {
	for i, w := range c.left {
		for ; w != 0; w &= w - 1 {
			all = append(all, i*64+bits.TrailingZeros64(w))
		}
	}
	return all
}

// row takes away the candidates that do not hold where the policy does.
func (c *cover) row(r set) {
	if r == nil || r[c.word]&c.bit == 0 {
		return
	}
	for _, i := range c.at {
		c.left[i] &= r[i]
	}
}

// demands leaves those that ask at least as much.
func (c *cover) demands() {
	own := &c.s.rules[c.policy].asked
	enough := make(set, len(c.left))
	for k := range c.s.asked {
		if c.s.asked[k].dominates(own) {
			or(enough, c.s.demands[k])
		}
	}
	for i := range c.left {
		c.left[i] &= enough[i]
	}
}

// people leaves those for the same people and the same time: what no table has.
func (c *cover) people(now time.Time) {
	own := &c.s.rules[c.policy]
	for _, i := range c.all() {
		if r := &c.s.rules[i]; r.never() || !r.users.covers(own.users, now) || !r.period.covers(own.period, now) {
			c.left[i/64] &^= 1 << (i % 64)
		}
	}
}

func (c *cover) doors() {
	for p := range c.s.doors {
		for k := range c.s.doors[p] {
			for _, r := range c.s.doors[p][k] {
				c.row(r)
			}
		}
	}
}

func (c *cover) rest() {
	for _, r := range c.s.flows {
		c.row(r)
	}
	for i := range c.s.clients {
		for _, r := range c.s.clients[i] {
			c.row(r)
		}
	}
	for _, r := range c.s.shares {
		c.row(r)
	}
	for i := range c.s.hours {
		for _, r := range c.s.hours[i].rows {
			c.row(r)
		}
	}
}

func (c *cover) words() {
	for _, r := range c.s.asns.named.all() {
		c.row(r)
	}
	c.row(c.s.asns.other)
	for _, r := range c.s.programs.named.all() {
		c.row(r)
	}
	c.row(c.s.programs.other)
}

// devices leaves those without a rule and those with the same one; if every
// kind of device is known, also those that hold for all that the policy's does.
func (c *cover) devices() {
	if c.s.allDevices {
		for _, r := range c.s.holds {
			c.row(r)
		}
		return
	}
	own := c.s.rules[c.policy].device
	for _, i := range c.all() {
		d := c.s.rules[i].device
		if same := d != nil && own != nil && d.text == own.text && d.exclude == own.exclude; d != nil && !same {
			c.left[i/64] &^= 1 << (i % 64)
		}
	}
}

func (c *cover) places() {
	if !slices.ContainsFunc(c.all(), func(i int) bool { return c.s.rules[i].locations != nil }) {
		return // all that are left are for every place
	}
	lands := c.s.lands()
	for _, n := range c.s.networks {
		for _, l := range lands {
			row := func(i int) uint64 { return (n.in[i] | l.in[i]) &^ (n.out[i] | l.out[i]) }
			if row(c.word)&c.bit == 0 {
				continue
			}
			for _, i := range c.at {
				c.left[i] &= row(i)
			}
		}
		if c.where(); len(c.at) == 0 {
			return
		}
	}
}

// covers says that whoever b is for, u is for, from now on. Nil is for everybody.
func (u *usersCondition) covers(b *usersCondition, now time.Time) bool {
	if u == nil {
		return true
	}
	all := members{all: true}
	in, out := &all, &members{}
	if b != nil {
		in, out = &b.include, &b.exclude
	}
	return !u.exclude.all && u.include.holdAll(in) && u.exclude.within(out, in, now)
}

// holdAll says that every member included by one side is included by this one.
func (m *members) holdAll(in *members) bool {
	if m.all {
		return true
	}
	if in.all || in.absent {
		return false
	}
	pairs := [][2][]member{{m.users, in.users}, {m.groups, in.groups}, {m.roles, in.roles}}
	for _, p := range pairs {
		for _, x := range p[1] {
			if x.id != "" && !slices.ContainsFunc(p[0], func(y member) bool { return x.id == y.id }) {
				return false
			}
		}
	}
	return !slices.ContainsFunc(in.guests, func(g Guests) bool { return !guestsIn(m.guests, g) })
}

// within says that whoever this side excludes at some time from now on, out
// excludes then too, or in never included.
func (m *members) within(out, in *members, now time.Time) bool {
	if out.all {
		return true
	}
	if m.absent { // nothing tells whether out means them too, once they come
		return false
	}
	onlyUsers := !in.all && len(in.groups)+len(in.roles)+len(in.guests) == 0
	kinds := [][2][]member{{m.users, out.users}, {m.groups, out.groups}, {m.roles, out.roles}}
	for k, p := range kinds {
		for _, x := range p[0] {
			if x.id == "" || !x.counts(now) {
				continue
			}
			same := func(y member) bool { return x.id == y.id && y.lasts(x) }
			named := func(y member) bool { return x.id == y.id }
			if slices.ContainsFunc(p[1], same) || k == 0 && onlyUsers && !slices.ContainsFunc(in.users, named) {
				continue
			}
			return false
		}
	}
	return !slices.ContainsFunc(m.guests, func(g Guests) bool { return !guestsIn(out.guests, g) })
}

// lasts says that an exclusion ends no sooner than another.
func (m member) lasts(x member) bool {
	return m.expires.IsZero() || !x.expires.IsZero() && !m.expires.Before(x.expires)
}

// dominates says that whatever a sign-in shows, these controls answer no better
// than b's. Every way to meet or miss what both ask for is tried.
func (a *asked) dominates(b *asked) bool {
	if a.grant&ControlBlock != 0 {
		return true
	}
	tries := possible{a: a, b: b}
	tries.learn()
	for pick := range 1 << 7 {
		metA, metB, can := tries.met(pick)
		if !can {
			continue
		}
		for _, asks := range []bool{false, true} {
			if a.judge(metA, asks) < b.judge(metB, asks) {
				return false
			}
		}
	}
	return true
}

// possible is what follows from what among the controls of two policies.
type possible struct {
	a, b                                       *asked
	aToMFA, bToMFA, mfaToA, mfaToB, aToB, bToA bool
}

func (p *possible) learn() {
	combos := func(x *asked) []Combination {
		if x.strength == nil {
			return nil
		}
		return x.strength.Combinations
	}
	a, b, mfa := combos(p.a), combos(p.b), p.a.mfa
	p.aToMFA, p.bToMFA, p.mfaToA, p.mfaToB, p.aToB, p.bToA = follows(a, mfa), follows(b, mfa), follows(mfa, a), follows(mfa, b), follows(a, b), follows(b, a)
}

// follows says that whoever has proven one of the first has proven one of the second.
func follows(from, to []Combination) bool {
	for _, c := range from {
		if c.Unprovable || c.Methods == 0 {
			continue
		}
		if !slices.ContainsFunc(to, func(d Combination) bool {
			keys := d.Keys == nil || c.Keys != nil && !slices.ContainsFunc(c.Keys, func(k string) bool { return !slices.Contains(d.Keys, k) })
			return !d.Unprovable && d.Methods != 0 && d.Methods&^c.Methods == 0 && keys
		}) {
			return false
		}
	}
	return true
}

// met are the controls met of each policy for one way; can is whether there is it.
func (p *possible) met(pick int) (a, b Controls, can bool) {
	is := func(i int) bool { return pick>>i&1 != 0 }
	mfa, sa, sb, fa, fb := is(0), is(1), is(2), is(5), is(6)
	wrong := sa && p.a.strength == nil || sb && p.b.strength == nil || fa && p.a.every == nil || fb && p.b.every == nil ||
		sa && !mfa && p.aToMFA || sb && !mfa && p.bToMFA || p.a.strength != nil && p.b.strength != nil && (sa && !sb && p.aToB || sb && !sa && p.bToA) ||
		mfa && !sa && p.a.strength != nil && p.mfaToA || mfa && !sb && p.b.strength != nil && p.mfaToB
	if p.a.every != nil && p.b.every != nil {
		x, y := p.a.every.most(), p.b.every.most()
		wrong = wrong || fa && !fb && x <= y || fb && !fa && y <= x
	}
	add := func(on bool, to *Controls, c Controls) {
		if on {
			*to |= c
		}
	}
	for _, to := range []*Controls{&a, &b} {
		add(mfa, to, ControlMFA)
		add(is(3), to, ControlCompliantDevice)
		add(is(4), to, ControlDomainJoinedDevice)
	}
	add(sa, &a, ControlStrength)
	add(sb, &b, ControlStrength)
	add(fa, &a, ControlSignInFrequency)
	add(fb, &b, ControlSignInFrequency)
	return a, b, !wrong
}
