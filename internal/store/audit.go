package store

import (
	"bytes"
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
)

// Audit is one administrative change of one object. Before and After are JSON
// without secrets; null is an object that was not there.
type Audit struct {
	N      int64 // counts up
	At     time.Time
	Actor  Actor
	Action string // "create", "update", "delete", "read" …
	Kind   string // "policy", "person" …
	Object string // id
	Name   string
	Reason string
	Origin string // by which way it came; empty where the actor's name says it
	Before json.RawMessage
	After  json.RawMessage
	chain  []byte // SHA-256 over the previous row's and this row
}

// auditor is what Change lends to its transaction.
type auditor struct {
	who    Actor
	reason string
	origin string
	at     time.Time
	// override lets it change what is managed from files.
	override bool
}

// The ways by which changes come.
const (
	OriginSocket = "socket" // an administrator's, over the local socket
	OriginSystem = "system" // the program's own
	OriginRevert = "revert" // taking back what nobody confirmed
)

// WithOrigin says by which way the changes under a context come.
func WithOrigin(ctx context.Context, origin string) context.Context {
	return context.WithValue(ctx, originKey{}, origin)
}

type originKey struct{}

func originOf(ctx context.Context, who Actor) string {
	if o, ok := ctx.Value(originKey{}).(string); ok {
		return o
	}
	switch {
	case who.UID >= 0:
		return OriginSocket
	case who == System:
		return OriginSystem
	}
	return ""
}

const auditColumns = `n, at, actor_uid, actor, action, kind, object, name, reason, origin, before, after, chain`

// errUnaudited is the answer to a programmer's mistake: a change outside Change.
var errUnaudited = errors.New("an administrative change needs Store.Change")

// record writes the audit row of one object's change; nil before or after
// means that the object was not there. An update that changes nothing is none.
func (tx *Tx) record(action, kind, id, name string, before, after any) error {
	if tx.audit == nil {
		return errUnaudited
	}
	b, err := auditJSON(before)
	if err != nil {
		return err
	}
	a, err := auditJSON(after)
	if err != nil {
		return err
	}
	row := Audit{At: tx.audit.at, Actor: tx.audit.who, Action: action, Kind: kind, Object: id, Name: name,
		Reason: tx.audit.reason, Origin: tx.audit.origin, Before: b, After: a}
	var last []byte
	if err := tx.row([]any{&last}, `SELECT chain FROM audit ORDER BY n DESC LIMIT 1`); err != nil && !errors.Is(err, ErrNotFound) {
		return fmt.Errorf("reading the audit's end: %w", err)
	}
	err = tx.exec(`INSERT INTO audit (at, actor_uid, actor, action, kind, object, name, reason, origin, before, after, chain)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`, nanos(row.At), row.Actor.UID, row.Actor.Name, action, kind, id, name,
		row.Reason, row.Origin, []byte(b), []byte(a), row.link(last))
	if err != nil {
		return fmt.Errorf("writing the audit: %w", err)
	}
	return nil
}

// Note writes an audit row for something that changes no row, such as reading
// somebody else's sign-ins.
func (tx *Tx) Note(action, kind, id, name string, detail any) error {
	return tx.record(action, kind, id, name, nil, detail)
}

func auditJSON(v any) (json.RawMessage, error) {
	switch raw, isJSON := v.(json.RawMessage); {
	case v == nil:
		return nil, nil
	case isJSON && json.Valid(raw):
		return raw, nil // byte by byte, so that it can be put back as it was
	}
	b, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("writing the audit: %w", err)
	}
	return b, nil
}

// link is the row's place in the chain: a row that is changed or taken out
// later no longer fits its neighbours.
func (a *Audit) link(previous []byte) []byte {
	h := sha256.New()
	part := func(b []byte) {
		_ = binary.Write(h, binary.BigEndian, uint64(len(b)))
		h.Write(b)
	}
	part(previous)
	_ = binary.Write(h, binary.BigEndian, []int64{nanos(a.At), a.Actor.UID})
	for _, s := range []string{a.Actor.Name, a.Action, a.Kind, a.Object, a.Name, a.Reason} {
		part([]byte(s))
	}
	part(a.Before)
	part(a.After)
	if a.Origin != "" { // rows from before there was one are linked without
		part([]byte(a.Origin))
	}
	return h.Sum(nil)
}

// AuditFilter chooses audit rows; the zero value chooses all.
type AuditFilter struct {
	From, To time.Time // To is exclusive; zero is open
	Object   string    // id
	Kind     string
	Actor    string // name, in any case
	Before   int64  // only rows with a smaller N: the cursor of the next page; 0 is the newest
	Limit    int    // 0 is 100
}

// Audits lists audit rows, newest first.
func (s *Store) Audits(ctx context.Context, f AuditFilter) ([]Audit, error) {
	q := `SELECT ` + auditColumns + ` FROM audit WHERE 1`
	var args []any
	add := func(cond string, v any) { q += " AND " + cond; args = append(args, v) }
	if !f.From.IsZero() {
		add("at >= ?", nanos(f.From))
	}
	if !f.To.IsZero() {
		add("at < ?", nanos(f.To))
	}
	if f.Object != "" {
		add("object = ?", f.Object)
	}
	if f.Kind != "" {
		add("kind = ?", f.Kind)
	}
	if f.Actor != "" {
		add("actor = ? COLLATE NOCASE", f.Actor)
	}
	if f.Before > 0 {
		add("n < ?", f.Before)
	}
	limit := f.Limit
	if limit <= 0 {
		limit = 100
	}
	return collect(ctx, s, scanAudit, q+" ORDER BY n DESC LIMIT ?", append(args, limit)...)
}

func scanAudit(r scanner) (a Audit, err error) {
	var at int64
	var before, after []byte
	err = r.Scan(&a.N, &at, &a.Actor.UID, &a.Actor.Name, &a.Action, &a.Kind, &a.Object, &a.Name, &a.Reason, &a.Origin, &before, &after, &a.chain)
	a.At, a.Before, a.After = fromNanos(at), before, after
	return a, err
}

// VerifyAudit walks the chain and returns the number of the first row that does
// not fit, 0 if all do.
func (s *Store) VerifyAudit(ctx context.Context) (int64, error) { return verifyAudit(ctx, s.read) }

// AuditEnd is the last row's number and place in the chain, and how many there
// are: who keeps these elsewhere can tell whether rows were cut off at the end.
func (s *Store) AuditEnd(ctx context.Context) (rows, last int64, chain []byte, err error) {
	err = s.read.QueryRowContext(ctx, `SELECT count(*), ifnull(max(n), 0), ifnull((SELECT chain FROM audit ORDER BY n DESC LIMIT 1), x'') FROM audit`).Scan(&rows, &last, &chain)
	if err != nil {
		return 0, 0, nil, fmt.Errorf("reading the audit: %w", err)
	}
	return rows, last, chain, nil
}

// AuditRow is one row by its number; ErrNotFound if there is none.
func (s *Store) AuditRow(ctx context.Context, n int64) (Audit, error) {
	return one(ctx, s, scanAudit, `SELECT `+auditColumns+` FROM audit WHERE n = ?`, n)
}

func verifyAudit(ctx context.Context, db *sql.DB) (int64, error) {
	columns := auditColumns
	var has bool
	err := db.QueryRowContext(ctx, `SELECT count(*) FROM pragma_table_info('audit') WHERE name = 'origin'`).Scan(&has)
	if err != nil {
		return 0, fmt.Errorf("reading the audit: %w", err)
	}
	if !has { // a backup of an older program
		columns = strings.Replace(columns, "origin", "'' AS origin", 1)
	}
	rows, err := db.QueryContext(ctx, `SELECT `+columns+` FROM audit ORDER BY n`)
	if err != nil {
		return 0, fmt.Errorf("reading the audit: %w", err)
	}
	defer rows.Close()
	var last []byte
	for rows.Next() {
		a, err := scanAudit(rows)
		if err != nil {
			return 0, fmt.Errorf("reading the audit: %w", err)
		}
		if !bytes.Equal(a.chain, a.link(last)) {
			return a.N, nil
		}
		last = a.chain
	}
	return 0, rows.Err()
}

type reasonKey struct{}

// WithReason carries an administrator's reason to a Change that is given none.
func WithReason(ctx context.Context, reason string) context.Context {
	return context.WithValue(ctx, reasonKey{}, reason)
}

func reasonOf(ctx context.Context) string {
	reason, _ := ctx.Value(reasonKey{}).(string)
	return reason
}
