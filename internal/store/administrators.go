package store

import (
	"context"
	"fmt"
)

// Administrators lists the people who are administrators, by address.
func (s *Store) Administrators(ctx context.Context) ([]Person, error) {
	return collect(ctx, s, scanPerson, `SELECT `+personColumns+` FROM people WHERE id IN (SELECT person FROM administrators) ORDER BY address`)
}

// BreakGlass lists the administrators whose accounts are for the last resort, by address.
func (s *Store) BreakGlass(ctx context.Context) ([]Person, error) {
	return collect(ctx, s, scanPerson, `SELECT `+personColumns+` FROM people WHERE id IN (SELECT person FROM administrators WHERE break_glass = 1) ORDER BY address`)
}

// IsAdministrator says whether a person, by id, is one.
func (s *Store) IsAdministrator(ctx context.Context, person string) (bool, error) {
	return one(ctx, s, scanBool, `SELECT EXISTS (SELECT 1 FROM administrators WHERE person = ?)`, person)
}

func scanBool(r scanner) (b bool, err error) { return b, r.Scan(&b) }

// AddAdministrator makes a person, by id, an administrator; ErrExists if they
// are. An account for the last resort is one whose every use is an alarm.
func (tx *Tx) AddAdministrator(p Person, breakGlass bool) error {
	if tx.audit == nil {
		return errUnaudited
	}
	err := tx.exec(`INSERT INTO administrators (person, since, break_glass) VALUES (?, ?, ?)`, p.ID, nanos(tx.audit.at), breakGlass)
	if err != nil {
		return fmt.Errorf("making %s an administrator: %w", p.Address, exists(err))
	}
	if breakGlass {
		return tx.record("create", "administrator", p.ID, p.Address, nil, map[string]any{"user": p.Address, "breakGlass": true})
	}
	return tx.record("create", "administrator", p.ID, p.Address, nil, p.Address)
}

// DeleteAdministrator takes that away; ErrNotFound if the person is none.
func (tx *Tx) DeleteAdministrator(p Person) error {
	n, err := tx.affected(`DELETE FROM administrators WHERE person = ?`, p.ID)
	if err == nil && n == 0 {
		err = ErrNotFound
	}
	if err != nil {
		return fmt.Errorf("making %s no administrator: %w", p.Address, err)
	}
	return tx.record("delete", "administrator", p.ID, p.Address, p.Address, nil)
}
