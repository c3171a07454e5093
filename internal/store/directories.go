package store

import (
	"context"
	"errors"
	"fmt"
	"strings"
)

// ErrMirrored says that somebody else's directory is where this is changed.
var ErrMirrored = errors.New("it is mirrored from a directory and changed there")

// DirectoryPerson is what a directory last said of a person mirrored from it.
type DirectoryPerson struct {
	Source  string   `json:"source"`
	Entry   string   `json:"entry"`  // the directory's own lasting id
	Person  string   `json:"person"` // id
	DN      string   `json:"dn"`
	Stamp   string   `json:"stamp"`   // moves when the password there does
	Aliases []string `json:"aliases"` // those that the directory gave
	Closed  bool     `json:"closed"`  // it was the directory that disabled them
}

func scanDirectoryPerson(r scanner) (d DirectoryPerson, err error) {
	var aliases string
	if err = r.Scan(&d.Source, &d.Entry, &d.Person, &d.DN, &d.Stamp, &aliases, &d.Closed); aliases != "" {
		d.Aliases = strings.Split(aliases, "\n")
	}
	return d, err
}

// DirectoryPeople lists who is mirrored from a directory.
func (s *Store) DirectoryPeople(ctx context.Context, source string) ([]DirectoryPerson, error) {
	return collect(ctx, s, scanDirectoryPerson, `SELECT source, entry, person, dn, stamp, aliases, closed FROM directory_people WHERE source = ? ORDER BY entry`, source)
}

// PutDirectoryPerson keeps what a directory says of a person. With moved set,
// the password there is another one now: sessions that it opened end.
func (tx *Tx) PutDirectoryPerson(d DirectoryPerson, moved bool) error {
	err := tx.exec(`INSERT INTO directory_people (source, entry, person, dn, stamp, aliases, closed) VALUES (?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT (source, entry) DO UPDATE SET person = excluded.person, dn = excluded.dn, stamp = excluded.stamp,
		aliases = excluded.aliases, closed = excluded.closed`, d.Source, d.Entry, d.Person, d.DN, d.Stamp, strings.Join(d.Aliases, "\n"), d.Closed)
	if err != nil {
		return fmt.Errorf("keeping what %s says of %s: %w", d.Source, d.DN, exists(err))
	}
	tx.touched(Directories)
	if moved {
		tx.change.merge(Change{Families: People, People: []string{d.Person}, Secrets: []string{d.Person}})
		if err := tx.endByPassword(d.Person); err != nil {
			return err
		}
		return tx.record("update", "password", d.Person, d.DN, nil, map[string]bool{"secretChanged": true})
	}
	return nil
}

// ReplaceDirectoryPerson follows a directory that was set up again and has new
// ids. Nobody can tell whether the password is still the same: sessions end.
func (tx *Tx) ReplaceDirectoryPerson(old, now DirectoryPerson) error {
	if err := tx.exec(`DELETE FROM directory_people WHERE source = ? AND entry = ?`, old.Source, old.Entry); err != nil {
		return fmt.Errorf("following %s: %w", now.DN, err)
	}
	return tx.PutDirectoryPerson(now, true)
}

// Adopt makes a person a directory's who was nobody's: known only because the
// mail server once accepted their password. Sessions that it opened stay.
func (tx *Tx) Adopt(person, source string) error {
	before, err := tx.Person(person)
	if err != nil {
		return err
	}
	if before.Source != "" || before.Origin != OriginBackend {
		return fmt.Errorf("%s: %w", before.Address, ErrExists)
	}
	after := before
	after.Source, after.Origin, after.SecretKind, after.Version = source, OriginDirectory, SecretDirectory, before.Version+1
	if err := tx.exec(`UPDATE people SET source = ?, origin = ?, secret_kind = ?, version = ? WHERE id = ?`, after.Source, after.Origin, after.SecretKind, after.Version, before.ID); err != nil {
		return fmt.Errorf("adopting %s: %w", before.Address, err)
	}
	tx.touched(People, before.ID)
	return tx.record("update", "person", before.ID, before.Address, before, after)
}

// DirectoryGroup is a group mirrored from a directory.
type DirectoryGroup struct {
	Source string `json:"source"`
	Entry  string `json:"entry"`
	Group  string `json:"group"` // id
	DN     string `json:"dn"`
}

func scanDirectoryGroup(r scanner) (d DirectoryGroup, err error) {
	return d, r.Scan(&d.Source, &d.Entry, &d.Group, &d.DN)
}

// DirectoryGroups lists the groups that are mirrored from a directory.
func (s *Store) DirectoryGroups(ctx context.Context, source string) ([]DirectoryGroup, error) {
	return collect(ctx, s, scanDirectoryGroup, `SELECT source, entry, group_id, dn FROM directory_groups WHERE source = ? ORDER BY entry`, source)
}

// PutDirectoryGroup makes a group a directory's, or follows it to another place there.
func (tx *Tx) PutDirectoryGroup(d DirectoryGroup) error {
	err := tx.exec(`INSERT INTO directory_groups (source, entry, group_id, dn) VALUES (?, ?, ?, ?)
		ON CONFLICT (source, entry) DO UPDATE SET group_id = excluded.group_id, dn = excluded.dn`, d.Source, d.Entry, d.Group, d.DN)
	if err == nil {
		err = tx.exec(`UPDATE groups SET source = ? WHERE id = ?`, d.Source, d.Group)
	}
	if err != nil {
		return fmt.Errorf("keeping what %s says of group %s: %w", d.Source, d.DN, exists(err))
	}
	tx.touched(Directories)
	return nil
}

// SetMember puts a member, by ids, into a mirrored group, or takes it out.
func (tx *Tx) SetMember(m Member, in bool) error {
	query, action := `INSERT OR IGNORE INTO members (group_id, kind, member) VALUES (?, ?, ?)`, "create"
	if !in {
		query, action = `DELETE FROM members WHERE group_id = ? AND kind = ? AND member = ?`, "delete"
	}
	n, err := tx.affected(query, m.Group, m.kind(), m.Member)
	if err != nil {
		return fmt.Errorf("changing the members of a mirrored group: %w", err)
	}
	if n == 0 {
		return nil
	}
	tx.touched(Groups, m.people()...)
	if in {
		return tx.record(action, "member", m.Group, m.Member, nil, m)
	}
	return tx.record(action, "member", m.Group, m.Member, m, nil)
}
