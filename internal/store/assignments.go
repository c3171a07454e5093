package store

import (
	"context"
	"errors"
	"fmt"
)

// Assignment gives an authentication policy to everybody, a group or a person.
type Assignment struct {
	Scope   Scope  `json:"scope"`   // Organization, Group or PersonScope
	Subject string `json:"subject"` // id of the group or person, empty for the organisation
	Policy  string `json:"policy"`  // id
}

func scanAssignment(r scanner) (a Assignment, err error) {
	return a, r.Scan(&a.Scope, &a.Subject, &a.Policy)
}

// Assignments lists who has which authentication policy.
func (s *Store) Assignments(ctx context.Context) ([]Assignment, error) {
	return collect(ctx, s, scanAssignment, assignmentsQuery)
}

const assignmentsQuery = `SELECT scope, subject, policy FROM assignments ORDER BY scope, subject`

// PutAssignment assigns a policy in place of what was assigned before; an
// empty Policy takes the assignment away.
func (tx *Tx) PutAssignment(a Assignment) error {
	if a.Policy != "" {
		d, err := tx.Document(AuthenticationPolicy, a.Policy)
		if err != nil {
			return fmt.Errorf("assigning authentication policy %q: %w", a.Policy, err)
		}
		a.Policy = d.ID
	}
	before, err := oneIn(tx, scanAssignment, `SELECT scope, subject, policy FROM assignments WHERE scope = ? AND subject = ?`, a.Scope, a.Subject)
	missing := errors.Is(err, ErrNotFound)
	if err != nil && !missing {
		return fmt.Errorf("assigning an authentication policy: %w", err)
	}
	if before.Policy == a.Policy {
		return nil
	}
	if err := tx.mayChange(ValueAssignment, a.Subject, string(a.Scope)); err != nil {
		return fmt.Errorf("assigning an authentication policy: %w", err)
	}
	if a.Policy == "" {
		err = tx.exec(`DELETE FROM assignments WHERE scope = ? AND subject = ?`, a.Scope, a.Subject)
	} else {
		err = tx.exec(`INSERT OR REPLACE INTO assignments (scope, subject, policy) VALUES (?, ?, ?)`, a.Scope, a.Subject, a.Policy)
	}
	if err != nil {
		return fmt.Errorf("assigning an authentication policy: %w", err)
	}
	tx.touched(AuthenticationPolicies)
	return tx.record("update", "assignment", a.Subject, string(a.Scope), optional(before, !missing), optional(a, a.Policy != ""))
}

// optional is v, or nil where there is none.
func optional[T any](v T, there bool) any {
	if !there {
		return nil
	}
	return v
}
