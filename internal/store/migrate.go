package store

import (
	"context"
	"database/sql"
	"embed"
	"fmt"
	"io/fs"
	"time"

	"github.com/pressly/goose/v3"
	_ "modernc.org/sqlite" // the driver, without cgo
)

//go:embed migrations/*.sql
var migrations embed.FS

// migrate brings the schema up to date and says whether the database was empty.
// Before it changes one that is not, it makes a backup beside it; without that
// nothing is changed.
func migrate(ctx context.Context, db *sql.DB, path string) (fresh bool, err error) {
	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return false, fmt.Errorf("reading migrations: %w", err)
	}
	current, err := schemaOf(ctx, db)
	if err != nil {
		return false, fmt.Errorf("reading the database's schema: %w", err)
	}
	newest, err := newestSchema()
	switch {
	case err != nil:
		return false, err
	case current > newest:
		return false, newerSchema(current, newest)
	case current > 0 && current < newest:
		to := fmt.Sprintf("%s.schema-%d-%s", path, current, time.Now().UTC().Format("20060102T150405.000"))
		if err := copyDatabase(ctx, path, to); err != nil {
			return false, fmt.Errorf("the database's schema is older than this program's, and without a backup it is not changed: %w", err)
		}
	}
	p, err := goose.NewProvider(goose.DialectSQLite3, db, files)
	if err != nil {
		return false, fmt.Errorf("reading migrations: %w", err)
	}
	if _, err := p.Up(ctx); err != nil {
		return false, fmt.Errorf("bringing the database's schema up to date: %w", err)
	}
	return current == 0, nil
}

// newerSchema says that a later version of this program wrote the database.
func newerSchema(has, known int64) error {
	return fmt.Errorf("the database has schema %d, this program knows %d: it was written by a newer version. Install that, or restore the backup named %s.schema-… that it made before", has, known, FileName)
}

// newestSchema is the number of the last migration there is.
func newestSchema() (newest int64, err error) {
	files, err := fs.Glob(migrations, "migrations/*.sql")
	if err != nil {
		return 0, fmt.Errorf("reading migrations: %w", err)
	}
	for _, name := range files {
		n, err := goose.NumericComponent(name)
		if err != nil {
			return 0, fmt.Errorf("reading migrations: %w", err)
		}
		newest = max(newest, n)
	}
	return newest, nil
}
