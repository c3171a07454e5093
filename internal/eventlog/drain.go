package eventlog

import (
	"context"
	"encoding/binary"
	"errors"
	"time"

	"github.com/portreeve/portreeve/internal/signin"
	"github.com/portreeve/portreeve/internal/store"
)

const (
	// drainBytes is how much of the journal one transaction brings in.
	drainBytes = 512 << 10
	// handover is how much may be left for the last step, during which new sign-ins wait.
	handover = 64 << 10
)

var errItem = errors.New("item of the sign-in journal cannot be read")

// drain brings the journal into the database whenever that takes it again.
func (l *Log) drain(ctx context.Context) {
	tick := time.NewTicker(drainEvery)
	defer tick.Stop()
	for {
		l.drainOnce()
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// drainOnce brings in as much as the database takes. Each record is written as
// a whole state, so one that was brought in before a crash changes nothing
// when it is brought in again. The last bit is brought in while nothing can be
// appended, and then the journal begins anew.
func (l *Log) drainOnce() {
	for l.drainPart() {
	}
}

// drainPart brings in one part; false if there is nothing more to do now.
func (l *Log) drainPart() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.using {
		l.down = false // nothing to bring in: the next sign-in tries
		return false
	}
	tail := l.journal.tail
	last := tail-l.drained <= handover
	if !last { // the others go on meanwhile
		l.mu.Unlock()
	}
	next, err := l.bringIn(tail, false)
	if err != nil && !errors.Is(err, store.ErrUnavailable) {
		next, err = l.bringIn(tail, true)
	}
	if !last {
		l.mu.Lock()
	}
	if l.down = err != nil; l.down {
		l.failed(err)
		return false
	}
	if l.drained = next; last {
		l.begin()
	}
	return !last
}

// begin begins the journal anew, once all of it is in the database.
func (l *Log) begin() {
	if err := l.journal.reset(); err != nil {
		l.slog.Error("the sign-in journal cannot be emptied", "error", err)
		return
	}
	l.using, l.warned, l.drained = false, false, journalStart
	l.dbError.Store(nil)
	l.tellState()
	l.slog.Info("the sign-in journal has been brought into the database")
}

// bringIn writes records from where the last one ended, in one transaction. An
// item that the database refuses for its own sake would stop all that follow
// for ever; losing is to leave such items out, counted and told.
func (l *Log) bringIn(tail int64, losing bool) (next int64, err error) {
	err = l.db.Write(context.Background(), func(tx *store.Tx) error {
		for next = l.drained; next < tail && next < l.drained+drainBytes; {
			payload, after, err := l.journal.read(next)
			if err != nil {
				return err
			}
			if payload == nil {
				return errItem
			}
			if err := l.bringRecord(tx, payload, losing); err != nil {
				return err
			}
			next = after
		}
		return nil
	})
	return next, err
}

// bringRecord writes the items of one record. What cannot be read although its
// sum was right is a fault of ours: it is counted and told, not stumbled over for ever.
func (l *Log) bringRecord(tx taker, b []byte, losing bool) error {
	for len(b) > 0 {
		kind := b[0]
		n, used := binary.Uvarint(b[1:])
		if used <= 0 || n > uint64(len(b)-1-used) {
			l.lose(errItem)
			return nil
		}
		item := b[1+used : 1+used+int(n)]
		b = b[1+used+int(n):]
		err := bringItem(tx, kind, item)
		if err != nil && !losing && !errors.Is(err, errItem) {
			return err
		}
		if err != nil {
			l.lose(err)
		}
	}
	return nil
}

func (l *Log) lose(err error) {
	l.lost.Add(1)
	l.slog.Error("part of the sign-in journal is lost", "error", err)
}

// taker is what takes the items of a record: a transaction of the store.
type taker interface {
	PutEvent(*signin.Event) error
	CountEvent(signin.ID, int64, time.Time) (bool, error)
	PutSession(*signin.SessionEvent) error
	PutNetwork(store.Network) error
}

func bringItem(tx taker, kind byte, b []byte) error {
	switch kind {
	case itemEvent:
		e, err := store.ReadEvent(b)
		if err != nil {
			return errors.Join(errItem, err)
		}
		return tx.PutEvent(&e)
	case itemCount:
		return bringCount(tx, b)
	case itemSession:
		e, err := readSession(b)
		if err != nil {
			return err
		}
		return tx.PutSession(&e)
	case itemNetwork:
		n, err := readNetwork(b)
		if err != nil {
			return err
		}
		return tx.PutNetwork(n)
	}
	return errItem
}

func bringCount(tx taker, b []byte) error {
	var id signin.ID
	if len(b) < len(id) {
		return errItem
	}
	copy(id[:], b)
	b = b[len(id):]
	count, n := binary.Varint(b)
	last, m := binary.Varint(b[max(n, 0):])
	if n <= 0 || m <= 0 {
		return errItem
	}
	there, err := tx.CountEvent(id, count, fromNanos(last))
	if err == nil && !there {
		return errItem
	}
	return err
}
