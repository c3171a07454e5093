package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"
)

// Snapshot is the whole source of one compiled policy snapshot, as JSON.
type Snapshot struct {
	Version uint64
	Created time.Time
	Source  []byte
}

func scanSnapshot(r scanner) (s Snapshot, err error) {
	var created int64
	err = r.Scan(&s.Version, &created, &s.Source)
	s.Created = fromNanos(created)
	return s, err
}

// SaveSnapshot keeps a source and returns its version. The latest source again
// keeps the latest version, so a restart makes none.
func (s *Store) SaveSnapshot(ctx context.Context, source []byte) (version uint64, err error) {
	err = s.Write(ctx, func(tx *Tx) error {
		last, err := oneIn(tx, scanSnapshot, `SELECT version, created, source FROM snapshots ORDER BY version DESC LIMIT 1`)
		if err != nil && !errors.Is(err, ErrNotFound) {
			return err
		}
		if version = last.Version; err == nil && bytes.Equal(last.Source, source) {
			return nil
		}
		version++
		return tx.exec(`INSERT INTO snapshots (version, created, source) VALUES (?, ?, ?)`, version, nanos(time.Now()), source)
	})
	if err != nil {
		return 0, fmt.Errorf("keeping a policy snapshot: %w", err)
	}
	return version, nil
}

// QueueSnapshot keeps a source under the version that follows the latest. It
// returns at once; the write comes before every one that is asked for later.
// wait returns once it is durable, or why it cannot be.
func (s *Store) QueueSnapshot(ctx context.Context, version uint64, source []byte) (wait func() error) {
	done := s.w.queue(ctx, func(tx *Tx) error {
		return tx.exec(`INSERT OR REPLACE INTO snapshots (version, created, source) VALUES (?, ?, ?)`, version, nanos(time.Now()), source)
	})
	return func() error {
		if err := done(); err != nil {
			return fmt.Errorf("keeping a policy snapshot: %w", err)
		}
		return nil
	}
}

// Snapshot finds the source of a version; ErrNotFound once no event refers to it any more.
func (s *Store) Snapshot(ctx context.Context, version uint64) (Snapshot, error) {
	return one(ctx, s, scanSnapshot, `SELECT version, created, source FROM snapshots WHERE version = ?`, int64(version))
}

// pruneSnapshots forgets versions that no event refers to, the latest excepted.
// A version is left for a while after it was made, since sign-ins judged under
// it may not be written yet.
func (tx *Tx) pruneSnapshots(madeBefore time.Time) (int64, error) {
	return tx.affected(`DELETE FROM snapshots WHERE created < ? AND version < (SELECT max(version) FROM snapshots)
		AND NOT EXISTS (SELECT 1 FROM events WHERE events.version = snapshots.version)`, nanos(madeBefore))
}
