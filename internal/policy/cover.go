package policy

import (
	"slices"
	"time"

	"github.com/portreeve/portreeve/internal/protocol"
)

// What can be proven of policies without any sign-in: which can never apply,
// and which change nothing because another asks at least as much of everybody
// they apply to. Both are sound and not complete: a policy that is named here
// is one, and some that are not named may be one too.

// Never says that no sign-in from now on can meet a policy's conditions, and
// names the conditions that cannot hold together. A disabled policy is not
// looked at.
func (s *Snapshot) Never(policy int, now time.Time) (conditions []string, is bool) {
	r := &s.rules[policy]
	if r.State == Disabled {
		return nil, false
	}
	for _, c := range r.conditions() {
		switch c.(type) {
		case *servicesCondition, *riskCondition:
			if !c.holds(&Facts{}) {
				return []string{c.name()}, true
			}
		}
	}
	switch {
	case r.users != nil && r.users.nobody(nil):
		return []string{"users"}, true
	case r.users != nil && r.share != nil && r.users.nobody(r.share):
		return []string{"users", r.share.name()}, true
	case r.share != nil && r.share.percent <= 0:
		return []string{r.share.name()}, true
	case r.locations != nil && !s.somewhere(policy):
		return []string{"locations"}, true
	case r.device != nil && s.appliesTo(r.device) == never:
		return []string{r.device.name()}, true
	case r.programs != nil && r.programs.nothing(), r.asns != nil && r.asns.nothing():
		return r.emptyWords(), true
	case r.period != nil && r.period.over(now):
		return []string{r.period.name()}, true
	case r.hours != nil && r.hours.noTime():
		return []string{r.hours.name()}, true
	}
	return r.noDoor()
}

// nobody says that whoever is included is excluded for good, or drawn by no
// share. Who is not here may come, and is then meant: that they are not is for
// the warnings to say.
func (u *usersCondition) nobody(share *shareCondition) bool {
	if u.exclude.all {
		return true
	}
	if u.include.all || u.include.absent {
		return false
	}
	out := func(all []member, id string) bool {
		return slices.ContainsFunc(all, func(m member) bool { return m.id == id && m.expires.IsZero() })
	}
	for _, m := range u.include.users {
		drawn := share == nil || share.holds(&Facts{Person: m.id})
		if m.id != "" && drawn && !out(u.exclude.users, m.id) {
			return false
		}
	}
	if share != nil && share.percent <= 0 {
		return true
	}
	for _, m := range u.include.groups {
		if m.id != "" && !out(u.exclude.groups, m.id) {
			return false
		}
	}
	for _, m := range u.include.roles {
		if m.id != "" && !out(u.exclude.roles, m.id) {
			return false
		}
	}
	return !slices.ContainsFunc(u.include.guests, func(g Guests) bool { return !guestsIn(u.exclude.guests, g) })
}

// guestsIn says that every guest of one kind is in a list.
func guestsIn(list []Guests, g Guests) bool {
	for kind := InternalGuest; kind <= ServiceProvider; kind <<= 1 {
		if g.Types&kind == 0 {
			continue
		}
		domains := g.Domains
		if g.Everywhere {
			domains = []string{""} // only everywhere has that
		}
		for _, d := range domains {
			in := func(h Guests) bool {
				return h.Types&kind != 0 && (h.Everywhere || d != "" && slices.Contains(h.Domains, d))
			}
			if !slices.ContainsFunc(list, in) {
				return false
			}
		}
	}
	return true
}

func (w *Words) nothing() bool {
	return len(w.Include) > 0 && !slices.ContainsFunc(w.Include, func(x string) bool { return !slices.Contains(w.Exclude, x) })
}

func (n *Numbers) nothing() bool {
	return len(n.Include) > 0 && !slices.ContainsFunc(n.Include, func(x uint32) bool { return !slices.Contains(n.Exclude, x) })
}

func (r *rule) emptyWords() (names []string) {
	if r.programs != nil && r.programs.nothing() {
		names = append(names, r.programs.name())
	}
	if r.asns != nil && r.asns.nothing() {
		names = append(names, r.asns.name())
	}
	return names
}

func (h *hoursCondition) noTime() bool {
	if h.zone == nil {
		return false
	}
	borders := []int{0}
	for _, s := range slices.Concat(h.Include, h.Exclude) {
		borders = append(borders, s.borders()...)
	}
	return !slices.ContainsFunc(borders, func(minute int) bool { return h.at(minute % minutesOfWeek) })
}

// somewhere says that some address and country are in a policy's locations.
func (s *Snapshot) somewhere(policy int) bool {
	word, bit := policy/64, uint64(1)<<(policy%64)
	for _, n := range s.networks {
		for _, c := range s.lands() {
			if (n.in[word]|c.in[word])&^(n.out[word]|c.out[word])&bit != 0 {
				return true
			}
		}
	}
	return false
}

// lands are the rows of every country, of the others and of none.
func (s *Snapshot) lands() []*pair {
	all := []*pair{s.noCountry, s.otherCountry}
	for _, c := range s.countries {
		if c != nil {
			all = append(all, c)
		}
	}
	return all
}

// noDoor says that no protocol, kind of credential and platform meet what is
// asked of all three. A door or a kind that is not known is none that a sign-in
// comes by.
func (r *rule) noDoor() (conditions []string, never bool) {
	var asked []condition
	if r.apps != nil {
		asked = append(asked, r.apps)
	}
	if r.clients != nil {
		asked = append(asked, r.clients)
	}
	if r.kinds != nil {
		asked = append(asked, r.kinds)
	}
	if r.platforms != nil {
		asked = append(asked, r.platforms)
	}
	if anyDoor(asked) {
		return nil, false
	}
	for size := 1; size <= len(asked); size++ { // the fewest that cannot hold together
		for pick := range 1 << len(asked) {
			var some []condition
			for i, c := range asked {
				if pick>>i&1 != 0 {
					some = append(some, c)
				}
			}
			if len(some) == size && !anyDoor(some) {
				for _, c := range some {
					conditions = append(conditions, c.name())
				}
				return conditions, true
			}
		}
	}
	return nil, false
}

func anyDoor(all []condition) bool {
	for _, p := range protocol.All() {
		for k := CredentialPassword; int(k) < credentialKinds; k++ {
			for on := PlatformUnknown; on <= PlatformLinux; on++ {
				f := &Facts{Protocol: p, Credential: k, Platform: on}
				if !slices.ContainsFunc(all, func(c condition) bool { return !c.holds(f) }) {
					return true
				}
			}
		}
	}
	return false
}

// Shadowed finds a policy in force that asks at least as much of every sign-in
// from now on that another policy applies to: with it in force the other
// decides nothing. All shadowed policies may be taken away together. Of two
// that ask the same of the same, the later one is shadowed.
func (s *Snapshot) Shadowed(policy int, now time.Time) (by int, shadowed bool) {
	r := &s.rules[policy]
	if _, is := s.Never(policy, now); is || r.State == Disabled || r.asked.grant|r.asked.session == 0 {
		return 0, false
	}
	for _, other := range s.covering(policy, now) {
		if other < policy || r.State != Enabled || !s.covering(other, now).has(policy) {
			return other, true
		}
	}
	return 0, false
}

// CatchesPrivate says that a policy catches private addresses only because
// they have no country.
func (s *Snapshot) CatchesPrivate(policy int) bool {
	l := s.rules[policy].locations
	return l != nil && l.catchesPrivate()
}
