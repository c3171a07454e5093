package policycheck

import (
	"slices"
	"strings"

	"github.com/portreeve/portreeve/internal/policy"
)

// Coverage is which policies and conditions the sign-ins of tests touch.
// Invariants do not count: they try everything and expect little of each.
type Coverage struct {
	// Counted says that it was: the rest says nothing otherwise.
	Counted bool `json:"counted"`
	// Percent of the points below that are covered; 100 if there are none.
	Percent float64 `json:"percent"`
	Covered int     `json:"covered"`
	Points  int     `json:"points"`
	// Gaps are the points that no test touches.
	Gaps []Gap `json:"gaps"`
}

// Gap is a policy that no sign-in of a test comes under, or a condition of
// which the tests have seen only one side.
type Gap struct {
	Policy    string `json:"policy"` // id
	Name      string `json:"displayName"`
	Condition string `json:"condition,omitempty"`
	Text      string `json:"text"`
}

// cover gathers what was seen of each policy.
type cover struct {
	wanted   bool
	policies []covered
}

type covered struct {
	policy  *policy.Policy
	applied bool
	held    map[string]bool // by condition
	not     map[string]bool
	order   []string // the conditions, as the rules list them
}

func newCover(src *policy.Source, wanted bool) *cover {
	c := &cover{wanted: wanted}
	if !wanted {
		return c
	}
	c.policies = make([]covered, len(src.Policies))
	compiled, _ := policy.Compile(*src)
	all := compiled.Conditions(&policy.Facts{})
	for i := range src.Policies {
		c.policies[i] = covered{policy: &src.Policies[i], held: map[string]bool{}, not: map[string]bool{}}
		for _, x := range all[i].Conditions {
			c.policies[i].order = append(c.policies[i].order, x.Name)
		}
	}
	return c
}

// touch notes what a sign-in saw of each policy.
func (c *cover) touch(x *policy.Explanation) {
	for i := range x.Policies {
		p := &x.Policies[i]
		if i >= len(c.policies) || p.Result == policy.NotEnabled.String() {
			continue
		}
		seen := &c.policies[i]
		holds := true
		for _, k := range p.Conditions {
			switch k.Result {
			case "satisfied":
				seen.held[k.Name] = true
			case "notSatisfied":
				seen.not[k.Name], holds = true, false
			default:
				holds = false
			}
		}
		seen.applied = seen.applied || holds
	}
}

// told counts the points: for each policy that is not off one that a sign-in
// came under it, for each condition one that it held and one that it did not,
// where it can do both.
func (c *cover) told() Coverage {
	out := Coverage{Counted: c.wanted, Gaps: []Gap{}}
	point := func(p *covered, condition string, covered bool, text string) {
		out.Points++
		if covered {
			out.Covered++
			return
		}
		out.Gaps = append(out.Gaps, Gap{p.policy.ID, p.policy.DisplayName, condition, text})
	}
	for i := range c.policies {
		p := &c.policies[i]
		if p.policy.State == policy.Disabled && !p.applied {
			continue
		}
		point(p, "", p.applied, "no test comes under this policy")
		for _, name := range p.order {
			canHold, canNot := sidesOf(p.policy, name)
			if canHold && p.applied {
				point(p, name, p.held[name], "no test meets this condition")
			}
			if canNot {
				point(p, name, p.not[name], "no test fails to meet this condition")
			}
		}
	}
	if out.Percent = 100; out.Points > 0 {
		out.Percent = 100 * float64(out.Covered) / float64(out.Points)
	}
	return out
}

// sidesOf says whether a condition can hold, and whether it can fail to: one
// that includes all and excludes nothing holds for everybody.
func sidesOf(p *policy.Policy, condition string) (canHold, canNot bool) {
	c := &p.Conditions
	all := func(include, exclude []string) bool {
		return len(exclude) == 0 && slices.ContainsFunc(include, func(s string) bool { return strings.EqualFold(s, "All") })
	}
	switch condition {
	case "users":
		x := &c.Users.Exclude
		return true, !(c.Users.Include.All && !x.All && len(x.Users)+len(x.Groups)+len(x.Roles)+len(x.Guests) == 0)
	case "applications":
		return true, !all(c.Applications.Include, c.Applications.Exclude)
	case "locations":
		return true, !all(c.Locations.Include, c.Locations.Exclude)
	case "clientAppTypes":
		return true, c.ClientAppTypes&policy.ClientAppAll != policy.ClientAppAll
	case "platforms":
		return true, !(c.Platforms.AllIncluded && !c.Platforms.AllExcluded && len(c.Platforms.Exclude) == 0)
	case "clientApplications":
		return false, true
	}
	return true, true
}
