package grant_test

import (
	"context"
	"runtime"
	"sync/atomic"
	"testing"

	"github.com/portreeve/portreeve/internal/grant"
	"github.com/portreeve/portreeve/internal/protocol"
	"github.com/portreeve/portreeve/internal/token"
)

// BenchmarkStanding is what a sign-in with a token pays for the grant's word:
// at most a microsecond, and no garbage.
func BenchmarkStanding(b *testing.B) {
	h := newHouse(b, grant.Options{})
	g, _ := h.begun()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := h.Standing(g.ID, protocol.IMAP, home); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkBearer is what the door pays for a token of ours: the first time it
// sees it, and ever after, when the grant still has the word.
func BenchmarkBearer(b *testing.B) {
	h := newHouse(b, grant.Options{})
	g, _ := h.begun()
	text, _, err := h.Access(g, grant.AccessFor{ClientID: program})
	if err != nil {
		b.Fatal(err)
	}
	bearer, ctx := []byte(text), context.Background()
	open := func(door *token.Own) {
		c, err := door.Verify(ctx, bearer)
		if err != nil || !c.Scopes.Covers(protocol.IMAP) {
			b.Fatal(err)
		}
		if _, err := h.Standing(c.Grant, protocol.IMAP, home); err != nil {
			b.Fatal(err)
		}
	}
	seen := token.NewOwn(issuer, issuer+"/mail", keys)
	b.Run("seen", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			open(seen)
		}
	})
	b.Run("cold", func(b *testing.B) {
		for b.Loop() {
			b.StopTimer()
			fresh := token.NewOwn(issuer, issuer+"/mail", keys)
			b.StartTimer()
			open(fresh)
		}
	})
}

// BenchmarkRefresh is how many refreshes a second SQLite makes durable, without
// the gate: many programs at once, each with a grant of its own. Each ends with
// the two tokens that a program is answered with.
func BenchmarkRefresh(b *testing.B) {
	for _, with := range []struct {
		name   string
		access bool
	}{{"rotation", false}, {"rotation+access", true}} {
		b.Run(with.name, func(b *testing.B) {
			h := newHouse(b, grant.Options{})
			const programs = 128
			all := make(chan string, programs)
			for i := range programs {
				if i%40 == 39 {
					h.person = h.newPerson(string(rune('a'+i/40)) + "@example.org").ID
				}
				_, text := h.begun()
				all <- text
			}
			var failed atomic.Int64
			b.SetParallelism(programs / runtime.GOMAXPROCS(0))
			b.ResetTimer()
			b.RunParallel(func(pb *testing.PB) {
				mine := <-all
				defer func() { all <- mine }()
				for pb.Next() {
					g, next, err := h.Refresh(context.Background(), mine, program, home, yes)
					if err == nil && with.access {
						_, _, err = h.Access(g, grant.AccessFor{ClientID: program})
					}
					if err != nil {
						failed.Add(1)
						return
					}
					mine = next
				}
			})
			b.StopTimer()
			if n := failed.Load(); n > 0 {
				b.Errorf("%d failed", n)
			}
			rows, err := h.store.LiveGrants(context.Background())
			if err != nil {
				b.Fatal(err)
			}
			done := 0
			for _, r := range rows {
				done += int(r.Generation) - 1
			}
			if done != b.N {
				b.Errorf("%d of %d refreshes are in the database", done, b.N)
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "refreshes/s")
		})
	}
}

// BenchmarkRedeem is a code issued and redeemed.
func BenchmarkRedeem(b *testing.B) {
	h := newHouse(b, grant.Options{})
	for b.Loop() {
		if _, err := h.redeem(h.code()); err != nil {
			b.Fatal(err)
		}
	}
}
