package store

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"github.com/portreeve/portreeve/internal/policy"
	"github.com/portreeve/portreeve/internal/protocol"
	"github.com/portreeve/portreeve/internal/signin"
)

// maxName is how many bytes of a name are kept in a column: an address has at
// most 254 (RFC 5321 section 4.5.3.1).
const maxName = 320

// PutEvent writes a sign-in, or several equal ones counted together. Count is
// the whole count and Last the last time, so that writing an event twice, or
// an older state of it after a newer one, changes nothing.
func (tx *Tx) PutEvent(ev *signin.Event) error {
	f := &ev.Facts
	var correlation, addr []byte
	if !ev.Correlation.IsZero() {
		correlation = ev.Correlation[:]
	}
	if f.Addr.IsValid() {
		a := f.Addr.As16()
		addr = a[:]
	}
	err := tx.exec(`INSERT INTO events (id, ref, at, last, count, correlation, source, observed, person, mailbox, typed, protocol,
		credential, program, addr, code, version, facts) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT (id) DO UPDATE SET count = max(count, excluded.count), last = max(last, excluded.last)`,
		ev.ID[:], refBits(ev.ID), nanos(ev.At), nanos(ev.Last), ev.Count, correlation, ev.Source, ev.Observed,
		f.Person, clipTo(f.Address, maxName), clipTo(ev.Typed, maxName), protocolName(f.Protocol), credentialName(f.Credential),
		clipTo(f.Program, maxName), addr, int(ev.Code), int64(ev.Verdict.Version), appendFacts(nil, ev))
	if err != nil {
		return fmt.Errorf("writing a sign-in: %w", err)
	}
	return nil
}

// CountEvent sets the whole count and the last time of a sign-in that is
// written already; false if it is not there.
func (tx *Tx) CountEvent(id signin.ID, count int64, last time.Time) (bool, error) {
	n, err := tx.affected(`UPDATE events SET count = max(count, ?), last = max(last, ?) WHERE id = ?`, count, nanos(last), id[:])
	if err != nil {
		return false, fmt.Errorf("counting a sign-in: %w", err)
	}
	return n == 1, nil
}

// refBits is the reference as a number: the id's last 60 bits.
func refBits(id signin.ID) int64 {
	n := int64(id[8] & 0x0f)
	for _, b := range id[9:] {
		n = n<<8 | int64(b)
	}
	return n
}

const eventColumns = `n, id, at, last, count, correlation, source, observed, person, mailbox, typed, protocol, credential, program, addr, code, version, facts`

// eventRow is what a row is read into; reading many uses it again.
type eventRow struct {
	n                       int64
	id, correlation, addr   sql.RawBytes
	facts                   sql.RawBytes
	source, person, mailbox sql.RawBytes
	typed, program          sql.RawBytes
	in                      *interner
	at, last, code, version int64
	protocol, credential    sql.RawBytes
}

// scan reads one row into ev, which it overwrites whole.
func (r *eventRow) scan(rows *sql.Rows, ev *signin.Event) error {
	*ev = signin.Event{}
	f := &ev.Facts
	err := rows.Scan(&r.n, &r.id, &r.at, &r.last, &ev.Count, &r.correlation, &r.source, &ev.Observed, &r.person, &r.mailbox, &r.typed,
		&r.protocol, &r.credential, &r.program, &r.addr, &r.code, &r.version, &r.facts)
	if err != nil {
		return fmt.Errorf("reading a sign-in: %w", err)
	}
	copy(ev.ID[:], r.id)
	copy(ev.Correlation[:], r.correlation)
	ev.At, ev.Last = fromNanos(r.at), fromNanos(r.last)
	ev.Source, ev.Typed = r.in.text(r.source), r.in.text(r.typed)
	f.Person, f.Address, f.Program = r.in.text(r.person), r.in.text(r.mailbox), r.in.text(r.program)
	f.Protocol, _ = protocol.Parse(r.in.text(r.protocol))
	f.Credential, _ = policy.ParseCredentialKind(r.in.text(r.credential))
	f.Addr = readAddr(r.addr)
	ev.Code, ev.Verdict.Version = signin.Code(r.code), uint64(r.version)
	return readFacts(r.facts, ev, r.in)
}

// Event finds a sign-in by id; ErrNotFound.
func (s *Store) Event(ctx context.Context, id signin.ID) (signin.Event, error) {
	return s.event(ctx, `id = ?`, id[:])
}

func (s *Store) event(ctx context.Context, where string, arg any) (ev signin.Event, err error) {
	rows, err := s.read.QueryContext(ctx, `SELECT `+eventColumns+` FROM events WHERE `+where+` ORDER BY n LIMIT 1`, arg)
	if err != nil {
		return ev, fmt.Errorf("reading a sign-in: %w", err)
	}
	defer rows.Close()
	if !rows.Next() {
		if err := rows.Err(); err != nil {
			return ev, fmt.Errorf("reading a sign-in: %w", err)
		}
		return ev, fmt.Errorf("reading a sign-in: %w", ErrNotFound)
	}
	var r eventRow
	return ev, r.scan(rows, &ev)
}

// PutSession writes how a session stands. The same session again overwrites
// what was written, but an end is never undone.
func (tx *Tx) PutSession(e *signin.SessionEvent) error {
	err := tx.exec(`INSERT INTO sessions (session, event, opened, closed, reason, code, from_client, from_backend, program)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (session) DO UPDATE SET closed = excluded.closed, reason = excluded.reason,
		code = excluded.code, from_client = excluded.from_client, from_backend = excluded.from_backend,
		program = CASE excluded.program WHEN '' THEN program ELSE excluded.program END
		WHERE closed = 0 OR excluded.closed <> 0`,
		e.Session, e.ID[:], nanos(e.Opened), nanos(e.Closed), clip(e.Reason), int(e.Code), int64(e.FromClient), int64(e.FromBackend), clip(e.Program))
	if err != nil {
		return fmt.Errorf("writing a session: %w", err)
	}
	return nil
}

// SessionsOf lists the sessions that hang on a sign-in, in the order they were opened.
func (s *Store) SessionsOf(ctx context.Context, event signin.ID) ([]signin.SessionEvent, error) {
	return collect(ctx, s, scanSession, `SELECT session, event, opened, closed, reason, code, from_client, from_backend, program
		FROM sessions WHERE event = ? ORDER BY opened, session`, event[:])
}

func scanSession(r scanner) (e signin.SessionEvent, err error) {
	var id []byte
	var opened, closed, client, backend int64
	err = r.Scan(&e.Session, &id, &opened, &closed, &e.Reason, &e.Code, &client, &backend, &e.Program)
	copy(e.ID[:], id)
	e.Opened, e.Closed, e.FromClient, e.FromBackend = fromNanos(opened), fromNanos(closed), uint64(client), uint64(backend)
	return e, err
}

// CloseSessions writes an end for the sessions opened before a time that are
// still open in the log: the program that had them is gone.
func (tx *Tx) CloseSessions(before time.Time, reason string) (int64, error) {
	return tx.affected(`UPDATE sessions SET closed = ?, reason = ? WHERE closed = 0 AND opened < ?`, nanos(before), reason, nanos(before))
}
