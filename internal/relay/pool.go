// Package relay carries bytes between two signed-in connections and makes an
// idle pair cost next to nothing: no goroutine, no buffer, two descriptors.
//
// Mail connections mostly wait (IDLE), so the price of waiting is the price of
// the product. On Linux a pair is two bare non-blocking descriptors in the epoll
// of one of a few workers; crypto/tls works on top of such a descriptor because
// Socket.Read answers "nothing there" with a temporary timeout, after which a
// tls.Conn can be used again. Elsewhere two goroutines carry a pair, parked
// without a buffer; both forms pass one conformance suite.
//
// Everything is bounded. What a peer does not take stays in one pooled buffer
// (at most four TLS records) or in one of a few pipes, and until it is gone nothing more is
// read from the other side; a worker never waits. The package knows no protocol.
package relay

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

// Options of a Pool. The zero value is ready for use.
type Options struct {
	// Workers is the number of event loops (Linux form only); 0 means one for
	// every two processors, at most maxWorkers. The fewer, the more events each
	// finds at a time: on two processors, sixteen busy connections cost 9.4 µs a
	// round trip with one loop and 11.7 µs with two (nginx: 14.0).
	Workers int
	// Idle ends a pair over which no byte went for this long; 0 means never.
	// Peers that are gone are noticed without it, see keepAliveIdle.
	Idle time.Duration
	// HalfClosed ends a pair of which one side has finished and over which no
	// byte went for this long; 0 means halfClosedTime.
	HalfClosed time.Duration
	// Goroutines chooses the portable form where the parked one exists too.
	Goroutines bool
}

const (
	maxWorkers     = 8           // loops; one moves about 1 GB/s of TLS, so more would only be wake-ups
	halfClosedTime = time.Minute // mail servers close at once when their client has; this is for those that forget
)

// Pool carries pairs. It works between Run and the end of Run's context; pairs
// handed over earlier wait, pairs handed over later are closed at once.
type Pool struct {
	engine  engine
	options Options
	open    atomic.Int64
	memory  returner
	state   sync.Mutex // guards running and closed
	running chan struct{}
	closed  bool
	stop    chan struct{}
}

// engine is one way of moving bytes.
type engine interface {
	carry(Pair) *Handle
	start(*sync.WaitGroup)
	each(func(*Handle)) // every open pair; may be slow, must not block pairs
	stop()              // refuse new pairs, end all, leave the loops when the last is gone
	close() error
}

var errClosed = errors.New("relay: pool is closed")

// NewPool makes a pool; nothing moves before Run.
func NewPool(o Options) (*Pool, error) {
	if o.Workers <= 0 {
		o.Workers = min((runtime.GOMAXPROCS(0)+1)/2, maxWorkers)
	}
	if o.HalfClosed <= 0 {
		o.HalfClosed = halfClosedTime
	}
	p := &Pool{options: o, stop: make(chan struct{})}
	p.memory.due = make(chan struct{}, 1)
	if o.Goroutines {
		p.engine = newGoroutines(p)
		return p, nil
	}
	var err error
	p.engine, err = newEngine(p)
	return p, err
}

// Run moves bytes until ctx ends or Close is called; then it ends every pair
// (reason Stopped) and returns when the last Done has returned.
func (p *Pool) Run(ctx context.Context) error {
	if err := p.begin(); err != nil {
		return err
	}
	defer close(p.running)
	var work sync.WaitGroup
	p.engine.start(&work)
	care, cancel := context.WithCancel(ctx)
	var janitor sync.WaitGroup
	janitor.Go(func() { p.tend(care) })
	select {
	case <-ctx.Done():
	case <-p.stop:
	}
	cancel()
	janitor.Wait()
	p.engine.stop()
	work.Wait()
	return nil
}

func (p *Pool) begin() error {
	p.state.Lock()
	defer p.state.Unlock()
	switch {
	case p.closed:
		return errClosed
	case p.running != nil:
		return errors.New("relay: pool runs already")
	}
	p.running = make(chan struct{})
	return nil
}

// Close ends Run and every pair, waits for both, and releases what the pool
// holds. It may be called again.
func (p *Pool) Close() error {
	p.state.Lock()
	if p.closed {
		p.state.Unlock()
		return nil
	}
	p.closed = true
	running := p.running
	p.state.Unlock()
	close(p.stop)
	p.engine.stop()
	if running != nil {
		<-running
	} else { // nobody ran: the pairs waiting still get their Done
		var work sync.WaitGroup
		p.engine.start(&work)
		work.Wait()
	}
	return p.engine.close()
}

// Carry takes over both connections of the pair and returns at once. Neither
// may be touched by the caller afterwards. Early bytes, and bytes that a
// tls.Conn had already read, go first; Peek and Filter may see them before Carry
// returns, and Done may be called before Carry returns too (not by this goroutine).
func (p *Pool) Carry(pair Pair) *Handle {
	p.memory.grown(p.open.Add(1))
	return p.engine.carry(pair)
}

// Len is the number of pairs whose Done has not been called yet.
func (p *Pool) Len() int { return int(p.open.Load()) }

// ended is the one place where a pair leaves the pool.
func (p *Pool) ended(h *Handle, r Result) {
	r.FromClient, r.FromBackend = h.Bytes()
	owner := h.owner
	h.owner, h.peek, h.filter, h.watch = nil, nil, nil, nil
	if owner != nil {
		owner.Done(r)
	}
	p.memory.shrunk(p.open.Add(-1))
}
