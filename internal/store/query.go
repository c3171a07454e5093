package store

import (
	"context"
	"database/sql"
	"fmt"
)

// scanner is a row that can be read.
type scanner interface{ Scan(dest ...any) error }

// collect reads all rows of a query.
func collect[T any](ctx context.Context, s *Store, scan func(scanner) (T, error), query string, args ...any) ([]T, error) {
	rows, err := s.read.QueryContext(ctx, query, args...)
	all, err := gather(rows, err, scan)
	if err != nil {
		return nil, fmt.Errorf("reading the database: %w", err)
	}
	return all, nil
}

// collectIn is collect inside a transaction; whoever calls says what was read.
func collectIn[T any](tx *Tx, scan func(scanner) (T, error), query string, args ...any) ([]T, error) {
	rows, err := tx.query(query, args...)
	return gather(rows, err, scan)
}

func gather[T any](rows *sql.Rows, err error, scan func(scanner) (T, error)) ([]T, error) {
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var all []T
	for rows.Next() {
		v, err := scan(rows)
		if err != nil {
			return nil, err
		}
		all = append(all, v)
	}
	if err := rows.Err(); err != nil {
		return nil, err
	}
	return all, nil
}

// one reads the first row of a query; ErrNotFound if there is none. Queries are
// literals of this package: each is prepared once, which costs several times
// what running it does.
func one[T any](ctx context.Context, s *Store, scan func(scanner) (T, error), query string, args ...any) (T, error) {
	var none T
	st, err := s.statement(ctx, query)
	if err != nil {
		return none, fmt.Errorf("reading the database: %w", err)
	}
	v, err := scan(st.QueryRowContext(ctx, args...))
	if err = found(err); err != nil {
		return v, fmt.Errorf("reading the database: %w", err)
	}
	return v, nil
}

// statement is a query prepared for reading.
func (s *Store) statement(ctx context.Context, query string) (*sql.Stmt, error) {
	if st, ok := s.statements.Load(query); ok {
		return st.(*sql.Stmt), nil
	}
	st, err := s.read.PrepareContext(ctx, query)
	if err != nil {
		return nil, err
	}
	if first, there := s.statements.LoadOrStore(query, st); there {
		_ = st.Close()
		return first.(*sql.Stmt), nil
	}
	return st, nil
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
