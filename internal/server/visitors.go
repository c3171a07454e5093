package server

import (
	"bytes"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/portreeve/portreeve/internal/proxy"
	"github.com/portreeve/portreeve/internal/wire/proxyproto"
)

// Bounds of the public listener: its visitors must not use up the descriptors
// that mail needs.
const (
	visitors           = 1000
	visitorsFrom       = 50              // one IPv4 address or IPv6 /64; browsers hold up to six
	visitorsHeaderTime = 5 * time.Second // for a balancer's PROXY header
)

// visitorListener holds the public listener to its bounds: where there are too
// many connections, the oldest is closed. Its balancers say who is at the other
// end.
type visitorListener struct {
	net.Listener
	places    *proxy.Admission
	balancers []netip.Prefix
	// shared says that a reverse proxy speaks for everybody: no address is a
	// source by itself.
	shared bool
}

func newVisitors(l net.Listener, balancers []netip.Prefix, shared bool) *visitorListener {
	return &visitorListener{Listener: l, places: &proxy.Admission{PerSource: visitorsFrom, InAll: visitors}, balancers: balancers, shared: shared}
}

// Accept gives the next connection a place.
func (l *visitorListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	v := &visitor{Conn: c, remote: c.RemoteAddr()}
	from := addrOf(v.remote)
	balanced := slices.ContainsFunc(l.balancers, func(n netip.Prefix) bool { return n.Contains(from) })
	if balanced || l.shared {
		from = netip.Addr{}
	}
	if !balanced {
		v.introduced.Do(func() {})
	}
	v.place = l.places.Enter(from, func() { _ = c.Close() })
	return v, nil
}

func addrOf(a net.Addr) netip.Addr {
	if t, ok := a.(*net.TCPAddr); ok {
		return t.AddrPort().Addr().Unmap().WithZone("")
	}
	return netip.Addr{}
}

// visitor is one connection of the public listener.
type visitor struct {
	net.Conn
	place      *proxy.Admitted
	introduced sync.Once
	remote     net.Addr
	fault      error
}

// introduce reads a balancer's PROXY header, once, by whoever asks first.
func (v *visitor) introduce() {
	v.introduced.Do(func() {
		_ = v.Conn.SetReadDeadline(time.Now().Add(visitorsHeaderTime))
		h, err := proxyproto.Read(v.Conn)
		_ = v.Conn.SetReadDeadline(time.Time{})
		if v.fault = err; err == nil && h.Source.IsValid() {
			v.remote = net.TCPAddrFromAddrPort(h.Source)
		}
	})
}

// RemoteAddr is who is at the other end, a balancer believed.
func (v *visitor) RemoteAddr() net.Addr {
	v.introduce()
	return v.remote
}

// Read implements net.Conn.
func (v *visitor) Read(p []byte) (int, error) {
	if v.introduce(); v.fault != nil {
		return 0, v.fault
	}
	return v.Conn.Read(p)
}

// Close gives the place back.
func (v *visitor) Close() error {
	v.place.Leave()
	return v.Conn.Close()
}

// httpFaults tells the operator what goes wrong in an HTTP server, but not that
// somebody spoke no TLS: scanners do so all day.
type httpFaults struct{ log *slog.Logger }

func (f httpFaults) Write(p []byte) (int, error) {
	if !bytes.Contains(p, []byte("TLS handshake error")) {
		f.log.Error("fault of an HTTP listener", "what", string(bytes.TrimSpace(p)))
	}
	return len(p), nil
}
