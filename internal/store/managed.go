package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// Managed says from which file something comes that is managed from files: a
// document, a switch, an assignment or a setting. Other ways do not change it.
type Managed struct {
	Kind   string    `json:"kind"`           // a DocumentKind, ValueSwitch, ValueAssignment or ValueSetting
	Object string    `json:"id"`             // as in the audit
	Name   string    `json:"name,omitempty"` // of a value, as in the audit
	Word   string    `json:"word"`           // what the folder calls it
	File   string    `json:"file"`           // relative to the folder
	Line   int       `json:"line"`
	Commit string    `json:"commit,omitempty"` // of the folder, if it was said
	At     time.Time `json:"at"`
	By     string    `json:"by"`
}

// Place is where it stands: "retire.yaml:2".
func (m *Managed) Place() string { return fmt.Sprintf("%s:%d", m.File, m.Line) }

// same says that two say the same of where something comes from.
func (m *Managed) same(o *Managed) bool {
	return m.Word == o.Word && m.File == o.File && m.Commit == o.Commit
}

// ManagedKind is what the audit calls where something comes from.
const ManagedKind = "managed"

// OriginFiles is the way of changes that a folder of files makes.
const OriginFiles = "files"

// ManagedError says that something is managed from a file and was not changed.
type ManagedError struct{ Managed }

func (e *ManagedError) Error() string {
	return fmt.Sprintf("the %s is managed from the file %s", e.Kind, e.File)
}

type overrideKey struct{}

// WithOverride lets the changes under a context touch what is managed from files.
func WithOverride(ctx context.Context) context.Context {
	return context.WithValue(ctx, overrideKey{}, true)
}

// mayOverride says whether the changes under a context may touch it: those that
// the files make, those that take one back, and those of somebody who insists.
func mayOverride(ctx context.Context, origin string) bool {
	insists, _ := ctx.Value(overrideKey{}).(bool)
	return insists || origin == OriginFiles || origin == OriginRevert
}

const managedColumns = `kind, object, name, word, file, line, committed, at, actor`

func scanManaged(r scanner) (m Managed, err error) {
	var at int64
	err = r.Scan(&m.Kind, &m.Object, &m.Name, &m.Word, &m.File, &m.Line, &m.Commit, &at, &m.By)
	m.At = fromNanos(at).UTC()
	return m, err
}

const (
	allManagedQuery = `SELECT ` + managedColumns + ` FROM managed ORDER BY kind, file, line, object, name`
	managedQuery    = `SELECT ` + managedColumns + ` FROM managed WHERE kind = ? AND object = ? AND name = ?`
)

// AllManaged lists what is managed from files.
func (s *Store) AllManaged(ctx context.Context) ([]Managed, error) {
	return collect(ctx, s, scanManaged, allManagedQuery)
}

// ManagedDocuments lists what is managed from files of one kind of documents.
func (s *Store) ManagedDocuments(ctx context.Context, k DocumentKind) ([]Managed, error) {
	return collect(ctx, s, scanManaged, `SELECT `+managedColumns+` FROM managed WHERE kind = ?`, k)
}

// AllManaged is Store.AllManaged inside a transaction.
func (tx *Tx) AllManaged() ([]Managed, error) { return collectIn(tx, scanManaged, allManagedQuery) }

// mayChange refuses to change what is managed from files, unless the files do.
func (tx *Tx) mayChange(kind, object, name string) error {
	if tx.audit == nil || tx.audit.override {
		return nil
	}
	m, err := oneIn(tx, scanManaged, managedQuery, kind, object, name)
	if errors.Is(err, ErrNotFound) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("reading what is managed from files: %w", err)
	}
	return &ManagedError{m}
}

// PutManaged has something managed from a file. At and By are filled in.
func (tx *Tx) PutManaged(m Managed) error {
	if tx.audit == nil {
		return errUnaudited
	}
	before, err := oneIn(tx, scanManaged, managedQuery, m.Kind, m.Object, m.Name)
	missing := errors.Is(err, ErrNotFound)
	if err != nil && !missing {
		return fmt.Errorf("keeping where the %s comes from: %w", m.Kind, err)
	}
	if !missing && before.same(&m) {
		return nil
	}
	m.At, m.By = tx.audit.at.UTC(), tx.audit.who.Name
	return tx.putManaged(m, optional(before, !missing))
}

func (tx *Tx) putManaged(m Managed, before any) error {
	err := tx.exec(`INSERT OR REPLACE INTO managed (`+managedColumns+`) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`, m.Kind, m.Object, m.Name, m.Word, m.File, m.Line, m.Commit, nanos(m.At), m.By)
	if err != nil {
		return fmt.Errorf("keeping where the %s comes from: %w", m.Kind, err)
	}
	action := "update"
	if before == nil {
		action = "create"
	}
	return tx.record(action, ManagedKind, m.Object, managedName(m.Kind, m.Name), before, m)
}

// managedName is what the audit calls it: the kind, and of a value its name.
func managedName(kind, name string) string {
	if name == "" {
		return kind
	}
	return kind + " " + name
}

// Release has something managed from files no longer; ErrNotFound if it is not.
func (tx *Tx) Release(kind, object, name string) error {
	before, err := oneIn(tx, scanManaged, managedQuery, kind, object, name)
	if err != nil {
		return fmt.Errorf("releasing the %s: %w", kind, err)
	}
	if err := tx.exec(`DELETE FROM managed WHERE kind = ? AND object = ? AND name = ?`, kind, object, name); err != nil {
		return fmt.Errorf("releasing the %s: %w", kind, err)
	}
	return tx.record("delete", ManagedKind, object, managedName(kind, name), before, nil)
}

// undoManaged puts back where something came from.
func undoManaged(tx *Tx, row *Audit) error {
	var was, is Managed
	if len(row.After) > 0 {
		if err := json.Unmarshal(row.After, &is); err != nil {
			return err
		}
	}
	if len(row.Before) == 0 {
		return tx.Release(is.Kind, is.Object, is.Name)
	}
	if err := json.Unmarshal(row.Before, &was); err != nil {
		return err
	}
	return tx.putManaged(was, optional(is, len(row.After) > 0))
}

// ruleKinds are the kinds of audit rows that change what is in force, or from
// where it comes.
const ruleKinds = `('policy', 'location', 'strength', 'authenticationPolicy', 'switch', 'assignment', 'setting', 'managed')`

// RulesVersion counts the changes of rules: the number of the audit's last row of one.
func (tx *Tx) RulesVersion() (n int64, err error) {
	if err = tx.row([]any{&n}, `SELECT coalesce(max(n), 0) FROM audit WHERE kind IN `+ruleKinds); err != nil {
		return 0, fmt.Errorf("reading the audit: %w", err)
	}
	return n, nil
}

// RulesSince lists the changes of rules after a version, oldest first, at most so many.
func (s *Store) RulesSince(ctx context.Context, version int64, limit int) ([]Audit, error) {
	return collect(ctx, s, scanAudit, `SELECT `+auditColumns+` FROM audit WHERE n > ? AND kind IN `+ruleKinds+` AND kind <> 'managed' ORDER BY n LIMIT ?`, version, limit)
}

// LastChange is the audit row that changed something last; ErrNotFound.
func (tx *Tx) LastChange(kind, object, name string) (Audit, error) {
	return oneIn(tx, scanAudit, `SELECT `+auditColumns+` FROM audit WHERE kind = ? AND object = ? AND (? = '' OR name = ?) AND action IN ('create', 'update', 'delete') ORDER BY n DESC LIMIT 1`,
		kind, object, name, name)
}
