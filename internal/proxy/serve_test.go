package proxy

import (
	"context"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/portreeve/portreeve/internal/certs"
)

// A TLS handshake that never goes on holds a place like any other connection,
// or one address could use up all descriptors with them.
func TestHalfHandshakesAreCountedToo(t *testing.T) {
	authority, err := certs.Local("localhost")
	if err != nil {
		t.Fatal(err)
	}
	manager, err := certs.Static(authority.Server)
	if err != nil {
		t.Fatal(err)
	}
	const places, more = 3, 2
	s := New(Options{Name: "test", TLS: TLSImplicit, TLSConfig: manager.TLSConfig(certs.Options{Hello: Hello}),
		Admission: &Admission{PerSource: places}, Log: slog.New(slog.DiscardHandler)})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- s.Serve(ctx, l) }()
	var open []net.Conn
	for range places + more {
		c, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.Write([]byte{0x16, 3, 1, 2, 0, 1}); err != nil { // the beginning of a client hello
			t.Fatal(err)
		}
		open = append(open, c)
		for end := time.Now().Add(20 * time.Second); s.Admission.Len() < min(len(open), places) && time.Now().Before(end); {
			time.Sleep(time.Millisecond) // one after another, so that the first are the oldest
		}
	}
	for i, c := range open[:more] {
		_ = c.SetReadDeadline(time.Now().Add(20 * time.Second))
		if _, err := io.ReadAll(c); err != nil {
			t.Errorf("connection %d was not closed to make room: %v", i, err)
		}
	}
	if n := s.Admission.Len(); n != places {
		t.Errorf("%d connections have a place, want %d", n, places)
	}
	for _, c := range open {
		_ = c.Close()
	}
	cancel()
	if err := <-served; err != nil {
		t.Error(err)
	}
}

func TestAForwarderIsNoSource(t *testing.T) {
	webmail, browser := netip.MustParseAddrPort("192.0.2.1:4000"), netip.MustParseAddrPort("198.51.100.7:5000")
	for _, c := range []struct {
		name      string
		forwarder *Forwarder
		client    netip.AddrPort
		want      netip.Addr
	}{
		{"a program of its own", nil, webmail, webmail.Addr()},
		{"a forwarder that has named nobody yet", &Forwarder{}, webmail, netip.Addr{}},
		{"a forwarder that names the browser", &Forwarder{}, browser, browser.Addr()},
	} {
		conn := &Conn{origin: webmail, client: c.client, forwarder: c.forwarder}
		if got := conn.source(); got != c.want {
			t.Errorf("%s: counted by %v, want %v", c.name, got, c.want)
		}
	}
	a, evicted := Admission{PerSource: 2, InAll: 10}, 0
	for range 12 {
		a.Enter(netip.Addr{}, func() { evicted++ })
	}
	if evicted != 2 || a.Len() != 10 {
		t.Errorf("%d evicted, %d left: a forwarder is bounded by all together alone", evicted, a.Len())
	}
}
