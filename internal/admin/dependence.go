package admin

import (
	"github.com/portreeve/portreeve/internal/policy"
)

// dependence is one fact that was not stated and changes the verdict.
type dependence struct {
	Fact   string          `json:"fact"`
	Values []dependentCase `json:"values"`
}

type dependentCase struct {
	Value   string   `json:"value"`
	Effects []string `json:"effects"` // over everything else that was not stated
}

// maxCombinations bounds how many completions of what was not stated are judged.
const maxCombinations = 20_000

// depends finds the facts of which the verdict hangs. whole says that every
// combination was tried; there may be too many, and then each fact is by itself.
func depends(s *policy.Snapshot, f *policy.Facts, dims []dimension) (out []dependence, whole bool) {
	out = []dependence{}
	total := 1
	for _, d := range dims {
		if total *= len(d.choices); total > maxCombinations {
			break
		}
	}
	if total > maxCombinations {
		for _, d := range dims {
			if x, _ := depends(s, f, []dimension{d}); len(x) > 0 {
				out = append(out, x...)
			}
		}
		return out, false
	}
	effects := make([]policy.Effect, total)
	for i := range effects {
		g := *f
		for d, rest := 0, i; d < len(dims); d++ {
			dims[d].choices[rest%len(dims[d].choices)].set(&g)
			rest /= len(dims[d].choices)
		}
		effects[i] = policy.Judge(s, &g, nil).Effect
	}
	for d, stride := 0, 1; d < len(dims); d++ {
		if x, matters := dependenceOf(&dims[d], effects, stride); matters {
			out = append(out, x)
		}
		stride *= len(dims[d].choices)
	}
	return out, true
}

// dependenceOf says whether one fact alone changes some combination.
func dependenceOf(d *dimension, effects []policy.Effect, stride int) (x dependence, matters bool) {
	x.Fact = d.name
	n := len(d.choices)
	for c := range d.choices {
		var seen [3]bool
		for i, e := range effects {
			at := i / stride % n
			matters = matters || at > 0 && e != effects[i-at*stride]
			if at == c {
				seen[min(e, policy.Allow)] = true
			}
		}
		one := dependentCase{Value: d.choices[c].label, Effects: []string{}}
		for _, e := range []policy.Effect{policy.Allow, policy.Interrupt, policy.Block} {
			if seen[e] {
				one.Effects = append(one.Effects, endWord(e))
			}
		}
		x.Values = append(x.Values, one)
	}
	return x, matters
}
