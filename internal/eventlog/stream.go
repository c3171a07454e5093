package eventlog

import (
	"context"
	"sync"
	"sync/atomic"

	"github.com/portreeve/portreeve/internal/signin"
	"github.com/portreeve/portreeve/internal/store"
)

// streamRoom is how many sign-ins a reader of the live stream may be behind.
const streamRoom = 256

// Stream is the live stream of sign-ins that a filter chooses.
type Stream struct {
	C      <-chan signin.Event // closed when the context ends or the log is closed
	c      chan signin.Event
	filter store.EventFilter
	lost   atomic.Int64
}

// Lost is how many sign-ins the reader has missed since it last asked, because it was slow.
func (s *Stream) Lost() int64 { return s.lost.Swap(0) }

// streams are all live streams.
type streams struct {
	mu     sync.RWMutex
	all    map[*Stream]struct{}
	closed bool
	missed atomic.Int64
}

// Subscribe streams the sign-ins that a filter chooses from now on, until the
// context ends. Repeats come too, each with the row's id and its count so far.
func (l *Log) Subscribe(ctx context.Context, f store.EventFilter) (*Stream, error) {
	f, err := l.db.Resolve(ctx, f)
	if err != nil {
		return nil, err
	}
	c := make(chan signin.Event, streamRoom)
	s := &Stream{C: c, c: c, filter: f}
	l.streams.mu.Lock()
	defer l.streams.mu.Unlock()
	if l.streams.closed {
		close(c)
		return s, nil
	}
	if l.streams.all == nil {
		l.streams.all = make(map[*Stream]struct{})
	}
	l.streams.all[s] = struct{}{}
	context.AfterFunc(ctx, func() { l.streams.end(s) })
	return s, nil
}

func (t *streams) end(s *Stream) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if _, there := t.all[s]; there {
		delete(t.all, s)
		close(s.c)
	}
}

func (t *streams) close() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.closed = true
	for s := range t.all {
		close(s.c)
	}
	t.all = nil
}

// publish tells sinks and streams of one sign-in, under the id of the row it is counted in.
func (l *Log) publish(e *signin.Event, id signin.ID, count int64) {
	t := &l.streams
	t.mu.RLock()
	defer t.mu.RUnlock()
	if len(l.o.Sinks) == 0 && len(t.all) == 0 {
		return
	}
	told := *e
	told.ID, told.Last, told.Count = id, e.At, count
	for _, s := range l.o.Sinks {
		s.Record(&told)
	}
	for s := range t.all {
		if !s.filter.Match(&told) {
			continue
		}
		select {
		case s.c <- told:
		default:
			s.lost.Add(1)
			t.missed.Add(1)
		}
	}
}
