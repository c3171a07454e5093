package relay

import (
	"errors"
	"fmt"
	"io"
	"sync"
	"time"
)

// goroutines is the portable form: two goroutines for each pair, which wait
// without a buffer. It costs 16 KB a pair where the parked form costs 7.
type goroutines struct {
	pool    *Pool
	mu      sync.Mutex
	pairs   map[*carried]struct{}
	closing bool
	started chan struct{} // closed by Run: nothing moves before
	stopped chan struct{}
	begin   sync.Once
	work    sync.WaitGroup
}

// carried is one pair of this form.
type carried struct {
	Handle
	owner *goroutines
	ends  [2]Side
	mu    sync.Mutex // guards reason and err
}

func newGoroutines(p *Pool) *goroutines {
	return &goroutines{pool: p, pairs: map[*carried]struct{}{}, started: make(chan struct{}), stopped: make(chan struct{})}
}

func (g *goroutines) carry(pair Pair) *Handle {
	c := &carried{owner: g, ends: [2]Side{client: pair.Client, backend: pair.Backend}}
	c.init(c, pair, time.Now())
	for _, e := range c.ends {
		_ = e.Socket.tcp.SetDeadline(time.Time{})
		_ = e.Socket.tcp.SetKeepAliveConfig(keepAlive)
		limitUnanswered(e.Socket.tcp)
		e.Socket.patience = false
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closing {
		c.order.Store(&stop{reason: Stopped})
		go c.finish() // waits for nothing
		return &c.Handle
	}
	g.pairs[c] = struct{}{}
	g.work.Go(c.run)
	return &c.Handle
}

// run is one of the pair's two goroutines and starts the other.
func (c *carried) run() {
	<-c.owner.started
	var other sync.WaitGroup
	other.Go(func() { c.pump(backend) })
	c.pump(client)
	other.Wait()
	c.finish()
}

// pump carries one direction to its end and passes that on.
func (c *carried) pump(from int) {
	err := c.rescued(from)
	c.blame(lost(from, err), err)
	c.half.Store(true)
	dst := &c.ends[1-from]
	if dst.TLS != nil {
		_ = dst.TLS.CloseWrite()
	}
	_ = dst.Socket.CloseWrite()
}

func (c *carried) rescued(from int) (err error) {
	defer func() {
		if r := recover(); r != nil {
			c.fail(r)
		}
	}()
	return c.copy(from)
}

func (c *carried) copy(from int) error {
	src := &c.ends[from]
	if early := src.Early; len(early) > 0 {
		src.Early = nil
		if err := c.send(from, early); err != nil {
			return err
		}
	}
	var reader io.Reader = src.Socket
	if src.TLS != nil {
		reader = src.TLS
	}
	for {
		err := c.burst(from, reader)
		if !errors.Is(err, errWouldBlock) {
			return err
		}
		if err := src.Socket.await(); err != nil {
			return err
		}
	}
}

// burst moves what is there, with a buffer only for that time.
func (c *carried) burst(from int, r io.Reader) error {
	buf := newChunk(smallSize)
	defer buf.free()
	for {
		n, err := r.Read(buf.b[:recordSize])
		if n > 0 {
			if err := c.send(from, buf.b[:n]); err != nil {
				return err
			}
		}
		if err != nil {
			return err
		}
	}
}

func (c *carried) send(from int, b []byte) error {
	c.moved.Store(time.Now().UnixNano())
	c.pass(from, b)
	dst := &c.ends[1-from]
	var w io.Writer = dst.Socket
	if dst.TLS != nil {
		w = dst.TLS
	}
	if _, err := w.Write(b); err != nil {
		c.blame(lost(1-from, err), err)
		return err
	}
	return nil
}

func (c *carried) blame(r Reason, err error) {
	if c.order.Load() != nil {
		return // what follows an order to stop is our own doing
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.Handle.blame(r, err)
}

func (c *carried) fail(panicked any) {
	c.blame(Failed, fmt.Errorf("relay: panic: %v", panicked))
	c.interrupt()
}

// interrupt implements mover: closing wakes whoever waits.
func (c *carried) interrupt() {
	for _, e := range c.ends {
		_ = e.Socket.tcp.Close()
	}
}

func (c *carried) finish() {
	c.interrupt()
	g := c.owner
	g.mu.Lock()
	delete(g.pairs, c)
	g.mu.Unlock()
	r := c.result()
	g.pool.ended(&c.Handle, r)
}

func (g *goroutines) start(wg *sync.WaitGroup) {
	g.begin.Do(func() { close(g.started) })
	wg.Go(func() {
		<-g.stopped
		g.work.Wait()
	})
}

func (g *goroutines) each(f func(*Handle)) {
	g.mu.Lock()
	all := make([]*carried, 0, len(g.pairs))
	for c := range g.pairs {
		all = append(all, c)
	}
	g.mu.Unlock()
	for _, c := range all {
		f(&c.Handle)
	}
}

func (g *goroutines) stop() {
	g.mu.Lock()
	if !g.closing {
		g.closing = true
		close(g.stopped)
	}
	g.mu.Unlock()
	g.each(func(h *Handle) { h.stop(Stopped, "") })
}

func (g *goroutines) close() error {
	g.work.Wait()
	return nil
}
