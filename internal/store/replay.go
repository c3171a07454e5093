package store

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/portreeve/portreeve/internal/signin"
)

// Recorded sign-ins, read by several at once for judging them again: sheet by
// sheet where the log is packed, row by row where it is not.

// replayReaders leaves one connection for everybody else.
const replayReaders = readers - 1

// ReplayWindow are the sign-ins to judge again: those first seen at From or
// later, and before To if it is set.
type ReplayWindow struct {
	From, To time.Time
	// Quietly has one goroutine read, since nobody waits for it.
	Quietly bool
}

func (w *ReplayWindow) from() int64 {
	if w.From.IsZero() {
		return -1 << 63
	}
	return nanos(w.From)
}

func (w *ReplayWindow) until() int64 {
	if w.To.IsZero() {
		return 1<<63 - 1
	}
	return nanos(w.To)
}

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

// Replay reads every sign-in of a window whose row was written after one, and
// hands sheets of them to one of several takers, which each has from make, in no
// particular order. A sheet is the taker's until it returns. An error of a taker
// ends it all. last is the last row there was.
func (s *Store) Replay(ctx context.Context, after int64, w ReplayWindow, p *Progress, make func() func(*Sheet) error) (last int64, err error) {
	units, last, err := s.units(ctx, after, &w)
	if err != nil || len(units) == 0 {
		return max(after, last), err
	}
	if p == nil {
		p = &Progress{}
	}
	p.all.Store(last - units[0].from + 1)
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var next atomic.Int64
	var wg sync.WaitGroup
	workers := min(replayReaders, runtime.GOMAXPROCS(0))
	if w.Quietly {
		workers = 1
	}
	for range workers {
		take := make()
		wg.Go(func() {
			if err := s.readUnits(ctx, w, units, &next, p, take); err != nil {
				cancel(err)
			}
		})
	}
	wg.Wait()
	return last, context.Cause(ctx)
}

// unit is what one worker reads at once: a sheet, or the rows from and to.
type unit struct {
	from, to int64
	sealed   bool
}

// units cuts the log into pieces. Of what is packed, only sheets are there that
// have something of the window.
func (s *Store) units(ctx context.Context, after int64, w *ReplayWindow) (all []unit, hi int64, err error) {
	lo, hi, err := s.rowBounds(ctx)
	if err != nil {
		return nil, 0, err
	}
	there, err := s.sealedSheets(ctx)
	if err != nil {
		return nil, 0, err
	}
	lo = max(lo, after+1)
	for n := lo; n <= hi; {
		sheet := sheetOf(n)
		end := (sheet+1)*sheetRows - 1
		if x, ok := there[sheet]; ok && sheet*sheetRows > after {
			if x.last >= w.from() && x.first < w.until() {
				all = append(all, unit{n, end, true})
			}
			n = end + 1
			continue
		}
		to := min(n+replayChunk-1, end, hi)
		all = append(all, unit{n, to, false})
		n = to + 1
	}
	return all, hi, nil
}

func (s *Store) readUnits(ctx context.Context, w ReplayWindow, units []unit, next *atomic.Int64, p *Progress, take func(*Sheet) error) error {
	return s.withReader(ctx, func(q driver.QueryerContext) error {
		r := newRowReader()
		for {
			i := int(next.Add(1)) - 1
			if i >= len(units) || ctx.Err() != nil {
				return ctx.Err()
			}
			u := units[i]
			if err := r.unit(ctx, q, w, u); err != nil {
				return fmt.Errorf("reading sign-ins: %w", err)
			}
			if len(r.maker.sheet.SignIns) > 0 {
				if err := take(&r.maker.sheet); err != nil {
					return err
				}
			}
			p.done.Add(u.to - u.from + 1)
		}
	})
}

// Judged hands out a window's sign-ins one by one, each in an event that the
// same taker's next one overwrites.
func (s *Store) Judged(ctx context.Context, w ReplayWindow, p *Progress, make func() func(*signin.Event) error) error {
	_, err := s.Replay(ctx, 0, w, p, func() func(*Sheet) error {
		take, kinds := make(), NewKindReader()
		var e signin.Event
		return func(s *Sheet) error {
			for i := range s.SignIns {
				if err := kinds.Read(s.Kinds[s.SignIns[i].Kind], &e); err != nil {
					return err
				}
				s.SignIns[i].Stamp(&e)
				e.Facts.Addr = s.Places[s.SignIns[i].Place]
				if err := take(&e); err != nil {
					return err
				}
			}
			return nil
		}
	})
	return err
}

// rowReader reads units into a sheet that it uses again.
type rowReader struct {
	values [judgedColumns]driver.Value
	maker  *sheetMaker
}

func newRowReader() *rowReader { return &rowReader{maker: newSheetMaker()} }

// unit reads one. A sheet that is gone by now, or cannot be read, is read row by row.
func (r *rowReader) unit(ctx context.Context, q driver.QueryerContext, w ReplayWindow, u unit) error {
	if u.sealed {
		data, err := sheetData(ctx, q, sheetOf(u.from))
		if err != nil {
			return err
		}
		if data != nil && readSheet(data, &r.maker.sheet) == nil {
			r.maker.sheet.within(&w)
			return nil
		}
	}
	r.maker.begin()
	return r.read(ctx, q, w, u.from, u.to)
}

// within leaves the sign-ins of a window.
func (s *Sheet) within(w *ReplayWindow) {
	from, until := w.from(), w.until()
	kept := s.SignIns[:0]
	for i := range s.SignIns {
		if at := s.SignIns[i].At; at >= from && at < until {
			kept = append(kept, s.SignIns[i])
		}
	}
	s.SignIns = kept
}

// sheetData is nil if there is no such sheet any more.
func sheetData(ctx context.Context, q driver.QueryerContext, sheet int64) ([]byte, error) {
	rows, err := q.QueryContext(ctx, `SELECT data FROM replay_sheets WHERE sheet = ? AND format = ?`, ordered(sheet, int64(sheetFormat)))
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var value [1]driver.Value
	if err := rows.Next(value[:]); err != nil {
		if errors.Is(err, io.EOF) {
			err = nil
		}
		return nil, err
	}
	data, _ := value[0].([]byte)
	return data, nil
}

func ordered(values ...driver.Value) (all []driver.NamedValue) {
	for i, v := range values {
		all = append(all, driver.NamedValue{Ordinal: i + 1, Value: v})
	}
	return all
}

// judgedQuery is what of a row is judged or counted.
const judgedQuery = `SELECT ref, at, count, observed + 2 * (code <> 0), person, protocol, credential, program, addr, facts
	FROM events WHERE n BETWEEN ? AND ? AND +at >= ? AND +at < ?` // the plus keeps SQLite from walking the index of times

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
	judgedColumns // how many
)

// read adds rows to the sheet.
func (r *rowReader) read(ctx context.Context, q driver.QueryerContext, w ReplayWindow, from, to int64) error {
	rows, err := q.QueryContext(ctx, judgedQuery, ordered(from, to, w.from(), w.until()))
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
		if err := r.row(); err != nil {
			return err
		}
	}
}

func (r *rowReader) row() error {
	number := func(i int) int64 { n, _ := r.values[i].(int64); return n }
	text := func(i int) string { s, _ := r.values[i].(string); return s }
	blob := func(i int) []byte { b, _ := r.values[i].([]byte); return b }
	key := &r.maker.key
	key.b = key.b[:0]
	key.uint(tagObserved, uint64(number(colFlags)))
	key.raw(tagPerson, text(colPerson))
	key.raw(tagProtocol, text(colProtocol))
	key.raw(tagCredential, text(colCredential))
	key.raw(tagProgram, text(colProgram))
	x := Recorded{Ref: number(colRef), At: number(colAt), Count: number(colCount)}
	if err := r.maker.facts(&x, blob(colFacts)); err != nil {
		return err
	}
	r.maker.add(x, readAddr(blob(colAddr)))
	return nil
}
