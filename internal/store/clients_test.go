package store

import (
	"context"
	"database/sql"
	"io/fs"
	"path/filepath"
	"testing"
	"time"

	"github.com/pressly/goose/v3"
)

// A secret that was made before it was known when is as old as its program.
func TestSecretsFromBeforeAreAsOldAsTheirPrograms(t *testing.T) {
	ctx, dir := t.Context(), t.TempDir()
	before(t, ctx, filepath.Join(dir, FileName), 17, `INSERT INTO clients VALUES
		('app-1', 'managed', 'Webmail', 'open', 0, '[]', '[]', '', '[]', '', '', '', '', '', '', '', x'01', 1000000000, 0),
		('reg-1', 'registered', 'Meadow', 'open', 1, '[]', '[]', '', '[]', '', '', '', '', '', '', '', x'', 1000000000, 0)`)
	s, err := Open(ctx, Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	all, err := s.Clients(ctx)
	if err != nil || len(all) != 2 {
		t.Fatalf("%v, %v", all, err)
	}
	if c := all[0]; !c.SecretMade.Equal(time.Unix(1, 0)) || !c.OldUntil.IsZero() || len(c.OldPrint) > 0 || len(c.Print) != 1 {
		t.Errorf("with a secret: %+v", c)
	}
	if c := all[1]; !c.SecretMade.IsZero() {
		t.Errorf("without: %+v", c)
	}
}

// before makes a database of an older schema with something in it.
func before(t *testing.T, ctx context.Context, path string, schema int64, insert string) {
	t.Helper()
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		t.Fatal(err)
	}
	p, err := goose.NewProvider(goose.DialectSQLite3, db, files)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.UpTo(ctx, schema); err != nil {
		t.Fatal(err)
	}
	if _, err := db.ExecContext(ctx, insert); err != nil {
		t.Fatal(err)
	}
}
