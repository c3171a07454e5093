package admin

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/portreeve/portreeve/internal/policy"
	"github.com/portreeve/portreeve/internal/policy/policytest"
	"github.com/portreeve/portreeve/internal/protocol"
	"github.com/portreeve/portreeve/internal/signin"
	"github.com/portreeve/portreeve/internal/store"
	"github.com/portreeve/portreeve/internal/whatif"
)

// A month of a site of 2,000 people: each with two to four programs and places.
const (
	siteEvents   = 1_000_000
	sitePeople   = 2000
	sitePolicies = 20
)

// siteLog is a store with such a month. PORTREEVE_BENCH_STATE names a folder
// that is filled once and then used again.
func siteLog(tb testing.TB, events int) (*store.Store, policy.Source) {
	tb.Helper()
	dir := os.Getenv("PORTREEVE_BENCH_STATE")
	if dir == "" {
		dir = tb.TempDir()
	}
	dir = filepath.Join(dir, strconv.Itoa(events))
	s, err := store.Open(context.Background(), store.Options{Dir: dir})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = s.Close() })
	src := policytest.Source(7, sitePolicies, sitePeople)
	var there store.Progress
	if err := s.Judged(context.Background(), store.ReplayWindow{From: time.Unix(0, 0)}, &there, func() func(*signin.Event) error {
		return func(*signin.Event) error { return nil }
	}); err != nil {
		tb.Fatal(err)
	}
	r := rand.New(rand.NewPCG(7, 7))
	profiles := siteProfiles(r)
	began := time.Now().AddDate(0, 0, -29)
	for done := there.Rows(); done < events; {
		err := s.Write(context.Background(), func(tx *store.Tx) error {
			for range min(20_000, events-done) {
				e := profiles[r.IntN(len(profiles))]
				e.At = began.Add(29 * 24 * time.Hour / time.Duration(events) * time.Duration(done))
				e.ID, e.Last, e.Facts.At, e.Facts.AuthTime = store.NewID(), e.At, e.At, e.At
				if err := tx.PutEvent(&e); err != nil {
					return err
				}
				done++
			}
			return nil
		})
		if err != nil {
			tb.Fatal(err)
		}
	}
	return s, src
}

func siteProfiles(r *rand.Rand) (all []signin.Event) {
	programs := []string{"thunderbird", "apple-mail", "outlook", "k-9", ""}
	for _, f := range policytest.Facts(7, sitePeople) {
		for range 2 + r.IntN(3) {
			e := signin.Event{Count: 1, Source: "gate", Typed: f.Address, Mechanism: "PLAIN", Listener: "imaps", Backend: "main", Facts: f}
			g := &e.Facts
			g.Protocol, g.Program, g.Mechanism = protocol.All()[r.IntN(3)], programs[r.IntN(len(programs))], "PLAIN"
			g.Addr = netip.AddrFrom4([4]byte{byte(20 + r.IntN(90)), byte(r.IntN(256)), byte(r.IntN(256)), byte(r.IntN(256))})
			if r.IntN(4) > 0 {
				g.Credential, g.Methods, g.Device = policy.CredentialPassword, policy.MethodPassword, nil
			}
			if r.IntN(20) == 0 {
				g.Proven, g.Methods, g.Device, e.Code = false, 0, nil, signin.WrongCredentials
			}
			e.Client = fmt.Sprintf("%s:%d", g.Addr, 1024+r.IntN(60000))
			e.Steps = []signin.Step{{Name: signin.StepWho, Result: "known", Took: 90 * time.Microsecond}, {Name: signin.StepGuard, Result: "pass", Took: time.Microsecond},
				{Name: signin.StepVerify, Result: "proven", Took: 3 * time.Millisecond}, {Name: signin.StepEvaluate, Result: "allow", Took: 2 * time.Microsecond}}
			e.TLS.Version, e.TLS.Cipher, e.TLS.JA4 = 0x0304, 0x1301, "t13d1516h2_8daaf6152771_02713d6af862"
			all = append(all, e)
		}
	}
	return all
}

func siteReplay(tb testing.TB, events int) (*api, *replaying) {
	s, src := siteLog(tb, events)
	before, _ := policy.Compile(src)
	after, _ := policy.Compile(policytest.Changed(3, src, sitePeople))
	w := &replaying{proposal: &proposal{before: before, after: after}, window: store.ReplayWindow{From: time.Now().AddDate(0, 0, -30)}}
	w.change = whatif.Change{Before: whatif.Side{Rules: before}, After: whatif.Side{Rules: after}}
	return &api{Options{Store: s}, &classKeeper{}}, w
}

// BenchmarkReplay is exact over a million sign-ins, BenchmarkPreview by classes
// once these are counted.
func BenchmarkReplay(b *testing.B) {
	a, w := siteReplay(b, siteEvents)
	b.ReportAllocs()
	for b.Loop() {
		out, err := a.runReplay(context.Background(), &replayed{Rows: replayRows}, w, nil)
		if err != nil || out.SignIns != siteEvents {
			b.Fatal(out, err)
		}
	}
}

func BenchmarkPreview(b *testing.B) {
	a, w := siteReplay(b, siteEvents)
	q := &replayed{Rows: replayRows, Preview: true}
	if _, err := a.runReplay(context.Background(), q, w, nil); err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(float64(a.classes.classes.Len()), "classes")
	for b.Loop() {
		if out, err := a.runReplay(context.Background(), q, w, nil); err != nil || out.SignIns != siteEvents {
			b.Fatal(out, err)
		}
	}
}
