package store

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/portreeve/portreeve/internal/protocol"
)

// Whose mailboxes a delegation opens.
const (
	OneMailbox   = "mailbox" // of the person whose id is the subject
	GroupOfBoxes = "group"   // of the members of the group whose id is the subject
	EveryMailbox = "all"
)

// Delegation is one person's right to open mailboxes that are not theirs.
type Delegation struct {
	ID        string              `json:"id"`
	Scope     string              `json:"scope"`
	Subject   string              `json:"subject"`
	Person    string              `json:"person"` // id of who may
	Protocols []protocol.Protocol `json:"-"`      // none: all
	Names     []string            `json:"protocols"`
	Until     time.Time           `json:"until,omitzero"` // zero is without end
	Created   time.Time           `json:"created"`
}

const delegationColumns = `id, scope, subject, person, protocols, until, created`

func scanDelegation(r scanner) (d Delegation, err error) {
	var protocols string
	var until, created int64
	err = r.Scan(&d.ID, &d.Scope, &d.Subject, &d.Person, &protocols, &until, &created)
	d.Until, d.Created, d.Names = fromNanos(until), fromNanos(created), []string{}
	for _, name := range strings.FieldsFunc(protocols, func(r rune) bool { return r == ',' }) {
		p, known := protocol.Parse(name)
		if !known {
			return d, fmt.Errorf("delegation %s: there is no protocol %q", d.ID, name)
		}
		d.Protocols, d.Names = append(d.Protocols, p), append(d.Names, name)
	}
	return d, err
}

// Delegations lists all of them, the oldest first; those that ran out too.
func (s *Store) Delegations(ctx context.Context) ([]Delegation, error) {
	return collect(ctx, s, scanDelegation, `SELECT `+delegationColumns+` FROM delegations ORDER BY created, id`)
}

func (tx *Tx) delegation(scope, subject, person string) (Delegation, error) {
	return oneIn(tx, scanDelegation, `SELECT `+delegationColumns+` FROM delegations WHERE scope = ? AND subject = ? AND person = ?`, scope, subject, person)
}

// PutDelegation gives a right, in the place of the one that this person has to
// the same mailboxes; ID and Created are filled in.
func (tx *Tx) PutDelegation(d *Delegation) error {
	if tx.audit == nil {
		return errUnaudited
	}
	d.Names = []string{}
	for _, p := range d.Protocols {
		d.Names = append(d.Names, p.String())
	}
	before, err := tx.delegation(d.Scope, d.Subject, d.Person)
	var was any
	switch {
	case err == nil:
		was, d.ID, d.Created = before, before.ID, before.Created
	case errors.Is(err, ErrNotFound):
		d.ID, d.Created = newObjectID(d.ID), tx.audit.at
	default:
		return fmt.Errorf("giving a right to a mailbox: %w", err)
	}
	err = tx.exec(`INSERT INTO delegations (`+delegationColumns+`) VALUES (?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT (id) DO UPDATE SET protocols = excluded.protocols, until = excluded.until`,
		d.ID, d.Scope, d.Subject, d.Person, strings.Join(d.Names, ","), nanos(d.Until), nanos(d.Created))
	if err != nil {
		return fmt.Errorf("giving a right to a mailbox: %w", err)
	}
	tx.touched(Delegations)
	if was == nil {
		return tx.record("create", "delegation", d.ID, d.Subject, nil, d)
	}
	return tx.record("update", "delegation", d.ID, d.Subject, was, d)
}

// DeleteDelegation takes a right back; ErrNotFound if there is none.
func (tx *Tx) DeleteDelegation(scope, subject, person string) error {
	before, err := tx.delegation(scope, subject, person)
	if err != nil {
		return fmt.Errorf("taking a right to a mailbox back: %w", err)
	}
	return tx.dropDelegation(&before)
}

func (tx *Tx) dropDelegation(d *Delegation) error {
	if err := tx.exec(`DELETE FROM delegations WHERE id = ?`, d.ID); err != nil {
		return fmt.Errorf("taking a right to a mailbox back: %w", err)
	}
	tx.touched(Delegations)
	return tx.record("delete", "delegation", d.ID, d.Subject, d, nil)
}

// DeleteDelegationsOf takes all of a person's rights to others' mailboxes back,
// and returns them.
func (tx *Tx) DeleteDelegationsOf(person string) ([]Delegation, error) {
	return tx.dropDelegations(`SELECT `+delegationColumns+` FROM delegations WHERE person = ? ORDER BY created, id`, person)
}

// dropDelegationsTo takes all rights to a mailbox or to a group's back, which
// is gone.
func (tx *Tx) dropDelegationsTo(scope, subject string) error {
	_, err := tx.dropDelegations(`SELECT `+delegationColumns+` FROM delegations WHERE scope = ? AND subject = ? ORDER BY created, id`, scope, subject)
	return err
}

func (tx *Tx) dropDelegations(query string, args ...any) ([]Delegation, error) {
	list, err := collectIn(tx, scanDelegation, query, args...)
	if err != nil {
		return nil, fmt.Errorf("reading rights to mailboxes: %w", err)
	}
	for i := range list {
		if err := tx.dropDelegation(&list[i]); err != nil {
			return nil, err
		}
	}
	return list, nil
}
