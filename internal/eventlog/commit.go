package eventlog

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/portreeve/portreeve/internal/signin"
	"github.com/portreeve/portreeve/internal/store"
)

// Shares of the journal that what is not a success may fill: past them,
// refusals wait in memory (and are merged harder), and sessions wait.
const (
	refusalShare = 0.5
	sessionShare = 0.9
)

// batch is what one commit keeps.
type batch struct {
	requests []*request
	touched  []*row // that successes are counted in
	refusals []refusalState
	sessions []signin.SessionEvent
	networks []store.Network
	orphaned bool // end the sessions of the run before
	began    time.Time
}

// step makes one batch of what is waiting and keeps it. What is written behind
// rides along when it is due.
func (l *Log) step(first *request, due bool) {
	b := &batch{}
	take := func(r *request) {
		if r != nil && r.taken.CompareAndSwap(false, true) {
			b.requests = append(b.requests, r)
		}
	}
	take(first)
	for len(b.requests) < maxBatch {
		select {
		case r := <-l.in:
			take(r)
			continue
		default:
		}
		break
	}
	if due || l.pressing() {
		b.refusals = l.refusals.take()
		b.sessions = l.sessions.take()
	}
	l.mu.Lock()
	b.orphaned, b.began = l.orphaned && !l.using, l.began
	if len(b.requests)+len(b.refusals)+len(b.sessions) > 0 || l.mark && !l.down {
		l.keep(b)
	}
	l.mu.Unlock()
	for _, r := range b.requests {
		close(r.done)
	}
}

// keep keeps a batch, in the database or else in the journal, and answers or
// undoes what it holds.
func (l *Log) keep(b *batch) {
	l.count(b)
	if l.using && !l.down {
		// A refusal's row may be in the journal still, and its count alone
		// would find nothing to count in; it waits until that is brought in.
		l.refusals.later(b.refusals)
		b.refusals = nil
	}
	err := l.toDatabase(b)
	if err == nil {
		l.refusals.written(b.refusals)
		l.sessions.written(b.sessions)
		l.orphaned = l.orphaned && !b.orphaned
		l.settle(b, nil)
		return
	}
	if l.journal.fill() >= refusalShare {
		l.refusals.later(b.refusals)
		b.refusals = nil
	}
	if l.journal.fill() >= sessionShare {
		l.sessions.later(b.sessions)
		b.sessions = nil
	}
	if err = l.toJournal(b); err == nil {
		l.refusals.written(b.refusals)
		l.sessions.written(b.sessions)
	} else {
		l.refusals.later(b.refusals)
		l.sessions.later(b.sessions)
	}
	l.settle(b, err)
}

// count finds or makes the row of each success.
func (l *Log) count(b *batch) {
	l.batchNo++
	for _, r := range b.requests {
		if r.row = l.merged.find(r.key, r.ev.At); r.row == nil {
			r.row, r.made = newRow(r.ev), true
			l.merged.put(r.key, r.row)
		}
		if r.row.batch != l.batchNo {
			r.row.batch, r.row.saved, r.row.savedLast = l.batchNo, r.row.count, r.row.last
			b.touched = append(b.touched, r.row)
			r.row.event = r.ev
		}
		r.row.add(r.ev)
		r.id, r.count = r.row.id, r.row.count
		if n, isNew := l.networks.seen(r.ev.Facts.Person, r.ev.Facts.Addr, r.ev.At); isNew {
			b.networks = append(b.networks, n)
		}
	}
}

// settle tells each success how it ended; what was not kept is not counted.
func (l *Log) settle(b *batch, err error) {
	if err == nil {
		l.networks.learn(b.networks)
	}
	if err != nil && l.o.AllowUnrecorded && len(b.requests) > 0 {
		l.unrecorded.Add(int64(len(b.requests)))
	}
	for _, r := range b.touched {
		if err != nil {
			r.count, r.last = r.saved, r.savedLast
		}
		r.event = nil
	}
	for _, r := range b.requests {
		if err != nil && r.made {
			l.merged.forget(r.key, r.row)
		}
		if err == nil && !r.made {
			l.repeats.learn(r.ev.ID, r.id)
		}
		if err != nil && !l.o.AllowUnrecorded {
			r.err = fmt.Errorf("writing the sign-in: %w", err)
		}
	}
	l.tellState()
}

// toDatabase writes a batch in one transaction, unless the database could not
// be written a moment ago. It may be ahead of the journal: what either holds
// is a whole state of a row, and the higher count stays.
func (l *Log) toDatabase(b *batch) error {
	if l.down {
		return store.ErrUnavailable
	}
	err := l.db.Write(context.Background(), func(tx *store.Tx) error {
		if l.mark {
			if err := tx.SetRunning(l.began); err != nil {
				return err
			}
		}
		return b.write(tx)
	})
	if err == nil {
		l.mark = false
		return nil
	}
	l.down = true
	l.failed(err)
	return err
}

func (b *batch) write(tx *store.Tx) error {
	if b.orphaned {
		if _, err := tx.CloseSessions(b.began, "stopped hard"); err != nil {
			return err
		}
	}
	for _, r := range b.touched {
		if err := r.write(tx); err != nil {
			return err
		}
	}
	for i := range b.refusals {
		if err := b.refusals[i].write(tx); err != nil {
			return err
		}
	}
	for i := range b.sessions {
		if err := tx.PutSession(&b.sessions[i]); err != nil {
			return err
		}
	}
	for _, n := range b.networks {
		if err := tx.PutNetwork(n); err != nil {
			return err
		}
	}
	return nil
}

// write writes the row, or its count if it is there already.
func (r *row) write(tx *store.Tx) error {
	if r.saved > 0 {
		if there, err := tx.CountEvent(r.id, r.count, r.last); there || err != nil {
			return err
		}
	}
	return tx.PutEvent(r.whole(r.event))
}

// What an item of a journal record is.
const (
	itemEvent   = 'E' // a whole event, with its whole count
	itemCount   = 'C' // id, whole count, last time
	itemSession = 'S'
	itemNetwork = 'N'
)

// toJournal writes a batch as one record.
func (l *Log) toJournal(b *batch) error {
	var p []byte
	for _, r := range b.touched {
		if r.epoch == l.journal.epoch {
			p = appendCount(p, r.id, r.count, r.last)
		} else {
			p = appendItem(p, itemEvent, store.AppendEvent(nil, r.whole(r.event)))
		}
	}
	for i := range b.refusals {
		p = b.refusals[i].append(p)
	}
	for i := range b.sessions {
		p = appendItem(p, itemSession, appendSession(nil, &b.sessions[i]))
	}
	for _, n := range b.networks {
		p = appendItem(p, itemNetwork, appendNetwork(nil, n))
	}
	if len(p) == 0 {
		return nil
	}
	if err := l.journal.append(p); err != nil {
		if !errors.Is(err, errJournalFull) || !l.warned {
			l.slog.Error("the sign-in journal cannot be written", "error", err)
		}
		return err
	}
	l.using = true
	for _, r := range b.touched {
		r.epoch = l.journal.epoch
	}
	return nil
}

func appendItem(p []byte, kind byte, data []byte) []byte {
	p = append(p, kind)
	p = binary.AppendUvarint(p, uint64(len(data)))
	return append(p, data...)
}

func appendCount(p []byte, id signin.ID, count int64, last time.Time) []byte {
	b := append(make([]byte, 0, 40), id[:]...)
	b = binary.AppendVarint(b, count)
	return appendItem(p, itemCount, binary.AppendVarint(b, last.UnixNano()))
}
