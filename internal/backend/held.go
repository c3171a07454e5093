package backend

import (
	"sync"
	"time"

	"github.com/portreeve/portreeve/internal/protocol"
	"github.com/portreeve/portreeve/internal/signin"
)

// maxHeld bounds the connections that wait to be claimed. Between the check of
// a password and the verdict lie milliseconds, so these are thousands of
// sign-ins a second; over it the oldest is logged out, and its Dial signs in again.
const maxHeld = 4096

// holds keeps signed-in connections under their sign-in's id.
type holds struct {
	mu     sync.Mutex
	byID   map[signin.ID]*hold
	closed bool
}

type hold struct {
	conn     *Conn
	address  string
	protocol protocol.Protocol
	since    time.Time
}

// put keeps c, unless there is no id to keep it under.
func (h *holds) put(q *Request, c *Conn) {
	h.mu.Lock()
	var out *Conn
	switch {
	case q.ID.IsZero() || h.closed:
		out = c
	default:
		if h.byID == nil {
			h.byID = map[signin.ID]*hold{}
		}
		out = h.makeRoom(q.ID)
		h.byID[q.ID] = &hold{c, q.Address, q.Protocol, time.Now()}
	}
	h.mu.Unlock()
	if out != nil {
		_ = out.Close()
	}
}

// makeRoom takes out what stands under id already, or the oldest of too many.
func (h *holds) makeRoom(id signin.ID) *Conn {
	if old := h.byID[id]; old != nil {
		delete(h.byID, id)
		return old.conn
	}
	if len(h.byID) < maxHeld {
		return nil
	}
	var oldest signin.ID
	var since time.Time
	for id, x := range h.byID {
		if since.IsZero() || x.since.Before(since) {
			oldest, since = id, x.since
		}
	}
	c := h.byID[oldest].conn
	delete(h.byID, oldest)
	return c
}

// claim gives out what is held for this very person and protocol. Held for
// anybody else it is logged out: ids do not repeat, so something is wrong.
func (h *holds) claim(q *Request) *Conn {
	x := h.take(q.ID)
	if x == nil {
		return nil
	}
	if x.address != q.Address || x.protocol != q.Protocol {
		_ = x.conn.Close()
		return nil
	}
	return x.conn
}

func (h *holds) take(id signin.ID) *hold {
	h.mu.Lock()
	defer h.mu.Unlock()
	x := h.byID[id]
	delete(h.byID, id)
	return x
}

// expire logs out what has waited too long.
func (h *holds) expire(now time.Time) {
	h.drop(func(x *hold) bool { return now.Sub(x.since) > holdTime })
}

func (h *holds) close() {
	h.mu.Lock()
	h.closed = true
	h.mu.Unlock()
	h.drop(func(*hold) bool { return true })
}

func (h *holds) drop(which func(*hold) bool) {
	var out []*Conn
	h.mu.Lock()
	for id, x := range h.byID {
		if which(x) {
			out = append(out, x.conn)
			delete(h.byID, id)
		}
	}
	h.mu.Unlock()
	for _, c := range out {
		_ = c.Close()
	}
}

// Release logs out what Login holds under id, if anything.
func (p *Pool) Release(id signin.ID) {
	if x := p.held.take(id); x != nil {
		_ = x.conn.Close()
	}
}
