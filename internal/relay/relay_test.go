package relay

import (
	"bytes"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"
)

func say(t testing.TB, p *peer, s string) {
	t.Helper()
	if _, err := io.WriteString(p, s); err != nil {
		t.Fatalf("writing %.40q: %v", s, err)
	}
}

func hear(t testing.TB, p *peer, want string) {
	t.Helper()
	got := make([]byte, len(want))
	if n, err := io.ReadFull(p, got); err != nil || string(got) != want {
		t.Fatalf("heard %.80q (%v), want %.80q", got[:n], err, want)
	}
}

func hearEnd(t testing.TB, p *peer) {
	t.Helper()
	if n, err := p.Read(make([]byte, 1)); err != io.EOF {
		t.Fatalf("heard %d bytes, %v; want the end", n, err)
	}
}

func TestBytesGoBothWays(t *testing.T) {
	conformance(t, func(t *testing.T, r *rig, k kind) {
		j := r.join(k)
		for _, s := range []string{"a", "a1 NOOP\r\n", strings.Repeat("x", 5000), strings.Repeat("y", 40000)} {
			say(t, j.client, s)
			hear(t, j.backend, s)
			say(t, j.backend, "* "+s)
			hear(t, j.client, "* "+s)
		}
		j.client.Close()
		hearEnd(t, j.backend)
		j.backend.Close()
		res := j.result(t)
		if res.Reason != ClientClosed || res.Err != nil {
			t.Errorf("ended because of %v, %v", res.Reason, res.Err)
		}
		if res.FromClient != 45010 || res.FromBackend != 45018 {
			t.Errorf("counted %d and %d bytes, want 45010 and 45018", res.FromClient, res.FromBackend)
		}
	})
}

func TestSingleBytesArriveAtOnce(t *testing.T) {
	conformance(t, func(t *testing.T, r *rig, k kind) {
		j := r.join(k)
		for i := range 300 {
			b := string(byte(i))[:1]
			say(t, j.client, b)
			hear(t, j.backend, b)
			say(t, j.backend, b)
			hear(t, j.client, b)
		}
	})
}

func TestEarlyBytesGoFirst(t *testing.T) {
	conformance(t, func(t *testing.T, r *rig, k kind) {
		up, down := strings.Repeat("a2 SELECT INBOX\r\n", 5000), strings.Repeat("* 1 EXISTS\r\n", 20000)
		j := r.join(k, func(p *Pair) { p.Client.Early, p.Backend.Early = []byte(up), []byte(down) })
		say(t, j.client, "after")
		say(t, j.backend, "behind")
		hear(t, j.backend, up+"after")
		hear(t, j.client, down+"behind")
		if c, b := j.handle.Bytes(); c != uint64(len(up)+5) || b != uint64(len(down)+6) {
			t.Errorf("counted %d and %d bytes", c, b)
		}
	})
}

func TestHalfCloseIsPassedOn(t *testing.T) {
	conformance(t, func(t *testing.T, r *rig, k kind) {
		for _, first := range []int{client, backend} {
			j := r.join(k)
			one, other := j.client, j.backend
			want := ClientClosed
			if first == backend {
				one, other, want = other, one, BackendClosed
			}
			say(t, one, "that was all")
			if err := one.closeWrite(); err != nil {
				t.Fatal(err)
			}
			hear(t, other, "that was all")
			hearEnd(t, other)
			long := strings.Repeat("still talking ", 100000)
			go func() {
				io.WriteString(other, long)
				other.closeWrite()
			}()
			hear(t, one, long)
			hearEnd(t, one)
			if res := j.result(t); res.Reason != want || res.Err != nil {
				t.Errorf("ended because of %v, %v; want %v", res.Reason, res.Err, want)
			}
		}
	})
}

func TestEndClosesBothSidesAndKeepsTheFirstNote(t *testing.T) {
	conformance(t, func(t *testing.T, r *rig, k kind) {
		j := r.join(k)
		say(t, j.client, "hello")
		hear(t, j.backend, "hello")
		j.handle.End("policy 7")
		j.handle.End("too late")
		res := j.result(t)
		if res.Reason != Ended || res.Note != "policy 7" || res.FromClient != 5 {
			t.Errorf("ended as %+v", res)
		}
		for _, p := range []*peer{j.client, j.backend} {
			if _, err := p.Read(make([]byte, 1)); err == nil {
				t.Error("a side can still be read from")
			}
		}
		j.handle.End("long gone")
		select {
		case res := <-j.done:
			t.Errorf("Done was called again: %+v", res)
		case <-time.After(20 * time.Millisecond):
		}
	})
}

func TestEndWhileBlocked(t *testing.T) {
	conformance(t, func(t *testing.T, r *rig, k kind) {
		j := r.join(k)
		stuff(t, j.backend)
		stuff(t, j.client)
		j.handle.End("blocked")
		if res := j.result(t); res.Reason != Ended || res.Note != "blocked" {
			t.Errorf("ended as %+v", res)
		}
	})
}

// stuff writes until nobody takes any more, and returns how much that was.
func stuff(t testing.TB, p *peer) (n int) {
	t.Helper()
	junk := make([]byte, 64<<10)
	for n < 256<<20 {
		p.SetWriteDeadline(time.Now().Add(200 * time.Millisecond))
		k, err := p.Write(junk)
		n += k
		if err != nil {
			return n
		}
	}
	t.Error("256 MB were taken from one who is not listened to")
	return n
}

func TestDeafClientHoldsUpNobodyElse(t *testing.T) {
	conformance(t, func(t *testing.T, r *rig, k kind) {
		var stuffing sync.WaitGroup
		defer stuffing.Wait()
		deaf := make([]*joint, 8)
		for i := range deaf {
			deaf[i] = r.join(kind{k.clientTLS, false})
			stuffing.Go(func() { stuff(t, deaf[i].backend) })
		}
		j := r.join(k)
		for range 200 {
			start := time.Now()
			say(t, j.client, "a NOOP\r\n")
			hear(t, j.backend, "a NOOP\r\n")
			say(t, j.backend, "a OK\r\n")
			hear(t, j.client, "a OK\r\n")
			if d := time.Since(start); d > 2*time.Second {
				t.Fatalf("a round trip took %v", d)
			}
		}
		for _, d := range deaf {
			d.handle.End("")
			d.result(t)
		}
	})
}

func TestSlowReaderGetsEverything(t *testing.T) {
	conformance(t, func(t *testing.T, r *rig, k kind) {
		j := r.join(k)
		j.client.tcp.SetReadBuffer(32 << 10)
		const total = 3 << 20
		go func() {
			j.backend.Write(pattern(total, 0))
			j.backend.closeWrite()
		}()
		var got bytes.Buffer
		buf := make([]byte, 7001)
		for {
			n, err := j.client.Read(buf)
			got.Write(buf[:n])
			if err == io.EOF {
				break
			} else if err != nil {
				t.Fatal(err)
			}
			if got.Len() < total/3 {
				time.Sleep(100 * time.Microsecond)
			}
		}
		if !bytes.Equal(got.Bytes(), pattern(total, 0)) {
			t.Fatalf("%d bytes arrived, and not the ones that were sent", got.Len())
		}
	})
}

// pattern is n bytes in which every place can be told from its neighbours.
func pattern(n, from int) []byte {
	b := make([]byte, n)
	for i := range b {
		k := from + i
		b[i] = byte(k ^ k>>8*7 ^ k>>16*31)
	}
	return b
}

func TestResetBackendStillDeliversWhatItSaid(t *testing.T) {
	conformance(t, func(t *testing.T, r *rig, k kind) {
		j := r.join(k)
		say(t, j.backend, "* BYE out of paper\r\n")
		hear(t, j.client, "* BYE out of paper\r\n")
		j.backend.tcp.SetLinger(0)
		j.backend.tcp.Close()
		if _, err := j.client.Read(make([]byte, 1)); err == nil {
			t.Fatal("the client heard more")
		}
		j.client.Close()
		if res := j.result(t); res.Reason != BackendClosed || res.Err == nil {
			t.Errorf("ended because of %v, %v; want a closed backend with an error", res.Reason, res.Err)
		}
	})
}

func TestResetClientClosesTheBackend(t *testing.T) {
	conformance(t, func(t *testing.T, r *rig, k kind) {
		j := r.join(k)
		say(t, j.client, "a1 IDLE\r\n")
		hear(t, j.backend, "a1 IDLE\r\n")
		j.client.tcp.SetLinger(0)
		j.client.tcp.Close()
		if _, err := j.backend.Read(make([]byte, 1)); err == nil {
			t.Fatal("the backend heard more")
		}
		j.backend.Close()
		if res := j.result(t); res.Reason != ClientClosed || res.Err == nil {
			t.Errorf("ended because of %v, %v; want a closed client with an error", res.Reason, res.Err)
		}
	})
}

func TestClientThatFinishedAndThenVanishedEndsThePair(t *testing.T) {
	everyForm(t, func(t *testing.T, r *rig) {
		j := r.join(kind{})
		j.client.closeWrite()
		hearEnd(t, j.backend)
		j.client.tcp.SetLinger(0)
		j.client.tcp.Close()
		if r.pool.options.Goroutines { // it notices with the next bytes only
			io.WriteString(j.backend, "a")
			time.Sleep(10 * time.Millisecond)
			io.WriteString(j.backend, "b")
		}
		if res := j.result(t); res.Reason != ClientClosed {
			t.Errorf("ended as %+v", res)
		}
	})
}

func TestPeekSeesTheClientUntilItHasSeenEnough(t *testing.T) {
	conformance(t, func(t *testing.T, r *rig, k kind) {
		var seen bytes.Buffer
		j := r.join(k, func(p *Pair) {
			p.Client.Early = []byte("early ")
			p.Peek = peek(func(b []byte) bool {
				seen.Write(b)
				return !bytes.Contains(seen.Bytes(), []byte("stop"))
			})
		})
		for _, s := range []string{"first ", "stop ", "unseen"} {
			say(t, j.client, s)
			if s == "first " {
				s = "early first "
			}
			hear(t, j.backend, s)
			say(t, j.backend, "answer")
			hear(t, j.client, "answer")
		}
		j.handle.End("")
		j.result(t)
		if seen.String() != "early first stop " {
			t.Errorf("Peek saw %q", seen.String())
		}
	})
}

func TestFilterChangesBytesWhereverTheBordersFall(t *testing.T) {
	conformance(t, func(t *testing.T, r *rig, k kind) {
		place := 0
		j := r.join(k, func(p *Pair) {
			p.Client.Early = pattern(777, 0)
			p.Filter = func(b []byte) {
				for i := range b {
					if place%1009 == 0 {
						b[i] = '!'
					}
					place++
				}
			}
		})
		const total = 5 << 20
		want := pattern(total, 0)
		go func() {
			for n, step := 777, 1; n < total; step = step*3%70001 + 1 {
				m := min(n+step, total)
				if _, err := j.client.Write(want[n:m]); err != nil {
					return
				}
				n = m
			}
		}()
		got := make([]byte, total)
		if n, err := io.ReadFull(j.backend, got); err != nil {
			t.Fatalf("after %d bytes: %v", n, err)
		}
		for i := range got {
			w := pattern(1, i)[0]
			if i%1009 == 0 {
				w = '!'
			}
			if got[i] != w {
				t.Fatalf("byte %d is %q, want %q", i, got[i], w)
			}
		}
		say(t, j.backend, "unfiltered")
		hear(t, j.client, "unfiltered")
	})
}

func TestPanicInACallbackEndsThatPairOnly(t *testing.T) {
	conformance(t, func(t *testing.T, r *rig, k kind) {
		for _, early := range []string{"", "early"} {
			other := r.join(k)
			j := r.join(k, func(p *Pair) {
				p.Client.Early = []byte(early)
				p.Peek = peek(func([]byte) bool { panic("peek") })
			})
			if early == "" {
				say(t, j.client, "x")
			}
			if res := j.result(t); res.Reason != Failed || !strings.Contains(res.Err.Error(), "peek") {
				t.Errorf("ended as %+v", res)
			}
			say(t, other.client, "still here")
			hear(t, other.backend, "still here")
		}
	})
}

func TestIdlePairEndsAndBusyOneDoesNot(t *testing.T) {
	for name, o := range forms {
		t.Run(name, func(t *testing.T) {
			o.Idle = 200 * time.Millisecond
			r := newRig(t, o)
			idle, busy := r.join(kind{true, false}), r.join(kind{})
			for end := time.Now().Add(500 * time.Millisecond); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
				say(t, busy.client, "x")
				hear(t, busy.backend, "x")
			}
			select {
			case res := <-busy.done:
				t.Fatalf("the busy pair ended: %+v", res)
			case res := <-idle.done:
				if res.Reason != Idle {
					t.Errorf("ended because of %v", res.Reason)
				}
			default:
				t.Error("the idle pair is still open")
			}
		})
	}
}

func TestHalfClosedPairIsNotKeptForEver(t *testing.T) {
	for name, o := range forms {
		t.Run(name, func(t *testing.T) {
			o.HalfClosed = 100 * time.Millisecond
			r := newRig(t, o)
			j, whole := r.join(kind{}), r.join(kind{})
			j.client.closeWrite()
			hearEnd(t, j.backend)
			if res := j.result(t); res.Reason != ClientClosed {
				t.Errorf("ended because of %v", res.Reason)
			}
			for end := time.Now().Add(20 * time.Second); r.pool.Len() != 1 && time.Now().Before(end); { // a pair counts until its Done has returned
				time.Sleep(time.Millisecond)
			}
			if n := r.pool.Len(); n != 1 {
				t.Errorf("%d pairs are left, want the whole one", n)
			}
			whole.handle.End("")
		})
	}
}

func TestClosedPoolEndsItsPairsAndTakesNoMore(t *testing.T) {
	for name, o := range forms {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, o)
			j := r.join(kind{true, false})
			if err := r.pool.Close(); err != nil {
				t.Fatal(err)
			}
			late := r.join(kind{})
			for _, x := range []*joint{j, late} {
				if res := x.result(t); res.Reason != Stopped {
					t.Errorf("ended because of %v", res.Reason)
				}
			}
			eventually(t, "the pool is empty", func() bool { return r.pool.Len() == 0 })
		})
	}
}

func TestPoolThatNeverRanStillAnswersForItsPairs(t *testing.T) {
	for name, o := range forms {
		t.Run(name, func(t *testing.T) {
			p, err := NewPool(o)
			if err != nil {
				t.Fatal(err)
			}
			j := (&rig{t, p}).join(kind{true, true})
			if err := p.Close(); err != nil {
				t.Fatal(err)
			}
			if res := j.result(t); res.Reason != Stopped {
				t.Errorf("ended because of %v", res.Reason)
			}
		})
	}
}

func TestSocketIsAnOrdinaryConnectionBeforehand(t *testing.T) {
	ours, theirs := connect(t)
	s := NewSocket(ours)
	s.SetReadDeadline(time.Now().Add(10 * time.Millisecond))
	if _, err := s.Read(make([]byte, 1)); err == nil || !err.(net.Error).Timeout() {
		t.Errorf("a read past its deadline: %v", err)
	}
	s.SetReadDeadline(time.Time{})
	theirs.Write([]byte("abc"))
	b := make([]byte, 8)
	if n, err := s.Read(b); n != 3 || err != nil {
		t.Errorf("read %d, %v", n, err)
	}
	s.Write([]byte("four"))
	if n, err := theirs.Read(b); string(b[:n]) != "four" || err != nil {
		t.Errorf("heard %q, %v", b[:n], err)
	}
	if s.RemoteAddr().String() != theirs.LocalAddr().String() {
		t.Error("another remote address")
	}
}
