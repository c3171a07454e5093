package test

import (
	"net"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"time"
)

// goodSignIn is what a good sign-in may take at p95 while a crowd stands in the
// door. Dovecot needs 6.7 s with 800 connections.
const goodSignIn = time.Second

// A crowd that has not signed in, idle or in the middle of a TLS handshake, from
// 50 addresses, leaves a good sign-in its speed. At full length the crowd is
// 10,000 idle and 2,000 half-open connections, which take 12,000 of the 20,000
// descriptors that this process and the door may each have.
func TestACrowdInTheDoor(t *testing.T) {
	idle, half, sources := 1000, 200, 50
	if long() {
		idle, half = 10_000, 2000
	}
	s := hastySite(t, siteOptions{Door: doorOptions{Extra: "limits: {per_source: 1000, sign_in_time: 10m}"}})
	crowd := s.crowd(t, idle, half, sources)
	var status struct {
		SigningIn int `json:"signingIn"`
	}
	if s.read(t, &status, "status"); status.SigningIn < idle {
		t.Errorf("%d connections are signing in, want at least the %d idle ones", status.SigningIn, idle)
	}
	var took []time.Duration
	for range 100 {
		began := time.Now()
		k, err := s.knock("imap", netip.Addr{})
		check(t, err)
		answer, _, err := k.signIn("mary@example.org", password)
		_ = k.Close()
		if err != nil || !in(answer) {
			t.Fatalf("%q, %v", answer, err)
		}
		took = append(took, time.Since(began))
	}
	slices.Sort(took)
	t.Logf("%d connections in the door: a good sign-in takes %v, p95 %v", len(crowd), took[50], took[95])
	if took[95] > goodSignIn {
		t.Errorf("p95 of a good sign-in is %v", took[95])
	}
}

func (d *door) crowd(t testing.TB, idle, half, sources int) []net.Conn {
	t.Helper()
	var mu sync.Mutex
	var all []net.Conn
	var wg sync.WaitGroup
	room := make(chan struct{}, 64)
	for n := range idle + half {
		room <- struct{}{}
		wg.Go(func() {
			defer func() { <-room }()
			address := d.IMAP
			if n >= idle {
				address = d.IMAPS
			}
			c, err := from(source(n%sources), address)
			if err == nil && n >= idle {
				_, err = c.Write([]byte{0x16, 0x03, 0x01, 0x02}) // a record's beginning
			}
			if err != nil {
				t.Errorf("connection %d: %v", n, err)
				return
			}
			mu.Lock()
			defer mu.Unlock()
			all = append(all, c)
		})
	}
	wg.Wait()
	t.Cleanup(func() {
		for _, c := range all {
			_ = c.Close()
		}
	})
	return all
}
