package store

import (
	"bytes"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// filled is a database with some people.
func filled(t testing.TB, dir string, people int) *Store {
	t.Helper()
	s := open(t, dir)
	change(t, s, func(tx *Tx) error {
		for i := range people {
			if err := tx.AddPerson(&Person{Address: fmt.Sprintf("p%d@example.org", i), DisplayName: strings.Repeat("x", 200)}); err != nil {
				return err
			}
		}
		return nil
	})
	return s
}

func rows(r Report, table string) int64 {
	for _, c := range r.Tables {
		if c.Table == table {
			return c.Rows
		}
	}
	return -1
}

// A backup that is made while others write is whole, sealed to its owner, and
// comes back; what was there is kept.
func TestABackupComesBack(t *testing.T) {
	ctx, dir, away := t.Context(), t.TempDir(), t.TempDir()
	s := filled(t, dir, 50)
	stop := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			default:
				change(t, s, func(tx *Tx) error {
					return errors.Join(tx.AddGroup(&Group{Name: fmt.Sprintf("a%d", i)}), tx.AddGroup(&Group{Name: fmt.Sprintf("b%d", i)}))
				})
			}
		}
	})
	for i := range 5 {
		file := filepath.Join(away, fmt.Sprint("backup", i))
		if err := s.Backup(ctx, file); err != nil {
			t.Fatal(err)
		}
		fi, err := os.Stat(file)
		if err != nil || fi.Mode().Perm() != 0o600 {
			t.Errorf("%v, %v", fi, err)
		}
		r, err := CheckFile(ctx, file)
		if err != nil || r.Fault() != nil || rows(r, "people") != 50 || rows(r, "groups")%2 != 0 {
			t.Errorf("%v, %v: %+v", err, r.Fault(), r)
		}
	}
	close(stop)
	wg.Wait()
	file := filepath.Join(away, "backup0")
	if err := s.Backup(ctx, file); !errors.Is(err, fs.ErrExist) {
		t.Errorf("over another: %v", err)
	}
	now, err := s.Check(ctx)
	if err != nil || now.Fault() != nil {
		t.Fatalf("%v, %+v", err, now)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	kept, err := Restore(ctx, RestoreOptions{Dir: dir, File: file})
	if err != nil {
		t.Fatal(err)
	}
	if r, err := CheckFile(ctx, kept); err != nil || rows(r, "groups") != rows(now, "groups") {
		t.Errorf("kept %+v, %v; it had %d groups", r, err, rows(now, "groups"))
	}
	s = open(t, dir)
	then, err := CheckFile(ctx, file)
	if r, cerr := s.Check(ctx); err != nil || cerr != nil || r.Fault() != nil || rows(r, "groups") != rows(then, "groups") {
		t.Errorf("restored %+v, %v", r, cerr)
	}
	for _, d := range []string{dir, away} {
		left, _ := filepath.Glob(filepath.Join(d, "*.part"))
		more, _ := filepath.Glob(filepath.Join(d, "*.restoring*"))
		if len(left)+len(more) > 0 {
			t.Errorf("left behind: %v %v", left, more)
		}
	}
}

// What is no good backup is not taken, and what is there stays.
func TestABadBackupIsNotTaken(t *testing.T) {
	ctx, dir, away := t.Context(), t.TempDir(), t.TempDir()
	s := filled(t, dir, 2000)
	good := filepath.Join(away, "good")
	if err := s.Backup(ctx, good); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	raw, err := os.ReadFile(good)
	if err != nil {
		t.Fatal(err)
	}
	before, err := os.ReadFile(filepath.Join(dir, FileName))
	if err != nil {
		t.Fatal(err)
	}
	broken := bytes.Clone(raw)
	for i := len(broken) / 3; i < len(broken)/3+8192; i++ {
		broken[i] ^= 0x5a
	}
	tamper := func(name string, queries ...string) string {
		path := filepath.Join(away, name)
		write(t, path, raw)
		db, err := sql.Open("sqlite", path)
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		for _, q := range queries {
			if _, err := db.Exec(q); err != nil {
				t.Fatal(err)
			}
		}
		return path
	}
	file := func(name string, b []byte) string {
		path := filepath.Join(away, name)
		write(t, path, b)
		return path
	}
	for what, c := range map[string]struct{ path, says string }{
		"nothing":         {file("nothing", nil), "empty"},
		"half":            {file("half", raw[:len(raw)/2]), "damaged"},
		"broken":          {file("broken", broken), "damaged"},
		"not a database":  {file("text", []byte(strings.Repeat("hello ", 1000))), "damaged"},
		"another's":       {tamper("another", `DROP TABLE goose_db_version`), "no database of Portreeve's"},
		"newer":           {tamper("newer", `INSERT INTO goose_db_version (version_id, is_applied) VALUES (9999, 1)`), "newer version"},
		"tampered audit":  {tamper("audit", `UPDATE audit SET reason = 'none' WHERE n = 7`), "row 7"},
		"dangling row":    {tamper("dangling", `INSERT INTO aliases (address, person) VALUES ('x', 'nobody')`), "refer"},
		"that is no file": {filepath.Join(away, "none"), "no such file"},
	} {
		if kept, err := Restore(ctx, RestoreOptions{Dir: dir, File: c.path}); err == nil || kept != "" || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: kept %q, %v", what, kept, err)
		}
	}
	after, err := os.ReadFile(filepath.Join(dir, FileName))
	if err != nil || !bytes.Equal(before, after) {
		t.Errorf("the database was touched: %v", err)
	}
	lock, err := Lock(dir)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Restore(ctx, RestoreOptions{Dir: dir, File: good}); !errors.Is(err, ErrInUse) {
		t.Errorf("while it is served: %v", err)
	}
	_ = lock.Close()
	// A database that is damaged beyond opening is replaced and kept all the same.
	write(t, filepath.Join(dir, FileName), broken)
	if kept, err := Restore(ctx, RestoreOptions{Dir: dir, File: good}); err != nil || kept == "" {
		t.Fatalf("kept %q, %v", kept, err)
	}
	open(t, dir)
}

func write(t testing.TB, path string, b []byte) {
	t.Helper()
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

// A disk that is full while a backup is made loses the backup and nothing else.
// A limit on the size of files stands in for it.
func TestAFullDiskLosesNothing(t *testing.T) {
	ctx, dir, away := t.Context(), t.TempDir(), t.TempDir()
	s := filled(t, dir, 5000)
	var was unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_FSIZE, &was); err != nil {
		t.Fatal(err)
	}
	limit := was
	limit.Cur = 256 << 10
	if err := unix.Setrlimit(unix.RLIMIT_FSIZE, &limit); err != nil {
		t.Fatal(err)
	}
	err := s.Backup(ctx, filepath.Join(away, "backup"))
	if lifted := unix.Setrlimit(unix.RLIMIT_FSIZE, &was); lifted != nil {
		t.Fatal(lifted)
	}
	if err == nil {
		t.Fatal("a backup of several megabytes fitted into 256 kB")
	}
	if left, _ := os.ReadDir(away); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
	change(t, s, func(tx *Tx) error { return tx.AddGroup(&Group{Name: "after"}) })
	if r, err := s.Check(ctx); err != nil || r.Fault() != nil || rows(r, "people") != 5000 {
		t.Errorf("%v, %+v", err, r)
	}
}

func schemaBefore(path string, newest int64) (before int64, err error) {
	db, err := sql.Open("sqlite", path)
	if err != nil {
		return 0, err
	}
	defer db.Close()
	err = db.QueryRow(`SELECT max(version_id) FROM goose_db_version WHERE version_id < ?`, newest).Scan(&before)
	return before, err
}

// A database of an older program is backed up before its schema is changed; if
// that cannot be, it stays as it is.
func TestAnOlderSchemaIsBackedUpBeforeItIsChanged(t *testing.T) {
	ctx, dir := t.Context(), t.TempDir()
	s := filled(t, dir, 3)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, FileName)
	newest, err := newestSchema()
	if err != nil {
		t.Fatal(err)
	}
	var before int64 // numbers may have gaps
	if before, err = schemaBefore(path, newest); err != nil {
		t.Fatal(err)
	}
	forget := func() { // the last migration, as if this program were newer by it
		db, err := sql.Open("sqlite", path)
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		if _, err := db.Exec(`DELETE FROM goose_db_version WHERE version_id = ?`, newest); err != nil {
			t.Fatal(err)
		}
	}
	forget()
	_, err = Open(ctx, Options{Dir: dir}) // fails, since what the migration makes is there already: the backup was made before
	backups, _ := filepath.Glob(path + ".schema-*")
	if len(backups) != 1 || !strings.Contains(backups[0], fmt.Sprintf(".schema-%d-", before)) {
		t.Fatalf("opened with %v; backups %v", err, backups)
	}
	r, err := CheckFile(ctx, backups[0])
	if err != nil || len(r.Integrity) > 0 || rows(r, "people") != 3 || r.Schema != before {
		t.Errorf("%+v, %v", r, err)
	}
	blocked := filepath.Join(t.TempDir(), "gone")
	if err := copyDatabase(ctx, path, filepath.Join(blocked, "x")); err == nil {
		t.Error("backed up to where there is no folder")
	}
}

func TestAnotherMasterKeyIsNoticed(t *testing.T) {
	ctx, dir := t.Context(), t.TempDir()
	first := Options{Dir: dir, NameKey: bytes.Repeat([]byte{1}, 32)}
	s, err := Open(ctx, first)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "backup")
	if err := errors.Join(s.Backup(ctx, file), s.Close()); err != nil {
		t.Fatal(err)
	}
	other := Options{Dir: dir, NameKey: bytes.Repeat([]byte{2}, 32)}
	if _, err := Open(ctx, other); !errors.Is(err, ErrOtherKey) {
		t.Errorf("another key: %v", err)
	}
	if s, err = Open(ctx, first); err != nil {
		t.Fatalf("the right key: %v", err)
	}
	_ = s.Close()
	time.Sleep(2 * time.Millisecond)
	if _, err := Restore(ctx, RestoreOptions{Dir: dir, File: file, NewKey: true}); err != nil {
		t.Fatal(err)
	}
	if s, err = Open(ctx, other); err != nil {
		t.Fatalf("another key after the first was given up: %v", err)
	}
	_ = s.Close()
}

func TestTwoServersDoNotShareAFolder(t *testing.T) {
	dir := t.TempDir()
	first, err := Lock(dir)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Lock(dir); !errors.Is(err, ErrInUse) {
		t.Errorf("a second: %v", err)
	}
	_ = first.Close()
	again, err := Lock(dir)
	if err != nil {
		t.Fatal(err)
	}
	_ = again.Close()
	if _, err := Lock(filepath.Join(dir, "none")); err == nil || errors.Is(err, ErrInUse) {
		t.Errorf("no folder: %v", err)
	}
}
