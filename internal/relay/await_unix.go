//go:build unix

package relay

import (
	"io"
	"syscall"
)

// tryRead is a Read that answers errWouldBlock instead of waiting.
func (s *Socket) tryRead(p []byte) (n int, err error) {
	raw, err := s.tcp.SyscallConn()
	if err != nil {
		return 0, err
	}
	rawErr := raw.Read(func(fd uintptr) bool {
		for {
			if n, err = syscall.Read(int(fd), p); err != syscall.EINTR {
				return true
			}
		}
	})
	switch {
	case rawErr != nil:
		return 0, rawErr
	case err == syscall.EAGAIN:
		return 0, errWouldBlock
	case err != nil:
		return 0, err
	case n == 0 && len(p) > 0:
		return 0, io.EOF
	}
	return n, nil
}

// await waits, holding no buffer, until there is something to read. It looks
// again itself after Go's poller was armed: a byte that came before would not wake it.
func (s *Socket) await() error {
	raw, err := s.tcp.SyscallConn()
	if err != nil {
		return err
	}
	var b [1]byte
	var found error // an error that was looked at is not told again
	err = raw.Read(func(fd uintptr) bool {
		_, _, found = syscall.Recvfrom(int(fd), b[:], syscall.MSG_PEEK)
		return found != syscall.EAGAIN && found != syscall.EINTR
	})
	if err != nil {
		return err
	}
	return found
}
