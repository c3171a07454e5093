package store

import (
	"context"
	"errors"
	"fmt"
)

// Scope is what kind of object a switch or an assignment hangs on.
type Scope string

// The scopes. Switches hang on all but PersonScope, assignments on Organization, Group and PersonScope.
const (
	Organization Scope = "organization"
	Domain       Scope = "domain"
	GroupScope   Scope = "group"
	Mailbox      Scope = "mailbox"
	PersonScope  Scope = "person"
)

// Switch is one protocol switch with Exchange's name and value. A switch that
// is not there inherits.
type Switch struct {
	Scope   Scope  `json:"scope"`
	Subject string `json:"subject"` // empty, the domain, or the id of the group or person
	Name    string `json:"name"`    // ImapEnabled, SmtpClientAuthenticationDisabled …
	Value   bool   `json:"value"`
}

func scanSwitch(r scanner) (w Switch, err error) {
	return w, r.Scan(&w.Scope, &w.Subject, &w.Name, &w.Value)
}

const switchColumns = `scope, subject, name, value`

// Switches lists all that are set.
func (s *Store) Switches(ctx context.Context) ([]Switch, error) {
	return collect(ctx, s, scanSwitch, switchesQuery)
}

const switchesQuery = `SELECT ` + switchColumns + ` FROM switches ORDER BY scope, subject, name`

// SwitchesOf lists those set on one object.
func (s *Store) SwitchesOf(ctx context.Context, sc Scope, subject string) ([]Switch, error) {
	return collect(ctx, s, scanSwitch, `SELECT `+switchColumns+` FROM switches WHERE scope = ? AND subject = ? ORDER BY name`, sc, subject)
}

// PutSwitch sets a switch on an object; nil lets it inherit again.
func (tx *Tx) PutSwitch(sc Scope, subject, name string, value *bool) error {
	before, err := oneIn(tx, scanSwitch, `SELECT `+switchColumns+` FROM switches WHERE scope = ? AND subject = ? AND name = ?`, sc, subject, name)
	missing := errors.Is(err, ErrNotFound)
	switch {
	case err != nil && !missing:
		return fmt.Errorf("setting %s: %w", name, err)
	case missing && value == nil, !missing && value != nil && *value == before.Value:
		return nil
	}
	if err := tx.mayChange(ValueSwitch, subject, string(sc)+" "+name); err != nil {
		return fmt.Errorf("setting %s: %w", name, err)
	}
	switch {
	case value == nil:
		err = tx.exec(`DELETE FROM switches WHERE scope = ? AND subject = ? AND name = ?`, sc, subject, name)
	default:
		err = tx.exec(`INSERT OR REPLACE INTO switches (`+switchColumns+`) VALUES (?, ?, ?, ?)`, sc, subject, name, *value)
	}
	if err != nil {
		return fmt.Errorf("setting %s: %w", name, err)
	}
	tx.touched(Switches)
	return tx.record("update", "switch", subject, string(sc)+" "+name, optional(before.Value, !missing), boolOrNil(value))
}

func boolOrNil(b *bool) any {
	if b == nil {
		return nil
	}
	return *b
}
