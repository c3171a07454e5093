package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// maxGroup bounds how many jobs share one commit, so that none waits long for others.
const maxGroup = 256

// A job is one unit of work that is kept whole or not at all. Several share a
// commit; one that fails is undone alone.
type job struct {
	taken atomic.Bool // by the writer, or by a caller who no longer waits
	do    func(*Tx) error
	done  chan error
	stale error // what do returned, reported once the others are committed
}

// writer is the one goroutine that writes. The next commit starts when the
// previous one ends and carries everything that came in meanwhile; there is no timer.
type writer struct {
	db      *sql.DB
	conn    *sql.Conn
	cached  map[string]*sql.Stmt
	jobs    chan *job
	publish func(Change)
	// renewed is when whose password was changed, for as long as a session can
	// hang on the one before; only the writer's goroutine looks at it.
	renewed map[string]time.Time

	mu     sync.RWMutex // held for reading while a job is handed over, so that close loses none
	closed bool
	wg     sync.WaitGroup
}

func newWriter(db *sql.DB, conn *sql.Conn, publish func(Change)) *writer {
	w := &writer{db: db, conn: conn, cached: map[string]*sql.Stmt{}, renewed: map[string]time.Time{}, jobs: make(chan *job, maxGroup), publish: publish}
	w.wg.Add(1)
	go w.run()
	return w
}

// write runs do inside the next commit and returns once that is durable. When
// the context ends before do was begun, it never is.
func (w *writer) write(ctx context.Context, do func(*Tx) error) error { return w.queue(ctx, do)() }

// queue hands do to the next commit and returns at once; what is handed over
// later is written later. wait returns once it is durable. When the context
// ends before do was begun, it never is.
func (w *writer) queue(ctx context.Context, do func(*Tx) error) (wait func() error) {
	j := &job{do: do, done: make(chan error, 1)}
	if err := w.hand(ctx, j); err != nil {
		return func() error { return err }
	}
	return func() error {
		select {
		case err := <-j.done:
			return err
		case <-ctx.Done():
			if j.taken.CompareAndSwap(false, true) {
				return ctx.Err()
			}
			return <-j.done
		}
	}
}

func (w *writer) hand(ctx context.Context, j *job) error {
	w.mu.RLock()
	defer w.mu.RUnlock()
	if w.closed {
		return ErrClosed
	}
	select {
	case w.jobs <- j:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (w *writer) close() error {
	w.mu.Lock()
	if !w.closed {
		w.closed = true
		close(w.jobs)
	}
	w.mu.Unlock()
	w.wg.Wait()
	w.forget()
	if w.conn == nil {
		return nil
	}
	return w.conn.Close()
}

func (w *writer) run() {
	defer w.wg.Done()
	group := make([]*job, 0, maxGroup)
	for j := range w.jobs {
		group = append(group[:0], j)
		for more := true; more && len(group) < maxGroup; {
			select {
			case next, open := <-w.jobs:
				if more = open; open {
					group = append(group, next)
				}
			default:
				more = false
			}
		}
		change, err := w.commit(group)
		if err == nil && change.Families != 0 {
			w.publish(change) // before anybody is answered, so that who was can count on it
		}
		for _, j := range group {
			if err != nil {
				j.done <- err
			} else {
				j.done <- j.stale
			}
		}
	}
}

// commit carries out a group in one transaction.
func (w *writer) commit(group []*job) (Change, error) {
	ctx := context.Background()
	if err := w.ready(ctx); err != nil {
		return Change{}, err
	}
	tx := &Tx{w: w}
	if err := tx.exec("BEGIN IMMEDIATE"); err != nil {
		if !isCode(err, sqlite3.SQLITE_BUSY) {
			w.abandon()
		}
		return Change{}, unavailable(err)
	}
	for _, j := range group {
		if err := tx.carryOut(j); err != nil {
			w.rollback()
			return Change{}, unavailable(err)
		}
	}
	if err := tx.exec("COMMIT"); err != nil {
		w.rollback()
		return Change{}, unavailable(err)
	}
	return tx.change, nil
}

// carryOut runs one job behind a savepoint of its own. Its own error is kept
// for its caller; the error returned is the database's and ends the group.
func (tx *Tx) carryOut(j *job) error {
	if !j.taken.CompareAndSwap(false, true) {
		return nil // its caller has gone
	}
	before := tx.change.clone()
	if err := tx.exec("SAVEPOINT job"); err != nil {
		return err
	}
	j.stale = protect(j.do, tx)
	if j.stale == nil {
		return tx.exec("RELEASE job")
	}
	tx.change = before
	if broken(j.stale) {
		return j.stale
	}
	if err := tx.exec("ROLLBACK TO job"); err != nil {
		return err
	}
	return tx.exec("RELEASE job")
}

// protect turns a panic of a job into its error: the writer serves everybody.
func protect(do func(*Tx) error, tx *Tx) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("writing: %v", p)
		}
	}()
	return do(tx)
}

// ready makes sure that there is a connection, after one was given up.
func (w *writer) ready(ctx context.Context) error {
	if w.conn != nil {
		return nil
	}
	conn, err := w.db.Conn(ctx)
	if err != nil {
		return unavailable(err)
	}
	w.conn = conn
	return nil
}

// rollback undoes the transaction; a connection that cannot even do that is given up.
func (w *writer) rollback() {
	if _, err := w.conn.ExecContext(context.Background(), "ROLLBACK"); err != nil {
		// SQLite may have rolled back by itself already (full disk, I/O error).
		w.abandon()
	}
}

// abandon gives up the connection with its statements; ready opens another.
func (w *writer) abandon() {
	w.forget()
	_ = w.conn.Raw(func(any) error { return driver.ErrBadConn })
	_ = w.conn.Close()
	w.conn = nil
}

func (w *writer) forget() {
	for _, st := range w.cached {
		_ = st.Close()
	}
	clear(w.cached)
}

// Tx is a transaction of the writer. Its methods are only for the function it
// was given to.
type Tx struct {
	w      *writer
	change Change
	audit  *auditor // nil outside Store.Change
	in     *within  // nil outside a session (WithSession)
}

func (tx *Tx) prepared(query string) (*sql.Stmt, error) {
	if st := tx.w.cached[query]; st != nil {
		return st, nil
	}
	st, err := tx.w.conn.PrepareContext(context.Background(), query)
	if err != nil {
		return nil, err
	}
	tx.w.cached[query] = st
	return st, nil
}

func (tx *Tx) exec(query string, args ...any) error {
	_, err := tx.affected(query, args...)
	return err
}

// affected is exec that says how many rows it touched.
func (tx *Tx) affected(query string, args ...any) (int64, error) {
	st, err := tx.prepared(query)
	if err != nil {
		return 0, err
	}
	res, err := st.Exec(args...)
	if err != nil {
		return 0, err
	}
	return res.RowsAffected()
}

// row reads one row into dest; ErrNotFound if there is none.
func (tx *Tx) row(dest []any, query string, args ...any) error {
	st, err := tx.prepared(query)
	if err != nil {
		return err
	}
	return found(st.QueryRow(args...).Scan(dest...))
}

func (tx *Tx) query(query string, args ...any) (*sql.Rows, error) {
	st, err := tx.prepared(query)
	if err != nil {
		return nil, err
	}
	return st.Query(args...)
}

func found(err error) error {
	if errors.Is(err, sql.ErrNoRows) {
		return ErrNotFound
	}
	return err
}

// unavailable marks an error as the database's own.
func unavailable(err error) error {
	if errors.Is(err, ErrUnavailable) {
		return err
	}
	return fmt.Errorf("%w: %w", ErrUnavailable, err)
}

func isCode(err error, primary int) bool {
	var e *sqlite.Error
	return errors.As(err, &e) && e.Code()&0xff == primary
}

// broken says that an error is the database's and not the statement's: the
// whole transaction is lost, whoever caused it.
func broken(err error) bool {
	var e *sqlite.Error
	if !errors.As(err, &e) {
		return errors.Is(err, driver.ErrBadConn) || errors.Is(err, sql.ErrConnDone)
	}
	switch e.Code() & 0xff {
	case sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_NOMEM, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_INTERRUPT,
		sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_FULL, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_PROTOCOL:
		return true
	}
	return false
}

// exists turns the breach of a unique index into ErrExists.
func exists(err error) error {
	if isCode(err, sqlite3.SQLITE_CONSTRAINT) {
		return fmt.Errorf("%w: %w", ErrExists, err)
	}
	return err
}
