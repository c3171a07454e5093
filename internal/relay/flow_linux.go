package relay

import (
	"crypto/tls"
	"errors"
	"io"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// turnBytes is how much one direction moves before other pairs have their turn.
	turnBytes = 8 * bulkSize
	// singleWrite is the payload up to which TLS makes one record of it at any
	// time (records start small, conn.go maxPayloadSizeForWrite), so that
	// collecting them would only cost a copy.
	singleWrite = 1 << 10
)

// parked is a pair in the epoll of one worker.
type parked struct {
	Handle
	worker  *worker
	slot    int32
	again   bool // waits for another turn
	stirred bool // a side was lost in this turn: what it left behind needs another
	closed  bool
	plain   bool // neither TLS nor Filter: may be spliced
	ends    [2]end
	bare    [2]Socket // sockets of sides without TLS; a tls.Conn keeps the one it was made over
}

// end is one side of a parked pair.
type end struct {
	sock    *Socket
	tls     *tls.Conn
	early   []byte
	pipe    *pipe // spliced bytes on their way to this side
	drained bool  // the last read found nothing, tls.Conn's own buffers included
	eof     bool  // will say no more
	bye     bool  // TLS close_notify is written
	shut    bool  // has been told that no more comes, or cannot be told
	bulk    bool  // what it says comes in masses
}

// mill is what moving bytes needs: buffers of one goroutine for all its pairs.
type mill struct {
	in, out *chunk
	record  []byte // for a tls.Conn to read into; nil while one has it
	pipes   pipes
	now     time.Time
}

func newMill() *mill {
	return &mill{in: newChunk(largeSize), out: newChunk(largeSize), now: time.Now()}
}

func (m *mill) free() {
	m.in.free()
	m.out.free()
	m.pipes.close()
}

// turn moves what can be moved both ways and tells whether there is more.
func (m *mill) turn(p *parked) (more bool) {
	p.stirred = false
	more = m.move(p, client)
	return m.move(p, backend) || more || p.stirred
}

// over tells whether neither side has anything more to be told.
func (p *parked) over() bool { return p.ends[client].shut && p.ends[backend].shut }

// move carries bytes from one side to the other until there are none, there is
// no room for them, or the turn is over (true).
func (m *mill) move(p *parked, from int) (more bool) {
	src, dst := &p.ends[from], &p.ends[1-from]
	if src.drained && src.sock.dry && !src.eof && dst.clear() {
		return false
	}
	for left := turnBytes; left > 0 && !dst.shut; {
		clear, err := m.flush(dst)
		switch {
		case err != nil:
			p.lose(1-from, err)
		case !clear:
			return false
		case src.eof:
			m.pass(p, 1-from)
		default:
			n, err := m.fetch(p, from)
			left -= n
			if n > 0 {
				p.moved.Store(m.now.UnixNano())
			}
			if err == errWouldBlock {
				src.drained = true
				return false
			}
			if err != nil {
				p.finished(from, err)
			}
		}
	}
	return !dst.shut
}

// finished notes that nothing more can be read from a side.
func (p *parked) finished(side int, err error) {
	if fault := p.ends[side].sock.fault; fault != nil {
		err = fault
	}
	p.ends[side].eof = true
	p.half.Store(true)
	p.blame(lost(side, err), err)
	if !errors.Is(err, io.EOF) { // no close_notify, and no FIN at a record's border
		p.lose(side, err)
	}
}

// fetch takes bytes from one side and hands them to the other.
func (m *mill) fetch(p *parked, from int) (int, error) {
	src, dst := &p.ends[from], &p.ends[1-from]
	if src.bulk && p.plain && (from == backend || p.peek == nil) && len(src.early) == 0 {
		if n, ok, err := m.splice(p, from); ok {
			return n, err
		}
	}
	n, err := m.pull(src)
	if n == 0 {
		return 0, err
	}
	src.bulk = n == bulkSize
	p.pass(from, m.in.b[:n])
	if werr := m.push(dst, n); werr != nil {
		p.lose(1-from, werr)
	}
	return n, err
}

// pull fills the mill's buffer: with one read, or with up to four TLS records.
func (m *mill) pull(src *end) (n int, err error) {
	src.drained = false
	if len(src.early) > 0 {
		n = copy(m.in.b[:bulkSize], src.early)
		if src.early = src.early[n:]; len(src.early) == 0 {
			src.early = nil
		}
		return n, nil
	}
	if src.tls == nil {
		return src.sock.Read(m.in.b[:bulkSize])
	}
	m.lend(src.tls)
	for n <= bulkSize-recordSize && err == nil {
		var k int
		k, err = src.tls.Read(m.in.b[n:bulkSize])
		n += k
	}
	if err == errWouldBlock {
		m.regain(src.tls)
	}
	return n, err
}

// push writes n bytes of the mill's buffer to a side with nothing queued.
func (m *mill) push(dst *end, n int) error {
	if dst.tls == nil {
		m.in.off, m.in.end = 0, n
		return hand(&m.in, dst.sock)
	}
	if n <= singleWrite {
		_, err := dst.tls.Write(m.in.b[:n])
		return err
	}
	m.out.off, m.out.end = 0, 0
	dst.sock.batch = m.out
	_, err := dst.tls.Write(m.in.b[:n])
	dst.sock.batch = nil
	if err != nil {
		return err
	}
	return hand(&m.out, dst.sock)
}

// hand gives a buffer to a socket and replaces it if the socket kept it.
func hand(c **chunk, s *Socket) error {
	taken, err := s.give(*c)
	if taken {
		*c = newChunk(largeSize)
	}
	return err
}

func (e *end) clear() bool { return e.sock.queue == nil && e.pipe == nil }

// flush sends on what a side did not take earlier.
func (m *mill) flush(e *end) (clear bool, err error) {
	if clear, err = e.sock.flush(); !clear || e.pipe == nil {
		return clear, err
	}
	if err = e.pipe.empty(e.sock); err != nil || e.pipe.n > 0 {
		return false, err
	}
	m.pipes.put(e.pipe)
	e.pipe = nil
	return true, nil
}

// pass tells a side, to which all has been sent, that no more will come: first
// in TLS (that alert may be queued), then in TCP.
func (m *mill) pass(p *parked, to int) {
	e := &p.ends[to]
	if e.tls != nil && !e.bye {
		e.bye = true
		if err := e.tls.CloseWrite(); err != nil {
			p.lose(to, err)
		}
		return
	}
	e.shut = true
	if !p.over() { // closing will do otherwise
		_ = e.sock.CloseWrite()
	}
}

// lose gives up a side that can no longer be written to. A peer that only closed
// may have said something before; that is still read to its end.
func (p *parked) lose(side int, err error) {
	e := &p.ends[side]
	r := lost(side, err)
	p.blame(r, err)
	p.half.Store(true)
	p.stirred = true
	e.shut = true
	e.eof = e.eof || r == ClientDead || r == BackendDead
	e.sock.drop()
	e.sock.dry, e.sock.hup = false, true
	if e.pipe != nil {
		e.pipe.close()
		e.pipe = nil
	}
}

// notice takes in what epoll said about one side.
func (p *parked) notice(side int, events uint32) {
	e := &p.ends[side]
	e.sock.dry = false
	if events&(unix.EPOLLRDHUP|unix.EPOLLHUP|unix.EPOLLERR) != 0 {
		e.sock.hup = true
	}
	if events&(unix.EPOLLOUT|unix.EPOLLHUP|unix.EPOLLERR) != 0 {
		e.sock.full = false
	}
	if events&(unix.EPOLLHUP|unix.EPOLLERR) != 0 && e.eof && !e.shut {
		p.lose(side, errReset) // it had only finished speaking; now it is gone
	}
}
