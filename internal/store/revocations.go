package store

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"time"
)

// EverythingGrant begins the grant of a revocation that ends all that a person
// was granted before it.
const EverythingGrant = "all:"

// ErrTakenBack means that the session a change was asked for in hangs on what
// was taken back meanwhile.
var ErrTakenBack = errors.New("what the session hangs on was taken back meanwhile")

// Revocation ends a grant: whatever hangs on it is refused from now on.
type Revocation struct {
	Grant  string    `json:"grant"`
	Person string    `json:"person"`
	At     time.Time `json:"at"`
	Until  time.Time `json:"until"` // when nothing that hangs on the grant can be valid any more; zero is never
}

// Revocations lists those that still matter at a time.
func (s *Store) Revocations(ctx context.Context, now time.Time) ([]Revocation, error) {
	return collect(ctx, s, func(r scanner) (v Revocation, err error) {
		var at, until int64
		err = r.Scan(&v.Grant, &v.Person, &at, &until)
		v.At, v.Until = fromNanos(at), fromNanos(until)
		return v, err
	}, `SELECT grant_id, person, at, until FROM revocations WHERE until = 0 OR until > ? ORDER BY at`, nanos(now))
}

// Revoke keeps a revocation, and ends all sessions of its person.
func (tx *Tx) Revoke(r Revocation) error {
	fresh, err := tx.keepRevocation(&r)
	if fresh {
		tx.change.merge(Change{Families: Revocations, People: []string{r.Person}, Revoked: []string{r.Person}})
	}
	return err
}

// EndGrant keeps a revocation of what only some of a person's sessions hang
// on: those end with the commit, and the person's others go on.
func (tx *Tx) EndGrant(r Revocation) error {
	fresh, err := tx.keepRevocation(&r)
	if fresh {
		tx.ended(Revocations, r.Grant)
	}
	return err
}

func (tx *Tx) keepRevocation(r *Revocation) (fresh bool, err error) {
	if tx.audit == nil {
		return false, errUnaudited
	}
	r.At = tx.audit.at
	n, err := tx.affected(`INSERT OR IGNORE INTO revocations (grant_id, person, at, until) VALUES (?, ?, ?, ?)`, r.Grant, r.Person, nanos(r.At), nanos(r.Until))
	if err != nil {
		return false, fmt.Errorf("revoking: %w", err)
	}
	if n == 0 {
		return false, nil
	}
	if err := tx.endRevoked(r); err != nil {
		return false, err
	}
	return true, tx.record("create", "revocation", r.Grant, r.Person, nil, r)
}

func (tx *Tx) forgetRevocations(now time.Time) error {
	return tx.exec(`DELETE FROM revocations WHERE until <> 0 AND until <= ?`, nanos(now))
}

// within is a session that something is done in.
type within struct {
	person string
	shown  time.Time
}

type withinKey struct{}

// WithSession carries in a context whose session something is done in, and when
// the first of what it hangs on was shown. A Change or Write is not carried out
// if all that the person had was taken back since: ErrTakenBack. The order to
// end their sessions comes some milliseconds after that commit, and what is done
// in between (a factor set up, an app password made) would outlive it. Nor is a
// grant kept that a password proved which is another one since.
func WithSession(ctx context.Context, person string, shown time.Time) context.Context {
	return context.WithValue(ctx, withinKey{}, within{person, shown})
}

// ifNotTakenBack makes do depend, in its own transaction, on the session in ctx.
func ifNotTakenBack(ctx context.Context, do func(*Tx) error) func(*Tx) error {
	in, ok := ctx.Value(withinKey{}).(within)
	if !ok {
		return do
	}
	return func(tx *Tx) error {
		var gone bool
		if err := tx.row([]any{&gone}, `SELECT EXISTS (SELECT 1 FROM revocations WHERE person = ? AND at >= ? AND substr(grant_id, 1, ?) = ?)`,
			in.person, nanos(in.shown), len(EverythingGrant), EverythingGrant); err != nil {
			return fmt.Errorf("looking for what was taken back: %w", err)
		}
		if gone {
			return ErrTakenBack
		}
		tx.in = &in
		defer func() { tx.in = nil }() // the next job may be nobody's
		return do(tx)
	}
}

const (
	renewedKept = 25 * time.Hour // a browser's session lasts a day
	renewedMany = 10_000         // from when on old ones are looked for
)

// renewPassword remembers that a person's password is another one from now on.
// That it is then undone after all costs nobody more than to sign in again.
func (tx *Tx) renewPassword(person string, at time.Time) {
	all := tx.w.renewed
	if len(all) >= renewedMany {
		maps.DeleteFunc(all, func(_ string, t time.Time) bool { return at.Sub(t) > renewedKept })
	}
	all[person] = at
}

// outlived says that a person's password was changed since their session began
// that something is done in.
func (tx *Tx) outlived(person string) bool {
	at, ok := tx.w.renewed[person]
	return ok && tx.in != nil && tx.in.person == person && !at.Before(tx.in.shown)
}
