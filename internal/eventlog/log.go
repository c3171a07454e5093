// Package eventlog takes sign-ins without making them wait longer than their
// promise needs.
//
// A success is answered only once it is durable: many goroutines share one
// commit, and where the database cannot be written, a preallocated journal
// carries on and is brought into the database when that is back, each sign-in
// exactly once, also through kill -9. A refusal waits for nothing: it is
// written behind, at most a fraction of a second later.
//
// Equal sign-ins within an hour share a row with a count. Every queue is
// bounded: when they are full, successes and ends of sessions wait, refusals
// are merged harder and still counted. A full journal refuses successes,
// unless Options say otherwise.
package eventlog

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/portreeve/portreeve/internal/signin"
	"github.com/portreeve/portreeve/internal/store"
)

const (
	// maxBatch bounds the sign-ins of one commit, and so how long the last of them waits.
	maxBatch = 512
	// maxMerged bounds the rows that successes may still be counted in: two
	// programs each of 16,000 people, about 600 bytes apiece.
	maxMerged = 32_768
	// pace is the least time between two commits that follow each other, so that
	// sign-ins which come close together share one; a lone sign-in never waits.
	// Measured with eight programs signing in at once: at 1,500 sign-ins a second
	// a commit carried 1.4 of them, and writing them took 40 % of a sign-in's CPU;
	// 2 ms save a quarter of that and leave the median where it was.
	pace = 2 * time.Millisecond
	// behind is how long what is written behind may wait: well within the
	// second that a hard stop may cost.
	behind = 200 * time.Millisecond
	// drainEvery is how often the database is tried again while the journal is in use.
	drainEvery = 500 * time.Millisecond
	// closing bounds how long the log waits at its end for the database.
	closing = 10 * time.Second
)

// ErrClosed says that the log takes nothing any more.
var ErrClosed = errors.New("sign-in log is closed")

// Sink is told of every sign-in, repeats too; it must not wait.
type Sink interface{ Record(*signin.Event) }

// Options say where sign-ins go and for how long they stay.
type Options struct {
	Store *store.Store
	Dir   string // of the journal: the state folder
	// JournalSize is in bytes; 0 is 64 MiB.
	JournalSize int64
	// AllowUnrecorded lets people in, counted, when not even the journal can
	// take the sign-in: the one exception to "no door opens without a record".
	AllowUnrecorded bool
	Retention       Retention
	Sinks           []Sink
	Logger          *slog.Logger // the operator's; nil is slog.Default
}

// Log is the sign-in log. Run must be running for Success to answer.
type Log struct {
	o    Options
	db   *store.Store
	slog *slog.Logger

	in       chan *request
	patience time.Duration // closing, but for tests
	quit     chan struct{} // closed when Run has written what it could
	once     sync.Once

	// The committing goroutine's own.
	merged  *rows
	batchNo uint64

	began time.Time

	mu       sync.Mutex // held while a batch is kept, and while the journal hands over
	journal  *journal
	drained  int64 // all before it is in the database
	using    bool  // the journal holds what the database may not
	down     bool  // the database could not be written when last tried
	mark     bool  // the running mark is not yet written
	orphaned bool  // sessions of the run before stand open in the log
	warned   bool  // that the journal fills

	refusals *refusals
	sessions *sessions
	repeats  *repeats
	networks *networks
	streams  streams

	dbError    atomic.Pointer[string]
	fill       atomic.Uint64 // of the journal, in millionths
	inUse      atomic.Bool
	unrecorded atomic.Int64
	lost       atomic.Int64
}

// A request is one success that waits for its commit.
type request struct {
	taken atomic.Bool // by a commit, or by a caller who no longer waits
	ev    *signin.Event
	key   mergeKey
	row   *row
	made  bool // row was made for it

	id    signin.ID // the row's
	count int64
	err   error
	done  chan struct{}
}

// Open makes the log ready: it finds what a hard stop left in the journal and
// loads the networks that people are known on. Run brings the rest in.
func Open(ctx context.Context, o Options) (*Log, error) {
	if o.JournalSize == 0 {
		o.JournalSize = journalNormal
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	l := &Log{o: o, db: o.Store, slog: o.Logger, in: make(chan *request, maxBatch), quit: make(chan struct{}),
		merged: newRows(maxMerged), refusals: newRefusals(), sessions: newSessions(), repeats: newRepeats(), drained: journalStart,
		began: time.Now().UTC(), patience: closing}
	var aside string
	var err error
	if l.journal, aside, err = openJournal(filepath.Join(o.Dir, journalName), max(o.JournalSize, minJournal)); err != nil {
		return nil, err
	}
	if aside != "" {
		l.slog.Error("the sign-in journal was damaged and is set aside; sign-ins in it are not in the log", "file", aside)
		l.lost.Add(1)
	}
	l.using = !l.journal.empty()
	if l.networks, err = loadNetworks(ctx, l.db); err == nil {
		err = l.noteHardStop(ctx)
	}
	if err != nil {
		return nil, errors.Join(err, l.journal.f.Close())
	}
	l.tellState()
	return l, nil
}

// noteHardStop writes one row if the last run did not end by itself.
func (l *Log) noteHardStop(ctx context.Context) error {
	since, err := l.db.Running(ctx)
	if err != nil {
		return err
	}
	err = l.db.Write(ctx, func(tx *store.Tx) error { return tx.SetRunning(l.began) })
	if l.mark = errors.Is(err, store.ErrUnavailable); err != nil && !l.mark {
		return err
	}
	if since.IsZero() {
		return nil
	}
	now := l.began
	e := &signin.Event{ID: store.NewID(), At: now, Last: now, Count: 1, Source: "portreeve", Code: signin.RefusalsLost,
		Detail: "the run that began at " + since.UTC().Format(time.RFC3339) + " was stopped hard"}
	e.Verdict.Code = int(signin.RefusalsLost)
	l.refusals.add(e)
	l.orphaned = true
	return nil
}

// Success writes a sign-in that was allowed and returns once it is durable,
// with the reference of the row it is counted in. On an error nobody may be let in.
func (l *Log) Success(ctx context.Context, e *signin.Event) (signin.Reference, error) {
	ev := keep(e)
	r := &request{ev: ev, key: keyOf(ev), done: make(chan struct{})}
	select {
	case l.in <- r:
	case <-ctx.Done():
		return "", fmt.Errorf("writing the sign-in: %w", ctx.Err())
	case <-l.quit:
		return "", ErrClosed
	}
	var gone error
	select {
	case <-r.done:
	case <-ctx.Done():
		gone = fmt.Errorf("writing the sign-in: %w", ctx.Err())
	case <-l.quit:
		gone = ErrClosed
	}
	if gone != nil {
		if r.taken.CompareAndSwap(false, true) {
			return "", gone // and it is never written
		}
		<-r.done // its commit is under way
	}
	if r.err != nil {
		return "", r.err
	}
	l.publish(ev, r.id, r.count)
	return r.id.Reference(), nil
}

// Refusal notes a sign-in that was refused, and returns at once a reference to
// the row it is counted in, which no other refusal is told.
func (l *Log) Refusal(e *signin.Event) signin.Reference {
	ev := keep(e)
	id, count := l.refusals.add(ev)
	l.publish(ev, id, count)
	return l.db.Reference(id, count-1)
}

// Import writes sign-ins of the past, from another server's log or the demo's
// month, as they are: they are not merged, nor told to sinks and streams. An
// event that is there already is not written twice.
func (l *Log) Import(ctx context.Context, list []*signin.Event) error {
	for part := range slices.Chunk(list, maxBatch) {
		err := l.db.Write(ctx, func(tx *store.Tx) error {
			for _, e := range part {
				if err := tx.PutEvent(e); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return fmt.Errorf("importing sign-ins: %w", err)
		}
	}
	return nil
}

// Session notes that a session was opened or how it ended. e.ID is the
// sign-in's own id, and names the session too unless e.Session does; the row
// hangs on the one that the sign-in is counted in. It waits only while more
// ends are waiting than there is room for.
func (l *Log) Session(e signin.SessionEvent) {
	if e.Session == "" {
		e.Session = e.ID.String()
	}
	e.ID = l.repeats.row(e.ID)
	l.sessions.add(e)
}

// KnownNetwork says that a person has signed in from an address's network before.
func (l *Log) KnownNetwork(person string, addr netip.Addr) bool {
	return l.networks.known(person, addr)
}

// Run writes until the context ends, then writes what is waiting.
func (l *Log) Run(ctx context.Context) error {
	var wg sync.WaitGroup
	side, stop := context.WithCancel(ctx)
	wg.Go(func() { l.drain(side) })
	wg.Go(func() { l.retain(side) })
	tick := time.NewTicker(behind)
	defer tick.Stop()
	var last time.Time
	for ctx.Err() == nil {
		if l.pressing() {
			l.step(nil, true)
			continue
		}
		var first *request
		select {
		case first = <-l.in:
		case <-tick.C:
		case <-ctx.Done():
		}
		if first != nil {
			time.Sleep(pace - time.Since(last))
			last = time.Now()
		}
		l.step(first, first == nil)
	}
	stop()
	wg.Wait()
	return l.finish()
}

// finish writes what is still waiting, and marks the log as closed.
func (l *Log) finish() error {
	for len(l.in) > 0 {
		l.step(<-l.in, true)
	}
	end := time.Now().Add(l.patience)
	for {
		l.step(nil, true)
		l.drainOnce()
		if l.clean() {
			break
		}
		if !l.isDown() {
			continue
		}
		if time.Now().After(end) {
			l.stop()
			return errors.New("the database cannot be written: what the journal holds is brought in at the next start")
		}
		time.Sleep(drainEvery)
	}
	l.stop()
	ctx, cancel := context.WithTimeout(context.Background(), closing)
	defer cancel()
	return l.db.Write(ctx, func(tx *store.Tx) error { return tx.SetRunning(time.Time{}) })
}

// pressing says that so much waits to be written behind that it should be
// written at once, and can be.
func (l *Log) pressing() bool {
	return (l.refusals.pressing() || l.sessions.pressing()) && !l.isDown()
}

func (l *Log) isDown() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.down || l.using
}

// clean says that nothing is left to write.
func (l *Log) clean() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return !l.using && l.refusals.idle() && l.sessions.idle()
}

// stop lets go of everybody who waits.
func (l *Log) stop() {
	l.once.Do(func() { close(l.quit) })
	l.sessions.close()
}

// Close gives the journal back. Run must have returned.
func (l *Log) Close() error {
	l.stop()
	l.streams.close()
	return l.journal.f.Close()
}
