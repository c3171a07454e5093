package test

import (
	"fmt"
	"io"
	"net"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"
)

// street is where a program's own network ends: a SOCKS proxy on loopback that
// leads the names and ports of a site, as the world knows them, to where the test
// has them, and nothing else anywhere.
type street struct {
	Address string
	houses  map[string]string // host:port as the world knows it, to where it is

	mu     sync.Mutex
	called []string // all that was asked for, once each
}

func openStreet(t testing.TB, houses map[string]string) *street {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	check(t, err)
	t.Cleanup(func() { _ = l.Close() })
	s := &street{Address: l.Addr().String(), houses: houses}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go s.lead(c)
		}
	}()
	return s
}

// lead leads one connection to its house (RFC 1928: no sign-in, CONNECT, names).
func (s *street) lead(c net.Conn) {
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(10 * time.Second))
	to, err := greet(c)
	if err != nil {
		return
	}
	s.mu.Lock()
	if !slices.Contains(s.called, to) {
		s.called = append(s.called, to)
	}
	s.mu.Unlock()
	house, err := net.DialTimeout("tcp", s.houses[to], 10*time.Second)
	if err != nil || s.houses[to] == "" {
		_, _ = c.Write([]byte{5, 4, 0, 1, 0, 0, 0, 0, 0, 0}) // host unreachable
		return
	}
	defer house.Close()
	_, _ = c.Write([]byte{5, 0, 0, 1, 0, 0, 0, 0, 0, 0})
	_ = c.SetDeadline(time.Time{})
	over := make(chan struct{})
	go func() {
		defer close(over)
		_, _ = io.Copy(house, c)
		_ = house.(*net.TCPConn).CloseWrite()
	}()
	_, _ = io.Copy(c, house)
	_ = c.(*net.TCPConn).CloseWrite()
	<-over
}

func greet(c net.Conn) (to string, err error) {
	head := make([]byte, 257)
	if _, err := io.ReadFull(c, head[:2]); err != nil {
		return "", err
	}
	if _, err := io.ReadFull(c, head[:head[1]]); err != nil {
		return "", err
	}
	if _, err := c.Write([]byte{5, 0}); err != nil {
		return "", err
	}
	if _, err := io.ReadFull(c, head[:5]); err != nil {
		return "", err
	}
	if head[1] != 1 || head[3] != 3 {
		return "", fmt.Errorf("command %d, address %d", head[1], head[3])
	}
	n := int(head[4])
	if _, err := io.ReadFull(c, head[:n+2]); err != nil {
		return "", err
	}
	return net.JoinHostPort(string(head[:n]), strconv.Itoa(int(head[n])<<8|int(head[n+1]))), nil
}

// sought is all that was asked for.
func (s *street) sought() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.called)
}
