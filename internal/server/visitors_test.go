package server

import (
	"errors"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"syscall"
	"testing"
	"time"
)

// visit serves a listener that answers everybody with the address they come from.
func visit(t *testing.T, balancers []netip.Prefix, shared bool) (*visitorListener, func() net.Conn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	v := newVisitors(l, balancers, shared)
	s := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprintf(w, "from %s.", r.RemoteAddr) }), ReadHeaderTimeout: 20 * time.Second}
	go func() { _ = s.Serve(v) }()
	t.Cleanup(func() { _ = s.Close() })
	return v, func() net.Conn {
		c, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Close() })
		_ = c.SetDeadline(time.Now().Add(20 * time.Second))
		return c
	}
}

func ask(t *testing.T, c net.Conn, header string) string {
	t.Helper()
	if _, err := io.WriteString(c, header+"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	answer, err := io.ReadAll(c)
	if err != nil && !errors.Is(err, syscall.ECONNRESET) { // closed with what was asked unread
		t.Fatal(err)
	}
	return string(answer)
}

// Whoever reads pages must not use up the descriptors that mail needs.
func TestVisitorsAreBounded(t *testing.T) {
	v, dial := visit(t, nil, false)
	first := dial()
	for range visitorsFrom {
		dial()
		time.Sleep(time.Millisecond)
	}
	if answer, err := io.ReadAll(first); err != nil || len(answer) > 0 {
		t.Errorf("the oldest connection was not closed: %q, %v", answer, err)
	}
	for end := time.Now().Add(20 * time.Second); v.places.Len() != visitorsFrom && time.Now().Before(end); {
		time.Sleep(time.Millisecond)
	}
	if n := v.places.Len(); n != visitorsFrom {
		t.Errorf("%d have a place, want %d", n, visitorsFrom)
	}
	if answer := ask(t, dial(), ""); !strings.Contains(answer, "from 127.0.0.1:") {
		t.Errorf("answered %q", answer)
	}
}

func TestAReverseProxyIsNoSource(t *testing.T) {
	_, dial := visit(t, nil, true)
	first := dial()
	for range 2 * visitorsFrom {
		dial()
	}
	if answer := ask(t, first, ""); !strings.Contains(answer, "from 127.0.0.1:") {
		t.Errorf("answered %q", answer)
	}
}

func TestABalancerOfThePublicListenerIsBelieved(t *testing.T) {
	loopback := []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
	_, dial := visit(t, loopback, false)
	if answer := ask(t, dial(), "PROXY TCP4 192.0.2.7 192.0.2.1 4711 443\r\n"); !strings.Contains(answer, "from 192.0.2.7:4711.") {
		t.Errorf("answered %q", answer)
	}
	if answer := ask(t, dial(), ""); strings.Contains(answer, "from") {
		t.Errorf("a balancer without a header was answered %q", answer)
	}
	_, dial = visit(t, nil, false)
	if answer := ask(t, dial(), "PROXY TCP4 192.0.2.7 192.0.2.1 4711 443\r\n"); strings.Contains(answer, "192.0.2.7") {
		t.Errorf("a stranger's header was believed: %q", answer)
	}
}

func TestScannersDoNotFillTheOperatorsLog(t *testing.T) {
	var told strings.Builder
	l := log.New(httpFaults{slog.New(slog.NewTextHandler(&told, nil))}, "", 0)
	l.Printf("http: TLS handshake error from 192.0.2.1:1: EOF")
	if told.Len() > 0 {
		t.Errorf("told %q", told.String())
	}
	l.Printf("http: panic serving 192.0.2.1:1: out of range")
	if !strings.Contains(told.String(), "out of range") {
		t.Errorf("a panic was told as %q", told.String())
	}
}
