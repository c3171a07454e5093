package store

import (
	"context"
	"encoding/json"
	"fmt"
	"time"
)

// AppPassword is one app password, without its text: what is kept of that is a
// keyed fingerprint. Scope, Bound and Pending are package apppassword's.
type AppPassword struct {
	ID          string          `json:"id"` // embedded in its text
	Person      string          `json:"person"`
	Name        string          `json:"name"`
	Print       []byte          `json:"-"`
	Scope       json.RawMessage `json:"scope"`
	Created     time.Time       `json:"created"`
	CreatedBy   string          `json:"createdBy"`
	Used        time.Time       `json:"used,omitzero"` // first
	Last        time.Time       `json:"last,omitzero"`
	LastAddr    string          `json:"lastAddress,omitempty"`
	LastProgram string          `json:"lastProgram,omitempty"`
	Bound       json.RawMessage `json:"bound,omitempty"`   // empty: to nothing
	Pending     json.RawMessage `json:"pending,omitempty"` // what waits for approval
	Revoked     time.Time       `json:"revoked,omitzero"`
}

const appPasswordColumns = `id, person, name, print, scope, created, created_by, used, last, last_addr, last_program, bound, pending, revoked`

func scanAppPassword(r scanner) (p AppPassword, err error) {
	var scope, bound, pending string
	var created, used, last, revoked int64
	err = r.Scan(&p.ID, &p.Person, &p.Name, &p.Print, &scope, &created, &p.CreatedBy, &used, &last, &p.LastAddr, &p.LastProgram, &bound, &pending, &revoked)
	p.Scope, p.Bound, p.Pending = rawOf(scope), rawOf(bound), rawOf(pending)
	p.Created, p.Used, p.Last, p.Revoked = fromNanos(created), fromNanos(used), fromNanos(last), fromNanos(revoked)
	return p, err
}

func rawOf(s string) json.RawMessage {
	if s == "" {
		return nil
	}
	return json.RawMessage(s)
}

// AppPasswords lists every app password, revoked ones too.
func (s *Store) AppPasswords(ctx context.Context) ([]AppPassword, error) {
	return collect(ctx, s, scanAppPassword, `SELECT `+appPasswordColumns+` FROM app_passwords ORDER BY created, id`)
}

// AppPasswordsOf lists a person's.
func (s *Store) AppPasswordsOf(ctx context.Context, person string) ([]AppPassword, error) {
	return collect(ctx, s, scanAppPassword, `SELECT `+appPasswordColumns+` FROM app_passwords WHERE person = ? ORDER BY created, id`, person)
}

const appPasswordQuery = `SELECT ` + appPasswordColumns + ` FROM app_passwords WHERE id = ?`

// AppPasswordGrant is what sessions hang on that were opened with one.
func AppPasswordGrant(id string) string { return "apppw:" + id }

// AddAppPassword keeps a new one; ErrExists if its id is taken.
func (tx *Tx) AddAppPassword(p *AppPassword) error {
	if tx.audit == nil {
		return errUnaudited
	}
	p.Created, p.CreatedBy = tx.audit.at, tx.audit.who.Name
	err := tx.exec(`INSERT INTO app_passwords (id, person, name, print, scope, created, created_by) VALUES (?, ?, ?, ?, ?, ?, ?)`,
		p.ID, p.Person, p.Name, p.Print, string(p.Scope), nanos(p.Created), p.CreatedBy)
	if err != nil {
		return fmt.Errorf("keeping the app password: %w", exists(err))
	}
	tx.touched(AppPasswords, p.Person)
	return tx.record("create", "appPassword", p.ID, p.Name, nil, p)
}

// RevokeAppPassword revokes one and ends its sessions. One that is revoked
// already stays as it is.
func (tx *Tx) RevokeAppPassword(id string) error {
	before, err := oneIn(tx, scanAppPassword, appPasswordQuery, id)
	if err != nil {
		return fmt.Errorf("revoking the app password %s: %w", id, err)
	}
	if !before.Revoked.IsZero() {
		return nil
	}
	if tx.audit == nil {
		return errUnaudited
	}
	after := before
	after.Revoked = tx.audit.at
	if err := tx.exec(`UPDATE app_passwords SET revoked = ? WHERE id = ? AND revoked = 0`, nanos(after.Revoked), id); err != nil {
		return fmt.Errorf("revoking the app password %s: %w", id, err)
	}
	tx.touched(AppPasswords, before.Person)
	tx.ended(AppPasswords, AppPasswordGrant(id))
	return tx.record("revoke", "appPassword", id, before.Name, before, after)
}

// RevokeAppPasswords revokes all of a person's and returns those that lived.
func (tx *Tx) RevokeAppPasswords(person string) ([]AppPassword, error) {
	all, err := collectIn(tx, scanAppPassword, `SELECT `+appPasswordColumns+` FROM app_passwords WHERE person = ? AND revoked = 0 ORDER BY created, id`, person)
	if err != nil {
		return nil, fmt.Errorf("reading app passwords: %w", err)
	}
	for _, p := range all {
		if err := tx.RevokeAppPassword(p.ID); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// FirstUse keeps the first use of an app password and what that binds it to.
// Of several at once one is the first; the others are given the row as that
// one left it.
func (tx *Tx) FirstUse(id string, at time.Time, bound json.RawMessage) (first bool, now AppPassword, err error) {
	n, err := tx.affected(`UPDATE app_passwords SET used = ?, bound = ? WHERE id = ? AND used = 0 AND revoked = 0`, nanos(at), string(bound), id)
	if err != nil {
		return false, now, fmt.Errorf("keeping the first use of an app password: %w", err)
	}
	now, err = oneIn(tx, scanAppPassword, appPasswordQuery, id)
	return n == 1, now, err
}

// NoteAppPassword keeps the last use and what waits for approval, of those that
// have been used before.
func (tx *Tx) NoteAppPassword(p *AppPassword) error {
	err := tx.exec(`UPDATE app_passwords SET last = max(last, ?), last_addr = ?, last_program = ?, pending = ? WHERE id = ?`,
		nanos(p.Last), p.LastAddr, p.LastProgram, string(p.Pending), p.ID)
	if err != nil {
		return fmt.Errorf("keeping the use of an app password: %w", err)
	}
	return nil
}

// BindAppPassword changes what an app password is bound to, as its owner or an
// administrator approved it.
func (tx *Tx) BindAppPassword(id string, bound json.RawMessage) error {
	before, err := oneIn(tx, scanAppPassword, appPasswordQuery, id)
	if err != nil {
		return fmt.Errorf("binding the app password %s: %w", id, err)
	}
	after := before
	after.Bound, after.Pending = bound, nil
	if err := tx.exec(`UPDATE app_passwords SET bound = ?, pending = '' WHERE id = ?`, string(bound), id); err != nil {
		return fmt.Errorf("binding the app password %s: %w", id, err)
	}
	tx.touched(AppPasswords, before.Person)
	return tx.record("update", "appPassword", id, before.Name, before, after)
}

// ForgetAppPasswords forgets some, whatever state they are in.
func (tx *Tx) ForgetAppPasswords(ids []string) error {
	for _, id := range ids {
		if err := tx.exec(`DELETE FROM app_passwords WHERE id = ?`, id); err != nil {
			return fmt.Errorf("forgetting app passwords: %w", err)
		}
	}
	return nil
}
