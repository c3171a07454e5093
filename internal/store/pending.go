package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Pending is a change that is taken back at a time unless somebody confirms it
// before. What it did stands in the audit, from which it is undone.
type Pending struct {
	ID     string
	Made   time.Time
	Until  time.Time
	Actor  Actor
	Reason string

	first, last int64 // rows of the audit
}

// After says that a change was made after another, by the audit's order: that of
// the clocks is another one when a clock is put back.
func (p Pending) After(q Pending) bool { return p.first > q.first }

// Undone is what became of one object of a change that was taken back.
type Undone struct {
	Kind   string `json:"kind"`
	Object string `json:"id"`
	Name   string `json:"name"`
	Left   string `json:"left,omitempty"` // why it was left as it is; empty: it is as it was before
}

// The answers to changes that could not be taken back by themselves, or whose
// objects wait to be confirmed already.
var (
	ErrNotUndoable = errors.New("cannot be taken back by itself")
	ErrAwaited     = errors.New("waits to be confirmed")
)

// maxPending bounds how many changes wait for a confirmation at a time.
const maxPending = 100

const pendingColumns = `id, made, until, actor_uid, actor, reason, first, last`

func scanPending(r scanner) (p Pending, err error) {
	var made, until int64
	err = r.Scan(&p.ID, &made, &until, &p.Actor.UID, &p.Actor.Name, &p.Reason, &p.first, &p.last)
	p.Made, p.Until = fromNanos(made), fromNanos(until)
	return p, err
}

// Pendings lists the changes that wait to be confirmed, the next to be taken back first.
func (s *Store) Pendings(ctx context.Context) ([]Pending, error) {
	return collect(ctx, s, scanPending, `SELECT `+pendingColumns+` FROM pending ORDER BY until, id`)
}

// Touched lists what a pending change did, in its order.
func (s *Store) Touched(ctx context.Context, p Pending) ([]Audit, error) {
	return collect(ctx, s, scanAudit, touchedQuery, p.first, p.last)
}

const touchedQuery = `SELECT ` + auditColumns + ` FROM audit WHERE n BETWEEN ? AND ? ORDER BY n`

// Await carries out do as a change that is taken back after a time unless it is
// confirmed. A change of nothing waits for nobody: the zero Pending.
func (tx *Tx) Await(within time.Duration, do func(*Tx) error) (p Pending, err error) {
	if tx.audit == nil {
		return p, errUnaudited
	}
	before, err := tx.auditEnd()
	if err != nil {
		return p, err
	}
	if err := do(tx); err != nil {
		return p, err
	}
	after, err := tx.auditEnd()
	if err != nil || after == before {
		return p, err
	}
	p = Pending{ID: newObjectID(""), Made: tx.audit.at, Until: tx.audit.at.Add(within), Actor: tx.audit.who, Reason: tx.audit.reason, first: before + 1, last: after}
	if err := tx.awaitable(p); err != nil {
		return Pending{}, err
	}
	err = tx.exec(`INSERT INTO pending (`+pendingColumns+`) VALUES (?, ?, ?, ?, ?, ?, ?, ?)`, p.ID, nanos(p.Made), nanos(p.Until), p.Actor.UID, p.Actor.Name, p.Reason, p.first, p.last)
	if err != nil {
		return Pending{}, fmt.Errorf("keeping when a change is taken back: %w", err)
	}
	return p, tx.Note("await", "change", p.ID, "", map[string]time.Time{"until": p.Until.UTC()})
}

func (tx *Tx) auditEnd() (n int64, err error) {
	if err = tx.row([]any{&n}, `SELECT coalesce(max(n), 0) FROM audit`); err != nil {
		return 0, fmt.Errorf("reading the audit's end: %w", err)
	}
	return n, nil
}

// awaitable says whether a change can be undone, and that nobody else's of the
// same objects waits: what was before that one would be brought back as if it
// had been confirmed.
func (tx *Tx) awaitable(p Pending) error {
	rows, err := collectIn(tx, scanAudit, touchedQuery, p.first, p.last)
	if err != nil {
		return fmt.Errorf("reading the audit: %w", err)
	}
	others, err := collectIn(tx, scanPending, `SELECT `+pendingColumns+` FROM pending ORDER BY until, id`)
	if err != nil {
		return fmt.Errorf("reading what waits for confirmation: %w", err)
	}
	if len(others) >= maxPending {
		return fmt.Errorf("%d changes wait to be confirmed, which is as many as may: %w", len(others), ErrAwaited)
	}
	for _, row := range rows {
		if undoers[row.Kind] == nil || row.Kind == sheetKind && len(row.Before) > 0 {
			return fmt.Errorf("a change of the kind %s %w", row.Kind, ErrNotUndoable)
		}
	}
	for _, other := range others {
		theirs, err := collectIn(tx, scanAudit, touchedQuery, other.first, other.last)
		if err != nil {
			return fmt.Errorf("reading the audit: %w", err)
		}
		for _, row := range rows {
			if slices.ContainsFunc(theirs, row.sameObject) {
				return fmt.Errorf("%s %q was changed by %s, which is taken back at %s unless it is confirmed: %w", row.Kind, row.Name, other.Actor.Name,
					other.Until.UTC().Format(time.RFC3339), ErrAwaited)
			}
		}
	}
	return nil
}

// sameObject says that two rows are about one thing. A document may have been
// given another name; of the rest the name is part of what it is.
func (a Audit) sameObject(b Audit) bool {
	if a.Kind != b.Kind || a.Object != b.Object {
		return false
	}
	_, isDocument := documentFamilies[DocumentKind(a.Kind)]
	return isDocument || a.Name == b.Name
}

// Confirm makes a change one that stays; ErrNotFound if it is none that waits,
// any more. how is kept in the audit.
func (tx *Tx) Confirm(id string, how any) error {
	if tx.audit == nil {
		return errUnaudited
	}
	n, err := tx.affected(`DELETE FROM pending WHERE id = ? AND until > ?`, id, nanos(tx.audit.at))
	if err != nil {
		return fmt.Errorf("confirming a change: %w", err)
	}
	if n == 0 {
		return fmt.Errorf("confirming a change: %w", ErrNotFound)
	}
	return tx.Note("confirm", "change", id, "", how)
}

// TakeBack undoes a change that waits, last row first: each of its objects that
// nobody has changed since is as it was before. ErrNotFound if it waits no more.
func (tx *Tx) TakeBack(id string) ([]Undone, error) {
	p, err := oneIn(tx, scanPending, `SELECT `+pendingColumns+` FROM pending WHERE id = ?`, id)
	if err != nil {
		return nil, fmt.Errorf("taking back a change: %w", err)
	}
	if err := tx.exec(`DELETE FROM pending WHERE id = ?`, id); err != nil {
		return nil, fmt.Errorf("taking back a change: %w", err)
	}
	rows, err := collectIn(tx, scanAudit, touchedQuery, p.first, p.last)
	if err != nil {
		return nil, fmt.Errorf("taking back a change: %w", err)
	}
	end, err := tx.auditEnd()
	if err != nil {
		return nil, err
	}
	all := []Undone{}
	for i := len(rows) - 1; i >= 0; i-- {
		row := &rows[i]
		u := Undone{Kind: row.Kind, Object: row.Object, Name: row.Name}
		if u.Left, err = tx.undo(row, p.last, end); err != nil {
			return nil, fmt.Errorf("taking back the change of %s %q: %w", row.Kind, row.Name, err)
		}
		if !slices.Contains(all, u) {
			all = append(all, u)
		}
	}
	return all, tx.Note("revert", "change", id, "", all)
}

// undo puts one object back unless somebody changed it after the change, in the
// audit's rows behind it and up to end. left says why it was not.
func (tx *Tx) undo(row *Audit, change, end int64) (left string, err error) {
	since, err := collectIn(tx, scanAudit, `SELECT `+auditColumns+` FROM audit WHERE n > ? AND n <= ? AND object = ? AND kind = ? ORDER BY n DESC`, change, end, row.Object, row.Kind)
	if err != nil {
		return "", err
	}
	if i := slices.IndexFunc(since, row.sameObject); i >= 0 {
		return "changed since by " + since[i].Actor.Name, nil
	}
	switch err := undoers[row.Kind](tx, row); {
	case errors.Is(err, errNamed):
		return err.Error(), nil
	case errors.Is(err, ErrExists):
		return "another has its name now", nil
	case errors.Is(err, ErrNotFound):
		return "what it hung on is gone", nil
	default:
		return "", err
	}
}

// undoers put back what a row of the audit says was before.
var undoers = map[string]func(*Tx, *Audit) error{
	string(Policy): undoDocument, string(Location): undoDocument, string(Strength): undoDocument, string(AuthenticationPolicy): undoDocument,
	"assignment": undoAssignment, "switch": undoSwitch, "setting": undoSetting, sheetKind: undoSheet, ManagedKind: undoManaged,
}

func undoDocument(tx *Tx, row *Audit) error {
	kind := DocumentKind(row.Kind)
	if len(row.Before) == 0 {
		if err := tx.unnamed(row.Object); err != nil {
			return err
		}
		return tx.DeleteDocument(kind, row.Object)
	}
	d := Document{ID: row.Object, Kind: kind, JSON: row.Before, Name: row.Name}
	err := tx.row([]any{&d.Name}, `SELECT name FROM audit WHERE kind = ? AND object = ? AND n < ? ORDER BY n DESC LIMIT 1`, row.Kind, row.Object, row.N)
	if err != nil && !errors.Is(err, ErrNotFound) {
		return err
	}
	var has struct {
		State string `json:"state"`
	}
	if kind == Policy && json.Unmarshal(row.Before, &has) == nil {
		d.State = has.State
	}
	return tx.PutDocument(&d)
}

// errNamed says that something that stays hangs on what would be deleted.
var errNamed = errors.New("names it")

// unnamed is errNamed if a policy names an object, or somebody has it: without
// it the one would hold for others than it says, and the other be without rules.
// What the same change did is undone before.
func (tx *Tx) unnamed(id string) error {
	var by string
	err := tx.row([]any{&by}, `SELECT name FROM documents WHERE kind = ? AND deleted = 0 AND id <> ? AND instr(lower(CAST(json AS TEXT)), lower(?)) > 0 LIMIT 1`, Policy, id, id)
	if err == nil {
		return fmt.Errorf("the policy %q %w", by, errNamed)
	}
	if !errors.Is(err, ErrNotFound) {
		return err
	}
	err = tx.row([]any{&by}, `SELECT scope FROM assignments WHERE policy = ? LIMIT 1`, id)
	if err == nil {
		return fmt.Errorf("an assignment (%s) %w", by, errNamed)
	}
	if !errors.Is(err, ErrNotFound) {
		return err
	}
	return nil
}

func undoAssignment(tx *Tx, row *Audit) error {
	a := Assignment{Scope: Scope(row.Name), Subject: row.Object}
	if len(row.Before) > 0 {
		if err := json.Unmarshal(row.Before, &a); err != nil {
			return err
		}
	}
	if err := tx.holder(a.Scope, a.Subject); err != nil {
		return err
	}
	return tx.PutAssignment(a)
}

func undoSwitch(tx *Tx, row *Audit) error {
	scope, name, _ := strings.Cut(row.Name, " ")
	var value *bool
	if len(row.Before) > 0 {
		if err := json.Unmarshal(row.Before, &value); err != nil {
			return err
		}
	}
	if err := tx.holder(Scope(scope), row.Object); err != nil {
		return err
	}
	return tx.PutSwitch(Scope(scope), row.Object, name, value)
}

func undoSetting(tx *Tx, row *Audit) error {
	var value string
	if len(row.Before) > 0 {
		if err := json.Unmarshal(row.Before, &value); err != nil {
			return err
		}
	}
	return tx.PutSetting(row.Name, value)
}

// undoSheet forgets a list of mailboxes that a change brought in. One that was
// forgotten is gone for good: its lines are not in the audit.
func undoSheet(tx *Tx, row *Audit) error {
	if len(row.Before) > 0 {
		return ErrNotUndoable
	}
	return tx.DeleteCASSheet(row.Object)
}

// holder says ErrNotFound if the group or person is gone that something hung on.
func (tx *Tx) holder(scope Scope, subject string) (err error) {
	switch scope {
	case GroupScope:
		_, err = tx.Group(subject)
	case Mailbox, PersonScope:
		_, err = tx.Person(subject)
	}
	return err
}
