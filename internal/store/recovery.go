package store

import (
	"context"
	"fmt"
	"time"
)

// RecoveryCodes is what is left of a person's recovery codes.
type RecoveryCodes struct {
	Left    int       `json:"left"`
	Created time.Time `json:"created,omitzero"`
}

const recoveryQuery = `SELECT count(*), ifnull(max(created), 0) FROM recovery_codes WHERE person = ?`

// RecoveryCodes says what is left of a person's recovery codes.
func (s *Store) RecoveryCodes(ctx context.Context, person string) (RecoveryCodes, error) {
	return one(ctx, s, scanRecovery, recoveryQuery, person)
}

func scanRecovery(r scanner) (c RecoveryCodes, err error) {
	var created int64
	err = r.Scan(&c.Left, &created)
	c.Created = fromNanos(created)
	return c, err
}

// PutRecoveryCodes replaces a person's recovery codes by new ones, of which
// only keyed hashes are known here.
func (tx *Tx) PutRecoveryCodes(person string, prints [][]byte) error {
	if err := tx.DeleteRecoveryCodes(person); err != nil {
		return err
	}
	p, err := tx.Person(person)
	if err != nil {
		return fmt.Errorf("making recovery codes: %w", err)
	}
	if tx.audit == nil {
		return errUnaudited
	}
	for _, print := range prints {
		if err := tx.exec(`INSERT INTO recovery_codes (person, print, created) VALUES (?, ?, ?)`, person, print, nanos(tx.audit.at)); err != nil {
			return fmt.Errorf("making recovery codes of %s: %w", p.Address, err)
		}
	}
	tx.touched(Factors, person)
	return tx.record("create", "recoveryCodes", person, p.Address, nil, RecoveryCodes{len(prints), tx.audit.at.UTC()})
}

// DeleteRecoveryCodes takes a person's recovery codes away, if there are any.
func (tx *Tx) DeleteRecoveryCodes(person string) error {
	before, err := oneIn(tx, scanRecovery, recoveryQuery, person)
	if err != nil || before.Left == 0 {
		return err
	}
	p, err := tx.Person(person)
	if err != nil {
		return fmt.Errorf("removing recovery codes: %w", err)
	}
	if err := tx.exec(`DELETE FROM recovery_codes WHERE person = ?`, person); err != nil {
		return fmt.Errorf("removing recovery codes of %s: %w", p.Address, err)
	}
	tx.touched(Factors, person)
	return tx.record("delete", "recoveryCodes", person, p.Address, before, nil)
}

// UseRecoveryCode takes a code out, and says whether it was there.
func (tx *Tx) UseRecoveryCode(person string, print []byte) (bool, error) {
	n, err := tx.affected(`DELETE FROM recovery_codes WHERE person = ? AND print = ?`, person, print)
	if err != nil {
		return false, fmt.Errorf("using a recovery code: %w", err)
	}
	return n == 1, nil
}
