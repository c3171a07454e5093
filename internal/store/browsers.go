package store

import (
	"context"
	"fmt"
	"time"
)

// AddBrowser remembers a browser by the keyed hash of its cookie. Of more than
// most the oldest is forgotten.
func (tx *Tx) AddBrowser(person string, print []byte, at, until time.Time, most int) error {
	err := tx.exec(`INSERT INTO browsers (print, person, created, until) VALUES (?, ?, ?, ?)`, print, person, nanos(at), nanos(until))
	if err == nil {
		err = tx.exec(`DELETE FROM browsers WHERE person = ? AND (until <= ? OR print NOT IN
			(SELECT print FROM browsers WHERE person = ? ORDER BY created DESC, print LIMIT ?))`, person, nanos(at), person, most)
	}
	if err != nil {
		return fmt.Errorf("remembering a browser: %w", err)
	}
	return nil
}

// DeleteBrowsers forgets a person's remembered browsers.
func (tx *Tx) DeleteBrowsers(person string) error {
	if err := tx.exec(`DELETE FROM browsers WHERE person = ?`, person); err != nil {
		return fmt.Errorf("forgetting browsers: %w", err)
	}
	return nil
}

// Browser says whether a person has a remembered browser with that cookie.
func (s *Store) Browser(ctx context.Context, person string, print []byte, at time.Time) (bool, error) {
	n, err := one(ctx, s, func(r scanner) (n int, err error) { return n, r.Scan(&n) },
		`SELECT count(*) FROM browsers WHERE print = ? AND person = ? AND until > ?`, print, person, nanos(at))
	return n > 0, err
}
