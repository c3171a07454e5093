package store

import (
	"context"
	"database/sql/driver"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/portreeve/portreeve/internal/policy"
	"github.com/portreeve/portreeve/internal/protocol"
	"github.com/portreeve/portreeve/internal/signin"
)

// Recorded sign-ins, read by several at once for judging them again: only what
// a verdict can hang on is read of each, into one event that is used again.

// replayColumns are what of a row is judged or counted. A person's address is
// not: it is asked for once, of those who are told.
const replayColumns = `ref, at, count, observed + 2 * (code <> 0), person, protocol, credential, program, addr, facts, n`

const (
	colRef = iota
	colAt
	colCount
	colFlags
	colPerson
	colProtocol
	colCredential
	colProgram
	colAddr
	colFacts
	colN
	replayed // how many columns
)

// replayReaders leaves one connection for everybody else.
const replayReaders = readers - 1

// ReplayWindow are the sign-ins to judge again: those first seen at From or
// later, and before To if it is set.
type ReplayWindow struct{ From, To time.Time }

// Progress is how many rows of how many have been read; it may be asked from
// any goroutine.
type Progress struct{ done, all atomic.Int64 }

// Share is how much is done, 0 to 1.
func (p *Progress) Share() float64 {
	all := p.all.Load()
	if all == 0 {
		return 0
	}
	return min(1, float64(p.done.Load())/float64(all))
}

// Rows is how many rows have been read.
func (p *Progress) Rows() int { return int(p.done.Load()) }

// Judged reads every sign-in of a window and hands each to one of several
// takers, which each has from make, in no particular order. The event is
// overwritten by the next one of the same taker, and holds only what was judged:
// the facts but for the address, the stage, the time, the count, whether it was
// let in, and the reference (as the last bits of the id). An error of a taker
// ends it all.
func (s *Store) Judged(ctx context.Context, w ReplayWindow, p *Progress, make func() func(*signin.Event) error) error {
	_, err := s.JudgedAfter(ctx, 0, w, p, make)
	return err
}

// JudgedAfter is Judged for the rows that were written after one, and returns
// the last one read.
func (s *Store) JudgedAfter(ctx context.Context, after int64, w ReplayWindow, p *Progress, make func() func(*signin.Event) error) (last int64, err error) {
	lo, hi, err := s.replayBounds(ctx, after, w)
	if err != nil || hi < lo {
		return after, err
	}
	if p == nil {
		p = &Progress{}
	}
	p.all.Store(hi - lo + 1)
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	next := &atomic.Int64{}
	next.Store(lo)
	var wg sync.WaitGroup
	for range min(replayReaders, runtime.GOMAXPROCS(0)) {
		take := make()
		wg.Go(func() {
			if err := s.judgedPart(ctx, w, next, hi, p, take); err != nil {
				cancel(err)
			}
		})
	}
	wg.Wait()
	return hi, context.Cause(ctx)
}

// replayBounds are the first and the last row of a window.
func (s *Store) replayBounds(ctx context.Context, after int64, w ReplayWindow) (lo, hi int64, err error) {
	// Rows are written in the order of their times, but for imported ones: the
	// window is asked for again with every row.
	row := s.read.QueryRowContext(ctx, `SELECT coalesce(min(n), 1), coalesce(max(n), 0) FROM events WHERE n > ? AND at >= ? AND at < ?`, after, nanos(w.From), untilNanos(w))
	if err := row.Scan(&lo, &hi); err != nil {
		return 0, 0, fmt.Errorf("reading sign-ins: %w", err)
	}
	return lo, hi, nil
}

func untilNanos(w ReplayWindow) int64 {
	if w.To.IsZero() {
		return 1<<63 - 1
	}
	return nanos(w.To)
}

// judgedPart takes chunks of rows, each in a transaction of its own, until none is left.
func (s *Store) judgedPart(ctx context.Context, w ReplayWindow, next *atomic.Int64, hi int64, p *Progress, take func(*signin.Event) error) error {
	conn, err := s.read.Conn(ctx)
	if err != nil {
		return fmt.Errorf("reading sign-ins: %w", err)
	}
	defer conn.Close()
	r := replayRow{in: newInterner(), groups: map[string][]string{}}
	for {
		from := next.Add(replayChunk) - replayChunk
		if from > hi || ctx.Err() != nil {
			return ctx.Err()
		}
		to := min(from+replayChunk-1, hi)
		err := conn.Raw(func(c any) error {
			q, ok := c.(driver.QueryerContext)
			if !ok {
				return errors.New("the database's driver has changed")
			}
			return r.chunk(ctx, q, w, from, to, take)
		})
		if err != nil {
			return fmt.Errorf("reading sign-ins: %w", err)
		}
		p.done.Add(to - from + 1)
	}
}

// replayRow is what rows are read into.
type replayRow struct {
	values [replayed]driver.Value
	ev     signin.Event
	in     *interner
	groups map[string][]string // of a blob's field
}

func (r *replayRow) chunk(ctx context.Context, q driver.QueryerContext, w ReplayWindow, from, to int64, take func(*signin.Event) error) error {
	// The plus keeps SQLite from walking the whole index of times for each chunk.
	const query = `SELECT ` + replayColumns + ` FROM events WHERE n BETWEEN ? AND ? AND +at >= ? AND +at < ?`
	rows, err := q.QueryContext(ctx, query, []driver.NamedValue{{Ordinal: 1, Value: from}, {Ordinal: 2, Value: to}, {Ordinal: 3, Value: nanos(w.From)}, {Ordinal: 4, Value: untilNanos(w)}})
	if err != nil {
		return err
	}
	defer rows.Close()
	for {
		switch err := rows.Next(r.values[:]); {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		}
		if err := r.read(); err != nil {
			return err
		}
		if err := take(&r.ev); err != nil {
			return err
		}
	}
}

// read makes an event of the values.
func (r *replayRow) read() error {
	r.ev = signin.Event{}
	e, f := &r.ev, &r.ev.Facts
	number := func(i int) int64 { n, _ := r.values[i].(int64); return n }
	text := func(i int) string { s, _ := r.values[i].(string); return s }
	blob := func(i int) []byte { b, _ := r.values[i].([]byte); return b }
	binary.BigEndian.PutUint64(e.ID[8:], uint64(number(colRef)))
	e.At, e.Count = fromNanos(number(colAt)), number(colCount)
	flags := number(colFlags)
	e.Observed = flags&1 != 0
	if flags&2 != 0 {
		e.Code = signin.WrongCredentials // any that is not 0: only whether it was let in is asked
	}
	f.Person, f.Program, f.At = text(colPerson), text(colProgram), e.At
	f.Protocol, f.Credential = protocolNamed(text(colProtocol)), credentialNamed(text(colCredential))
	f.Addr = readAddr(blob(colAddr))
	return r.facts(blob(colFacts))
}

var (
	protocolsByName = func() map[string]protocol.Protocol {
		m := map[string]protocol.Protocol{}
		for _, p := range protocol.All() {
			m[p.String()] = p
		}
		return m
	}()
	credentialsByName = func() map[string]policy.CredentialKind {
		m := map[string]policy.CredentialKind{}
		for k := policy.CredentialPassword; k <= policy.CredentialPass; k++ {
			m[k.String()] = k
		}
		return m
	}()
)

func protocolNamed(s string) protocol.Protocol       { return protocolsByName[s] }
func credentialNamed(s string) policy.CredentialKind { return credentialsByName[s] }

// facts reads what was judged out of a blob, and passes over the rest.
func (r *replayRow) facts(b []byte) error {
	if len(b) == 0 || b[0] != blobVersion {
		return fmt.Errorf("%w: not written in a format this program knows", errBlob)
	}
	whole := reader{ev: &r.ev}
	for b = b[1:]; len(b) > 0; {
		key, used := binary.Uvarint(b)
		if used <= 0 {
			return errBlob
		}
		b = b[used:]
		f := field{tag: key >> 1, isBytes: key&1 == 1, in: r.in}
		if f.n, used = binary.Uvarint(b); used <= 0 {
			return errBlob
		}
		if b = b[used:]; f.isBytes {
			if f.n > uint64(len(b)) {
				return errBlob
			}
			f.bytes, b = b[:f.n], b[f.n:]
		}
		switch f.tag {
		case tagStage:
			r.ev.Verdict.Stage = small[policy.Stage](f)
		case tagJA4: // grants hang on it
			r.ev.TLS.JA4 = f.text()
		case tagKey:
			r.ev.Facts.Key = f.objectID()
		case tagGroups:
			list, err := r.idsOf(f)
			if err != nil {
				return err
			}
			r.ev.Facts.Groups = list
		default:
			if f.tag >= tagEffect {
				continue
			}
			if err := whole.field(f); err != nil {
				return err
			}
		}
	}
	return nil
}

// idsOf hands out one list for the same ids again and again.
func (r *replayRow) idsOf(f field) ([]string, error) {
	if list, ok := r.groups[string(f.bytes)]; ok {
		return list, nil
	}
	list, err := f.ids()
	if err == nil {
		if len(r.groups) >= maxInterned {
			clear(r.groups)
		}
		r.groups[string(f.bytes)] = list
	}
	return list, err
}
