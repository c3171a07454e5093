package relay

import (
	"net"
	"sync/atomic"
	"testing"
	"time"
)

// TestEndOfFiveThousandPairs ends them all at once, as a change of policy does,
// while another pair goes on talking.
func TestEndOfFiveThousandPairs(t *testing.T) {
	everyForm(t, func(t *testing.T, r *rig) {
		const pairs = 5000
		front, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer front.Close()
		crowd := spawn(t, "crowd 5000 "+front.Addr().String())
		to := crowd.hear(t)
		var ended atomic.Int64
		handles := make([]*Handle, pairs)
		for i := range handles {
			c, err := front.Accept()
			if err != nil {
				t.Fatal(err)
			}
			b, err := net.Dial("tcp", to)
			if err != nil {
				t.Fatal(err)
			}
			handles[i] = r.pool.Carry(Pair{
				Client:  Side{Socket: NewSocket(c.(*net.TCPConn))},
				Backend: Side{Socket: NewSocket(b.(*net.TCPConn))},
				Owner: told(func(res Result) {
					if res.Reason == Ended && res.Note == "all" {
						ended.Add(1)
					}
				})})
		}
		other := r.join(kind{true, false})
		start := time.Now()
		for _, h := range handles {
			h.End("all")
		}
		told := time.Since(start)
		worst := talkUntil(t, other, func() bool { return r.pool.Len() == 1 })
		t.Logf("5,000 told in %v, closed after %v; another pair's slowest round trip: %v", told, time.Since(start), worst)
		if n := ended.Load(); n != pairs {
			t.Errorf("%d of %d ended as told", n, pairs)
		}
		if got := crowd.hear(t); got != "gone" {
			t.Errorf("the crowd says %q", got)
		}
		if told > patience/4 { // a benchmark says what it takes; here a slow machine has the race detector too
			t.Errorf("telling them took %v", told)
		}
	})
}

func talkUntil(t *testing.T, j *joint, over func() bool) (worst time.Duration) {
	t.Helper()
	for end := time.Now().Add(patience); ; {
		start := time.Now()
		say(t, j.client, "a NOOP\r\n")
		hear(t, j.backend, "a NOOP\r\n")
		say(t, j.backend, "a OK\r\n")
		hear(t, j.client, "a OK\r\n")
		worst = max(worst, time.Since(start))
		if over() {
			return worst
		}
		if time.Now().After(end) {
			t.Fatal("they do not end")
		}
	}
}

func TestMemoryIsReturnedWhenACrowdHasComeOrGone(t *testing.T) {
	m := returner{due: make(chan struct{}, 1)}
	asked := func() bool {
		select {
		case <-m.due:
			return true
		default:
			return false
		}
	}
	before := int64(0)
	for _, step := range []struct {
		open int64
		want bool
	}{{400, false}, {511, false}, {512, true}, {1000, false}, {1024, true}, {2100, true}, {4000, true}, {1001, false},
		{1000, true}, {900, false}, {251, false}, {250, true}, {0, false}, {511, false}, {2000, true}, {500, true}, {0, false}} {
		if step.open > before {
			m.grown(step.open)
		} else {
			m.shrunk(step.open)
		}
		before = step.open
		if got := asked(); got != step.want {
			t.Errorf("at %d open pairs: %v, want %v", step.open, got, step.want)
		}
	}
}

func TestACrowdHasSettledWhenFewComeAndGo(t *testing.T) {
	var s settling
	s.begin(600)
	for i, step := range []struct {
		open int64
		over bool
	}{{610, false}, {2000, false}, {4000, false}, {4010, true}} {
		if s.over(step.open) != step.over {
			t.Errorf("look %d, %d open", i, step.open)
		}
	}
	if s.next != nil {
		t.Error("it is still looked at")
	}
	s.begin(0)
	for i := range settleMax {
		if got := s.over(int64(i * stragglers)); got != (i == settleMax-1) {
			t.Errorf("a crowd that never settles: look %d, %v", i, got)
		}
	}
}
