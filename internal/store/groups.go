package store

import (
	"context"
	"fmt"
	"time"
)

// Group is a named set of people and groups.
type Group struct {
	ID      string    `json:"id"`
	Name    string    `json:"name"` // unique, in any case
	Created time.Time `json:"created"`
	Source  string    `json:"source,omitempty"` // the directory it is mirrored from; empty is our own
}

// Member is one member of a group.
type Member struct {
	Group   string `json:"group"`   // id
	IsGroup bool   `json:"isGroup"` // a group in the group
	Member  string `json:"member"`  // id
}

func scanGroup(r scanner) (g Group, err error) {
	var created int64
	err = r.Scan(&g.ID, &g.Name, &created, &g.Source)
	g.Created = fromNanos(created)
	return g, err
}

func scanMember(r scanner) (m Member, err error) { return m, r.Scan(&m.Group, &m.IsGroup, &m.Member) }

// Groups lists all groups by name.
func (s *Store) Groups(ctx context.Context) ([]Group, error) {
	return collect(ctx, s, scanGroup, groupsQuery)
}

const groupsQuery = `SELECT id, name, created, source FROM groups ORDER BY name`

const groupQuery = `SELECT id, name, created, source FROM groups WHERE id = ? OR name = ? ORDER BY id = ? DESC LIMIT 1`

// Group finds a group by id or name; ErrNotFound.
func (s *Store) Group(ctx context.Context, idOrName string) (Group, error) {
	return one(ctx, s, scanGroup, groupQuery, idOrName, idOrName, idOrName)
}

// Group is Store.Group inside a transaction.
func (tx *Tx) Group(idOrName string) (Group, error) {
	return oneIn(tx, scanGroup, groupQuery, idOrName, idOrName, idOrName)
}

// Members lists every direct membership.
func (s *Store) Members(ctx context.Context) ([]Member, error) {
	return collect(ctx, s, scanMember, `SELECT group_id, kind = 'group', member FROM members ORDER BY group_id, kind, member`)
}

// MembersOf lists a group's direct members.
func (s *Store) MembersOf(ctx context.Context, group string) ([]Member, error) {
	return collect(ctx, s, scanMember, `SELECT group_id, kind = 'group', member FROM members WHERE group_id = ? ORDER BY kind, member`, group)
}

// GroupsOf lists the ids of a person's groups, nesting resolved, sorted. A
// ring of groups is no harm.
func (s *Store) GroupsOf(ctx context.Context, person string) ([]string, error) {
	return collect(ctx, s, scanString, `WITH RECURSIVE of (id) AS (
		SELECT group_id FROM members WHERE kind = 'person' AND member = ?
		UNION SELECT m.group_id FROM members m JOIN of ON m.kind = 'group' AND m.member = of.id)
		SELECT id FROM of ORDER BY id`, person)
}

func scanString(r scanner) (v string, err error) { return v, r.Scan(&v) }

// AddGroup makes a group; an empty ID is filled in. ErrExists if the name is taken.
func (tx *Tx) AddGroup(g *Group) error {
	if tx.audit == nil {
		return errUnaudited
	}
	g.ID, g.Created = newObjectID(g.ID), tx.audit.at
	if err := tx.exec(`INSERT INTO groups (id, name, created) VALUES (?, ?, ?)`, g.ID, g.Name, nanos(g.Created)); err != nil {
		return fmt.Errorf("adding group %q: %w", g.Name, exists(err))
	}
	tx.touched(Groups)
	return tx.record("create", "group", g.ID, g.Name, nil, g)
}

// RenameGroup gives a group another name.
func (tx *Tx) RenameGroup(idOrName, name string) error {
	before, err := tx.Group(idOrName)
	if err != nil {
		return fmt.Errorf("renaming group %q: %w", idOrName, err)
	}
	after := before
	after.Name = name
	if err := tx.exec(`UPDATE groups SET name = ? WHERE id = ?`, name, before.ID); err != nil {
		return fmt.Errorf("renaming group %q: %w", idOrName, exists(err))
	}
	tx.touched(Groups)
	return tx.record("update", "group", before.ID, name, before, after)
}

// DeleteGroup takes a group out, with its memberships, switches and assignment.
func (tx *Tx) DeleteGroup(idOrName string) error {
	g, err := tx.Group(idOrName)
	if err != nil {
		return fmt.Errorf("deleting group %q: %w", idOrName, err)
	}
	for _, q := range []string{
		`DELETE FROM members WHERE kind = 'group' AND member = ?`,
		`DELETE FROM switches WHERE scope = 'group' AND subject = ?`,
		`DELETE FROM assignments WHERE scope = 'group' AND subject = ?`,
		`DELETE FROM groups WHERE id = ?`,
	} {
		if err := tx.exec(q, g.ID); err != nil {
			return fmt.Errorf("deleting group %q: %w", g.Name, err)
		}
	}
	if err := tx.dropDelegationsTo(GroupOfBoxes, g.ID); err != nil {
		return err
	}
	tx.touched(Groups | Switches | AuthenticationPolicies)
	return tx.record("delete", "group", g.ID, g.Name, g, nil)
}

// AddMember puts a person or a group into a group; both must exist. A
// membership that a provider gave becomes our own.
func (tx *Tx) AddMember(m Member) error {
	if err := tx.resolve(&m); err != nil {
		return err
	}
	n, err := tx.affected(`INSERT INTO members (group_id, kind, member) VALUES (?, ?, ?)
		ON CONFLICT (group_id, kind, member) DO UPDATE SET origin = '' WHERE origin <> ''`, m.Group, m.kind(), m.Member)
	if err != nil {
		return fmt.Errorf("adding a member: %w", err)
	}
	if n == 0 {
		return nil
	}
	tx.touched(Groups, m.people()...)
	return tx.record("create", "member", m.Group, m.Member, nil, m)
}

// DeleteMember takes a member out of a group; ErrNotFound if it is none.
func (tx *Tx) DeleteMember(m Member) error {
	if err := tx.resolve(&m); err != nil {
		return err
	}
	n, err := tx.affected(`DELETE FROM members WHERE group_id = ? AND kind = ? AND member = ?`, m.Group, m.kind(), m.Member)
	if err != nil {
		return fmt.Errorf("taking out a member: %w", err)
	}
	if n == 0 {
		return fmt.Errorf("taking out a member: %w", ErrNotFound)
	}
	tx.touched(Groups, m.people()...)
	return tx.record("delete", "member", m.Group, m.Member, m, nil)
}

// IsMember says that a person is directly in a group, named by id or name.
func (tx *Tx) IsMember(group, person string) (bool, error) {
	g, err := tx.Group(group)
	if err != nil {
		return false, fmt.Errorf("group %q: %w", group, err)
	}
	var n int
	err = tx.row([]any{&n}, `SELECT count(*) FROM members WHERE group_id = ? AND kind = 'person' AND member = ?`, g.ID, person)
	return n > 0, err
}

// resolve replaces names by ids.
func (tx *Tx) resolve(m *Member) error {
	g, err := tx.Group(m.Group)
	if err != nil {
		return fmt.Errorf("group %q: %w", m.Group, err)
	}
	if g.Source != "" {
		return fmt.Errorf("group %q: %w", g.Name, ErrMirrored)
	}
	m.Group = g.ID
	if m.IsGroup {
		g, err = tx.Group(m.Member)
		m.Member = g.ID
	} else {
		var p Person
		p, err = tx.Person(m.Member)
		m.Member = p.ID
	}
	if err != nil {
		return fmt.Errorf("member of group %q: %w", g.Name, err)
	}
	return nil
}

func (m Member) kind() string {
	if m.IsGroup {
		return "group"
	}
	return "person"
}

func (m Member) people() []string {
	if m.IsGroup {
		return nil
	}
	return []string{m.Member}
}
