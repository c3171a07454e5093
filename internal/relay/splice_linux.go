package relay

import (
	"io"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

const (
	// pipeSize is what an unprivileged user may ask for (pipe-max-size, pipe(7)):
	// 0.29 CPU-seconds per GB, against 0.36 with 256 KB and 0.43 with 64 KB.
	pipeSize = 1 << 20
	// maxPipes in use bounds descriptors and kernel memory (an unprivileged user
	// may have 64 MB in all, pipe-user-pages-soft); who gets none copies.
	maxPipes = 48
	// idlePipes are kept by each worker for the next bulk.
	idlePipes = 2
	// lasting is the least that a turn must bring for its sender to stay in bulk.
	lasting = recordSize
)

var openPipes atomic.Int64 // in the process, as the limits are

// pipe holds n spliced bytes. It is empty whenever new ones are taken in.
type pipe struct{ r, w, n int }

// pipes are the empty ones of one worker.
type pipes []*pipe

func (ps *pipes) get() *pipe {
	if k := len(*ps); k > 0 {
		p := (*ps)[k-1]
		*ps = (*ps)[:k-1]
		return p
	}
	if openPipes.Add(1) > maxPipes {
		openPipes.Add(-1)
		return nil
	}
	var fd [2]int
	if err := unix.Pipe2(fd[:], unix.O_NONBLOCK|unix.O_CLOEXEC); err != nil {
		openPipes.Add(-1)
		return nil
	}
	_, _ = unix.FcntlInt(uintptr(fd[0]), unix.F_SETPIPE_SZ, pipeSize)
	return &pipe{r: fd[0], w: fd[1]}
}

func (ps *pipes) put(p *pipe) {
	if len(*ps) >= idlePipes {
		p.close()
		return
	}
	*ps = append(*ps, p)
}

func (ps *pipes) close() {
	for _, p := range *ps {
		p.close()
	}
	*ps = nil
}

func (p *pipe) close() {
	unix.Close(p.r)
	unix.Close(p.w)
	openPipes.Add(-1)
}

const spliceFlags = unix.SPLICE_F_MOVE | unix.SPLICE_F_NONBLOCK

// fill takes bytes from s without copying them.
func (p *pipe) fill(s *Socket) error {
	for {
		n, err := unix.Splice(int(s.fd), nil, p.w, nil, pipeSize, spliceFlags)
		switch {
		case err == unix.EINTR:
			continue
		case err == unix.EAGAIN:
			s.dry = true
			return errWouldBlock
		case err != nil:
			return err
		case n == 0:
			return io.EOF
		}
		p.n = int(n)
		return nil
	}
}

// empty gives s as much as it takes.
func (p *pipe) empty(s *Socket) error {
	for p.n > 0 && !s.full {
		n, err := unix.Splice(p.r, nil, int(s.fd), nil, p.n, spliceFlags)
		switch {
		case err == unix.EINTR:
			continue
		case err == unix.EAGAIN:
			s.full = true
		case err != nil:
			return err
		default:
			p.n -= int(n)
		}
	}
	return nil
}

// splice moves a turn's bytes through a pipe. It is not ok where it cannot be
// used now; then nothing has been moved.
func (m *mill) splice(p *parked, from int) (moved int, ok bool, err error) {
	src, dst := &p.ends[from], &p.ends[1-from]
	pp := m.pipes.get()
	if pp == nil {
		return 0, false, nil
	}
	src.drained = false
	for moved < turnBytes && pp.n == 0 && err == nil {
		if err = pp.fill(src.sock); err != nil {
			break
		}
		moved += pp.n
		p.from[from].Add(uint64(pp.n))
		if werr := pp.empty(dst.sock); werr != nil {
			p.lose(1-from, werr)
			break
		}
	}
	switch {
	case pp.n == 0:
		m.pipes.put(pp)
	case dst.shut: // lost
		pp.close()
	default:
		dst.pipe = pp
	}
	if err == unix.EINVAL || err == unix.ENOSYS { // not for this kind of socket (MPTCP, for one)
		p.plain = false
		return moved, moved > 0, nil
	}
	if err == errWouldBlock && moved < lasting {
		src.bulk = false
	}
	return moved, true, err
}
