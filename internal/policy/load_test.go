package policy_test

import (
	"reflect"
	"sync"
	"testing"

	"github.com/portreeve/portreeve/internal/policy"
	"github.com/portreeve/portreeve/internal/policy/policytest"
)

// Many judge by one snapshot at once, and each gets what one alone gets.
func TestManyJudgeByOneSnapshotAtOnce(t *testing.T) {
	s, _ := policy.Compile(policytest.Source(7, 300, 200))
	facts := policytest.Facts(7, 200)
	type said struct {
		v, early policy.Verdict
		b        policy.Bits
	}
	want := make([]said, len(facts))
	for i := range facts {
		want[i].v = policy.Judge(s, &facts[i], &want[i].b)
		want[i].early = policy.Preauth(s, &facts[i])
	}
	var wg sync.WaitGroup
	for start := range 8 {
		wg.Go(func() {
			for n := range 2 * len(facts) {
				i := (n*7 + start*31) % len(facts)
				var got said
				got.v = policy.Judge(s, &facts[i], &got.b)
				got.early = policy.Preauth(s, &facts[i])
				if !reflect.DeepEqual(got, want[i]) {
					t.Errorf("sign-in %d: %+v, alone %+v", i, got, want[i])
					return
				}
			}
		})
	}
	wg.Wait()
}

func TestDecidingAllocatesNothing(t *testing.T) {
	facts := policytest.Facts(3, 256)
	for _, n := range []int{0, 1, 64, 65, 1000, 10000} {
		s, _ := policy.Compile(policytest.Source(3, n, 256))
		var b policy.Bits
		i := 0
		for what, judge := range map[string]func(){
			"Evaluate": func() { policy.Evaluate(s, &facts[i%256], &b) },
			"Preauth":  func() { policy.Preauth(s, &facts[i%256]) },
			"Judge":    func() { policy.Judge(s, &facts[i%256], &b) },
		} {
			for range 512 { // whatever is remembered is remembered
				judge()
				i++
			}
			if got := testing.AllocsPerRun(256, func() { judge(); i++ }); got > allocationsAllowed {
				t.Errorf("%s among %d policies allocates %v times", what, n, got)
			}
		}
	}
}

// What the log keeps, version and bits, tells every policy's result again.
func TestBitsGrowAndShrinkWithTheSnapshot(t *testing.T) {
	facts := policytest.Facts(5, 50)
	var b policy.Bits
	for _, n := range []int{300, 3, 0, 130} {
		s, _ := policy.Compile(policytest.Source(5, n, 50))
		for i := range facts {
			policy.Judge(s, &facts[i], &b)
			x := policy.Explain(s, &facts[i])
			for p := range s.Policies() {
				if got := s.Result(&b, p).String(); got != x.Policies[p].Result {
					t.Fatalf("policy %d of %d: %s, explained as %s", p, n, got, x.Policies[p].Result)
				}
			}
			if len(b.Applied) != (n+63)/64 {
				t.Fatalf("%d words for %d policies", len(b.Applied), n)
			}
		}
	}
}
