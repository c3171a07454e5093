package relay

import (
	"net"
	"time"
)

// Socket is one TCP connection. While somebody signs in it is an ordinary
// net.Conn with deadlines, for one goroutine at a time; after Carry it belongs
// to the pool, which may turn it into a bare descriptor. Where TLS is spoken it
// lies under the tls.Conn from the first byte on.
type Socket struct {
	tcp      *net.TCPConn // nil once bare
	patience bool         // false: Read never waits (see errWouldBlock)
	tuned    bool         // has its keepalive already
	bare
}

// errWouldBlock is what Read answers when nothing is there and it must not wait.
// crypto/tls keeps a partial record and can be called again after an error that
// is Temporary (conn.go, readRecordOrCCS); it cannot after a write that came up
// short, which is why Write takes everything.
var errWouldBlock error = wouldBlock{}

type wouldBlock struct{}

func (wouldBlock) Error() string   { return "relay: nothing to read now" }
func (wouldBlock) Timeout() bool   { return true }
func (wouldBlock) Temporary() bool { return true }

// NewSocket takes over c.
func NewSocket(c *net.TCPConn) *Socket {
	return &Socket{tcp: c, patience: true}
}

// NewTuned takes over a connection whose dialer or listener had Tune.
func NewTuned(c *net.TCPConn) *Socket {
	return &Socket{tcp: c, patience: true, tuned: true}
}

// Read implements net.Conn.
func (s *Socket) Read(p []byte) (n int, err error) {
	switch {
	case s.tcp == nil:
		return s.readBare(p)
	case s.patience:
		return s.tcp.Read(p)
	}
	return s.tryRead(p)
}

// Write implements net.Conn.
func (s *Socket) Write(p []byte) (n int, err error) {
	if s.tcp == nil {
		return s.writeBare(p)
	}
	return s.tcp.Write(p)
}

// Close implements net.Conn.
func (s *Socket) Close() error {
	if s.tcp == nil {
		return s.closeBare()
	}
	return s.tcp.Close()
}

// CloseWrite tells the peer that nothing more will come.
func (s *Socket) CloseWrite() error {
	if s.tcp == nil {
		return s.shutBare()
	}
	return s.tcp.CloseWrite()
}

// LocalAddr implements net.Conn.
func (s *Socket) LocalAddr() net.Addr {
	if s.tcp == nil {
		return s.addrBare(false)
	}
	return s.tcp.LocalAddr()
}

// RemoteAddr implements net.Conn.
func (s *Socket) RemoteAddr() net.Addr {
	if s.tcp == nil {
		return s.addrBare(true)
	}
	return s.tcp.RemoteAddr()
}

// SetDeadline implements net.Conn; a bare socket never waits and ignores it.
func (s *Socket) SetDeadline(t time.Time) error {
	if s.tcp == nil {
		return nil
	}
	return s.tcp.SetDeadline(t)
}

// SetReadDeadline implements net.Conn.
func (s *Socket) SetReadDeadline(t time.Time) error {
	if s.tcp == nil {
		return nil
	}
	return s.tcp.SetReadDeadline(t)
}

// SetWriteDeadline implements net.Conn.
func (s *Socket) SetWriteDeadline(t time.Time) error {
	if s.tcp == nil {
		return nil
	}
	return s.tcp.SetWriteDeadline(t)
}
