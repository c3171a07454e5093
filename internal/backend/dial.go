package backend

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"sync/atomic"
	"syscall"

	"github.com/portreeve/portreeve/internal/relay"
)

// sources are the addresses that connections to a backend come from, in turn.
type sources struct {
	addrs []netip.Addr
	next  atomic.Uint32
}

// dial connects, binding the next source address; one whose ports are used up
// is passed over for the next.
func (s *server) dial(ctx context.Context, q *Request) (*talk, error) {
	dialer := net.Dialer{Timeout: s.options.DialTimeout, KeepAlive: relay.NoKeepAlive, Control: relay.Tune}
	tries := max(1, len(s.sources.addrs))
	for {
		if n := len(s.sources.addrs); n > 0 {
			addr := s.sources.addrs[s.sources.next.Add(1)%uint32(n)]
			dialer.LocalAddr = net.TCPAddrFromAddrPort(netip.AddrPortFrom(addr, 0))
			dialer.Control = lateBind
		}
		c, err := dialer.DialContext(ctx, "tcp", s.endpoint.Address)
		if tries--; tries > 0 && errors.Is(err, syscall.EADDRNOTAVAIL) {
			continue
		}
		if err != nil {
			return nil, err
		}
		t := newTalk(ctx, relay.NewTuned(c.(*net.TCPConn)))
		if err := t.proxyHeader(s.endpoint.Proxy, q); err != nil {
			t.abandon()
			return nil, err
		}
		return t, nil
	}
}
