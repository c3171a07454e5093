package store

import (
	"context"
	"database/sql"
	"embed"
	"fmt"
	"io/fs"

	"github.com/pressly/goose/v3"
	_ "modernc.org/sqlite" // the driver, without cgo
)

//go:embed migrations/*.sql
var migrations embed.FS

// migrate brings the schema up to date and says whether the database was empty.
func migrate(ctx context.Context, db *sql.DB) (fresh bool, err error) {
	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return false, fmt.Errorf("reading migrations: %w", err)
	}
	p, err := goose.NewProvider(goose.DialectSQLite3, db, files)
	if err != nil {
		return false, fmt.Errorf("reading migrations: %w", err)
	}
	done, err := p.Up(ctx)
	if err != nil {
		return false, fmt.Errorf("bringing the database's schema up to date: %w", err)
	}
	for _, r := range done {
		fresh = fresh || r.Source.Version == 1
	}
	current, err := p.GetDBVersion(ctx)
	if err != nil {
		return false, fmt.Errorf("reading the database's schema: %w", err)
	}
	sources := p.ListSources()
	if newest := sources[len(sources)-1].Version; current > newest {
		return false, fmt.Errorf("the database has schema %d, this program knows %d: it was written by a newer version", current, newest)
	}
	return fresh, nil
}
