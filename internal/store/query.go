package store

import (
	"context"
	"fmt"
)

// scanner is a row that can be read.
type scanner interface{ Scan(dest ...any) error }

// collect reads all rows of a query.
func collect[T any](ctx context.Context, s *Store, scan func(scanner) (T, error), query string, args ...any) ([]T, error) {
	rows, err := s.read.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, fmt.Errorf("reading the database: %w", err)
	}
	defer rows.Close()
	var all []T
	for rows.Next() {
		v, err := scan(rows)
		if err != nil {
			return nil, fmt.Errorf("reading the database: %w", err)
		}
		all = append(all, v)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("reading the database: %w", err)
	}
	return all, nil
}

// one reads the first row of a query; ErrNotFound if there is none.
func one[T any](ctx context.Context, s *Store, scan func(scanner) (T, error), query string, args ...any) (T, error) {
	v, err := scan(s.read.QueryRowContext(ctx, query, args...))
	if err = found(err); err != nil {
		return v, fmt.Errorf("reading the database: %w", err)
	}
	return v, nil
}

// oneIn is one inside a transaction.
func oneIn[T any](tx *Tx, scan func(scanner) (T, error), query string, args ...any) (T, error) {
	st, err := tx.prepared(query)
	if err != nil {
		var none T
		return none, err
	}
	v, err := scan(st.QueryRow(args...))
	return v, found(err)
}
