package directory

import (
	"crypto/sha256"
	"fmt"
	"maps"
	"slices"
	"time"
)

// reapply is how often what an administrator changed here is held against the
// directory, though nothing changed there.
const reapply = 5 * time.Minute

// print is what is mirrored of a person.
func (p *record) print() [sha256.Size]byte {
	return sha256.Sum256(fmt.Appendf(nil, "%q%q%q%q%q%v%q%q%q%q", p.entry, p.dn, p.own, p.other, p.name, p.disabled, p.stamp, p.memberOf, p.logins, p.primary))
}

func (g *groupRecord) print() [sha256.Size]byte {
	return sha256.Sum256(fmt.Appendf(nil, "%q%q%q%q%q%q%q", g.entry, g.dn, g.name, g.members, g.uids, g.memberOf, g.sid))
}

// prints are what a reading says, by entry.
func (r *reading) prints() map[string][sha256.Size]byte {
	all := make(map[string][sha256.Size]byte, len(r.people)+len(r.groups))
	for i := range r.people {
		all[r.people[i].entry] = r.people[i].print()
	}
	for i := range r.groups {
		all[r.groups[i].entry] = r.groups[i].print()
	}
	return all
}

// news says that a reading says anything that was not mirrored lately. Of one
// that is not complete it keeps nothing else: wrong passwords alone make OpenLDAP
// call an entry changed.
func (l *LDAP) news(r *reading, prints map[string][sha256.Size]byte) bool {
	if r.complete {
		return time.Since(l.appliedAt) >= reapply || !maps.Equal(prints, l.applied)
	}
	old := func(entry string) bool { before, known := l.applied[entry]; return known && before == prints[entry] }
	r.people = slices.DeleteFunc(r.people, func(p record) bool { return old(p.entry) })
	r.groups = slices.DeleteFunc(r.groups, func(g groupRecord) bool { return old(g.entry) })
	return len(r.people)+len(r.groups) > 0
}
