package store

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
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
	var kept []byte
	if err = r.Scan(&s.Version, &created, &kept); err != nil {
		return s, err
	}
	s.Created = fromNanos(created)
	s.Source, err = unpacked(kept)
	return s, err
}

// packed is how a source is kept: each version has all the rules, most of which
// are those of the version before, and they are words that repeat.
func packed(source []byte) []byte {
	var b bytes.Buffer
	w, err := gzip.NewWriterLevel(&b, gzip.BestSpeed)
	if err == nil {
		_, err = w.Write(source)
	}
	if err != nil || w.Close() != nil {
		return source // nothing fails in memory; if it does, it is kept as it is
	}
	return b.Bytes()
}

// unpacked is packed's inverse. What was kept before there was packing is JSON.
func unpacked(kept []byte) ([]byte, error) {
	if len(kept) == 0 || kept[0] == '{' {
		return kept, nil
	}
	r, err := gzip.NewReader(bytes.NewReader(kept))
	if err != nil {
		return nil, fmt.Errorf("unpacking a policy snapshot: %w", err)
	}
	source, err := io.ReadAll(r)
	if err != nil {
		return nil, fmt.Errorf("unpacking a policy snapshot: %w", err)
	}
	return source, nil
}

// SaveSnapshot keeps a source and returns its version. The latest source again
// keeps the latest version, so a restart makes none.
func (s *Store) SaveSnapshot(ctx context.Context, source []byte) (version uint64, err error) {
	kept := packed(source)
	err = s.Write(ctx, func(tx *Tx) error {
		last, err := oneIn(tx, scanSnapshot, `SELECT version, created, source FROM snapshots ORDER BY version DESC LIMIT 1`)
		if err != nil && !errors.Is(err, ErrNotFound) {
			return err
		}
		if version = last.Version; err == nil && bytes.Equal(last.Source, source) {
			return nil
		}
		version++
		return tx.exec(`INSERT INTO snapshots (version, created, source) VALUES (?, ?, ?)`, version, nanos(time.Now()), kept)
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
	kept := packed(source)
	done := s.w.queue(ctx, func(tx *Tx) error {
		return tx.exec(`INSERT OR REPLACE INTO snapshots (version, created, source) VALUES (?, ?, ?)`, version, nanos(time.Now()), kept)
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
