package eventlog

import (
	"encoding/binary"
	"sync"
	"time"

	"github.com/portreeve/portreeve/internal/signin"
)

// maxSessions bounds the sessions whose beginning or end waits to be written,
// about 200 bytes each: more than can be open at once.
const maxSessions = 65_536

// sessions are written behind; of one that was opened and has ended
// meanwhile only the end is written.
type sessions struct {
	mu      sync.Mutex
	room    sync.Cond
	waiting map[string]signin.SessionEvent
	order   []string
	taken   int
	closed  bool
}

func newSessions() *sessions {
	s := &sessions{waiting: make(map[string]signin.SessionEvent)}
	s.room.L = &s.mu
	return s
}

func (s *sessions) add(e signin.SessionEvent) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(s.waiting) >= maxSessions && !s.closed {
		if _, there := s.waiting[e.Session]; there {
			break
		}
		s.room.Wait()
	}
	if s.closed {
		return
	}
	s.put(e)
}

func (s *sessions) put(e signin.SessionEvent) {
	before, there := s.waiting[e.Session]
	switch {
	case !there:
		s.order = append(s.order, e.Session)
	case e.Closed.IsZero() && !before.Closed.IsZero():
		return // an end is never undone
	case e.Program == "":
		e.Program = before.Program
	}
	s.waiting[e.Session] = e
}

// take hands out what waits; written or later takes it back.
func (s *sessions) take() []signin.SessionEvent {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := min(len(s.order), maxBatch)
	list := make([]signin.SessionEvent, n)
	for i, id := range s.order[:n] {
		list[i] = s.waiting[id]
		delete(s.waiting, id)
	}
	s.order = append(s.order[:0], s.order[n:]...)
	s.taken += n
	s.room.Broadcast()
	return list
}

func (s *sessions) written(list []signin.SessionEvent) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.taken -= len(list)
}

func (s *sessions) later(list []signin.SessionEvent) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.taken -= len(list)
	for _, e := range list {
		if newer, there := s.waiting[e.Session]; there {
			if newer.Closed.IsZero() && !e.Closed.IsZero() {
				s.waiting[e.Session] = e
			}
			continue
		}
		s.put(e)
	}
}

// pressing says that as many wait as one commit takes.
func (s *sessions) pressing() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.order) >= maxBatch
}

func (s *sessions) idle() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.waiting) == 0 && s.taken == 0
}

func (s *sessions) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	s.room.Broadcast()
}

// appendSession and readSession are a session's form in the journal.
func appendSession(b []byte, e *signin.SessionEvent) []byte {
	b = append(b, e.ID[:]...)
	for _, n := range []int64{nanos(e.Opened), nanos(e.Closed), int64(e.Code), int64(e.FromClient), int64(e.FromBackend)} {
		b = binary.AppendVarint(b, n)
	}
	for _, s := range []string{e.Session, e.Reason, e.Program} {
		b = binary.AppendUvarint(b, uint64(len(s)))
		b = append(b, s...)
	}
	return b
}

func readSession(b []byte) (e signin.SessionEvent, err error) {
	if len(b) < len(e.ID) {
		return e, errItem
	}
	copy(e.ID[:], b)
	b = b[len(e.ID):]
	var n [5]int64
	for i := range n {
		var used int
		if n[i], used = binary.Varint(b); used <= 0 {
			return e, errItem
		}
		b = b[used:]
	}
	e.Opened, e.Closed, e.Code = fromNanos(n[0]), fromNanos(n[1]), signin.Code(n[2])
	e.FromClient, e.FromBackend = uint64(n[3]), uint64(n[4])
	for _, s := range []*string{&e.Session, &e.Reason, &e.Program} {
		n, used := binary.Uvarint(b)
		if used <= 0 || n > uint64(len(b)-used) {
			return e, errItem
		}
		*s, b = string(b[used:used+int(n)]), b[used+int(n):]
	}
	return e, nil
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
