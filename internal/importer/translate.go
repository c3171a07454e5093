package importer

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/portreeve/portreeve/internal/location"
)

// Translation is what another vendor's rules become here: named locations and
// conditional access policies in Graph's JSON, and what could not be said.
type Translation struct {
	Strengths []json.RawMessage `json:"authenticationStrengths,omitempty"`
	Locations []json.RawMessage `json:"namedLocations"`
	Policies  []json.RawMessage `json:"policies"`
	Unmapped  []Unmapped        `json:"unmapped"`
}

// Unmapped is a rule, or a part of one, that has no equal here.
type Unmapped struct {
	Line   int    `json:"line,omitempty"`
	Object string `json:"object"`
	Text   string `json:"text"`
}

func (t *Translation) unmapped(line int, object, format string, args ...any) {
	t.Unmapped = append(t.Unmapped, Unmapped{line, object, fmt.Sprintf(format, args...)})
}

// Of ordered rules the first that matches decides; of policies all that apply
// count. A rule becomes policies that leave out whatever an earlier, weaker rule
// takes first. Whatever an earlier rule that is as strict or stricter takes may
// stay in: then the stricter of the two decides, which is that rule.

// strictness of what a rule does.
type strictness uint8

const (
	allows strictness = iota
	asksMFA
	asksStrong
	blocks
)

// rule is one of a list. A dimension that is nil is not narrowed.
type rule struct {
	line   int
	name   string
	does   strictness
	doors  set // protocols, within what the vendor's rules cover
	kinds  set // of credentials
	system set // platforms
	places sides
	people sides
	groups sides
	lost   []string // conditions that have no equal here
}

// set is a finite dimension: the words that match.
type set map[string]bool

// sides is an open dimension: values are names.
type sides struct{ include, exclude []string }

// conjunct is what one policy asks for: all of it must hold.
type conjunct struct {
	doors, kinds, system   set
	places, people, groups constraint
}

// constraint: of each list of in one must match, and none of out may.
type constraint struct {
	in  [][]string
	out []string
}

// maxConjuncts bounds what one rule can become.
const maxConjuncts = 64

func (r *rule) conjunct() conjunct {
	from := func(s sides) (c constraint) {
		if len(s.include) > 0 {
			c.in = [][]string{s.include}
		}
		c.out = slices.Clone(s.exclude)
		return c
	}
	return conjunct{r.doors, r.kinds, r.system, from(r.places), from(r.people), from(r.groups)}
}

// without takes from each of the conjuncts what a rule matches: one condition
// of it must fail, so each condition gives one alternative.
func without(all []conjunct, r *rule) []conjunct {
	var out []conjunct
	for _, c := range all {
		if c.apart(r) {
			out = append(out, c)
			continue
		}
		for _, d := range []struct {
			theirs set
			mine   func(*conjunct) *set
		}{{r.doors, func(c *conjunct) *set { return &c.doors }}, {r.kinds, func(c *conjunct) *set { return &c.kinds }}, {r.system, func(c *conjunct) *set { return &c.system }}} {
			if d.theirs == nil {
				continue
			}
			next := c.clone()
			rest := minus(*d.mine(&next), d.theirs)
			if len(rest) > 0 {
				*d.mine(&next) = rest
				out = append(out, next)
			}
		}
		for _, d := range []struct {
			theirs sides
			mine   func(*conjunct) *constraint
		}{{r.places, func(c *conjunct) *constraint { return &c.places }}, {r.people, func(c *conjunct) *constraint { return &c.people }}, {r.groups, func(c *conjunct) *constraint { return &c.groups }}} {
			if len(d.theirs.include) > 0 {
				next := c.clone()
				m := d.mine(&next)
				if m.out = append(m.out, d.theirs.include...); m.possible() {
					out = append(out, next)
				}
			}
			if len(d.theirs.exclude) > 0 {
				next := c.clone()
				m := d.mine(&next)
				if m.in = append(m.in, d.theirs.exclude); m.possible() {
					out = append(out, next)
				}
			}
		}
	}
	return out
}

// apart says that nothing can match both.
func (c *conjunct) apart(r *rule) bool {
	disjoint := func(a, b set) bool {
		if a == nil || b == nil {
			return false
		}
		for w := range a {
			if b[w] {
				return false
			}
		}
		return true
	}
	return disjoint(c.doors, r.doors) || disjoint(c.kinds, r.kinds) || disjoint(c.system, r.system)
}

func (c conjunct) clone() conjunct {
	for _, k := range []*constraint{&c.places, &c.people, &c.groups} {
		k.in, k.out = slices.Clone(k.in), slices.Clone(k.out)
	}
	return c
}

// possible says that not everything that is included is excluded too.
func (k *constraint) possible() bool {
	for _, in := range k.in {
		if !slices.ContainsFunc(in, func(w string) bool { return !slices.Contains(k.out, w) }) {
			return false
		}
	}
	return true
}

// minus is a without b.
func minus(a, b set) set {
	out := set{}
	for w := range a {
		if !b[w] {
			out[w] = true
		}
	}
	return out
}

// translator turns ordered rules into policies.
type translator struct {
	out     Translation
	apps    []string // for rules that name no protocol
	ranges  map[string][]location.Range
	kinds   set // all that there are
	systems set
}

// rules translates a list, the first rule first.
func (t *translator) rules(all []rule) {
	for i := range all {
		r := &all[i]
		if r.does == allows {
			continue
		}
		if len(r.lost) > 0 {
			t.out.unmapped(r.line, r.name, "this rule was left out: %s", strings.Join(r.lost, "; "))
			continue
		}
		conjuncts := []conjunct{r.conjunct()}
		for j := range all[:i] {
			earlier := &all[j]
			if earlier.does >= r.does {
				continue
			}
			if len(earlier.lost) > 0 {
				t.out.unmapped(r.line, r.name, "the rule %q, which comes before it and is weaker, could not be taken into account: this one is stricter here", earlier.name)
				continue
			}
			if conjuncts = without(conjuncts, earlier); len(conjuncts) > maxConjuncts {
				break
			}
		}
		if len(conjuncts) > maxConjuncts {
			t.out.unmapped(r.line, r.name, "this rule was left out: with the rules before it, it would become more than %d policies", maxConjuncts)
			continue
		}
		t.policies(r, conjuncts)
	}
}

// words is a set of words.
func words(all ...string) set {
	s := set{}
	for _, w := range all {
		s[w] = true
	}
	return s
}
