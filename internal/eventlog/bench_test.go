package eventlog

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"sync/atomic"
	"testing"
	"time"

	"github.com/portreeve/portreeve/internal/signin"
	"github.com/portreeve/portreeve/internal/store"
)

// BenchmarkSuccess writes sign-ins from 64 goroutines, each durable before it
// is answered, and counts them after reopening. It needs a real disk: TMPDIR.
func BenchmarkSuccess(b *testing.B) {
	for _, people := range []int{1_000, 1_000_000_000} {
		name := "merged"
		if people > 1_000_000 {
			name = "distinct"
		}
		b.Run(name, func(b *testing.B) {
			dir := b.TempDir()
			l := start(b, dir, func(o *Options) {
				o.JournalSize = journalNormal
				o.Logger = slog.New(slog.NewTextHandler(os.Stderr, nil))
			})
			var n atomic.Int64
			b.SetParallelism(32) // times GOMAXPROCS: 64 goroutines on two cores
			b.ResetTimer()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					e := event(fmt.Sprintf("p%d", n.Add(1)%int64(people)), time.Now())
					if _, err := l.Success(context.Background(), e); err != nil {
						b.Error(err)
						return
					}
				}
			})
			b.StopTimer()
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "signins/s")
			if err := l.stop(); err != nil {
				b.Fatal(err)
			}
			if _, count := total(b, reopen(b, dir), store.EventFilter{}); count != int64(b.N) {
				b.Fatalf("%d sign-ins in the log, %d were answered", count, b.N)
			}
		})
	}
}

// BenchmarkRefusal is what a refusal costs the one who is refused: a guesser
// with the same name, and one with ever new ones.
func BenchmarkRefusal(b *testing.B) {
	for name, people := range map[string]int64{"equal": 1, "distinct": 1_000_000_000} {
		b.Run(name, func(b *testing.B) {
			dir := b.TempDir()
			l := start(b, dir)
			e := refused("p", time.Now(), signin.WrongCredentials)
			n := int64(0)
			for b.Loop() {
				n++
				e.ID, e.Typed = signin.ID{7: byte(n), 8: byte(n >> 8), 9: byte(n >> 16), 10: byte(n >> 24)}, fmt.Sprint("p", n%people)
				l.Refusal(e)
			}
			b.ReportMetric(float64(l.State().MergedHarder)/float64(n), "merged-harder/op")
			if err := l.stop(); err != nil {
				b.Fatal(err)
			}
			if _, count := total(b, reopen(b, dir), store.EventFilter{}); count != n {
				b.Fatalf("%d refusals in the log, %d were noted", count, n)
			}
		})
	}
}
