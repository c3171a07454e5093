package policy_test

import (
	"testing"

	"github.com/portreeve/portreeve/internal/policy"
	"github.com/portreeve/portreeve/internal/policy/policytest"
)

// benchPeople sign in, in turn.
const benchPeople = 1024

func bench(b *testing.B, policies int, judge func(*policy.Snapshot, *policy.Facts, *policy.Bits) policy.Verdict) {
	s, _ := policy.Compile(policytest.Source(1, policies, benchPeople))
	facts := policytest.Facts(1, benchPeople)
	var bits policy.Bits
	judge(s, &facts[0], &bits)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		judge(s, &facts[i%benchPeople], &bits)
	}
}

func preauth(s *policy.Snapshot, f *policy.Facts, _ *policy.Bits) policy.Verdict {
	return policy.Preauth(s, f)
}

func BenchmarkEvaluate1000(b *testing.B)  { bench(b, 1000, policy.Evaluate) }
func BenchmarkEvaluate10000(b *testing.B) { bench(b, 10000, policy.Evaluate) }
func BenchmarkEvaluate10(b *testing.B)    { bench(b, 10, policy.Evaluate) }
func BenchmarkPreauth1000(b *testing.B)   { bench(b, 1000, preauth) }
func BenchmarkPreauth10000(b *testing.B)  { bench(b, 10000, preauth) }
func BenchmarkJudge1000(b *testing.B)     { bench(b, 1000, policy.Judge) }

func BenchmarkCompile(b *testing.B) {
	src := policytest.Source(1, 1000, benchPeople)
	for b.Loop() {
		policy.Compile(src)
	}
}
