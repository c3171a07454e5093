package store

import (
	"context"
	"fmt"
	"io"
	"time"
)

// Sealed is bytes that only the master key opens; it prints as [redacted] and
// is in no audit row.
type Sealed []byte

// Format prints [redacted] under every verb.
func (s Sealed) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "[redacted]") }

// MarshalText prints [redacted].
func (s Sealed) MarshalText() ([]byte, error) { return []byte("[redacted]"), nil }

// The kinds of second factor that are rows here.
const (
	FactorTOTP    = "totp"
	FactorPasskey = "passkey"
)

// Factor is a second factor of a person.
type Factor struct {
	ID      string    `json:"id"`
	Person  string    `json:"person"` // id
	Kind    string    `json:"kind"`
	Name    string    `json:"name"`
	Created time.Time `json:"created"`
	Used    time.Time `json:"used,omitzero"`
	ByPass  bool      `json:"byPass"` // enrolled in a session that a temporary access pass opened
	AAGUID  string    `json:"aaguid,omitempty"`
	Key     Sealed    `json:"-"` // a passkey's credential id, the keyed hash of a seed
	Sealed  Sealed    `json:"-"`
	Counter int64     `json:"-"` // last time step or signature counter
}

const factorColumns = `id, person, kind, name, created, used, by_pass, aaguid, unique_key, sealed, counter`

func scanFactor(r scanner) (f Factor, err error) {
	var created, used int64
	err = r.Scan(&f.ID, &f.Person, &f.Kind, &f.Name, &created, &used, &f.ByPass, &f.AAGUID, (*[]byte)(&f.Key), (*[]byte)(&f.Sealed), &f.Counter)
	f.Created, f.Used = fromNanos(created), fromNanos(used)
	return f, err
}

// Factors lists a person's second factors, oldest first.
func (s *Store) Factors(ctx context.Context, person string) ([]Factor, error) {
	return collect(ctx, s, scanFactor, `SELECT `+factorColumns+` FROM factors WHERE person = ? ORDER BY created, id`, person)
}

// FactorByKey finds a factor by what is unique of it; ErrNotFound.
func (s *Store) FactorByKey(ctx context.Context, kind string, key []byte) (Factor, error) {
	return one(ctx, s, scanFactor, `SELECT `+factorColumns+` FROM factors WHERE kind = ? AND unique_key = ?`, kind, key)
}

// Enrolled is since when somebody has second factors without a break.
type Enrolled struct {
	Person string
	First  time.Time // when the oldest that they have was enrolled
	ByPass bool      // whether that one was
}

func scanEnrolled(r scanner) (e Enrolled, err error) {
	var first int64
	err = r.Scan(&e.Person, &first, &e.ByPass)
	e.First = fromNanos(first)
	return e, err
}

// Of the columns beside min(), SQLite takes the row that has the minimum.
const enrolledQuery = `SELECT person, min(created), by_pass FROM factors`

// AllEnrolled lists everybody who has a second factor.
func (s *Store) AllEnrolled(ctx context.Context) ([]Enrolled, error) {
	return collect(ctx, s, scanEnrolled, enrolledQuery+` GROUP BY person`)
}

// Enrolled is AllEnrolled of one person; ErrNotFound if they have none.
func (s *Store) Enrolled(ctx context.Context, person string) (Enrolled, error) {
	return one(ctx, s, scanEnrolled, enrolledQuery+` WHERE person = ? GROUP BY person`, person)
}

// CountFactors is how many second factors a person has, and how many of a kind.
func (tx *Tx) CountFactors(person, kind string) (all, ofKind int, err error) {
	err = tx.row([]any{&all, &ofKind}, `SELECT count(*), ifnull(sum(kind = ?), 0) FROM factors WHERE person = ?`, kind, person)
	return all, ofKind, err
}

// AddFactor keeps a new factor; an empty ID is filled in. ErrExists if its key
// is somebody's already.
func (tx *Tx) AddFactor(f *Factor) error {
	p, err := tx.Person(f.Person)
	if err != nil {
		return fmt.Errorf("adding a factor: %w", err)
	}
	f.ID = newObjectID(f.ID)
	if tx.audit != nil {
		f.Created = tx.audit.at.UTC()
	}
	err = tx.exec(`INSERT INTO factors (`+factorColumns+`) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`, f.ID, f.Person, f.Kind, f.Name,
		nanos(f.Created), nanos(f.Used), f.ByPass, f.AAGUID, []byte(f.Key), []byte(f.Sealed), f.Counter)
	if err != nil {
		return fmt.Errorf("adding a factor of %s: %w", p.Address, exists(err))
	}
	tx.touched(Factors, f.Person)
	return tx.record("create", "factor", f.Person, p.Address+" "+f.Kind+" "+f.Name, nil, f)
}

// DeleteFactor takes a factor away from its person; ErrNotFound.
func (tx *Tx) DeleteFactor(person, id string) error {
	f, err := oneIn(tx, scanFactor, `SELECT `+factorColumns+` FROM factors WHERE id = ? AND person = ?`, id, person)
	if err != nil {
		return fmt.Errorf("removing a factor: %w", err)
	}
	p, err := tx.Person(f.Person)
	if err != nil {
		return fmt.Errorf("removing a factor: %w", err)
	}
	if err := tx.exec(`DELETE FROM factors WHERE id = ?`, f.ID); err != nil {
		return fmt.Errorf("removing a factor of %s: %w", p.Address, err)
	}
	tx.touched(Factors, f.Person)
	return tx.record("delete", "factor", f.Person, p.Address+" "+f.Kind+" "+f.Name, f, nil)
}

// DeleteFactors takes all factors of a person away, and what is worth nothing
// without them: recovery codes and remembered browsers.
func (tx *Tx) DeleteFactors(person string) error {
	all, err := collectIn(tx, scanString, `SELECT id FROM factors WHERE person = ?`, person)
	if err != nil {
		return fmt.Errorf("reading factors: %w", err)
	}
	for _, id := range all {
		if err := tx.DeleteFactor(person, id); err != nil {
			return err
		}
	}
	if err := tx.DeleteRecoveryCodes(person); err != nil {
		return err
	}
	return tx.DeleteBrowsers(person)
}

// UseStep says that a code of a time step was shown, and whether it is the
// first of that step or a later one.
func (tx *Tx) UseStep(id string, step int64, at time.Time) (bool, error) {
	n, err := tx.affected(`UPDATE factors SET counter = ?, used = ? WHERE id = ? AND counter < ?`, step, nanos(at), id, step)
	if err != nil {
		return false, fmt.Errorf("keeping a code's step: %w", err)
	}
	return n == 1, nil
}

// UseCounter says that a key signed with a counter, and whether that is higher
// than the last. Keys without a counter always say 0.
func (tx *Tx) UseCounter(id string, counter uint32, at time.Time) (bool, error) {
	n, err := tx.affected(`UPDATE factors SET counter = ?, used = ? WHERE id = ? AND (counter < ? OR counter = 0 AND ? = 0)`,
		int64(counter), nanos(at), id, int64(counter), int64(counter))
	if err != nil {
		return false, fmt.Errorf("keeping a key's counter: %w", err)
	}
	return n == 1, nil
}

// Answer says that a challenge was answered, and whether it was the first time.
// Challenges that have run out by themselves are forgotten on the way.
func (tx *Tx) Answer(print []byte, until, now time.Time) (bool, error) {
	if err := tx.exec(`DELETE FROM answered WHERE until < ?`, nanos(now)); err != nil {
		return false, fmt.Errorf("forgetting old challenges: %w", err)
	}
	n, err := tx.affected(`INSERT OR IGNORE INTO answered (print, until) VALUES (?, ?)`, print, nanos(until))
	if err != nil {
		return false, fmt.Errorf("keeping an answered challenge: %w", err)
	}
	return n == 1, nil
}
