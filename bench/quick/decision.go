package main

import (
	"context"
	"flag"
	"math"
	"strconv"
	"testing"

	"github.com/portreeve/portreeve/internal/policy"
	"github.com/portreeve/portreeve/internal/policy/policytest"
)

// people is how many different people the facts cycle over.
const people = 1024

// seed makes the same policies and people every time.
const seed = 1

// rounds is how often each is timed; the quickest round is told, because a
// machine's other work only ever adds to it.
const (
	rounds = 6
	round  = "250ms"
)

// decision times one Evaluate over random policies of every kind of condition,
// and Preauth beside it.
func decision(_ context.Context, f figures) error {
	testing.Init()
	if err := flag.Set("test.benchtime", round); err != nil {
		return err
	}
	for _, n := range []int{1000, 10000} {
		s, _ := policy.Compile(policytest.Source(seed, n, people))
		facts := policytest.Facts(seed, people)
		var bits policy.Bits
		name := strconv.Itoa(n)
		f["decision_"+name+"_ns"], f["decision_"+name+"_allocs"] = timed(func(i int) { policy.Evaluate(s, &facts[i%people], &bits) })
		f["preauth_"+name+"_ns"], _ = timed(func(i int) { policy.Preauth(s, &facts[i%people]) })
	}
	return nil
}

// timed tells the time of one call, and the most that any round allocated.
func timed(call func(i int)) (ns, allocs float64) {
	ns = math.Inf(1)
	for range rounds {
		r := testing.Benchmark(func(b *testing.B) {
			b.ReportAllocs()
			for i := range b.N {
				call(i)
			}
		})
		ns = min(ns, float64(r.T.Nanoseconds())/float64(r.N))
		allocs = max(allocs, float64(r.AllocsPerOp()))
	}
	return ns, allocs
}
