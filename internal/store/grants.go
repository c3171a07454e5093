package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/portreeve/portreeve/internal/policy"
)

// Grant is what a program's tokens hang on. Facts are package grant's.
type Grant struct {
	ID         string          `json:"id"`
	Person     string          `json:"person"`
	Client     string          `json:"client"`
	Facts      json.RawMessage `json:"facts"`
	Methods    policy.Methods  `json:"-"`
	Seed       Sealed          `json:"-"` // of its refresh tokens; worth nothing without the master key
	Generation uint32          `json:"-"`
	Rotated    time.Time       `json:"-"`
	RotatedIn  string          `json:"-"`
	Created    time.Time       `json:"created"`
	Live       time.Time       `json:"live,omitzero"`
	Used       time.Time       `json:"used,omitzero"`
	Until      time.Time       `json:"until,omitzero"`
	Ended      time.Time       `json:"ended,omitzero"`
	Reason     string          `json:"reason,omitempty"`
	// Damaged says that a column holds what was never written there.
	Damaged bool `json:"-"`
}

// OAuthGrant begins what sessions hang on that a program's token opened; the
// grant's id follows.
const OAuthGrant = "oauth:"

const grantColumns = `id, person, client, facts, methods, seed, generation, rotated, rotated_in, created, live, used, until, ended, reason`

func scanGrant(r scanner) (g Grant, err error) {
	var facts string
	var methods, generation, rotated, created, live, used, until, ended number
	err = r.Scan(&g.ID, &g.Person, &g.Client, &facts, &methods, (*[]byte)(&g.Seed), &generation, &rotated, &g.RotatedIn, &created, &live, &used, &until, &ended, &g.Reason)
	for _, n := range []number{methods, generation, rotated, created, live, used, until, ended} {
		g.Damaged = g.Damaged || n.bad
	}
	g.Damaged = g.Damaged || generation.n != int64(uint32(generation.n))
	if !json.Valid([]byte(facts)) {
		text, _ := json.Marshal(facts) // a text always becomes JSON, which the audit is
		g.Damaged, facts = true, string(text)
	}
	g.Facts, g.Methods, g.Generation = rawOf(facts), policy.Methods(methods.n), uint32(generation.n)
	g.Rotated, g.Created, g.Live, g.Used = fromNanos(rotated.n), fromNanos(created.n), fromNanos(live.n), fromNanos(used.n)
	g.Until, g.Ended = fromNanos(until.n), fromNanos(ended.n)
	return g, err
}

// number is a column that should hold a number. SQLite keeps anything there, and
// one damaged row must not hide all others.
type number struct {
	n   int64
	bad bool
}

// Scan never fails.
func (c *number) Scan(v any) error {
	n, ok := v.(int64)
	*c = number{n, !ok}
	return nil
}

const grantQuery = `SELECT ` + grantColumns + ` FROM grants WHERE id = ?`

// LiveGrants lists those that came to life and have not been ended.
func (s *Store) LiveGrants(ctx context.Context) ([]Grant, error) {
	return collect(ctx, s, scanGrant, `SELECT `+grantColumns+` FROM grants WHERE live <> 0 AND ended = 0 ORDER BY created, id`)
}

// Grant finds one, whatever became of it; ErrNotFound.
func (s *Store) Grant(ctx context.Context, id string) (Grant, error) {
	return one(ctx, s, scanGrant, grantQuery, id)
}

// LastEnd is when one that a person gave a client was ended last, for another
// reason than the given ones; zero: none was, or it is forgotten.
func (s *Store) LastEnd(ctx context.Context, person, client string, except ...string) (time.Time, error) {
	args := []any{person, client}
	for _, reason := range except {
		args = append(args, reason)
	}
	at, err := one(ctx, s, scanNumber, `SELECT coalesce(max(ended), 0) FROM grants WHERE person = ? AND client = ? AND ended <> 0`+strings.Repeat(` AND reason <> ?`, len(except)), args...)
	if err != nil {
		return time.Time{}, fmt.Errorf("reading when a grant was ended: %w", err)
	}
	return fromNanos(at), nil
}

func scanNumber(r scanner) (n int64, err error) { return n, r.Scan(&n) }

// Grant finds one, whatever became of it; ErrNotFound.
func (tx *Tx) Grant(id string) (Grant, error) { return oneIn(tx, scanGrant, grantQuery, id) }

// LiveGrantsOf lists a person's that live, the last used first.
func (tx *Tx) LiveGrantsOf(person string) ([]Grant, error) {
	return collectIn(tx, scanGrant, `SELECT `+grantColumns+` FROM grants WHERE person = ? AND live <> 0 AND ended = 0 ORDER BY used DESC, id DESC`, person)
}

func scanText(r scanner) (s string, err error) { return s, r.Scan(&s) }

// AddGrant keeps a new one. A new password ends what the old one proved, which
// must not come a moment later: ErrTakenBack.
func (tx *Tx) AddGrant(g *Grant) error {
	if g.Methods&policy.MethodPassword != 0 && tx.outlived(g.Person) {
		return ErrTakenBack
	}
	err := tx.exec(`INSERT INTO grants (`+grantColumns+`) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		g.ID, g.Person, g.Client, string(g.Facts), int64(g.Methods), []byte(g.Seed), g.Generation, nanos(g.Rotated), g.RotatedIn,
		nanos(g.Created), nanos(g.Live), nanos(g.Used), nanos(g.Until), nanos(g.Ended), g.Reason)
	if err != nil {
		return fmt.Errorf("keeping a grant: %w", exists(err))
	}
	return nil
}

// StartGrant brings one to life whose code is redeemed; false if it was before,
// or was ended.
func (tx *Tx) StartGrant(id string, at, until time.Time) (bool, error) {
	n, err := tx.affected(`UPDATE grants SET live = ?, used = ?, until = ? WHERE id = ? AND live = 0 AND ended = 0`, nanos(at), nanos(at), nanos(until), id)
	if err != nil {
		return false, fmt.Errorf("bringing a grant to life: %w", err)
	}
	return n == 1, nil
}

// RenewGrant prolongs one that lives, with new facts; false if it does not.
func (tx *Tx) RenewGrant(id string, facts json.RawMessage, at, until time.Time) (bool, error) {
	n, err := tx.affected(`UPDATE grants SET facts = ?, used = ?, until = ? WHERE id = ? AND live <> 0 AND ended = 0`, string(facts), nanos(at), nanos(until), id)
	if err != nil {
		return false, fmt.Errorf("prolonging a grant: %w", err)
	}
	return n == 1, nil
}

// RotateGrant makes the next refresh token the valid one, if the one shown is
// the valid one and the grant lives: of several at once one does it.
func (tx *Tx) RotateGrant(id string, generation uint32, at time.Time, in string) (bool, error) {
	n, err := tx.affected(`UPDATE grants SET generation = generation + 1, rotated = ?, rotated_in = ?, used = ?
		WHERE id = ? AND generation = ? AND live <> 0 AND ended = 0 AND (until = 0 OR until > ?)`, nanos(at), in, nanos(at), id, generation, nanos(at))
	if err != nil {
		return false, fmt.Errorf("rotating a refresh token: %w", err)
	}
	return n == 1, nil
}

// EndGrants ends some, with the sessions that hang on them, and returns those
// that had not been ended before. In a Change each is in the audit.
func (tx *Tx) EndGrants(ids []string, at time.Time, reason string) (ended []Grant, err error) {
	for _, id := range ids {
		before, err := tx.Grant(id)
		if err != nil && !errors.Is(err, ErrNotFound) {
			return nil, fmt.Errorf("ending a grant: %w", err)
		}
		if err != nil || !before.Ended.IsZero() {
			continue
		}
		if err := tx.endGrant(id, at, reason); err != nil {
			return nil, err
		}
		after := before
		after.Ended, after.Reason = at, reason
		ended = append(ended, after)
		if tx.audit == nil {
			continue
		}
		if err := tx.record("end", "grant", id, before.Client, before, after); err != nil {
			return nil, err
		}
	}
	return ended, nil
}

// endGrant ends one without a word in the audit: what it follows from is there.
func (tx *Tx) endGrant(id string, at time.Time, reason string) error {
	if err := tx.exec(`UPDATE grants SET ended = ?, reason = ? WHERE id = ? AND ended = 0`, nanos(at), reason, id); err != nil {
		return fmt.Errorf("ending a grant: %w", err)
	}
	tx.ended(Grants, OAuthGrant+id)
	return nil
}

// OpenGrants lists the ids of those of a client that have not been ended, of one
// person, or of everybody if that is empty.
func (tx *Tx) OpenGrants(person, client string) ([]string, error) {
	return collectIn(tx, scanText, `SELECT id FROM grants WHERE ended = 0 AND (? = '' OR person = ?) AND client = ? ORDER BY id`, person, person, client)
}

// UsedGrant keeps when one was used last.
func (tx *Tx) UsedGrant(id string, at time.Time) error {
	if err := tx.exec(`UPDATE grants SET used = max(used, ?) WHERE id = ?`, nanos(at), id); err != nil {
		return fmt.Errorf("keeping the use of a grant: %w", err)
	}
	return nil
}

// endRevoked ends the grants that a revocation is about: one of ours, or all of
// a person's.
func (tx *Tx) endRevoked(r *Revocation) error {
	if id, ours := strings.CutPrefix(r.Grant, OAuthGrant); ours {
		return tx.endGrant(id, r.At, "revoked")
	}
	if !strings.HasPrefix(r.Grant, EverythingGrant) {
		return nil
	}
	return tx.endGrantsOf(r.Person, ^policy.Methods(0), r.At, "everything that the person had was revoked")
}

// endByPassword ends the grants that a person's old password proved.
func (tx *Tx) endByPassword(person string) error {
	now := time.Now()
	tx.renewPassword(person, now)
	return tx.endGrantsOf(person, policy.MethodPassword, now, "the password was changed")
}

// endGrantsOf ends a person's grants that one of some methods proved, those too
// whose code has not been redeemed; every method is every grant.
func (tx *Tx) endGrantsOf(person string, by policy.Methods, at time.Time, reason string) error {
	ids, err := collectIn(tx, scanText, `SELECT id FROM grants WHERE person = ? AND ended = 0 AND (? = -1 OR methods & ? <> 0) ORDER BY id`, person, int64(by), int64(by))
	if err != nil {
		return fmt.Errorf("reading grants: %w", err)
	}
	for _, id := range ids {
		if err := tx.endGrant(id, at, reason); err != nil {
			return err
		}
	}
	return nil
}

// EndStaleGrants ends up to a batch of those that ran out or have not been used
// since a time; it says whether there may be more.
func (tx *Tx) EndStaleGrants(now, unused time.Time) (more bool, err error) {
	ids, err := collectIn(tx, scanText, `SELECT id FROM grants WHERE live <> 0 AND ended = 0 AND (until <> 0 AND until <= ? OR used < ?) LIMIT ?`,
		nanos(now), nanos(unused), retainBatch)
	if err != nil {
		return false, fmt.Errorf("reading grants: %w", err)
	}
	_, err = tx.EndGrants(ids, now, "it ran out, or was not used for too long")
	return len(ids) == retainBatch, err
}

// ForgetGrants forgets up to a batch of those ended before a time, and of those
// whose code was not redeemed before another; it says whether there may be more.
func (tx *Tx) ForgetGrants(ended, created time.Time) (more bool, err error) {
	n, err := tx.affected(`DELETE FROM grants WHERE id IN (SELECT id FROM grants WHERE ended <> 0 AND ended < ? OR live = 0 AND created < ? LIMIT ?)`,
		nanos(ended), nanos(created), retainBatch)
	if err != nil {
		return false, fmt.Errorf("forgetting grants: %w", err)
	}
	return n == retainBatch, nil
}

// GrantCode is a code that is redeemed for a grant.
type GrantCode struct {
	Hash      []byte // SHA-256 of it
	Grant     string
	Client    string
	Redirect  string
	Challenge string
	Until     time.Time
	Used      time.Time
}

// Code finds one, used or not, and its grant, whatever became of it; ErrNotFound.
func (s *Store) Code(ctx context.Context, hash []byte) (GrantCode, Grant, error) {
	c, err := one(ctx, s, scanCode, codeQuery, hash)
	if err != nil {
		return c, Grant{}, err
	}
	g, err := s.Grant(ctx, c.Grant)
	return c, g, err
}

const codeColumns = `hash, grant_id, client, redirect, challenge, until, used`

const codeQuery = `SELECT ` + codeColumns + ` FROM grant_codes WHERE hash = ?`

func scanCode(r scanner) (c GrantCode, err error) {
	var until, used int64
	err = r.Scan(&c.Hash, &c.Grant, &c.Client, &c.Redirect, &c.Challenge, &until, &used)
	c.Until, c.Used = fromNanos(until), fromNanos(used)
	return c, err
}

// AddCode keeps a new code.
func (tx *Tx) AddCode(c *GrantCode) error {
	err := tx.exec(`INSERT INTO grant_codes (`+codeColumns+`) VALUES (?, ?, ?, ?, ?, ?, 0)`, c.Hash, c.Grant, c.Client, c.Redirect, c.Challenge, nanos(c.Until))
	if err != nil {
		return fmt.Errorf("keeping a code: %w", exists(err))
	}
	return nil
}

// UseCode uses a code up, and says whether it had not been used before.
func (tx *Tx) UseCode(hash []byte, at time.Time) (c GrantCode, first bool, err error) {
	n, err := tx.affected(`UPDATE grant_codes SET used = ? WHERE hash = ? AND used = 0`, nanos(at), hash)
	if err == nil {
		c, err = oneIn(tx, scanCode, codeQuery, hash)
	}
	if err != nil {
		return c, false, fmt.Errorf("using a code: %w", err)
	}
	return c, n == 1, nil
}

// Consent is what a person has allowed a program.
type Consent struct {
	Person string    `json:"person"`
	Client string    `json:"client"`
	Scope  string    `json:"scope"`
	At     time.Time `json:"at"`
}

func scanConsent(r scanner) (c Consent, err error) {
	var at number
	err = r.Scan(&c.Person, &c.Client, &c.Scope, &at)
	c.At = fromNanos(at.n)
	return c, err
}

// Consents lists every one.
func (s *Store) Consents(ctx context.Context) ([]Consent, error) {
	return collect(ctx, s, scanConsent, `SELECT person, client, scope, at FROM consents ORDER BY person, client`)
}

// PutConsent keeps what a person allows a program, in place of what it was.
func (tx *Tx) PutConsent(c Consent) error {
	err := tx.exec(`INSERT INTO consents (person, client, scope, at) VALUES (?, ?, ?, ?)
		ON CONFLICT (person, client) DO UPDATE SET scope = excluded.scope, at = excluded.at`, c.Person, c.Client, c.Scope, nanos(c.At))
	if err != nil {
		return fmt.Errorf("keeping a consent: %w", err)
	}
	return nil
}

// DeleteConsent takes a consent back; one that is not there is gone already.
func (tx *Tx) DeleteConsent(person, client string) error {
	before, err := oneIn(tx, scanConsent, `SELECT person, client, scope, at FROM consents WHERE person = ? AND client = ?`, person, client)
	if errors.Is(err, ErrNotFound) {
		return nil
	}
	if err == nil {
		err = tx.exec(`DELETE FROM consents WHERE person = ? AND client = ?`, person, client)
	}
	if err != nil {
		return fmt.Errorf("taking a consent back: %w", err)
	}
	if tx.audit == nil {
		return nil
	}
	return tx.record("delete", "consent", person, client, before, nil)
}
