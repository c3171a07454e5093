package main

import (
	"context"
	"testing"

	"github.com/portreeve/portreeve/internal/policy"
	"github.com/portreeve/portreeve/internal/policy/policytest"
)

// people is how many different people the facts cycle over.
const people = 1024

// seed makes the same policies and people every time.
const seed = 1

// decision times one Evaluate over random policies of every kind of condition,
// and Preauth beside it.
func decision(_ context.Context, f figures) error {
	for _, n := range []int{1000, 10000} {
		s, _ := policy.Compile(policytest.Source(seed, n, people))
		facts := policytest.Facts(seed, people)
		var bits policy.Bits
		r := testing.Benchmark(func(b *testing.B) {
			b.ReportAllocs()
			for i := range b.N {
				policy.Evaluate(s, &facts[i%people], &bits)
			}
		})
		name := map[int]string{1000: "1000", 10000: "10000"}[n]
		f["decision_"+name+"_ns"] = float64(r.T.Nanoseconds()) / float64(r.N)
		f["decision_"+name+"_allocs"] = float64(r.AllocsPerOp())
		r = testing.Benchmark(func(b *testing.B) {
			for i := range b.N {
				policy.Preauth(s, &facts[i%people])
			}
		})
		f["preauth_"+name+"_ns"] = float64(r.T.Nanoseconds()) / float64(r.N)
	}
	return nil
}
