package lint

import (
	"fmt"
	"testing"

	"github.com/portreeve/portreeve/internal/policy"
	"github.com/portreeve/portreeve/internal/policy/policytest"
)

func BenchmarkCheck(b *testing.B) {
	for _, n := range []int{100, 1000, 10000} {
		rules, _ := policy.Compile(policytest.Source(1, n, 1024))
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			for b.Loop() {
				Check(Input{Rules: rules, Now: policytest.At})
			}
		})
		b.Run(fmt.Sprint(n, "-one"), func(b *testing.B) {
			for b.Loop() {
				Check(Input{Rules: rules, Now: policytest.At, Only: func(id string) bool { return id == "policy-00007" }})
			}
		})
	}
}
