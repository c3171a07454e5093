package store

import (
	"context"
	"fmt"
	"time"

	"github.com/portreeve/portreeve/internal/signin"
)

const (
	// retainBatch is how many rows one transaction of clearing away touches,
	// so that sign-ins do not wait for it: a few milliseconds.
	retainBatch = 500
	// snapshotGrace is how long a policy snapshot is kept although no event
	// refers to it yet: longer than a sign-in and its way through the journal take.
	snapshotGrace = 24 * time.Hour
)

// inBatches repeats a transaction until it touches fewer rows than a whole batch.
func (s *Store) inBatches(ctx context.Context, what string, do func(*Tx) (int64, error)) error {
	for {
		var n int64
		err := s.Write(ctx, func(tx *Tx) (err error) { n, err = do(tx); return err })
		if err != nil {
			return fmt.Errorf("%s: %w", what, err)
		}
		if n < retainBatch {
			return nil
		}
	}
}

// DropEvents deletes the sign-ins and sessions before a time.
func (s *Store) DropEvents(ctx context.Context, before time.Time) error {
	err := s.inBatches(ctx, "deleting old sign-ins", func(tx *Tx) (int64, error) {
		return tx.affected(`DELETE FROM events WHERE n IN (SELECT n FROM events WHERE at < ? ORDER BY at LIMIT ?)`, nanos(before), retainBatch)
	})
	if err != nil {
		return err
	}
	return s.inBatches(ctx, "deleting old sessions", func(tx *Tx) (int64, error) {
		return tx.affected(`DELETE FROM sessions WHERE session IN
			(SELECT session FROM sessions WHERE opened < ? AND closed <> 0 ORDER BY opened LIMIT ?)`, nanos(before), retainBatch)
	})
}

// DropToSize deletes the oldest sign-ins until the database uses at most so
// many bytes. Its file does not shrink, but grows no more.
func (s *Store) DropToSize(ctx context.Context, limit int64) error {
	for {
		_, used, err := s.Size(ctx)
		if err != nil || used <= limit {
			return err
		}
		var n int64
		err = s.Write(ctx, func(tx *Tx) (err error) {
			n, err = tx.affected(`DELETE FROM events WHERE n IN (SELECT n FROM events ORDER BY at LIMIT ?)`, retainBatch)
			return err
		})
		if err != nil {
			return fmt.Errorf("deleting the oldest sign-ins: %w", err)
		}
		if n == 0 {
			return nil // what is large is not the log
		}
	}
}

// DropAddresses takes clients' addresses out of the sign-ins before a time.
func (s *Store) DropAddresses(ctx context.Context, before time.Time) error {
	return s.rewrite(ctx, "deleting old addresses", `addr IS NOT NULL AND at < ?`, nanos(before), func(ev *signin.Event) {
		ev.Facts.Addr = ev.Facts.Addr.Unmap()
		clearAddress(ev)
	})
}

func clearAddress(ev *signin.Event) {
	var none signin.Event
	ev.Facts.Addr, ev.Client = none.Facts.Addr, ""
}

// HashNames replaces strangers' names of sign-ins before a time by NameHash.
func (s *Store) HashNames(ctx context.Context, before time.Time) error {
	return s.rewrite(ctx, "replacing strangers' names", `person = '' AND names = 0 AND at < ?`, nanos(before), func(ev *signin.Event) {
		ev.Facts.Address, ev.Typed = s.hashed(ev.Facts.Address), s.hashed(ev.Typed)
	})
}

func (s *Store) hashed(name string) string {
	if name == "" {
		return ""
	}
	return s.NameHash(name)
}

// ErasePerson takes a person's name and addresses out of all their sign-ins;
// what was decided, and that it was one and the same person, stays.
func (s *Store) ErasePerson(ctx context.Context, person string) error {
	return s.rewrite(ctx, "erasing a person", `person = ? AND names = 0`, person, func(ev *signin.Event) {
		ev.Facts.Address, ev.Typed = s.hashed(ev.Facts.Address), s.hashed(ev.Typed)
		ev.Detail, ev.Hints, ev.Facts.Device = "", signin.Hints{}, nil
		ev.Actor = s.hashed(ev.Actor)
		ev.TLS.Certificate = nil
		clearAddress(ev)
	})
}

// rewrite changes events in batches. The condition must no longer hold for
// what has been changed; names is set where a name was replaced.
func (s *Store) rewrite(ctx context.Context, what, where string, arg any, change func(*signin.Event)) error {
	return s.inBatches(ctx, what, func(tx *Tx) (int64, error) {
		rows, err := tx.query(`SELECT `+eventColumns+` FROM events WHERE `+where+` LIMIT ?`, arg, retainBatch)
		if err != nil {
			return 0, err
		}
		defer rows.Close()
		var r eventRow
		var ns []int64
		var evs []signin.Event
		for rows.Next() {
			var ev signin.Event
			if err := r.scan(rows, &ev); err != nil {
				return 0, err
			}
			ns, evs = append(ns, r.n), append(evs, ev)
		}
		if err := rows.Err(); err != nil {
			return 0, err
		}
		_ = rows.Close()
		for i := range evs {
			if err := tx.overwrite(ns[i], &evs[i], change); err != nil {
				return 0, err
			}
		}
		return int64(len(evs)), nil
	})
}

func (tx *Tx) overwrite(n int64, ev *signin.Event, change func(*signin.Event)) error {
	typed, mailbox := ev.Typed, ev.Facts.Address
	change(ev)
	var addr []byte
	if ev.Facts.Addr.IsValid() {
		a := ev.Facts.Addr.As16()
		addr = a[:]
	}
	named := ev.Typed != typed || ev.Facts.Address != mailbox || ev.Typed == "" && ev.Facts.Address == ""
	return tx.exec(`UPDATE events SET mailbox = ?, typed = ?, names = max(names, ?), addr = ?, facts = ? WHERE n = ?`,
		ev.Facts.Address, ev.Typed, named, addr, appendFacts(nil, ev), n)
}

// DropNetworks forgets the networks last seen before a time.
func (s *Store) DropNetworks(ctx context.Context, before time.Time) error {
	return s.Write(ctx, func(tx *Tx) error { _, err := tx.ForgetNetworks(before); return err })
}

// DropUnreferenced deletes policy snapshots that no event refers to, and
// revocations of what has run out anyway.
func (s *Store) DropUnreferenced(ctx context.Context, now time.Time) error {
	return s.Write(ctx, func(tx *Tx) error {
		if _, err := tx.pruneSnapshots(now.Add(-snapshotGrace)); err != nil {
			return fmt.Errorf("deleting old policy snapshots: %w", err)
		}
		return tx.forgetRevocations(now)
	})
}
