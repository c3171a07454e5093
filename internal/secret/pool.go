package secret

import (
	"context"
	"errors"
	"net/netip"
	"runtime"
	"sync"
)

// Bounds of the pool. A waiting caller costs a goroutine's stack and nothing
// else; a working one up to maxMemory.
const (
	poolPerSource = 100 // waiting calls of one source: an office has one address, and as many connections may sign in from it; at 19 ms a hash the last waits 1.9 s
	poolWaiting   = 256 // waiting calls of each class; at 19 ms a hash the last of them waits about 5 s
	familiarTurns = 3   // turns that familiar sources have for one of a stranger, while both wait
)

// ErrBusy says that the pool is full. It is our trouble, never a wrong password.
var ErrBusy = errors.New("too many passwords are being checked at this moment")

// Source is on whose behalf a password is checked.
type Source struct {
	Network  netip.Prefix
	Familiar bool // this person has signed in from this network before
}

// Pool bounds how many passwords are hashed at once and shares the room fairly.
// The caller's own goroutine does the work once it has a slot; sources take
// turns, and familiar ones have room of their own. When a class's room is full,
// the source that waits with the most calls loses its newest to one that waits
// with fewer, and with nobody to take from, the call is told ErrBusy.
type Pool struct {
	mu    sync.Mutex
	free  int
	turns int // of familiar sources since the last stranger's
	known class
	other class
}

// NewPool makes a pool of so many slots; 0 means one less than there are
// processors, at least one, so that relaying always has a processor left.
func NewPool(slots int) *Pool {
	if slots < 1 {
		slots = max(1, runtime.GOMAXPROCS(0)-1)
	}
	return &Pool{free: slots, known: newClass(), other: newClass()}
}

// Do runs work when it is the source's turn. It returns ErrBusy when there is
// no room to wait, and the context's error when that ends first.
func (p *Pool) Do(ctx context.Context, from Source, work func()) error {
	if err := p.enter(ctx, from); err != nil {
		return err
	}
	defer p.leave()
	work()
	return nil
}

// Verify is the package's Verify within the pool.
func (p *Pool) Verify(ctx context.Context, from Source, stored string, password []byte) (m Match, err error) {
	if busy := p.Do(ctx, from, func() { m, err = Verify(stored, password) }); busy != nil {
		return Match{}, busy
	}
	return m, err
}

// Waiting is how many calls wait now, for status.
func (p *Pool) Waiting() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.known.waiting + p.other.waiting
}

func (p *Pool) enter(ctx context.Context, from Source) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	c := &p.other
	if from.Familiar {
		c = &p.known
	}
	p.mu.Lock()
	if p.free > 0 {
		p.free--
		p.mu.Unlock()
		return nil
	}
	t := &ticket{from: from.Network, told: make(chan error, 1)}
	if !c.add(t) {
		p.mu.Unlock()
		return ErrBusy
	}
	p.mu.Unlock()
	select {
	case err := <-t.told:
		return err
	case <-ctx.Done():
		return p.abandon(ctx, c, t)
	}
}

// abandon takes a ticket back; the slot it may have been given in the same
// moment goes on to the next.
func (p *Pool) abandon(ctx context.Context, c *class, t *ticket) error {
	p.mu.Lock()
	waiting := c.remove(t)
	p.mu.Unlock()
	if !waiting && <-t.told == nil {
		p.leave()
	}
	return ctx.Err()
}

func (p *Pool) leave() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if t := p.next(); t != nil {
		t.told <- nil
		return
	}
	p.free++
}

func (p *Pool) next() *ticket {
	if p.known.waiting > 0 && (p.turns < familiarTurns || p.other.waiting == 0) {
		p.turns++
		return p.known.take()
	}
	p.turns = 0
	return p.other.take()
}

// ticket is one waiting call.
type ticket struct {
	from netip.Prefix
	told chan error // holds one: nil is a slot
}

// class is a room of waiting calls, a queue for each source, served in turn.
type class struct {
	waiting int
	queues  map[netip.Prefix][]*ticket
	ring    []netip.Prefix // the sources that wait, next first
}

func newClass() class { return class{queues: map[netip.Prefix][]*ticket{}} }

func (c *class) add(t *ticket) bool {
	mine := len(c.queues[t.from])
	if mine >= poolPerSource || (c.waiting >= poolWaiting && !c.makeRoom(mine)) {
		return false
	}
	if mine == 0 {
		c.ring = append(c.ring, t.from)
	}
	c.queues[t.from] = append(c.queues[t.from], t)
	c.waiting++
	return true
}

// makeRoom sends away the newest call of the source with the most, if that is
// more than the newcomer would have.
func (c *class) makeRoom(mine int) bool {
	var longest []*ticket
	for _, q := range c.queues {
		if len(q) > len(longest) {
			longest = q
		}
	}
	if len(longest) <= mine+1 {
		return false
	}
	last := longest[len(longest)-1]
	c.remove(last)
	last.told <- ErrBusy
	return true
}

// take gives the next source's oldest call and sends that source to the end of
// the ring.
func (c *class) take() *ticket {
	if len(c.ring) == 0 {
		return nil
	}
	from := c.ring[0]
	t := c.queues[from][0]
	c.remove(t)
	if len(c.queues[from]) > 0 {
		c.ring = append(c.ring[1:], from)
	}
	return t
}

func (c *class) remove(t *ticket) bool {
	q := c.queues[t.from]
	for i, waiting := range q {
		if waiting != t {
			continue
		}
		c.waiting--
		if len(q) == 1 {
			delete(c.queues, t.from)
			c.dropFromRing(t.from)
			return true
		}
		c.queues[t.from] = append(q[:i:i], q[i+1:]...)
		return true
	}
	return false
}

func (c *class) dropFromRing(from netip.Prefix) {
	for i, f := range c.ring {
		if f == from {
			c.ring = append(c.ring[:i:i], c.ring[i+1:]...)
			return
		}
	}
}
