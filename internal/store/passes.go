package store

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Pass is a temporary access pass; its text is nowhere.
type Pass struct {
	ID      string    `json:"id"`
	Person  string    `json:"person"` // id
	Print   Sealed    `json:"-"`
	Created time.Time `json:"created"`
	Issuer  string    `json:"issuer"` // who issued it
	Starts  time.Time `json:"starts"`
	Ends    time.Time `json:"ends"`
	OneTime bool      `json:"oneTime"`
	Used    time.Time `json:"used,omitzero"` // last
	Uses    int       `json:"uses"`
}

const passColumns = `id, person, print, created, issuer, starts, ends, one_time, used, uses`

func scanPass(r scanner) (p Pass, err error) {
	var created, starts, ends, used int64
	err = r.Scan(&p.ID, &p.Person, (*[]byte)(&p.Print), &created, &p.Issuer, &starts, &ends, &p.OneTime, &used, &p.Uses)
	p.Created, p.Starts, p.Ends, p.Used = fromNanos(created), fromNanos(starts), fromNanos(ends), fromNanos(used)
	return p, err
}

// Pass finds a person's pass, whatever its time; ErrNotFound.
func (s *Store) Pass(ctx context.Context, person string) (Pass, error) {
	return one(ctx, s, scanPass, `SELECT `+passColumns+` FROM passes WHERE person = ?`, person)
}

// Passes lists every pass, oldest first.
func (s *Store) Passes(ctx context.Context) ([]Pass, error) {
	return collect(ctx, s, scanPass, `SELECT `+passColumns+` FROM passes ORDER BY created`)
}

// PassGrant is what the sessions that a pass opened hang on.
func PassGrant(id string) string { return "pass:" + id }

// PutPass issues a pass in place of the person's last one; an empty ID is
// filled in.
func (tx *Tx) PutPass(p *Pass) error {
	if err := tx.DeletePass(p.Person); err != nil && !errors.Is(err, ErrNotFound) {
		return err
	}
	person, err := tx.Person(p.Person)
	if err != nil {
		return fmt.Errorf("issuing a pass: %w", err)
	}
	if tx.audit == nil {
		return errUnaudited
	}
	p.ID, p.Created, p.Issuer = newObjectID(p.ID), tx.audit.at.UTC(), tx.audit.who.Name
	err = tx.exec(`INSERT INTO passes (`+passColumns+`) VALUES (?, ?, ?, ?, ?, ?, ?, ?, 0, 0)`, p.ID, p.Person, []byte(p.Print),
		nanos(p.Created), p.Issuer, nanos(p.Starts), nanos(p.Ends), p.OneTime)
	if err != nil {
		return fmt.Errorf("issuing a pass to %s: %w", person.Address, err)
	}
	tx.touched(Factors, p.Person)
	return tx.record("create", "pass", p.Person, person.Address, nil, p)
}

// DeletePass revokes a person's pass and ends what it opened; ErrNotFound.
func (tx *Tx) DeletePass(person string) error {
	before, err := oneIn(tx, scanPass, `SELECT `+passColumns+` FROM passes WHERE person = ?`, person)
	if err != nil {
		return fmt.Errorf("revoking a pass: %w", err)
	}
	p, err := tx.Person(person)
	if err != nil {
		return fmt.Errorf("revoking a pass: %w", err)
	}
	if err := tx.exec(`DELETE FROM passes WHERE person = ?`, person); err != nil {
		return fmt.Errorf("revoking the pass of %s: %w", p.Address, err)
	}
	tx.touched(Factors, person)
	tx.ended(Factors, PassGrant(before.ID))
	return tx.record("delete", "pass", person, p.Address, before, nil)
}

// UsePass says that a pass was shown, and whether it may be used: in its time,
// and once if it is for one time.
func (tx *Tx) UsePass(id string, at time.Time) (bool, error) {
	n, err := tx.affected(`UPDATE passes SET used = ?, uses = uses + 1 WHERE id = ? AND starts <= ? AND ends > ? AND (one_time = 0 OR uses = 0)`,
		nanos(at), id, nanos(at), nanos(at))
	if err != nil {
		return false, fmt.Errorf("using a pass: %w", err)
	}
	return n == 1, nil
}
