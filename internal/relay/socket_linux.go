package relay

import (
	"errors"
	"io"
	"net"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// bare is a Socket's second life: a descriptor that Go's own poller has
// forgotten. All of it belongs to the goroutine that moves the pair.
type bare struct {
	fd    int32
	dry   bool   // a read came up short: nothing is there until epoll says otherwise
	hup   bool   // the peer has finished or failed: read to the end, a short read proves nothing
	full  bool   // a write came up short: no room until epoll says otherwise
	armed bool   // epoll watches for room
	fault error  // why a write was refused; crypto/tls may tell it as something else, later
	queue *chunk // taken from the writer, not yet by the kernel
	batch *chunk // collects the records of one bulk write
}

const gone = -1 // fd of a closed socket

var errQueueFull = errors.New("relay: peer makes us answer and does not read")

// strip turns the socket into a bare descriptor. The copy shares the open file,
// its non-blocking mode included; closing the original takes it out of Go's poller.
func (s *Socket) strip() error {
	raw, err := s.tcp.SyscallConn()
	if err != nil {
		return err
	}
	var fd int
	var dup error
	if err := raw.Control(func(old uintptr) {
		fd, dup = unix.FcntlInt(old, unix.F_DUPFD_CLOEXEC, 0)
	}); err != nil {
		return err
	}
	if dup != nil {
		return dup
	}
	s.tcp.Close()
	s.tcp = nil
	s.bare = bare{fd: int32(fd), dry: true}
	if !s.tuned {
		tune(fd)
	}
	return nil
}

// moveTo moves a bare socket to another place, which its pair has for it: what
// was made for the sign-in lies among litter and would keep it in memory.
func (s *Socket) moveTo(to *Socket) *Socket {
	to.bare, to.tuned = s.bare, s.tuned
	s.bare = bare{fd: gone}
	return to
}

// Errors that the hot path meets all the time, made once.
var (
	errReset error = unix.ECONNRESET
	errPipe  error = unix.EPIPE
)

func errnoErr(e syscall.Errno) error {
	switch e {
	case unix.ECONNRESET:
		return errReset
	case unix.EPIPE:
		return errPipe
	}
	return e
}

func (s *Socket) readBare(p []byte) (int, error) {
	if s.dry {
		return 0, errWouldBlock
	}
	if len(p) == 0 {
		return 0, nil
	}
	for {
		n, _, e := unix.RawSyscall6(unix.SYS_RECVFROM, uintptr(s.fd), uintptr(unsafe.Pointer(&p[0])), uintptr(len(p)), 0, 0, 0)
		switch {
		case e == unix.EINTR:
			continue
		case e == unix.EAGAIN:
			s.dry = true
			return 0, errWouldBlock
		case e != 0:
			return 0, errnoErr(e)
		case n == 0:
			return 0, io.EOF
		}
		s.dry = int(n) < len(p) && !s.hup
		return int(n), nil
	}
}

// writeBare takes all of p: what the kernel does not want goes to the queue.
func (s *Socket) writeBare(p []byte) (int, error) {
	n := 0
	switch {
	case s.batch != nil:
		if !s.batch.add(p) {
			return 0, errQueueFull
		}
		return len(p), nil
	case s.queue == nil:
		var err error
		if n, err = s.send(p); err != nil {
			return n, err
		}
	}
	if n < len(p) {
		if err := s.keep(p[n:]); err != nil {
			return n, err
		}
	}
	return len(p), nil
}

// send is one system call; it takes what it can.
func (s *Socket) send(p []byte) (int, error) {
	for len(p) > 0 {
		n, _, e := unix.RawSyscall6(unix.SYS_SENDTO, uintptr(s.fd), uintptr(unsafe.Pointer(&p[0])), uintptr(len(p)), unix.MSG_NOSIGNAL, 0, 0)
		switch {
		case e == unix.EINTR:
			continue
		case e == unix.EAGAIN:
			s.full = true
			return 0, nil
		case e != 0:
			return 0, errnoErr(e)
		}
		s.full = int(n) < len(p)
		return int(n), nil
	}
	return 0, nil
}

// keep puts p behind what is queued already.
func (s *Socket) keep(p []byte) error {
	if s.queue == nil {
		s.queue = newChunk(len(p))
	}
	if s.queue.add(p) {
		return nil
	}
	bigger := newChunk(largeSize)
	fits := bigger.add(s.queue.unsent()) && bigger.add(p)
	s.queue.free()
	s.queue = bigger
	if !fits {
		s.fault = errQueueFull
	}
	return s.fault
}

// give sends c; if much of it is left over, the socket keeps c itself (taken).
func (s *Socket) give(c *chunk) (taken bool, err error) {
	n, err := s.send(c.unsent())
	c.off += n
	switch rest := c.unsent(); {
	case err != nil || len(rest) == 0:
		return false, err
	case len(rest) <= smallSize:
		return false, s.keep(rest)
	}
	s.queue = c
	return true, nil
}

// flush sends what is queued and tells whether nothing is left.
func (s *Socket) flush() (clear bool, err error) {
	if s.queue == nil {
		return true, nil
	}
	if s.full {
		return false, nil
	}
	n, err := s.send(s.queue.unsent())
	s.queue.off += n
	if err != nil || s.queue.off < s.queue.end {
		return false, err
	}
	s.drop()
	return true, nil
}

func (s *Socket) drop() {
	if s.queue != nil {
		s.queue.free()
		s.queue = nil
	}
}

func (s *Socket) shutBare() error { return unix.Shutdown(int(s.fd), unix.SHUT_WR) }

func (s *Socket) closeBare() error {
	if s.fd == gone {
		return net.ErrClosed
	}
	fd := int(s.fd)
	s.fd = gone
	s.drop()
	return unix.Close(fd)
}

func (s *Socket) addrBare(remote bool) net.Addr {
	get := unix.Getsockname
	if remote {
		get = unix.Getpeername
	}
	a := &net.TCPAddr{}
	switch sa, _ := get(int(s.fd)); sa := sa.(type) {
	case *unix.SockaddrInet4:
		a.IP, a.Port = sa.Addr[:], sa.Port
	case *unix.SockaddrInet6:
		a.IP, a.Port = sa.Addr[:], sa.Port
	}
	return a
}
