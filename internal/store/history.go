package store

import (
	"context"
	"fmt"
)

// Edition is one version of a document. The audit has them all: each change of
// a document counts its version up by one and writes one row.
type Edition struct {
	Version int64
	Audit
}

// History lists the versions of a document, newest first, at most so many.
func (s *Store) History(ctx context.Context, k DocumentKind, id string, limit int) ([]Edition, error) {
	return collect(ctx, s, scanEdition, editions+` ORDER BY n DESC LIMIT ?`, k, id, limit)
}

// Edition finds one version of a document; ErrNotFound.
func (s *Store) Edition(ctx context.Context, k DocumentKind, id string, version int64) (Edition, error) {
	e, err := one(ctx, s, scanEdition, editions+` WHERE version = ?`, k, id, version)
	if err != nil {
		return e, fmt.Errorf("reading version %d: %w", version, err)
	}
	return e, nil
}

const editions = `SELECT version, ` + auditColumns + ` FROM (SELECT row_number() OVER (ORDER BY n) AS version, ` + auditColumns + `
	FROM audit WHERE kind = ? AND object = ? AND action IN ('create', 'update', 'delete'))`

// Value names one thing that has a value and no text: a switch, an assignment, a setting.
type Value struct {
	Kind   string // ValueSwitch, ValueAssignment or ValueSetting
	Object string // the holder's id; of a setting its name
	Name   string // as the audit names it: a switch with its scope, an assignment's scope, a setting's name
}

// The kinds of values.
const (
	ValueSwitch     = "switch"
	ValueAssignment = "assignment"
	ValueSetting    = "setting"
)

// SwitchValue is a switch of a holder.
func SwitchValue(scope Scope, subject, name string) Value {
	return Value{ValueSwitch, subject, string(scope) + " " + name}
}

// AssignmentValue is which authentication policy a holder has.
func AssignmentValue(scope Scope, subject string) Value {
	return Value{ValueAssignment, subject, string(scope)}
}

// SettingValue is an organisation-wide setting.
func SettingValue(name string) Value { return Value{ValueSetting, name, name} }

const valueEditions = `SELECT version, ` + auditColumns + ` FROM (SELECT row_number() OVER (ORDER BY n) AS version, ` + auditColumns + `
	FROM audit WHERE kind = ? AND object = ? AND name = ? AND action = 'update')`

// ValueHistory lists what a value was, newest first, at most so many.
func (s *Store) ValueHistory(ctx context.Context, v Value, limit int) ([]Edition, error) {
	return collect(ctx, s, scanEdition, valueEditions+` ORDER BY n DESC LIMIT ?`, v.Kind, v.Object, v.Name, limit)
}

// ValueEdition finds one version of a value; ErrNotFound.
func (s *Store) ValueEdition(ctx context.Context, v Value, version int64) (Edition, error) {
	e, err := one(ctx, s, scanEdition, valueEditions+` WHERE version = ?`, v.Kind, v.Object, v.Name, version)
	if err != nil {
		return e, fmt.Errorf("reading version %d: %w", version, err)
	}
	return e, nil
}

// RestoreValue sets a value to what it was after an edition; version 0, that is
// the zero Edition, to what it was before any. ErrNotFound if what it hung on is gone.
func (tx *Tx) RestoreValue(v Value, e *Edition) error {
	undo := undoers[v.Kind]
	if undo == nil {
		return fmt.Errorf("putting back a %s: %w", v.Kind, ErrNotUndoable)
	}
	return undo(tx, &Audit{Kind: v.Kind, Object: v.Object, Name: v.Name, Before: e.After})
}

func scanEdition(r scanner) (e Edition, err error) {
	a, err := scanAudit(versioned{r, &e.Version})
	e.Audit = a
	return e, err
}

// versioned reads a column before those of an audit row.
type versioned struct {
	scanner
	version *int64
}

func (v versioned) Scan(dest ...any) error {
	return v.scanner.Scan(append([]any{v.version}, dest...)...)
}

// KnownDocument finds an object by id or name, a deleted one too if no other is
// called so now: of several the one deleted last. ErrNotFound.
func (s *Store) KnownDocument(ctx context.Context, k DocumentKind, idOrName string) (Document, error) {
	return one(ctx, s, scanDocument, `SELECT `+documentColumns+` FROM documents WHERE kind = ? AND (id = ? OR name = ?)
		ORDER BY deleted <> 0, id = ? DESC, deleted DESC LIMIT 1`, k, idOrName, idOrName, idOrName)
}
