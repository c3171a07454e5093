package policy_test

import (
	"slices"
	"testing"
	"time"

	"github.com/portreeve/portreeve/internal/policy"
	"github.com/portreeve/portreeve/internal/policy/policytest"
)

// Open sessions are judged again when the phase changes, so whenever the time
// alone changes which policies apply, the phase must have changed too.
func TestThePhaseChangesWheneverTheTimeAloneChangesWhatApplies(t *testing.T) {
	changes := 0
	for seed := range uint64(20) {
		s, _ := policy.Compile(crowded(seed))
		facts := crowd(seed, 20)
		var before, after policy.Bits
		for k := range facts {
			f := &facts[k]
			f.AuthTime = time.Time{}
			f.At = policytest.At.Add(-48 * time.Hour)
			policy.Evaluate(s, f, &before)
			was := s.Phase(f.At)
			for range 400 {
				f.At = f.At.Add(30 * time.Minute)
				policy.Evaluate(s, f, &after)
				now := s.Phase(f.At)
				if !slices.Equal(before.Applied, after.Applied) {
					changes++
					if slices.Equal(was, now) {
						t.Fatalf("seed %d: at %s other policies apply than half an hour before, and the phase is the same", seed, f.At)
					}
				}
				before.Applied, was = append(before.Applied[:0], after.Applied...), now
			}
		}
	}
	if changes < 100 {
		t.Errorf("time changed what applies %d times only", changes)
	}
}

func TestAPhaseBeginsWithTheMomentItself(t *testing.T) {
	begin := policytest.At
	p := policy.Policy{ID: "p", DisplayName: "p", Conditions: policy.Conditions{Portreeve: policy.Own{Period: &policy.Period{Start: begin, End: begin.Add(time.Second)}}}}
	s, _ := policy.Compile(policy.Source{Policies: []policy.Policy{p}})
	at := func(d time.Duration) policy.Phase { return s.Phase(begin.Add(d)) }
	if slices.Equal(at(-1), at(0)) || !slices.Equal(at(0), at(time.Second-1)) || slices.Equal(at(time.Second-1), at(time.Second)) {
		t.Errorf("phases around the period: %v %v %v %v", at(-1), at(0), at(time.Second-1), at(time.Second))
	}
}
