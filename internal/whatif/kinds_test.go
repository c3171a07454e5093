package whatif_test

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/portreeve/portreeve/internal/policy"
	"github.com/portreeve/portreeve/internal/policy/policytest"
	"github.com/portreeve/portreeve/internal/signin"
	"github.com/portreeve/portreeve/internal/whatif"
)

// row is what is a sign-in's own.
type row struct{ e *signin.Event }

func (r row) Stamp(e *signin.Event) {
	e.At, e.Count, e.ID = r.e.At, r.e.Count, r.e.ID
	e.Facts.At, e.Facts.AuthTime = r.e.Facts.At, r.e.Facts.AuthTime
}

// repeated has each sign-in come again and again, at other times, with other
// proofs and from other places.
func repeated(r *rand.Rand, log []signin.Event, p *plain) (all []signin.Event) {
	for i := range log {
		for n := range 1 + r.IntN(20) {
			e := log[i]
			if n > 0 {
				e.At = log[0].At.Add(time.Duration(r.IntN([]int{120, 40_000, 14 * 24 * 3600}[r.IntN(3)])) * time.Second)
				age := e.Facts.At.Sub(e.Facts.AuthTime)
				e.Facts.At = e.At.Add(time.Duration(r.IntN(3)) * time.Second)
				if !e.Facts.AuthTime.IsZero() {
					e.Facts.AuthTime = e.Facts.At.Add(-age * time.Duration(r.IntN(5)) / 2)
				}
			}
			if e.Facts.Addr.IsValid() && r.IntN(2) == 0 {
				e.Facts.Addr = p.addresses[r.IntN(len(p.addresses))]
			}
			e.ID = signin.NewID(e.At.UnixMilli(), [10]byte{byte(i >> 8), byte(i), byte(n), byte(r.IntN(256))})
			all = append(all, e)
		}
	}
	return all
}

// sharpened are rules with more that hangs on the time and the network: what
// is asked of a proof's age, what ends within a minute, and where.
func sharpened(r *rand.Rand, src policy.Source, at time.Time) policy.Source {
	src.Policies = slices.Clone(src.Policies)
	for i := range src.Policies {
		x := &src.Policies[i]
		if r.IntN(2) == 0 {
			x.State = policy.Enabled
			x.Conditions.Users = &policy.Users{Include: policy.People{All: true}}
		}
		switch r.IntN(4) {
		case 0:
			x.Grant = &policy.Grant{Controls: policy.ControlMFA}
			x.Session.Frequency = &policy.Frequency{Every: time.Duration(1+r.IntN(20)) * time.Hour}
		case 1:
			x.Conditions.Locations = &policy.Locations{Include: []string{fmt.Sprint("net-", r.IntN(4))}}
		case 2:
			if x.Conditions.Users == nil {
				x.Conditions.Users = &policy.Users{Include: policy.People{All: true}}
			}
			users := *x.Conditions.Users
			users.Exclude.Users = []string{policytest.Person(r.IntN(12))}
			x.Conditions.Users = &users
			x.Exclusions = []policy.Exclusion{{ID: users.Exclude.Users[0], Expires: at.Add(time.Duration(r.IntN([]int{120, 40_000}[r.IntN(2)])) * time.Second)}}
		}
	}
	return src
}

// nameOf is everything of a sign-in but the times, the count and the address.
func nameOf(e *signin.Event) string {
	k := *e
	k.At, k.Last, k.Count, k.ID = time.Time{}, time.Time{}, 0, signin.ID{}
	k.Facts.At, k.Facts.AuthTime, k.Facts.Addr = time.Time{}, time.Time{}, netip.Addr{}
	device := "none"
	if k.Facts.Device != nil {
		compliant := k.Facts.Device.IsCompliant
		device = fmt.Sprintf("%+v, compliant %v", *k.Facts.Device, compliant != nil && *compliant)
		k.Facts.Device = nil
	}
	return fmt.Sprintf("%+v %s", k, device)
}

// TestKindsAreCountedAsEachSignInWouldBe holds what is counted kind by kind to
// the same log judged one sign-in after the other: every number, every row.
func TestKindsAreCountedAsEachSignInWouldBe(t *testing.T) {
	seeds := uint64(100)
	if testing.Short() {
		seeds = 40
	}
	for seed := range seeds {
		c, p, once := drawn(seed)
		r := rand.New(rand.NewPCG(seed, 11))
		if seed%4 > 0 {
			at := once[0].At
			c.Before.Rules, _ = policy.Compile(sharpened(r, p.before, at))
			c.After.Rules, _ = policy.Compile(sharpened(r, p.after, at))
		}
		if seed%3 == 0 { // what was granted hangs on the very address
			c.Granted = func(e *signin.Event) policy.Methods {
				if e.Facts.Addr.IsValid() && e.Facts.Addr.As16()[15]&1 == 0 {
					return p.granted[e.Facts.Person]
				}
				return 0
			}
		}
		log := repeated(r, once, p)
		kinds := map[string]*signin.Event{}
		for i := range log {
			kinds[nameOf(&log[i])] = &log[i]
		}
		counters := []*whatif.Counter{}
		for range 2 {
			counters = append(counters, whatif.NewCounter(c, func(name []byte, e *signin.Event) error { *e = *kinds[string(name)]; return nil }))
		}
		judge, want := whatif.NewJudge(c), whatif.NewTally()
		for i := range log {
			e := &log[i]
			a := judge.Answer(e)
			want.Count(e, &a, e.Count)
			counter := counters[r.IntN(len(counters))]
			k, err := counter.Kind([]byte(nameOf(e)))
			if err != nil {
				t.Fatal(err)
			}
			place := counter.Place(e.Facts.Addr)
			if b := counter.Bucket(k, &place, row{e}); b != a.Bucket {
				t.Fatalf("seed %d, sign-in %d: %s by its kind, %s alone\n%+v", seed, i, b, a.Bucket, e.Facts)
			}
			counter.Count(k, &place, row{e})
		}
		got := whatif.NewTally()
		for _, counter := range counters {
			got.Add(counter.Tally())
		}
		same(t, seed, got, want, log)
	}
}

func same(t *testing.T, seed uint64, got, want *whatif.Tally, log []signin.Event) {
	t.Helper()
	if got.SignIns != want.SignIns || got.People() != want.People() || got.Everybody() != want.Everybody() || !reflect.DeepEqual(got.Programs(), want.Programs()) ||
		!got.First.Equal(want.First) || !got.Last.Equal(want.Last) {
		t.Fatalf("seed %d: by kinds %v, %v, event by event %v, %v", seed, got.SignIns, got.People(), want.SignIns, want.People())
	}
	for b := range whatif.Buckets {
		x, y := got.Hits(b), want.Hits(b)
		if len(x) != len(y) {
			t.Fatalf("seed %d: %d rows of %s, event by event %d", seed, len(x), b, len(y))
		}
		for i := range x {
			if !reflect.DeepEqual(x[i].Samples(), y[i].Samples()) {
				t.Fatalf("seed %d: samples %v, event by event %v", seed, x[i].Samples(), y[i].Samples())
			}
			if x[i].SignIns != y[i].SignIns || x[i].Person != y[i].Person || !x[i].First.Equal(y[i].First) || !x[i].Last.Equal(y[i].Last) || x[i].Code != y[i].Code || x[i].By != y[i].By {
				t.Fatalf("seed %d: %+v, event by event %+v", seed, *x[i], *y[i])
			}
		}
	}
	for i := range log {
		id := log[i].Facts.Person
		c, n := got.Of(id)
		if d, m := want.Of(id); c != d || n != m || got.Service(id, "x@example.org") != want.Service(id, "x@example.org") {
			t.Fatalf("seed %d: of %s %v, event by event %v", seed, id, c, d)
		}
	}
}
