// Package store keeps everything that outlives the process in one SQLite
// database: people, groups, policies and other documents, switches, imported
// lists, sign-ins and sessions, and the audit of every administrative change.
// There is one file per family of rows, and no rule: what a row means is
// decided above.
//
// Durable means WAL with synchronous=FULL. One goroutine writes; what is
// waiting when a commit ends goes into the next one (writer.go). Readers have
// connections of their own and never wait for the writer.
//
// Errors that callers branch on are ErrNotFound, ErrExists, ErrConflict,
// ErrUnavailable and ErrDemo.
package store

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/portreeve/portreeve/internal/signin"
)

// FileName is the database's name in the state folder.
const FileName = "portreeve.db"

const (
	// busyTimeout is how long the writer waits for a lock that another
	// process holds (a backup, an administrator's sqlite3) before it says
	// ErrUnavailable and the sign-in journal takes over.
	busyTimeout = 250 * time.Millisecond
	// readers is the number of connections for reading; two cores keep about
	// this many busy, and each costs a page cache of 2 MB.
	readers = 4
	// readCommitGrace is how long a reader waits for a lock; in WAL only recovery takes one.
	readGrace = 5 * time.Second
	// walLimit is the size in bytes to which the WAL file is cut back after a checkpoint.
	walLimit = 64 << 20
)

// The errors that callers branch on.
var (
	ErrNotFound    = errors.New("not found")
	ErrExists      = errors.New("exists already")
	ErrConflict    = errors.New("changed meanwhile")
	ErrUnavailable = errors.New("database cannot be written")
	ErrDemo        = errors.New("this state folder was made by the demo")
	ErrNoDemo      = errors.New("this state folder was not made by the demo")
	ErrClosed      = errors.New("store is closed")
)

// Options say where the database is and whom it serves.
type Options struct {
	// Dir is the state folder; it is made, 0700, if it is missing.
	Dir string
	// Demo marks a new database as the demo's, and is needed to open one.
	Demo bool
	// NameKey keys the hash that replaces strangers' names; if it is empty, one
	// is made and kept in the database, where a thief of the database has it too.
	NameKey []byte
}

// Store is the database. Its methods may be called from any goroutine.
type Store struct {
	path       string
	write      *sql.DB
	read       *sql.DB
	statements sync.Map // for reading, *sql.Stmt by query
	w          *writer
	subs       subscribers
	key        []byte // of NameHash
	veil       veil   // of references
	closed     sync.Once
}

// Open opens the database, brings it to this program's schema, and starts the
// goroutine that writes; Close ends it.
func Open(ctx context.Context, o Options) (*Store, error) {
	if err := os.MkdirAll(o.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("making the state folder: %w", err)
	}
	s := &Store{path: filepath.Join(o.Dir, FileName)}
	// SQLite gives its WAL the mode of the database, so that is made first.
	f, err := os.OpenFile(s.path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("making the database: %w", err)
	}
	if err := errors.Join(keepFromOthers(f), f.Close()); err != nil {
		return nil, fmt.Errorf("making the database: %w", err)
	}
	if err := s.connect(ctx, o); err != nil {
		s.shut()
		return nil, err
	}
	return s, nil
}

// keepFromOthers takes a database away from everybody but its owner and group,
// and what SQLite left beside it: a copy put back by hand may have the mode that
// anybody's files have, and there are hashes and addresses in it.
func keepFromOthers(f *os.File) error {
	fi, err := f.Stat()
	if err != nil || fi.Mode().Perm()&0o007 == 0 {
		return err
	}
	mode := fi.Mode().Perm() &^ 0o007
	for _, beside := range []string{"-wal", "-shm"} {
		if err := os.Chmod(f.Name()+beside, mode); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return f.Chmod(mode)
}

func (s *Store) connect(ctx context.Context, o Options) (err error) {
	if s.write, err = openPool(s.path, busyTimeout, 1, false); err != nil {
		return err
	}
	if s.read, err = openPool(s.path, readGrace, readers, true); err != nil {
		return err
	}
	fresh, err := migrate(ctx, s.write, s.path)
	if err != nil {
		return err
	}
	conn, err := s.write.Conn(ctx)
	if err != nil {
		return fmt.Errorf("opening the database: %w", err)
	}
	s.w = newWriter(s.write, conn, s.subs.publish)
	if err := s.checkDemo(ctx, fresh, o.Demo); err != nil {
		return err
	}
	if err := s.checkKey(ctx, o.NameKey); err != nil {
		return err
	}
	if s.key, err = s.nameKey(ctx, o.NameKey); err != nil {
		return err
	}
	s.veil, err = veilUnder(s.key)
	return err
}

// openPool opens connections whose settings hold for each of them.
func openPool(path string, busy time.Duration, n int, readOnly bool) (*sql.DB, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("finding the database: %w", err)
	}
	q := url.Values{}
	q.Set("_busy_timeout", fmt.Sprint(busy.Milliseconds()))
	q.Set("_journal_mode", "WAL")
	q.Set("_synchronous", "FULL")
	q.Set("_foreign_keys", "on")
	q.Set("_txlock", "immediate")
	q.Add("_pragma", fmt.Sprintf("journal_size_limit(%d)", walLimit))
	if readOnly {
		q.Set("_query_only", "on")
		q.Set("_txlock", "deferred")
	}
	u := url.URL{Scheme: "file", Path: abs, RawQuery: q.Encode()}
	db, err := sql.Open("sqlite", u.String())
	if err != nil {
		return nil, fmt.Errorf("opening the database: %w", err)
	}
	db.SetMaxOpenConns(n)
	db.SetMaxIdleConns(n)
	return db, nil
}

// Close lets the writer finish what is waiting and closes the database.
func (s *Store) Close() error {
	var err error
	s.closed.Do(func() { err = s.shut() })
	return err
}

func (s *Store) shut() error {
	var errs []error
	if s.w != nil {
		errs = append(errs, s.w.close())
	}
	s.subs.close()
	for _, db := range []*sql.DB{s.read, s.write} {
		if db != nil {
			errs = append(errs, db.Close())
		}
	}
	return errors.Join(errs...)
}

// Size is what the database takes on disk in bytes, without its WAL, and how
// much of that is in use.
func (s *Store) Size(ctx context.Context) (file, used int64, err error) {
	var pages, free, size int64
	row := s.read.QueryRowContext(ctx, `SELECT p.page_count, f.freelist_count, z.page_size
		FROM pragma_page_count p, pragma_freelist_count f, pragma_page_size z`)
	if err := row.Scan(&pages, &free, &size); err != nil {
		return 0, 0, fmt.Errorf("measuring the database: %w", err)
	}
	return pages * size, (pages - free) * size, nil
}

// NewID makes a fresh UUID, version 7, for an object or a sign-in.
func NewID() signin.ID {
	var b [10]byte
	rand.Read(b[:]) // crypto/rand.Read ends the program rather than return an error
	return signin.NewID(time.Now().UnixMilli(), b)
}

// newObjectID is NewID as text, unless the caller brought an id.
func newObjectID(given string) string {
	if given != "" {
		return given
	}
	return NewID().String()
}

func nanos(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixNano()
}

func fromNanos(n int64) time.Time {
	if n == 0 {
		return time.Time{}
	}
	return time.Unix(0, n).UTC()
}
