package store

import (
	"errors"
	"fmt"
)

// Cut is what a person had, and has no more.
type Cut struct {
	Person       Person        `json:"person"`
	AppPasswords []AppPassword `json:"appPasswords"`
	Windows      []Window      `json:"windows"`
	Delegations  []Delegation  `json:"delegations"` // their rights to others' mailboxes
	Browsers     int64         `json:"browsers"`    // remembered ones
	Pass         bool          `json:"pass"`        // a temporary access pass
}

// CutPerson shuts somebody out: disabled, and without anything that was granted
// to them. grant ends their tokens (Revocation). Their second factors, switches and groups
// stay, and so do the rights of others to their mailbox: it may have to be read.
func (tx *Tx) CutPerson(id, grant string) (c Cut, err error) {
	p, err := tx.Person(id)
	if err != nil {
		return c, fmt.Errorf("cutting off: %w", err)
	}
	if !p.Disabled {
		p.Disabled = true
		if err := tx.PutPerson(&p); err != nil {
			return c, err
		}
	}
	c.Person = p
	if err := tx.Revoke(Revocation{Grant: grant, Person: p.ID}); err != nil {
		return c, err
	}
	if c.AppPasswords, err = tx.RevokeAppPasswords(p.ID); err != nil {
		return c, err
	}
	if c.Windows, err = tx.EndWindows(p.ID); err != nil {
		return c, err
	}
	if c.Delegations, err = tx.DeleteDelegationsOf(p.ID); err != nil {
		return c, err
	}
	if err := tx.DeletePass(p.ID); err != nil && !errors.Is(err, ErrNotFound) {
		return c, err
	} else {
		c.Pass = err == nil
	}
	if err := tx.row([]any{&c.Browsers}, `SELECT count(*) FROM browsers WHERE person = ?`, p.ID); err != nil {
		return c, fmt.Errorf("counting remembered browsers: %w", err)
	}
	if err := tx.DeleteBrowsers(p.ID); err != nil {
		return c, err
	}
	return c, tx.record("cut", "person", p.ID, p.Address, nil, c)
}
