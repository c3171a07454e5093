package relay

import (
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// loops is the parked form: a few workers, each with its share of the pairs.
type loops struct {
	workers []*worker
	next    atomic.Uint32
}

func newEngine(p *Pool) (engine, error) {
	l := &loops{}
	for range p.options.Workers {
		w, err := newWorker(p)
		if err != nil {
			l.close()
			return nil, err
		}
		l.workers = append(l.workers, w)
	}
	return l, nil
}

// carry strips both sockets, passes on what was read before (early bytes, and
// what a tls.Conn holds, of which epoll knows nothing) and gives the pair to a
// worker. Without such bytes no other thread is woken.
func (l *loops) carry(pair Pair) *Handle {
	w := l.workers[l.next.Add(1)%uint32(len(l.workers))]
	p := &parked{worker: w, plain: pair.Client.TLS == nil && pair.Backend.TLS == nil && pair.Filter == nil && pair.Watch == nil}
	p.init(p, pair, time.Now())
	for i, s := range [2]Side{client: pair.Client, backend: pair.Backend} {
		p.ends[i] = end{sock: s.Socket, tls: s.TLS, early: s.Early, drained: s.TLS == nil && len(s.Early) == 0}
	}
	if !w.adopt(p, p.prepare()) {
		p.order.Store(&stop{reason: Stopped})
		go p.close() // waits for nothing
	}
	return &p.Handle
}

// prepare tells whether the worker must look at the pair though epoll is silent.
func (p *parked) prepare() (look bool) {
	defer func() {
		if r := recover(); r != nil {
			p.fail(fmt.Errorf("relay: panic: %v", r))
			look = true
		}
	}()
	for i := range p.ends {
		if err := p.ends[i].sock.strip(); err != nil {
			p.fail(fmt.Errorf("relay: taking over the %s: %w", [...]string{"client", "backend"}[i], err))
			return true
		}
		if p.ends[i].tls == nil {
			p.ends[i].sock = p.ends[i].sock.moveTo(&p.bare[i])
		}
	}
	if t := p.ends[client].tls; t != nil {
		forget(t)
	}
	idle := true
	for i := range p.ends {
		idle = p.ends[i].probe() && idle
	}
	if idle {
		return false
	}
	m := newMill()
	defer m.free()
	return m.turn(p)
}

// probe tells whether nothing that was read before waits on this side. Mostly
// so; therefore it asks crypto/tls for one byte, which needs no buffer.
func (e *end) probe() bool {
	if e.tls != nil && len(e.early) == 0 {
		var one [1]byte
		n, err := e.tls.Read(one[:])
		e.drained = err == errWouldBlock
		e.early = append(e.early, one[:n]...)
		if e.drained {
			new(mill).regain(e.tls)
		}
	}
	return e.drained
}

func (l *loops) start(wg *sync.WaitGroup) {
	slacken()
	for _, w := range l.workers {
		wg.Go(w.loop)
	}
}

func (l *loops) each(f func(*Handle)) {
	for _, w := range l.workers {
		w.each(f)
	}
}

func (l *loops) stop() {
	for _, w := range l.workers {
		w.stop()
	}
}

func (l *loops) close() error {
	var first error
	for _, w := range l.workers {
		if err := w.close(); err != nil && first == nil {
			first = err
		}
	}
	return first
}
