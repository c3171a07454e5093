package store

import (
	"context"
	"fmt"
	"time"
)

// Notice is that a person was told of something by mail; not what.
type Notice struct {
	Person string // id
	Kind   string
	About  string // the program, or what else there is one notice of
	At     time.Time
}

func scanNotice(r scanner) (n Notice, err error) {
	var at int64
	err = r.Scan(&n.Person, &n.Kind, &n.About, &at)
	n.At = fromNanos(at)
	return n, err
}

// Notices lists what people were told since a time, the newest first and so
// many at most.
func (s *Store) Notices(ctx context.Context, since time.Time, most int) ([]Notice, error) {
	return collect(ctx, s, scanNotice, `SELECT person, kind, about, at FROM notices WHERE at > ? ORDER BY at DESC LIMIT ?`, nanos(since), most)
}

// PutNotice keeps that a person was told. A person who is gone is passed over.
func (tx *Tx) PutNotice(n Notice) error {
	err := tx.exec(`INSERT INTO notices (person, kind, about, at) SELECT id, ?, ?, ? FROM people WHERE id = ?
		ON CONFLICT (person, kind, about) DO UPDATE SET at = excluded.at`, n.Kind, n.About, nanos(n.At), n.Person)
	if err != nil {
		return fmt.Errorf("keeping that a notice was sent: %w", err)
	}
	return nil
}

// ForgetNotices forgets what was told before a time.
func (tx *Tx) ForgetNotices(before time.Time) error {
	if err := tx.exec(`DELETE FROM notices WHERE at < ?`, nanos(before)); err != nil {
		return fmt.Errorf("forgetting old notices: %w", err)
	}
	return nil
}
