package relay

import (
	"fmt"
	"runtime"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// worker is one event loop with an epoll of its own. A pair stays with its
// worker, so nothing of it needs a lock and no other thread is woken for it.
// Registration is edge-triggered and made once: a round trip costs no epoll_ctl.
type worker struct {
	pool        *Pool
	epoll, bell int

	mu      sync.Mutex
	slots   []*parked // by the number that epoll hands back; nil where free
	free    []int32
	mail    []*parked // pairs to look at though epoll says nothing
	closing bool      // no new pairs
	left    bool      // the loop has ended

	// The loop's own.
	mill  *mill
	again []*parked // pairs that had their turn and have more to move
	read  []*parked // mail taken in
}

const (
	eventBatch = 64 // events taken at once; fewer would cost calls, more would not save any
	bellSlot   = -1

	// Closing a pair takes 25 µs. When thousands are told to end, others must not
	// wait for all of them, and those who sign in need the processor too.
	mailBatch = 16
	mailPause = 200 * time.Microsecond
)

func newWorker(p *Pool) (*worker, error) {
	epoll, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("relay: making an epoll: %w", err)
	}
	bell, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		unix.Close(epoll)
		return nil, fmt.Errorf("relay: making an eventfd: %w", err)
	}
	w := &worker{pool: p, epoll: epoll, bell: bell}
	// Edge-triggered: every ring is an event, and nobody has to read the count.
	if err := w.watch(unix.EPOLL_CTL_ADD, bell, unix.EPOLLIN|unix.EPOLLET, bellSlot); err != nil {
		w.close()
		return nil, err
	}
	return w, nil
}

func (w *worker) watch(op, fd int, events uint32, data int32) error {
	if err := unix.EpollCtl(w.epoll, op, fd, &unix.EpollEvent{Events: events, Fd: data}); err != nil {
		return fmt.Errorf("relay: epoll_ctl: %w", err)
	}
	return nil
}

const (
	watchIn  = unix.EPOLLIN | unix.EPOLLRDHUP | unix.EPOLLET
	watchOut = watchIn | unix.EPOLLOUT
)

// place is what epoll hands back for one side of a pair.
func (p *parked) place(side int) int32 { return p.slot<<1 | int32(side) }

// adopt makes w the owner of p: from here on only its loop touches the pair,
// at once if there is a reason to look. It refuses when the loop has ended.
func (w *worker) adopt(p *parked, look bool) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.left {
		return false
	}
	if k := len(w.free); k > 0 {
		p.slot, w.free = w.free[k-1], w.free[:k-1]
	} else {
		p.slot = int32(len(w.slots))
		w.slots = append(w.slots, nil)
	}
	w.slots[p.slot] = p
	if w.closing {
		p.order.CompareAndSwap(nil, &stop{reason: Stopped})
	} else if !p.over() {
		if err := w.register(p); err != nil {
			p.fail(err)
		}
	}
	if look || p.over() || p.order.Load() != nil {
		w.post(p)
	}
	return true
}

// register holds the lock (adopt's) while both descriptors are added, or the
// loop could close the second one in between.
func (w *worker) register(p *parked) error {
	for side := range p.ends {
		s := p.ends[side].sock
		events := uint32(watchIn)
		if s.full {
			events, s.armed = watchOut, true
		}
		if err := w.watch(unix.EPOLL_CTL_ADD, int(s.fd), events, p.place(side)); err != nil {
			return err
		}
	}
	return nil
}

// post leaves p in the loop's mail and rings once per batch. The lock is held.
func (w *worker) post(p *parked) {
	w.mail = append(w.mail, p)
	if len(w.mail) == 1 {
		w.ring()
	}
}

var one = []byte{1, 0, 0, 0, 0, 0, 0, 0} // what an eventfd takes: any number but zero

func (w *worker) ring() { _, _ = unix.Write(w.bell, one) }

// interrupt implements mover.
func (p *parked) interrupt() {
	w := p.worker
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.left {
		w.post(p)
	}
}

// loop runs until it is told to stop and its last pair is closed.
func (w *worker) loop() {
	w.mill = newMill()
	defer w.mill.free()
	var events [eventBatch]unix.EpollEvent
	var pairs [eventBatch]*parked
	for {
		n := w.wait(events[:])
		w.mill.now = time.Now()
		w.resolve(events[:n], pairs[:n])
		for i, p := range pairs[:n] {
			if p != nil && !p.closed {
				p.notice(int(events[i].Fd&1), events[i].Events)
				w.serve(p)
			}
			pairs[i] = nil
		}
		w.serveAgain()
		w.serveMail()
		switch {
		case len(w.read) > 0:
			time.Sleep(mailPause)
		case len(w.again) > 0:
			runtime.Gosched()
		}
		if w.finished() {
			return
		}
	}
}

// wait blocks until something happened, unless pairs wait for another turn.
func (w *worker) wait(events []unix.EpollEvent) int {
	timeout := -1
	if len(w.again)+len(w.read) > 0 {
		timeout = 0
	}
	n, err := unix.EpollWait(w.epoll, events, timeout)
	if err != nil { // EINTR
		return 0
	}
	return n
}

// resolve finds the pairs of events and takes the mail. A place may have been
// given to another pair meanwhile: that one looks in vain once, no harm done.
func (w *worker) resolve(events []unix.EpollEvent, pairs []*parked) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for i, e := range events {
		if e.Fd != bellSlot {
			pairs[i] = w.slots[e.Fd>>1]
		}
	}
	if len(w.read) == 0 {
		w.read, w.mail = w.mail, nil
	} else {
		w.read, w.mail = append(w.read, w.mail...), nil
	}
}

func (w *worker) serveAgain() {
	turn := w.again
	w.again = nil
	for _, p := range turn {
		p.again = false
		w.serve(p)
	}
}

func (w *worker) serveMail() {
	n := min(len(w.read), mailBatch)
	for i, p := range w.read[:n] {
		w.serve(p)
		w.read[i] = nil
	}
	if w.read = w.read[n:]; len(w.read) == 0 {
		w.read = nil
	}
}

// serve gives one pair its turn.
func (w *worker) serve(p *parked) {
	if p.closed {
		return
	}
	defer w.rescue(p)
	if p.order.Load() != nil {
		w.finish(p)
		return
	}
	more := w.mill.turn(p)
	if p.over() {
		w.finish(p)
		return
	}
	for side := range p.ends {
		if s := p.ends[side].sock; s.full && !s.armed {
			s.armed = true
			_ = w.watch(unix.EPOLL_CTL_MOD, int(s.fd), watchOut, p.place(side))
		}
	}
	if more && !p.again {
		p.again = true
		w.again = append(w.again, p)
	}
}

// rescue keeps one pair's panic (a Peek, a Filter, a TLS record) from the others.
func (w *worker) rescue(p *parked) {
	if r := recover(); r != nil && !p.closed {
		p.fail(fmt.Errorf("relay: panic: %v", r))
		w.finish(p)
	}
}

// fail makes p ready to be closed without another word.
func (p *parked) fail(err error) {
	p.blame(Failed, err)
	for i := range p.ends {
		p.ends[i].shut = true
		p.ends[i].sock.batch = nil
	}
}

// finish closes both sides of a pair and forgets it.
func (w *worker) finish(p *parked) {
	w.mu.Lock()
	w.slots[p.slot] = nil
	w.free = append(w.free, p.slot)
	w.mu.Unlock()
	p.close()
}

// close sends what TLS owes, a close_notify where nothing stands in its way, and
// closes both descriptors, which takes them out of the epoll.
func (p *parked) close() {
	p.closed = true
	for i := range p.ends {
		e := &p.ends[i]
		if e.tls != nil && !e.bye && !e.shut && e.clear() {
			_ = e.tls.CloseWrite()
		}
		if e.sock != nil {
			_ = e.sock.Close()
		}
		if e.pipe != nil {
			e.pipe.close()
		}
		*e = end{}
	}
	p.worker.pool.ended(&p.Handle, p.result())
}

func (w *worker) finished() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.left = w.closing && len(w.free) == len(w.slots)
	return w.left
}

func (w *worker) each(f func(*Handle)) {
	w.mu.Lock()
	all := make([]*parked, 0, len(w.slots)-len(w.free))
	for _, p := range w.slots {
		if p != nil {
			all = append(all, p)
		}
	}
	w.mu.Unlock()
	for _, p := range all {
		f(&p.Handle)
	}
}

func (w *worker) stop() {
	w.mu.Lock()
	w.closing = true
	if !w.left {
		w.ring()
	}
	w.mu.Unlock()
	w.each(func(h *Handle) { h.stop(Stopped, "") })
}

func (w *worker) close() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.left = true
	unix.Close(w.bell)
	return unix.Close(w.epoll)
}
