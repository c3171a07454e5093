//go:build !linux

package relay

import (
	"net"
	"syscall"
)

// bare is Linux's; elsewhere a Socket keeps its net.TCPConn.
type bare struct{}

func newEngine(p *Pool) (engine, error) { return newGoroutines(p), nil }

func (s *Socket) readBare([]byte) (int, error)  { return 0, net.ErrClosed }
func (s *Socket) writeBare([]byte) (int, error) { return 0, net.ErrClosed }
func (s *Socket) closeBare() error              { return net.ErrClosed }
func (s *Socket) shutBare() error               { return net.ErrClosed }
func (s *Socket) addrBare(bool) net.Addr        { return &net.TCPAddr{} }

// Tune does nothing here: Carry sets what there is to set.
func Tune(string, string, syscall.RawConn) error { return nil }

// limitUnanswered is left to the keepalive where TCP_USER_TIMEOUT does not exist.
func limitUnanswered(*net.TCPConn) {}
