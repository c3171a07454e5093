package directory

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/portreeve/portreeve/internal/store"
)

const (
	chunk       = 200              // people of one transaction: others wait for the database meanwhile
	reapply     = 5 * time.Minute  // how often what an administrator changed here is held against the directory, though nothing changed there
	fewMissing  = 3                // people or groups that may be gone at once without a doubt, however few there are
	manyMissing = 50               // however many there are; in between, a fifth
	doubtful    = 10 * time.Minute // how long more than these must be gone before it is believed: rights that were taken from the service account look the same
	maxWarnings = 100
)

// mirror is one reading on its way into the store.
type mirror struct {
	l          *LDAP
	r          *reading
	rows       map[string]store.DirectoryPerson // by entry
	people     map[string]store.Person          // by id
	groupRows  map[string]store.DirectoryGroup
	groups     map[string]store.Group
	members    map[string]map[store.Member]bool // of mirrored groups, by group id
	want       map[string]map[string]bool       // who is to be in a group: entries of people and groups, by the group's entry
	groupEntry map[string]bool
	warned     map[string]bool
}

// apply puts a reading into the store: groups and what is in which group, then
// people, each together with the groups that they are in.
func (l *LDAP) apply(ctx context.Context, r *reading) error {
	prints := r.prints()
	if !l.news(r, prints) {
		return nil
	}
	m, err := l.newMirror(ctx, r)
	if err != nil {
		return err
	}
	hold := r.complete && l.doubts(m)
	change := func(do func(*store.Tx) error) error {
		return l.Store.Change(ctx, store.Actor{UID: -1, Name: "directory " + l.Name}, "the directory "+l.Name+" says so", do)
	}
	if err := change(m.putGroups); err != nil {
		return fmt.Errorf("mirroring groups: %w", err)
	}
	for some := range slices.Chunk(r.people, chunk) {
		if err := change(func(tx *store.Tx) error { return m.putPeople(tx, some) }); err != nil {
			return fmt.Errorf("mirroring people: %w", err)
		}
	}
	if err := change(func(tx *store.Tx) error { return m.finish(tx, hold) }); err != nil {
		return fmt.Errorf("mirroring memberships: %w", err)
	}
	if err := l.load(ctx); err != nil {
		return err
	}
	maps.Copy(l.applied, prints)
	if r.complete {
		l.applied, l.appliedAt = prints, time.Now()
		clear(l.primaries)
		for i := range r.people {
			if p := r.people[i].primary; p != "" {
				l.primaries[p] = true
			}
		}
	}
	l.warn(m, hold)
	return nil
}

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

func (l *LDAP) newMirror(ctx context.Context, r *reading) (*mirror, error) {
	m := &mirror{l: l, r: r, rows: map[string]store.DirectoryPerson{}, people: map[string]store.Person{}, groupRows: map[string]store.DirectoryGroup{},
		groups: map[string]store.Group{}, members: map[string]map[store.Member]bool{}, want: map[string]map[string]bool{}, groupEntry: map[string]bool{}, warned: map[string]bool{}}
	rows, err := l.Store.DirectoryPeople(ctx, l.Name)
	if err != nil {
		return nil, err
	}
	for _, x := range rows {
		m.rows[x.Entry] = x
	}
	people, err := l.Store.People(ctx)
	if err != nil {
		return nil, err
	}
	for _, x := range people {
		if x.Source == l.Name {
			m.people[x.ID] = x
		}
	}
	groupRows, err := l.Store.DirectoryGroups(ctx, l.Name)
	if err != nil {
		return nil, err
	}
	mirrored := map[string]bool{}
	for _, x := range groupRows {
		m.groupRows[x.Entry] = x
		mirrored[x.Group] = true
	}
	groups, err := l.Store.Groups(ctx)
	if err != nil {
		return nil, err
	}
	for _, x := range groups {
		m.groups[x.ID] = x
	}
	members, err := l.Store.Members(ctx)
	if err != nil {
		return nil, err
	}
	for _, x := range members {
		if mirrored[x.Group] {
			if m.members[x.Group] == nil {
				m.members[x.Group] = map[store.Member]bool{}
			}
			m.members[x.Group][x] = true
		}
	}
	m.settle()
	return m, nil
}

// settle works out who is to be in which group.
func (m *mirror) settle() {
	at, login := map[string]string{}, map[string]string{} // folded DN, and name, to entry
	for _, x := range m.rows {
		at[foldDN(x.DN)] = x.Entry
	}
	for _, x := range m.groupRows {
		at[foldDN(x.DN)] = x.Entry
		m.groupEntry[x.Entry] = true
	}
	for i := range m.r.people {
		p := &m.r.people[i]
		at[foldDN(p.dn)] = p.entry
		for _, name := range p.logins {
			login[name] = p.entry
		}
	}
	for i := range m.r.groups {
		g := &m.r.groups[i]
		at[foldDN(g.dn)] = g.entry
		m.groupEntry[g.entry] = true
		m.want[g.entry] = map[string]bool{}
	}
	join := func(group, member string) {
		if set := m.want[group]; set != nil && member != "" && member != group {
			set[member] = true
		}
	}
	for i := range m.r.groups {
		g := &m.r.groups[i]
		if m.l.ByMemberOf {
			for _, dn := range g.memberOf {
				join(at[dn], g.entry)
			}
			continue
		}
		for _, dn := range g.members {
			join(g.entry, at[dn])
		}
		for _, uid := range g.uids {
			join(g.entry, login[lower(uid)])
		}
	}
	m.settlePeople(at, join)
}

func (m *mirror) settlePeople(at map[string]string, join func(group, member string)) {
	primary := map[string]string{}
	for i := range m.r.groups {
		if g := &m.r.groups[i]; g.sid != "" {
			primary[g.sid] = g.entry
		}
	}
	for i := range m.r.people {
		p := &m.r.people[i]
		if p.primary != "" {
			join(primary[p.primary], p.entry)
		}
		if m.l.ByMemberOf {
			for _, dn := range p.memberOf {
				join(at[dn], p.entry)
			}
		}
	}
}

// putGroups makes and renames groups, and puts groups into groups.
func (m *mirror) putGroups(tx *store.Tx) error {
	for i := range m.r.groups {
		g := &m.r.groups[i]
		row, known := m.groupRows[g.entry]
		if g.name == "" {
			g.name = g.entry
		}
		switch now, here := m.groups[row.Group]; {
		case !known || !here:
			made, err := m.makeGroup(tx, g)
			if err != nil {
				return err
			}
			row = store.DirectoryGroup{Source: m.l.Name, Entry: g.entry, Group: made, DN: g.dn}
		case !slices.Contains(m.names(g), now.Name):
			if err := tx.RenameGroup(row.Group, m.freeName(tx, g)); err != nil {
				return err
			}
			fallthrough
		default:
			if row.DN == g.dn {
				continue
			}
			row.DN = g.dn
		}
		if err := tx.PutDirectoryGroup(row); err != nil {
			return err
		}
		m.groupRows[g.entry] = row
	}
	for i := range m.r.groups {
		for member := range m.want[m.r.groups[i].entry] {
			if inner, ok := m.groupRows[member]; ok && m.groupEntry[member] {
				if err := tx.SetMember(store.Member{Group: m.groupRows[m.r.groups[i].entry].Group, IsGroup: true, Member: inner.Group}, true); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// names are what a group may be called: its own name, or with the directory's
// before it where somebody else's group has that.
func (m *mirror) names(g *groupRecord) []string {
	return []string{g.name, m.l.Name + "/" + g.name, m.l.Name + "/" + g.entry}
}

func (m *mirror) freeName(tx *store.Tx, g *groupRecord) string {
	for _, name := range m.names(g) {
		if _, err := tx.Group(name); errors.Is(err, store.ErrNotFound) {
			if name != g.name {
				m.warnf("there is another group %q, so %s is called %q here", g.name, g.dn, name)
			}
			return name
		}
	}
	return g.entry
}

func (m *mirror) makeGroup(tx *store.Tx, g *groupRecord) (id string, err error) {
	made := store.Group{Name: m.freeName(tx, g), Source: m.l.Name}
	if err := tx.AddGroup(&made); err != nil {
		return "", err
	}
	return made.ID, nil
}

// putPeople mirrors some people; who is new gets their groups in the same
// breath, so that nobody is ever let in without them.
func (m *mirror) putPeople(tx *store.Tx, some []record) error {
	for i := range some {
		p := &some[i]
		row, isNew, err := m.putPerson(tx, p)
		if err != nil {
			return fmt.Errorf("%s: %w", p.dn, err)
		}
		if !isNew || row.Person == "" {
			continue
		}
		for group, set := range m.want {
			if !set[p.entry] {
				continue
			}
			if err := tx.SetMember(store.Member{Group: m.groupRows[group].Group, Member: row.Person}, true); err != nil {
				return err
			}
		}
	}
	return nil
}

// finish brings memberships up to date and shuts out who is gone.
func (m *mirror) finish(tx *store.Tx, hold bool) error {
	for entry, row := range m.groupRows {
		set, seen := m.want[entry]
		if !seen && (!m.r.complete || hold) {
			continue // not looked at, or not believed
		}
		if err := m.members1(tx, row.Group, set, hold); err != nil {
			return err
		}
	}
	if !m.r.complete || hold {
		return nil
	}
	seen := map[string]bool{}
	for i := range m.r.people {
		seen[m.r.people[i].entry] = true
	}
	for entry, row := range m.rows {
		if seen[entry] || row.Closed {
			continue
		}
		if err := m.shut(tx, row); err != nil {
			return err
		}
	}
	return nil
}

// members1 brings the members of one group up to date.
func (m *mirror) members1(tx *store.Tx, group string, set map[string]bool, hold bool) error {
	want := map[store.Member]bool{}
	for entry := range set {
		if m.groupEntry[entry] {
			want[store.Member{Group: group, IsGroup: true, Member: m.groupRows[entry].Group}] = true
		} else if row, ok := m.rows[entry]; ok && row.Person != "" {
			want[store.Member{Group: group, Member: row.Person}] = true
		}
	}
	for x := range want {
		if !m.members[group][x] {
			if err := tx.SetMember(x, true); err != nil {
				return err
			}
		}
	}
	for x := range m.members[group] {
		if !want[x] && !hold {
			if err := tx.SetMember(x, false); err != nil {
				return err
			}
		}
	}
	return nil
}

// shut shuts somebody out who is no longer in the directory.
func (m *mirror) shut(tx *store.Tx, row store.DirectoryPerson) error {
	p, err := tx.Person(row.Person)
	if err != nil || p.Disabled {
		return err
	}
	if _, err := m.cut(tx, &row); err != nil {
		return err
	}
	m.rows[row.Entry] = row
	return tx.PutDirectoryPerson(row, false)
}

// doubts says that so much is gone at once that it is not believed yet.
func (l *LDAP) doubts(m *mirror) bool {
	people := gone(slices.Collect(maps.Keys(m.rows)), len(m.r.people), func(yield func(string)) {
		for i := range m.r.people {
			yield(m.r.people[i].entry)
		}
	})
	groups := gone(slices.Collect(maps.Keys(m.groupRows)), len(m.r.groups), func(yield func(string)) {
		for i := range m.r.groups {
			yield(m.r.groups[i].entry)
		}
	})
	if people == 0 && groups == 0 {
		l.missing = time.Time{}
		return false
	}
	if l.missing.IsZero() {
		l.missing = time.Now()
	}
	if time.Since(l.missing) >= doubtful && len(m.r.people) > 0 {
		return false
	}
	m.warnf("%d people and %d groups are gone from the directory at once: not believed for %v (may the service account still see them?)", people, groups, doubtful)
	return true
}

// gone is how many of those known are not there, if that are suspiciously many.
func gone(known []string, there int, each func(func(string))) int {
	seen := make(map[string]bool, there)
	each(func(entry string) { seen[entry] = true })
	n := 0
	for _, entry := range known {
		if !seen[entry] {
			n++
		}
	}
	if n > min(max(fewMissing, len(known)/5), manyMissing) || there == 0 && n > 1 {
		return n
	}
	return 0
}

func (m *mirror) warnf(format string, args ...any) {
	if len(m.warned) < maxWarnings {
		m.warned[fmt.Sprintf(format, args...)] = true
	}
}

// warn keeps what could not be mirrored, and tells the operator of what is new.
func (l *LDAP) warn(m *mirror, hold bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.state.Groups = len(m.groupRows)
	all := slices.Sorted(maps.Keys(m.warned))
	for _, w := range all {
		if !slices.Contains(l.state.Warnings, w) {
			l.Log.Warn("the directory cannot be mirrored as it is", "directory", l.Name, "what", w)
		}
	}
	if m.r.complete {
		l.state.Warnings = all
		return
	}
	for _, w := range all {
		if !slices.Contains(l.state.Warnings, w) && len(l.state.Warnings) < maxWarnings {
			l.state.Warnings = append(l.state.Warnings, w)
		}
	}
}
