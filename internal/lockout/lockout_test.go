package lockout

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/portreeve/portreeve/internal/secret"
)

func word(n int) (p secret.Print) {
	binary.LittleEndian.PutUint64(p[:], uint64(n)+1)
	return p
}

var (
	lair = netip.MustParseAddr("203.0.113.9")
	home = netip.MustParseAddr("198.51.100.7")
)

const right = 1 << 20 // the number of everybody's right word

// try is one whole knock, and says whether its secret was looked at.
func try(g *Guard, k Key, n int) bool {
	k.Secret = word(n)
	if g.Check(k) != Pass {
		return false
	}
	if n == right {
		g.Note(k, Unjudged)
	} else {
		g.Note(k, WrongSecret)
	}
	return true
}

func stranger(person string, a netip.Addr) Key { return Key{Person: person, Addr: a} }
func familiar(person string, a netip.Addr) Key { return Key{Person: person, Addr: a, Familiar: true} }

func TestAStrangerHasTenGuesses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := New(Options{})
		answered := 0
		for n := range 100 {
			if try(g, stranger("mary", lair), n) {
				answered++
			}
		}
		if answered != guesses {
			t.Errorf("%d guesses were answered", answered)
		}
		if try(g, stranger("mary", lair), right) {
			t.Error("the right secret of a stranger is answered after ten wrong ones, so that every further guess is")
		}
		if try(g, stranger("mary", home), right) {
			t.Error("strangers from elsewhere do not share the budget")
		}
		time.Sleep(strangersWindow + time.Second)
		if !try(g, stranger("mary", lair), right) {
			t.Error("guesses count for ever")
		}
	})
}

func TestTheOwnerNeverWaitsBecauseOfStrangers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := New(Options{})
		for minute := range 60 {
			for n := range 200 {
				try(g, stranger("mary", netip.AddrFrom4([4]byte{203, byte(n), byte(minute), 1})), minute*1000+n)
				try(g, stranger("mary", home), minute*1000+500+n) // also from the same address, before it was familiar
			}
			for range 20 {
				if !try(g, familiar("mary", home), right) {
					t.Fatal("the owner waits")
				}
			}
			bearer := Key{Person: "mary", Addr: lair, Unguessable: true}
			if g.Check(bearer) != Pass {
				t.Fatal("a token waits")
			}
			time.Sleep(time.Minute)
		}
	})
}

func TestAFamiliarPlaceHasItsOwnTenGuesses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := New(Options{})
		answered := 0
		for n := range 100 {
			if try(g, familiar("mary", home), n) {
				answered++
			}
		}
		if answered != guesses {
			t.Errorf("%d guesses were answered", answered)
		}
		if !try(g, familiar("mary", netip.MustParseAddr("198.51.100.8")), right) || !try(g, familiar("omar", home), right) {
			t.Error("another place of hers, or another person at the place, waits")
		}
		k := familiar("mary", home)
		k.Program = "Thunderbird"
		if !try(g, k, right) {
			t.Error("another familiar program waits")
		}
		time.Sleep(familiarWindow + time.Second)
		if !try(g, familiar("mary", home), right) {
			t.Error("guesses count for ever")
		}
	})
}

func TestTheSameWrongSecretCountsOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := New(Options{})
		for _, k := range []Key{stranger("mary", lair), familiar("mary", home)} {
			asked := 0
			for range 600 { // an old phone, every 10 s for 100 minutes
				if try(g, k, 7) {
					asked++
				}
				time.Sleep(10 * time.Second)
			}
			if asked > 101 || asked < 80 {
				t.Errorf("the secret was checked %d times", asked)
			}
			if !try(g, k, right) {
				t.Error("a program with an old password makes its owner wait")
			}
		}
	})
}

func TestASecretKnownToBeWrongIsNotCheckedAgainForAMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := New(Options{})
		k := stranger("mary", lair)
		try(g, k, 1)
		k.Secret = word(1)
		for _, from := range []Key{k, {Person: "mary", Addr: home, Familiar: true, Secret: word(1)}} {
			if d := g.Check(from); d != Wrong {
				t.Errorf("decision %v", d)
			}
		}
		if d := g.Check(Key{Person: "omar", Addr: home, Secret: word(1)}); d != Pass {
			t.Errorf("another person with the same secret: %v", d)
		}
		g.Forget("mary")
		if d := g.Check(k); d != Pass {
			t.Errorf("after a new password: %v", d)
		}
		g.Note(k, WrongSecret)
		time.Sleep(knownBadFor + time.Second)
		if d := g.Check(k); d != Pass {
			t.Errorf("after a minute: %v", d)
		}
	})
}

func TestOneAddressHasSixtyGuessesAMinuteOverAllPeople(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := New(Options{})
		var at []time.Time
		for n := range 3000 { // ten minutes, five a second, each at somebody else
			if try(g, stranger(fmt.Sprint("person", n), lair), n) {
				at = append(at, time.Now())
			}
			time.Sleep(200 * time.Millisecond)
		}
		for i, from := range at {
			if i+perAddress < len(at) && at[i+perAddress].Sub(from) <= time.Minute {
				t.Fatalf("more than %d within the minute from %v", perAddress, from)
			}
		}
		if len(at) < 300 {
			t.Errorf("only %d in ten minutes", len(at))
		}
		if !try(g, stranger("zoe", home), right) {
			t.Error("another network waits")
		}
	})
}

func TestANetworkIsCountedTogetherAndIPv6By64And48(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, c := range []struct {
			name string
			addr func(n int) netip.Addr
			want int
		}{
			{"one /64", func(n int) netip.Addr { return v6(1, uint64(n)) }, perAddress},
			{"one /48", func(n int) netip.Addr { return v6(uint64(n), 1) }, perNetwork},
			{"one /24", func(n int) netip.Addr { return netip.AddrFrom4([4]byte{192, 0, 2, byte(n)}) }, perNetwork},
			{"one mapped address", func(int) netip.Addr { return netip.MustParseAddr("::ffff:192.0.2.1") }, perAddress},
			{"zones of one host", func(n int) netip.Addr { return netip.MustParseAddr(fmt.Sprintf("fe80::1%%%d", n)) }, perAddress},
		} {
			g, answered := New(Options{}), 0
			for n := range 1000 {
				if try(g, stranger(fmt.Sprint("person", n), c.addr(n)), n) {
					answered++
				}
			}
			if answered != c.want {
				t.Errorf("%s: %d answered, want %d", c.name, answered, c.want)
			}
		}
	})
}

func v6(subnet, host uint64) netip.Addr {
	var b [16]byte
	copy(b[:], []byte{0x20, 0x01, 0x0d, 0xb8, 0, 5})
	binary.BigEndian.PutUint16(b[6:], uint16(subnet))
	binary.BigEndian.PutUint64(b[8:], host)
	return netip.AddrFrom16(b)
}

func TestAForwarderIsNeverSlowedAsASource(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := New(Options{})
		for n := range 1000 {
			k := stranger(fmt.Sprint("person", n), lair)
			k.Forwarder = true
			if !try(g, k, n) {
				t.Fatalf("after %d people the forwarder waits", n)
			}
		}
		answered := 0
		for n := range 100 {
			k := stranger("mary", lair)
			k.Forwarder = true
			if try(g, k, n) {
				answered++
			}
		}
		if answered != guesses {
			t.Errorf("%d guesses at one person through a forwarder", answered)
		}
	})
}

func TestNamesThatNobodyHasAreCountedLikeOthersAndNotListed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, answered := New(Options{}), 0
		for n := range 100 {
			if try(g, Key{Name: "nobody@example.org", Addr: lair}, n) {
				answered++
			}
		}
		if answered != guesses {
			t.Errorf("%d guesses at a name that nobody has", answered)
		}
		for _, r := range g.List() {
			if r.Person != "" {
				t.Errorf("listed %+v", r)
			}
		}
	})
}

func TestGuessesAtOnceGetNoFurtherThanOneAfterAnother(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := New(Options{})
		var answered, rights atomic.Int32
		var wg sync.WaitGroup
		for n := range 200 {
			wg.Go(func() {
				k := stranger("mary", lair)
				k.Secret = word(n)
				if g.Check(k) != Pass {
					return
				}
				answered.Add(1)
				time.Sleep(2 * time.Second) // Dovecot's delay
				g.Note(k, WrongSecret)
			})
		}
		for range 50 { // 50 connections of a new place of another person
			wg.Go(func() {
				k := stranger("omar", home)
				k.Secret = word(right)
				if g.Check(k) == Pass {
					rights.Add(1)
					time.Sleep(50 * time.Millisecond)
					g.Note(k, Unjudged)
				}
			})
		}
		wg.Wait()
		if answered.Load() != guesses || rights.Load() != 50 {
			t.Errorf("%d guesses answered, %d right ones", answered.Load(), rights.Load())
		}
		if rows := g.List(); len(rows) != 3 {
			t.Errorf("right secrets left something behind: %+v", rows)
		}
	})
}

func TestRightSecretsSpendNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := New(Options{})
		for n := range 5000 { // a whole company behind one new address
			k := stranger(fmt.Sprint("person", n), home)
			k.Secret = word(n)
			if g.Check(k) != Pass {
				t.Fatalf("person %d waits", n)
			}
			g.Note(k, Unjudged)
		}
		if s := g.State(); s != (State{}) {
			t.Errorf("state %+v", s)
		}
	})
}

func TestAGuessCannotBeTakenBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := New(Options{})
		k := stranger("mary", lair)
		spare := func(n int) { // a knock with the same secret that is refused unseen
			k.Secret = word(n)
			if g.Check(k) == Pass {
				g.Note(k, Unjudged)
			}
		}
		answered := 0
		for n := range 100 {
			k.Secret = word(n)
			if g.Check(k) == Pass {
				answered++
				spare(n) // while the check is under way
				g.Note(k, WrongSecret)
			}
			spare(n)
			time.Sleep(61 * time.Second) // past the memory of known bad secrets
			spare(n)
			if n == 20 {
				break
			}
		}
		if answered != guesses {
			t.Errorf("%d guesses answered within %v", answered, 21*61*time.Second)
		}
	})
}

func TestGuessesUnderWayCannotBeTakenBackToMakeRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := New(Options{})
		k := stranger("mary", lair)
		under := 0
		for n := range 100 {
			k.Secret = word(n)
			if g.Check(k) != Pass {
				continue
			}
			under++ // its check goes on
			if g.Check(k) == Pass {
				g.Note(k, Unjudged) // the same secret, refused unseen
			}
		}
		if under != guesses {
			t.Errorf("%d guesses are under way at once", under)
		}
	})
}

func TestAWrongSecretIsNotTriedAgainFromASourceThatHasNothingLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := New(Options{})
		for n := range perAddress {
			try(g, stranger(fmt.Sprint("person", n), lair), 1)
			time.Sleep(time.Second)
		}
		time.Sleep(4 * time.Second) // the first is not known to be bad any more, the source still counts
		for n := range perAddress {
			try(g, stranger(fmt.Sprint("other", n), lair), 1)
		}
		k := stranger("person0", lair)
		k.Secret = word(1)
		if d := g.Check(k); d != Wait {
			t.Errorf("from the source: %v", d)
		}
		k.Addr = home
		if d := g.Check(k); d != Pass {
			t.Errorf("from another: %v", d)
		}
	})
}

func TestAGuessWhoseResultNobodyToldCountsForAMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := New(Options{})
		k := stranger("mary", lair)
		pass := func() (n int) {
			for i := range 50 {
				k.Secret = word(i + rand.IntN(1<<30)*64)
				if g.Check(k) == Pass {
					n++
				}
			}
			return n
		}
		if n := pass(); n != guesses {
			t.Errorf("%d at once", n)
		}
		time.Sleep(unsettled + time.Second)
		if n := pass(); n != guesses {
			t.Errorf("%d a minute later", n)
		}
	})
}

func TestAnAttackerIsNotForgottenInAFloodOfOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := New(Options{People: 1024, Sources: 1024, Bad: 1024})
		for n := range 50 {
			try(g, stranger("mary", lair), n)
		}
		for n := range 100_000 { // 100 times the tables, one guess each
			try(g, stranger(fmt.Sprint("x", n), netip.AddrFrom4([4]byte{10, byte(n >> 16), byte(n >> 8), byte(n)})), n)
		}
		for n := range 50 {
			if try(g, stranger("mary", home), 1000+n) {
				t.Fatalf("after the flood %d more guesses are answered", n+1)
			}
		}
		if !try(g, stranger("new person", home), right) {
			t.Error("somebody new waits because the tables are full")
		}
	})
}

func TestTablesDoNotGrow(t *testing.T) {
	g := New(Options{People: 64, Sources: 64, Bad: 64})
	for n := range 10_000 {
		try(g, stranger(fmt.Sprint("x", n), netip.AddrFrom4([4]byte{10, 0, byte(n >> 8), byte(n)})), n)
	}
	if len(g.people.sets)*ways != 64 || len(g.sources.sets)*ways != 64 || len(g.bad.sets)*ways != 64 {
		t.Error("a table grew")
	}
	if rows := g.List(); len(rows) > 128 {
		t.Errorf("%d rows", len(rows))
	}
}

func TestListSaysWhoWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := New(Options{})
		for n := range 30 {
			try(g, stranger("mary", lair), n)
		}
		try(g, familiar("omar", home), 1)
		rows := g.List()
		want := []Row{
			{"strangers", "mary", netip.Prefix{}, guesses, true},
			{"source", "", netip.MustParsePrefix("203.0.113.9/32"), guesses, false},
			{"source", "", netip.MustParsePrefix("203.0.113.0/24"), guesses, false},
			{"familiar", "omar", netip.MustParsePrefix("198.51.100.7/32"), 1, false},
		}
		found := map[Row]bool{}
		for _, r := range rows {
			found[r] = true
		}
		for _, w := range want {
			if !found[w] || len(rows) != len(want) {
				t.Errorf("%+v is missing in %+v", w, rows)
			}
		}
		if s := g.State(); s != (State{4, 1}) {
			t.Errorf("state %+v", s)
		}
	})
}

func TestKnocksDoNotRace(t *testing.T) {
	g := New(Options{People: 256, Sources: 256, Bad: 256})
	var wg sync.WaitGroup
	for w := range 8 {
		wg.Go(func() {
			for n := range 2000 {
				try(g, Key{Person: fmt.Sprint(n % 50), Addr: netip.AddrFrom4([4]byte{10, 0, byte(w), byte(n)}), Familiar: n%2 == 0}, n%20)
				if n%500 == 0 {
					g.List()
					g.Forget("7")
				}
			}
		})
	}
	wg.Wait()
	if rows := g.List(); len(rows) == 0 || len(rows) > 2*256 {
		t.Errorf("%d budgets and sources are left", len(rows))
	}
}

func BenchmarkFamiliar(b *testing.B) {
	g, k := New(Options{}), familiar("0192f0c4-7c1e-7aaa-8f3b-2d1c4b5a6978", home)
	k.Secret = word(right)
	b.ReportAllocs()
	for b.Loop() {
		g.Check(k)
		g.Note(k, Unjudged)
	}
}

func BenchmarkStranger(b *testing.B) {
	g, k := New(Options{}), stranger("0192f0c4-7c1e-7aaa-8f3b-2d1c4b5a6978", home)
	k.Secret = word(right)
	b.ReportAllocs()
	for b.Loop() {
		g.Check(k)
		g.Note(k, Unjudged)
	}
}
