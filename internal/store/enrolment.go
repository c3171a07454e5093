package store

import (
	"context"
	"net/netip"
	"time"
)

// NetworkSince is when a person first signed in from a network; ErrNotFound if never.
func (s *Store) NetworkSince(ctx context.Context, person string, prefix netip.Prefix) (time.Time, error) {
	return one(ctx, s, func(r scanner) (time.Time, error) {
		var first int64
		err := r.Scan(&first)
		return fromNanos(first), err
	}, `SELECT first FROM networks WHERE person = ? AND prefix = ?`, person, prefix.String())
}

// SignedInBetween says whether a person has signed in, anywhere and by
// anything, between two times.
func (s *Store) SignedInBetween(ctx context.Context, person string, from, to time.Time) (bool, error) {
	return one(ctx, s, func(r scanner) (yes bool, err error) { return yes, r.Scan(&yes) },
		`SELECT EXISTS (SELECT 1 FROM events WHERE person = ? AND at >= ? AND at < ? AND code = 0)`, person, nanos(from), nanos(to))
}
