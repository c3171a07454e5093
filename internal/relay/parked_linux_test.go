package relay

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func descriptors(t testing.TB) int {
	t.Helper()
	d, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(d)
}

// settled is the number of descriptors once it has stopped changing: what other
// tests opened may still be closing.
func settled(t testing.TB) int {
	t.Helper()
	n, since := descriptors(t), time.Now()
	for time.Since(since) < 200*time.Millisecond {
		time.Sleep(10 * time.Millisecond)
		if now := descriptors(t); now != n {
			n, since = now, time.Now()
		}
	}
	return n
}

// ours finds the relay's descriptor of a connection by its far end.
func ours(t testing.TB, p *peer) int {
	t.Helper()
	want := p.tcp.LocalAddr().(*net.TCPAddr).Port
	d, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range d {
		fd, err := strconv.Atoi(e.Name())
		if err != nil {
			t.Fatal(err)
		}
		a, _ := unix.Getpeername(fd)
		if a, ok := a.(*unix.SockaddrInet4); ok && a.Port == want {
			return fd
		}
	}
	t.Fatal("the relay has no such connection")
	return 0
}

func TestIdlePairIsTwoDescriptorsAndNoGoroutine(t *testing.T) {
	r := newRig(t, forms["parked"])
	for _, k := range kinds {
		warm := r.join(k) // Go's own poller and the certificate
		goroutines, fds := runtime.NumGoroutine(), settled(t)
		const pairs = 50
		all := make([]*joint, pairs)
		for i := range all {
			all[i] = r.join(k)
			say(t, all[i].client, "a1 IDLE\r\n")
			hear(t, all[i].backend, "a1 IDLE\r\n")
			say(t, all[i].backend, "+ idling\r\n")
			hear(t, all[i].client, "+ idling\r\n")
		}
		eventually(t, "no goroutine for any of the pairs", func() bool { return runtime.NumGoroutine() < goroutines+pairs/10 })
		if n := settled(t) - fds; n != 4*pairs { // two of them are the test's own ends
			t.Errorf("%v: %d pairs take %d descriptors with their far ends, want %d", k, pairs, n, 4*pairs)
		}
		for _, j := range append(all, warm) {
			j.handle.End("")
			j.result(t)
		}
		if n := settled(t) - fds; n != 2*pairs-2 { // the far ends, and warm's two are gone too
			t.Errorf("%v: %d descriptors are left, want %d", k, n, 2*pairs-2)
		}
	}
}

// TestIdlePairHoldsNoneOfItsTLSBuffers would fail with a Go whose tls.Conn is
// laid out otherwise; then slim_linux.go needs another look. The bytes are right anyway.
func TestIdlePairHoldsNoneOfItsTLSBuffers(t *testing.T) {
	r := newRig(t, forms["parked"])
	var near *tls.Conn
	j := r.join(kind{true, false}, func(p *Pair) { near = p.Client.TLS })
	long := string(pattern(200_000, 0))
	for range 3 {
		say(t, j.client, long)
		hear(t, j.backend, long)
		say(t, j.client, "next")
		hear(t, j.backend, "next")
	}
	j.handle.End("")
	j.result(t)
	for _, offset := range []int{recordBuffer.offset, handshakeBuffer.offset, handshakeFn.offset, exporter.offset, resumption.offset, serverName.offset} {
		if offset < 0 {
			t.Error("tls.Conn has a field less, or of another type")
		}
	}
	if n := recordBuffer.in(near).Cap() + handshakeBuffer.in(near).Cap(); n > 0 {
		t.Errorf("the buffers still hold %d bytes", n)
	}
	if *exporter.in(near) != nil || *resumption.in(near) != nil {
		t.Error("what the handshake made is still there")
	}
}

// TestManyRecordsInPartsShareOneBuffer has records of several connections arrive
// in pieces, each piece of another one, so that a buffer lent twice would show.
func TestManyRecordsInPartsShareOneBuffer(t *testing.T) {
	o := forms["parked"]
	o.Workers = 1
	r := newRig(t, o)
	var all []*joint
	for range 8 {
		all = append(all, r.join(kind{true, true}))
	}
	for round := range 20 {
		var work sync.WaitGroup
		for i, j := range all {
			text := string(pattern(1000+997*(i+round), i))
			work.Go(func() { say(t, j.client, text) })
			work.Go(func() { hear(t, j.backend, text) })
			work.Go(func() { say(t, j.backend, text[:500]) })
			work.Go(func() { hear(t, j.client, text[:500]) })
		}
		work.Wait()
	}
	for _, j := range all {
		j.handle.End("")
		j.result(t)
	}
}

func TestBulkIsSplicedAndLeavesNoPipeBehind(t *testing.T) {
	r := newRig(t, forms["parked"])
	j := r.join(kind{})
	spliced := false
	stop := make(chan struct{})
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		for {
			select {
			case <-stop:
				return
			default:
				spliced = spliced || openPipes.Load() > 0
				time.Sleep(100 * time.Microsecond)
			}
		}
	}()
	go j.backend.Write(pattern(32<<20, 0))
	hear(t, j.client, string(pattern(32<<20, 0)))
	close(stop)
	<-watched
	if !spliced {
		t.Error("no pipe was ever used")
	}
	for range 3 {
		say(t, j.backend, "small again")
		hear(t, j.client, "small again")
	}
	if n := openPipes.Load(); n > idlePipes*int64(len(r.pool.engine.(*loops).workers)) {
		t.Errorf("%d pipes are open while nothing flows", n)
	}
}

func TestFilteredAndPeekedBytesAreNotSpliced(t *testing.T) {
	r := newRig(t, forms["parked"])
	const total = 8 << 20
	seen := 0
	for _, change := range []func(*Pair){
		func(p *Pair) { p.Filter = func(b []byte) { seen += len(b) } },
		func(p *Pair) { p.Peek = peek(func(b []byte) bool { seen += len(b); return true }) },
	} {
		seen = 0
		j := r.join(kind{}, change)
		go j.client.Write(pattern(total, 0))
		hear(t, j.backend, string(pattern(total, 0)))
		j.handle.End("")
		j.result(t)
		if seen != total {
			t.Errorf("%d of %d bytes were shown", seen, total)
		}
	}
}

func TestDescriptorsAreSetUpForMail(t *testing.T) {
	everyForm(t, func(t *testing.T, r *rig) {
		j := r.join(kind{true, false})
		say(t, j.client, "x")
		hear(t, j.backend, "x")
		for _, fd := range []int{ours(t, j.client), ours(t, j.backend)} {
			for _, o := range []struct{ level, name, want int }{
				{unix.IPPROTO_TCP, unix.TCP_NODELAY, 1},
				{unix.SOL_SOCKET, unix.SO_KEEPALIVE, 1},
				{unix.IPPROTO_TCP, unix.TCP_KEEPIDLE, 240},
				{unix.IPPROTO_TCP, unix.TCP_KEEPINTVL, 30},
				{unix.IPPROTO_TCP, unix.TCP_KEEPCNT, 4},
				{unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, 360_000},
			} {
				if got, err := unix.GetsockoptInt(fd, o.level, o.name); err != nil || got != o.want {
					t.Errorf("option %d.%d is %d (%v), want %d", o.level, o.name, got, err, o.want)
				}
			}
			if flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFL, 0); err != nil || flags&unix.O_NONBLOCK == 0 {
				t.Error("a descriptor would block")
			}
			if flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0); err != nil || flags&unix.FD_CLOEXEC == 0 {
				t.Error("a descriptor would be inherited")
			}
		}
	})
}

// TestDeafClientIsGivenUp stands in for a cable that was pulled: with the
// descriptor's timeout cut down, unanswered data ends the pair.
func TestDeafClientIsGivenUp(t *testing.T) {
	r := newRig(t, forms["parked"])
	j := r.join(kind{})
	say(t, j.client, "x")
	hear(t, j.backend, "x")
	if err := unix.SetsockoptInt(ours(t, j.client), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, 300); err != nil {
		t.Fatal(err)
	}
	go io.WriteString(j.backend, strings.Repeat("nobody listens ", 2<<20))
	res := j.result(t)
	if res.Reason != ClientDead || res.Err != unix.ETIMEDOUT {
		t.Errorf("ended as %+v", res)
	}
}

func TestQueueOfADeafClientIsBounded(t *testing.T) {
	r := newRig(t, forms["parked"])
	j, c := r.joinRecords()
	go io.WriteString(j.backend, strings.Repeat("nobody listens ", 2<<20))
	time.Sleep(100 * time.Millisecond)
	c.tcp.SetWriteDeadline(time.Now().Add(patience))
	go io.Copy(io.Discard, j.backend)
	for { // every one of these asks for an answer
		if _, err := c.tcp.Write(append(c.keyUpdate(true), c.seal(typeApplication, "x")...)); err != nil {
			break
		}
	}
	if res := j.result(t); res.Reason != ClientDead || !errors.Is(res.Err, errQueueFull) {
		t.Errorf("ended as %+v", res)
	}
	j.backend.Close()
}

func TestHandOverFailsCleanly(t *testing.T) {
	r := newRig(t, forms["parked"])
	fds := descriptors(t)
	j := r.join(kind{}, func(p *Pair) { p.Backend.Socket.tcp.Close() })
	if res := j.result(t); res.Reason != Failed || res.Err == nil {
		t.Errorf("ended as %+v", res)
	}
	hearEnd(t, j.client)
	if n := descriptors(t) - fds; n > 2 {
		t.Errorf("%d descriptors are left, want the far ends only", n)
	}
}
