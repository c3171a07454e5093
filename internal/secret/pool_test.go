package secret

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

func network(n int) Source {
	return Source{Network: netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(n >> 8), byte(n), 0}), 24)}
}

// work stands for a hash's time.
func work() { time.Sleep(20 * time.Millisecond) }

func TestAPoolNeverWorksOnMoreThanItsSlots(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := NewPool(3)
		var now, most atomic.Int32
		var wg sync.WaitGroup
		for i := range 100 {
			wg.Go(func() {
				err := p.Do(t.Context(), network(i), func() {
					most.Store(max(most.Load(), now.Add(1)))
					work()
					now.Add(-1)
				})
				if err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if most.Load() != 3 || p.free != 3 || p.Waiting() != 0 || len(p.other.queues)+len(p.other.ring) != 0 {
			t.Errorf("at once %d, free %d, waiting %d", most.Load(), p.free, p.Waiting())
		}
	})
}

func TestAFloodFromOneSourceDoesNotStarveAnother(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := NewPool(1)
		ctx, stop := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		var refused atomic.Int32
		for range 2 * poolPerSource {
			wg.Go(func() {
				for ctx.Err() == nil {
					if errors.Is(p.Do(ctx, network(1), work), ErrBusy) {
						refused.Add(1)
						time.Sleep(time.Millisecond)
					}
				}
			})
		}
		synctest.Wait()
		for range 20 {
			start := time.Now()
			if err := p.Do(ctx, network(2), work); err != nil {
				t.Fatal(err)
			}
			if took := time.Since(start); took > 60*time.Millisecond {
				t.Errorf("the other source waited %v", took)
			}
			time.Sleep(7 * time.Millisecond)
		}
		stop()
		wg.Wait()
		if refused.Load() == 0 {
			t.Error("nobody of the flood was told busy")
		}
	})
}

// Everybody of an office starts their program at nine, from one address.
func TestACrowdFromOneAddressIsServed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := NewPool(1)
		start := time.Now()
		var wg sync.WaitGroup
		for range poolPerSource {
			wg.Go(func() {
				if err := p.Do(t.Context(), network(1), work); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if took := time.Since(start); took > poolPerSource*20*time.Millisecond {
			t.Errorf("the last waited %v", took)
		}
	})
}

func TestFamiliarSourcesHaveRoomWhenStrangersFillTheirs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := NewPool(1)
		ctx, stop := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		for i := range 4 * poolWaiting {
			wg.Go(func() {
				for ctx.Err() == nil {
					if p.Do(ctx, network(i), work) != nil {
						time.Sleep(time.Millisecond)
					}
				}
			})
		}
		synctest.Wait()
		if p.Waiting() != poolWaiting {
			t.Errorf("%d wait, the bound is %d", p.Waiting(), poolWaiting)
		}
		start, home := time.Now(), Source{Network: network(9999).Network, Familiar: true}
		if err := p.Do(ctx, home, work); err != nil {
			t.Error(err)
		}
		if took := time.Since(start); took > 60*time.Millisecond {
			t.Errorf("a familiar source waited %v", took)
		}
		stop()
		wg.Wait()
	})
}

func TestStrangersGetTheirTurnWhenFamiliarSourcesFlood(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := NewPool(1)
		ctx, stop := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		for i := range 50 {
			home := network(i)
			home.Familiar = true
			wg.Go(func() {
				for p.Do(ctx, home, work) == nil {
				}
			})
		}
		synctest.Wait()
		start := time.Now()
		if err := p.Do(ctx, network(99), work); err != nil {
			t.Error(err)
		}
		if took := time.Since(start); took > 120*time.Millisecond {
			t.Errorf("a stranger waited %v", took)
		}
		stop()
		wg.Wait()
	})
}

func TestAFullRoomTakesFromWhoHasMost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := NewPool(1)
		block := make(chan struct{})
		var wg sync.WaitGroup
		wg.Go(func() { _ = p.Do(t.Context(), network(0), func() { <-block }) })
		synctest.Wait()
		var busy atomic.Int32
		for i := range poolWaiting {
			wg.Go(func() {
				if errors.Is(p.Do(t.Context(), network(1+i/poolPerSource), func() {}), ErrBusy) {
					busy.Add(1)
				}
			})
			synctest.Wait()
		}
		var served atomic.Int32
		for i := range poolWaiting / poolPerSource {
			wg.Go(func() {
				if p.Do(t.Context(), network(1000+i), func() {}) == nil {
					served.Add(1)
				}
			})
			synctest.Wait()
		}
		close(block)
		wg.Wait()
		if want := int32(poolWaiting / poolPerSource); served.Load() != want || busy.Load() != want {
			t.Errorf("%d newcomers served, %d of the many sent away; want %d each", served.Load(), busy.Load(), want)
		}
	})
}

func TestWhoGivesUpWaitingLeavesNothingBehind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := NewPool(1)
		var wg sync.WaitGroup
		for i := range 200 {
			wg.Go(func() {
				ctx, cancel := context.WithTimeout(t.Context(), time.Duration(i)*time.Millisecond)
				defer cancel()
				if err := p.Do(ctx, network(i), work); err != nil && !errors.Is(err, context.DeadlineExceeded) {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if p.free != 1 || p.Waiting() != 0 || len(p.other.queues)+len(p.other.ring) != 0 {
			t.Errorf("free %d, waiting %d, %d queues, %d in the ring", p.free, p.Waiting(), len(p.other.queues), len(p.other.ring))
		}
	})
}

func TestSlotsSurviveAbandoningInTheSameMoment(t *testing.T) {
	p := NewPool(2)
	var wg sync.WaitGroup
	for i := range 2000 {
		wg.Go(func() {
			ctx, cancel := context.WithTimeout(t.Context(), time.Duration(i%50)*10*time.Microsecond)
			defer cancel()
			_ = p.Do(ctx, network(i%64), func() { time.Sleep(time.Microsecond) })
		})
	}
	wg.Wait()
	if p.free != 2 || p.Waiting() != 0 {
		t.Errorf("free %d, waiting %d", p.free, p.Waiting())
	}
}

func TestAPanicInTheWorkGivesTheSlotBack(t *testing.T) {
	p := NewPool(1)
	func() {
		defer func() { _ = recover() }()
		_ = p.Do(t.Context(), network(1), func() { panic("x") })
	}()
	if p.free != 1 {
		t.Error("the slot is gone")
	}
}

func TestSourcesOfOneClassTakeTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := NewPool(1)
		block := make(chan struct{})
		var wg sync.WaitGroup
		wg.Go(func() { _ = p.Do(t.Context(), network(0), func() { <-block }) })
		synctest.Wait()
		var order []int
		for _, from := range []int{1, 1, 1, 2, 2, 3} {
			wg.Go(func() { _ = p.Do(t.Context(), network(from), func() { order = append(order, from) }) })
			synctest.Wait()
		}
		close(block)
		wg.Wait()
		if want := []int{1, 2, 3, 1, 2, 1}; !slices.Equal(order, want) {
			t.Errorf("order %v, want %v", order, want)
		}
	})
}

func BenchmarkHash(b *testing.B) {
	for b.Loop() {
		Hash([]byte(word))
	}
}

func BenchmarkPoolUncontended(b *testing.B) {
	p, from := NewPool(0), network(1)
	for b.Loop() {
		_ = p.Do(b.Context(), from, func() {})
	}
}

func BenchmarkPrint(b *testing.B) {
	ps, a, c := NewPrints(), []byte("mary@example.org"), []byte(word)
	for b.Loop() {
		ps.Of(a, c)
	}
}
