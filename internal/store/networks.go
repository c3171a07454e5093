package store

import (
	"context"
	"fmt"
	"net/netip"
	"time"
)

// Network is a network that a person has signed in from: /24 or /48.
type Network struct {
	Person string
	Prefix netip.Prefix
	First  time.Time
	Last   time.Time // to the day
}

// Networks lists every known network.
func (s *Store) Networks(ctx context.Context) ([]Network, error) {
	return collect(ctx, s, func(r scanner) (n Network, err error) {
		var prefix string
		var first, last int64
		if err = r.Scan(&n.Person, &prefix, &first, &last); err != nil {
			return n, err
		}
		n.First, n.Last = fromNanos(first), fromNanos(last)
		n.Prefix, err = netip.ParsePrefix(prefix)
		return n, err
	}, `SELECT person, prefix, first, last FROM networks ORDER BY person, last`)
}

// PutNetwork keeps that a person signed in from a network.
func (tx *Tx) PutNetwork(n Network) error {
	err := tx.exec(`INSERT INTO networks (person, prefix, first, last) VALUES (?, ?, ?, ?)
		ON CONFLICT (person, prefix) DO UPDATE SET last = max(last, excluded.last)`, n.Person, n.Prefix.String(), nanos(n.First), nanos(n.Last))
	if err != nil {
		return fmt.Errorf("keeping a known network: %w", err)
	}
	return nil
}

// ForgetNetworks forgets the networks last seen before a time.
func (tx *Tx) ForgetNetworks(before time.Time) (int64, error) {
	return tx.affected(`DELETE FROM networks WHERE last < ?`, nanos(before))
}
