package directory

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/portreeve/portreeve/internal/store"
)

const chunk = 200 // people of one transaction: others wait for the database meanwhile

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
		if err := m.putMembers(tx, row.Group, set, hold); err != nil {
			return err
		}
	}
	if !m.r.complete || hold {
		return nil
	}
	there, _ := m.r.entries()
	for entry, row := range m.rows {
		if there[entry] || row.Closed {
			continue
		}
		if err := m.shut(tx, row); err != nil {
			return err
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
