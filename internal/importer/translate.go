package importer

import (
	"encoding/json"
	"fmt"
	"slices"
	"sort"
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

// policies writes what is left of a rule.
func (t *translator) policies(r *rule, all []conjunct) {
	all = slices.DeleteFunc(all, func(c conjunct) bool {
		return c.doors != nil && len(c.doors) == 0 || c.kinds != nil && len(c.kinds) == 0 || c.system != nil && len(c.system) == 0
	})
	if len(all) == 0 {
		t.out.unmapped(r.line, r.name, "this rule never decides: the rules before it take everything that it matches")
		return
	}
	for i := range all {
		name := r.name
		if len(all) > 1 {
			name = fmt.Sprintf("%s (%d of %d)", r.name, i+1, len(all))
		}
		raw, err := t.policy(name, r.does, &all[i])
		if err != nil {
			t.out.unmapped(r.line, name, "this part of the rule was left out: %v", err)
			continue
		}
		t.out.Policies = append(t.out.Policies, raw)
	}
}

// policy writes one conjunct as a policy.
func (t *translator) policy(name string, does strictness, c *conjunct) (json.RawMessage, error) {
	users := map[string]any{}
	if err := t.who(c, users); err != nil {
		return nil, err
	}
	apps := t.apps
	if c.doors != nil {
		apps = sorted(c.doors)
	}
	conditions := map[string]any{"users": users, "applications": map[string]any{"includeApplications": apps}, "clientAppTypes": []string{"all"}}
	if places, err := t.where(name, &c.places); err != nil {
		return nil, err
	} else if places != nil {
		conditions["locations"] = places
	}
	switch {
	case c.system == nil || len(c.system) == len(t.systems):
	case c.system["unknown"]: // which only the word all matches
		conditions["platforms"] = map[string]any{"includePlatforms": []string{"all"}, "excludePlatforms": sorted(minus(t.systems, c.system))}
	default:
		conditions["platforms"] = map[string]any{"includePlatforms": sorted(c.system)}
	}
	if c.kinds != nil && len(c.kinds) < len(t.kinds) {
		conditions["portreeve"] = map[string]any{"credentialKinds": map[string]any{"include": sorted(c.kinds)}}
	}
	grant := map[string]any{"operator": "OR", "builtInControls": []string{"block"}}
	switch does {
	case asksMFA:
		grant["builtInControls"] = []string{"mfa"}
	case asksStrong:
		grant["builtInControls"] = []string{}
		grant["authenticationStrength"] = map[string]string{"id": "00000000-0000-0000-0000-000000000004"}
	}
	return json.MarshalIndent(map[string]any{"displayName": name, "state": "enabled", "conditions": conditions, "grantControls": grant}, "", "  ")
}

// who writes people and groups. A policy's lists of both are one condition, of
// which one entry is enough: two that must both match cannot be said.
func (t *translator) who(c *conjunct, users map[string]any) error {
	if len(c.people.in)+len(c.groups.in) > 1 {
		return fmt.Errorf("it is for people who are in several lists at once, which no policy can say")
	}
	switch {
	case len(c.people.in) == 1:
		users["includeUsers"] = c.people.in[0]
	case len(c.groups.in) == 1:
		users["includeGroups"] = c.groups.in[0]
	default:
		users["includeUsers"] = []string{"All"}
	}
	if len(c.people.out) > 0 {
		users["excludeUsers"] = unique(c.people.out)
	}
	if len(c.groups.out) > 0 {
		users["excludeGroups"] = unique(c.groups.out)
	}
	return nil
}

// where writes locations. Places that must all match are cut down to the
// addresses that they share.
func (t *translator) where(name string, k *constraint) (map[string]any, error) {
	if len(k.in) == 0 && len(k.out) == 0 {
		return nil, nil
	}
	include := []string{"All"}
	switch {
	case len(k.in) == 1:
		include = k.in[0]
	case len(k.in) > 1:
		shared, err := t.shared(k.in)
		if err != nil {
			return nil, err
		}
		include = []string{t.place(name+": shared addresses", shared)}
	}
	places := map[string]any{"includeLocations": unique(include)}
	if len(k.out) > 0 {
		places["excludeLocations"] = unique(k.out)
	}
	return places, nil
}

// shared are the addresses that lie in one location of each of the lists.
func (t *translator) shared(all [][]string) ([]location.Range, error) {
	var have []location.Range
	for i, names := range all {
		var these []location.Range
		for _, n := range names {
			ranges, known := t.ranges[n]
			if !known {
				return nil, fmt.Errorf("it is for what lies in %q and in another location at once, and one of them is no list of addresses", n)
			}
			these = append(these, ranges...)
		}
		if i == 0 {
			have = these
			continue
		}
		var both []location.Range
		for _, a := range have {
			for _, b := range these {
				if a.From.BitLen() != b.From.BitLen() {
					continue
				}
				r := a
				if b.From.Compare(r.From) > 0 {
					r.From = b.From
				}
				if b.To.Compare(r.To) < 0 {
					r.To = b.To
				}
				if r.From.Compare(r.To) <= 0 {
					both = append(both, r)
				}
			}
		}
		have = both
	}
	if len(have) == 0 {
		return nil, fmt.Errorf("no address lies in all the locations that it names, so it never applies")
	}
	return have, nil
}

// place makes a named location of addresses.
func (t *translator) place(name string, ranges []location.Range) string {
	if _, known := t.ranges[name]; known {
		return name
	}
	if t.ranges == nil {
		t.ranges = map[string][]location.Range{}
	}
	t.ranges[name] = ranges
	var all []map[string]string
	for _, r := range ranges {
		kind := "iPv4"
		if !r.From.Is4() {
			kind = "iPv6"
		}
		if text := r.String(); strings.Contains(text, "/") {
			all = append(all, map[string]string{"@odata.type": "#microsoft.graph." + kind + "CidrRange", "cidrAddress": text})
		} else {
			all = append(all, map[string]string{"@odata.type": "#microsoft.graph." + kind + "Range", "lowerAddress": r.From.String(), "upperAddress": r.To.String()})
		}
	}
	t.location(map[string]any{"@odata.type": "#microsoft.graph.ipNamedLocation", "displayName": name, "isTrusted": false, "ipRanges": all})
	return name
}

func (t *translator) location(v map[string]any) {
	raw, err := json.MarshalIndent(v, "", "  ")
	if err != nil { // maps of texts always encode
		return
	}
	t.out.Locations = append(t.out.Locations, raw)
}

func sorted(s set) []string {
	all := []string{}
	for w := range s {
		all = append(all, w)
	}
	sort.Strings(all)
	return all
}

func unique(all []string) []string {
	out := slices.Clone(all)
	slices.Sort(out)
	return slices.Compact(out)
}

// words is a set of words.
func words(all ...string) set {
	s := set{}
	for _, w := range all {
		s[w] = true
	}
	return s
}
