package whatif

import (
	"github.com/portreeve/portreeve/internal/policy"
)

// Dependence is one fact that was not stated and changes the verdict.
type Dependence struct {
	Fact   string          `json:"fact"`
	Values []DependentCase `json:"values"`
}

// DependentCase is one value of it, with what may then come of the sign-in.
type DependentCase struct {
	Value   string   `json:"value"`
	Effects []string `json:"effects"` // over everything else that was not stated
}

// maxCombinations bounds how many completions of what was not stated are judged.
const maxCombinations = 20_000

// Depends finds the facts on which the verdict hangs. whole says that every
// combination was tried; there may be too many, and then each fact is by itself.
func Depends(s *policy.Snapshot, f *policy.Facts, dims []Dimension) (out []Dependence, whole bool) {
	out = []Dependence{}
	total := 1
	for _, d := range dims {
		if total *= len(d.Choices); total > maxCombinations {
			break
		}
	}
	if total > maxCombinations {
		for _, d := range dims {
			if x, _ := Depends(s, f, []Dimension{d}); len(x) > 0 {
				out = append(out, x...)
			}
		}
		return out, false
	}
	effects := make([]policy.Effect, total)
	for i := range effects {
		g := *f
		for d, rest := 0, i; d < len(dims); d++ {
			dims[d].Choices[rest%len(dims[d].Choices)].set(&g)
			rest /= len(dims[d].Choices)
		}
		effects[i] = policy.Judge(s, &g, nil).Effect
	}
	for d, stride := 0, 1; d < len(dims); d++ {
		if x, matters := dependenceOf(&dims[d], effects, stride); matters {
			out = append(out, x)
		}
		stride *= len(dims[d].Choices)
	}
	return out, true
}

// EndWord says how a sign-in ends.
func EndWord(e policy.Effect) string {
	return map[policy.Effect]string{policy.Allow: "allowed", policy.Interrupt: "asked", policy.Block: "refused"}[e]
}

// dependenceOf says whether one fact alone changes some combination.
func dependenceOf(d *Dimension, effects []policy.Effect, stride int) (x Dependence, matters bool) {
	x.Fact = d.Fact
	n := len(d.Choices)
	for c := range d.Choices {
		var seen [3]bool
		for i, e := range effects {
			at := i / stride % n
			matters = matters || at > 0 && e != effects[i-at*stride]
			if at == c {
				seen[min(e, policy.Allow)] = true
			}
		}
		one := DependentCase{Value: d.Choices[c].Label, Effects: []string{}}
		for _, e := range []policy.Effect{policy.Allow, policy.Interrupt, policy.Block} {
			if seen[e] {
				one.Effects = append(one.Effects, EndWord(e))
			}
		}
		x.Values = append(x.Values, one)
	}
	return x, matters
}
