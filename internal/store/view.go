package store

import (
	"context"
	"errors"
)

// View reads the rules as a transaction has left them so far: what would be in
// force if it were committed now. Its methods are the Store's, for the function
// that the transaction was given to.
type View struct{ tx *Tx }

// View is the transaction's own view of the rules.
func (tx *Tx) View() View { return View{tx} }

// Families are those that the change has changed so far.
func (tx *Tx) Families() Families { return tx.change.Families }

// Documents is Store.Documents.
func (v View) Documents(_ context.Context, k DocumentKind) ([]Document, error) {
	return collectIn(v.tx, scanDocument, documentsQuery, k)
}

// AuthenticationPolicies is Store.AuthenticationPolicies.
func (v View) AuthenticationPolicies(ctx context.Context) ([]Document, error) {
	return v.Documents(ctx, AuthenticationPolicy)
}

// Switches is Store.Switches.
func (v View) Switches(context.Context) ([]Switch, error) {
	return collectIn(v.tx, scanSwitch, switchesQuery)
}

// Assignments is Store.Assignments.
func (v View) Assignments(context.Context) ([]Assignment, error) {
	return collectIn(v.tx, scanAssignment, assignmentsQuery)
}

// Groups is Store.Groups.
func (v View) Groups(context.Context) ([]Group, error) {
	return collectIn(v.tx, scanGroup, groupsQuery)
}

// Setting is Store.Setting.
func (v View) Setting(_ context.Context, name string) (string, error) {
	value, err := v.tx.meta(settingSpace + name)
	if errors.Is(err, ErrNotFound) {
		return "", nil
	}
	return value, err
}

// Person is Store.Person.
func (v View) Person(_ context.Context, idOrAddress string) (Person, error) {
	return v.tx.Person(idOrAddress)
}
