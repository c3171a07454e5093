package store

import (
	"context"
	"errors"
	"fmt"
	"slices"
)

// PeopleOfSubject lists the ids of those whom a provider meant by a subject.
func (s *Store) PeopleOfSubject(ctx context.Context, provider, subject string) ([]string, error) {
	return collect(ctx, s, scanString, `SELECT person FROM subjects WHERE provider = ? AND subject = ? ORDER BY person`, provider, subject)
}

// PutSubject keeps whom a provider means by a subject.
func (tx *Tx) PutSubject(provider, subject, person string) error {
	err := tx.exec(`INSERT OR IGNORE INTO subjects (provider, subject, person) VALUES (?, ?, ?)`, provider, subject, person)
	if err != nil {
		return fmt.Errorf("keeping whom %s means: %w", provider, err)
	}
	return nil
}

// GroupsFrom lists the names of the groups that a person is in because a
// provider said so, whichever, sorted.
func (s *Store) GroupsFrom(ctx context.Context, person string) ([]string, error) {
	return collect(ctx, s, scanString, `SELECT g.name FROM members m JOIN groups g ON g.id = m.group_id
		WHERE m.kind = 'person' AND m.member = ? AND m.origin <> '' ORDER BY g.name`, person)
}

// SetGroupsFrom puts a person into the groups that a provider says, by name,
// and takes them out of those that one said before. A group that does not
// exist, or is mirrored from a directory, is passed over; memberships that we
// gave ourselves stay as they are.
func (tx *Tx) SetGroupsFrom(provider, person string, names []string) error {
	if tx.audit == nil {
		return errUnaudited
	}
	want := map[string]bool{}
	for _, name := range names {
		g, err := tx.Group(name)
		switch {
		case errors.Is(err, ErrNotFound) || err == nil && g.Source != "":
			continue
		case err != nil:
			return fmt.Errorf("setting the groups that %s says: %w", provider, err)
		}
		want[g.ID] = true
		if err := tx.joinFrom(provider, g.ID, person); err != nil {
			return err
		}
	}
	had, err := collectIn(tx, scanString, `SELECT group_id FROM members WHERE kind = 'person' AND member = ? AND origin <> ''`, person)
	if err != nil {
		return fmt.Errorf("setting the groups that %s says: %w", provider, err)
	}
	for _, id := range slices.DeleteFunc(had, func(id string) bool { return want[id] }) {
		if err := tx.exec(`DELETE FROM members WHERE group_id = ? AND kind = 'person' AND member = ?`, id, person); err != nil {
			return fmt.Errorf("setting the groups that %s says: %w", provider, err)
		}
		tx.touched(Groups, person)
		if err := tx.record("delete", "member", id, person, Member{Group: id, Member: person}, nil); err != nil {
			return err
		}
	}
	return nil
}

func (tx *Tx) joinFrom(provider, group, person string) error {
	n, err := tx.affected(`INSERT INTO members (group_id, kind, member, origin) VALUES (?, 'person', ?, ?)
		ON CONFLICT (group_id, kind, member) DO UPDATE SET origin = excluded.origin WHERE origin <> '' AND origin <> excluded.origin`, group, person, provider)
	if err != nil {
		return fmt.Errorf("setting the groups that %s says: %w", provider, err)
	}
	if n == 0 {
		return nil
	}
	tx.touched(Groups, person)
	return tx.record("create", "member", group, person, nil, Member{Group: group, Member: person})
}
