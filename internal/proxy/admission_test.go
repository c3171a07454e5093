package proxy

import (
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
)

func TestTheOldestOfACrowdedSourceMakesRoom(t *testing.T) {
	var a Admission
	flood, calm := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2")
	var evicted []int
	other := a.Enter(calm, func() { t.Error("somebody else's connection was closed") })
	for i := range perSource + 3 {
		a.Enter(flood, func() { evicted = append(evicted, i) })
	}
	if len(evicted) != 3 || evicted[0] != 0 || evicted[2] != 2 {
		t.Errorf("evicted %v", evicted)
	}
	if a.Len() != perSource+1 {
		t.Errorf("%d admitted", a.Len())
	}
	other.Leave()
	other.Leave()
	if a.Len() != perSource {
		t.Errorf("%d admitted after one left", a.Len())
	}
}

func TestAnIPv6SiteIsOneSource(t *testing.T) {
	a := Admission{PerSource: 2}
	evicted := 0
	for _, s := range []string{"2001:db8::1", "2001:db8::2", "2001:db8::3", "2001:db8:0:1::1"} {
		a.Enter(netip.MustParseAddr(s), func() { evicted++ })
	}
	if evicted != 1 {
		t.Errorf("%d evicted, want 1", evicted)
	}
}

func TestAllTogetherAreBounded(t *testing.T) {
	a := Admission{InAll: 10}
	evicted := 0
	for i := range 30 {
		a.Enter(netip.AddrFrom4([4]byte{10, 0, 0, byte(i)}), func() { evicted++ })
	}
	if a.Len() != 10 || evicted != 20 || len(a.sources) != 10 {
		t.Errorf("%d admitted, %d evicted, %d sources", a.Len(), evicted, len(a.sources))
	}
}

func TestEnteringAndLeavingAtOnce(t *testing.T) {
	a := Admission{PerSource: 5, InAll: 20}
	var evicted atomic.Int64
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for n := range 500 {
				a.Enter(netip.AddrFrom4([4]byte{10, 0, 0, byte(n+i) % 7}), func() { evicted.Add(1) }).Leave()
			}
		})
	}
	wg.Wait()
	if a.Len() != 0 || len(a.sources) != 0 {
		t.Errorf("%d left, %d sources", a.Len(), len(a.sources))
	}
}
