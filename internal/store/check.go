package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Report is what a look at a whole database found.
type Report struct {
	Schema      int64    `json:"schema"`
	Known       int64    `json:"schemaKnown"` // to this program
	Size        int64    `json:"bytes"`
	Integrity   []string `json:"integrity"`   // faults that SQLite names; none is good
	ForeignKeys []string `json:"foreignKeys"` // rows that refer to nothing; none is good
	Audit       int64    `json:"audit"`       // the first row that does not fit the chain; 0 is good
	Tables      []Count  `json:"tables"`
}

// Count is how many rows a table has.
type Count struct {
	Table string `json:"table"`
	Rows  int64  `json:"rows"`
}

// Fault is the first thing at fault, nil if nothing is.
func (r *Report) Fault() error {
	switch {
	case len(r.Integrity) > 0:
		return fmt.Errorf("the database is damaged: %s", strings.Join(r.Integrity, "; "))
	case len(r.ForeignKeys) > 0:
		return fmt.Errorf("rows refer to what is not there: %s", strings.Join(r.ForeignKeys, "; "))
	case r.Audit > 0:
		return fmt.Errorf("the audit was tampered with: row %d does not fit the one before it", r.Audit)
	case r.Schema > r.Known:
		return newerSchema(r.Schema, r.Known)
	case r.Schema == 0:
		return errors.New("it is no database of Portreeve's")
	}
	return nil
}

// maxFaults bounds how many faults of a kind are named.
const maxFaults = 10

// Check looks at the whole database while it is being used.
func (s *Store) Check(ctx context.Context) (Report, error) { return check(ctx, s.read) }

// CheckFile looks at a database that nobody has opened, or at a backup. The file
// is only read.
func CheckFile(ctx context.Context, path string) (Report, error) {
	fi, err := os.Stat(path)
	if err != nil {
		return Report{}, fmt.Errorf("reading %s: %w", path, err)
	}
	if fi.Size() == 0 {
		return Report{}, fmt.Errorf("%s is empty", path)
	}
	abs, err := filepath.Abs(path)
	if err != nil {
		return Report{}, fmt.Errorf("finding %s: %w", path, err)
	}
	q := url.Values{"mode": {"ro"}}
	if _, err := os.Stat(abs + "-wal"); errors.Is(err, fs.ErrNotExist) {
		q.Set("immutable", "1") // no lock, and no file beside it
	}
	u := url.URL{Scheme: "file", Path: abs, RawQuery: q.Encode()}
	db, err := sql.Open("sqlite", u.String())
	if err != nil {
		return Report{}, fmt.Errorf("reading %s: %w", path, err)
	}
	defer db.Close()
	db.SetMaxOpenConns(1)
	return check(ctx, db)
}

func check(ctx context.Context, db *sql.DB) (r Report, err error) {
	r.Integrity, r.ForeignKeys, r.Tables = []string{}, []string{}, []Count{}
	if r.Known, err = newestSchema(); err != nil {
		return r, err
	}
	r.Integrity, err = faults(ctx, db, fmt.Sprintf(`PRAGMA integrity_check(%d)`, maxFaults)) // as a table it would take the number for a table's name
	r.Integrity = slices.DeleteFunc(r.Integrity, func(s string) bool { return s == "ok" })
	if err != nil { // what is no database at all cannot even be asked
		r.Integrity = []string{err.Error()}
		return r, ctx.Err()
	}
	if len(r.Integrity) > 0 {
		return r, nil
	}
	r.ForeignKeys, err = faults(ctx, db, `SELECT "table" || ' row ' || coalesce(rowid, '?') || ' to ' || parent FROM pragma_foreign_key_check LIMIT ?`, maxFaults)
	if err != nil {
		return r, fmt.Errorf("checking references: %w", err)
	}
	if err = db.QueryRowContext(ctx, `SELECT p.page_count * z.page_size FROM pragma_page_count p, pragma_page_size z`).Scan(&r.Size); err != nil {
		return r, fmt.Errorf("measuring the database: %w", err)
	}
	if r.Schema, err = schemaOf(ctx, db); err != nil || r.Schema == 0 || r.Schema > r.Known {
		return r, err
	}
	if r.Tables, err = counts(ctx, db); err != nil {
		return r, err
	}
	r.Audit, err = verifyAudit(ctx, db)
	return r, err
}

func faults(ctx context.Context, db *sql.DB, query string, args ...any) ([]string, error) {
	rows, err := db.QueryContext(ctx, query, args...)
	if err != nil {
		return []string{}, err
	}
	defer rows.Close()
	all := []string{}
	for rows.Next() {
		var s string
		if err := rows.Scan(&s); err != nil {
			return all, err
		}
		all = append(all, s)
	}
	return all, rows.Err()
}

// schemaOf is the number of the last migration; 0 if there is none.
func schemaOf(ctx context.Context, db *sql.DB) (version int64, err error) {
	var there int
	if err := db.QueryRowContext(ctx, `SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name = 'goose_db_version'`).Scan(&there); err != nil || there == 0 {
		return 0, err
	}
	err = db.QueryRowContext(ctx, `SELECT coalesce(max(version_id), 0) FROM goose_db_version WHERE is_applied = 1`).Scan(&version)
	return version, err
}

func counts(ctx context.Context, db *sql.DB) ([]Count, error) {
	names, err := faults(ctx, db, `SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' AND name <> 'goose_db_version' ORDER BY name`)
	if err != nil {
		return nil, fmt.Errorf("listing tables: %w", err)
	}
	all := make([]Count, len(names))
	for i, n := range names {
		all[i].Table = n
		q := `SELECT count(*) FROM "` + strings.ReplaceAll(n, `"`, `""`) + `"`
		if err := db.QueryRowContext(ctx, q).Scan(&all[i].Rows); err != nil {
			return nil, fmt.Errorf("counting %s: %w", n, err)
		}
	}
	return all, nil
}
