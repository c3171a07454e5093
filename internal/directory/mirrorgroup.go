package directory

import (
	"errors"
	"slices"

	"github.com/portreeve/portreeve/internal/store"
)

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

// putMembers brings the members of one group up to date.
func (m *mirror) putMembers(tx *store.Tx, group string, set map[string]bool, hold bool) error {
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
