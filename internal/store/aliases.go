package store

import "context"

// AliasesOf lists the other addresses of one person.
func (s *Store) AliasesOf(ctx context.Context, person string) ([]string, error) {
	return collect(ctx, s, scanString, `SELECT address FROM aliases WHERE person = ? ORDER BY address`, person)
}
