package policycheck

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/portreeve/portreeve/internal/policy"
)

// world is the rules with one suite's fixtures, compiled once for each set of
// assumptions.
type world struct {
	base     policy.Source
	suite    *Suite
	o        *Options
	people   map[string]*Person
	now      time.Time
	compiled map[string]*policy.Snapshot
	notes    []string
}

// maxCompiled bounds how many sets of assumptions are kept ready at a time.
const maxCompiled = 16

func newWorld(src *policy.Source, s *Suite, o *Options) *world {
	w := &world{base: *src, suite: s, o: o, people: map[string]*Person{}, now: s.Given.Time, compiled: map[string]*policy.Snapshot{}}
	if w.now.IsZero() {
		w.now = o.Now
	}
	for i := range s.Given.People {
		w.people[s.Given.People[i].Address] = &s.Given.People[i]
	}
	w.base.Locations = slices.Concat(src.Locations, s.Given.Locations)
	w.base.Names = w.names(src)
	// Settings are kept by id: the files have names.
	w.base.Groups, w.base.Mailboxes = rekeyed(src.Groups, w.base.Names.Groups), rekeyed(src.Mailboxes, w.base.Names.People)
	return w
}

func rekeyed(all map[string]policy.Settings, ids map[string]string) map[string]policy.Settings {
	out := make(map[string]policy.Settings, len(all))
	for name, s := range all {
		if id, ok := ids[strings.ToLower(name)]; ok {
			name = id
		}
		out[name] = s
	}
	return out
}

// maxNamed is how many groups a note names.
const maxNamed = 5

// names are the people and groups of the fixtures, and what else the rules
// name: a reference to somebody who is in no fixture matches nobody, and is no fault.
func (w *world) names(src *policy.Source) policy.Names {
	n := policy.Names{People: map[string]string{}, Groups: map[string]string{}}
	maps.Copy(n.People, src.Names.People)
	maps.Copy(n.Groups, src.Names.Groups)
	group := func(name string) {
		if name = strings.ToLower(name); n.Groups[name] == "" {
			n.Groups[name] = name
		}
	}
	for name, id := range w.suite.Given.Groups {
		n.Groups[name], n.Groups[id] = id, id
	}
	for _, p := range w.people {
		n.People[p.Address], n.People[p.ID] = p.ID, p.ID
		for _, g := range p.Groups {
			group(g)
		}
	}
	for name := range src.Groups {
		group(name)
	}
	here := maps.Clone(n.Groups)
	missing := map[string]bool{}
	for i := range src.Policies {
		u := src.Policies[i].Conditions.Users
		if u == nil {
			continue
		}
		for _, g := range slices.Concat(u.Include.Groups, u.Exclude.Groups) {
			if here[strings.ToLower(g)] == "" {
				missing[g] = true
			}
			group(g)
		}
		for _, x := range slices.Concat(u.Include.Users, u.Exclude.Users) {
			if x = strings.ToLower(x); n.People[x] == "" {
				n.People[x] = x
			}
		}
	}
	if all := slices.Sorted(maps.Keys(missing)); len(all) > 0 {
		words := strings.Join(all[:min(len(all), maxNamed)], ", ")
		if left := len(all) - maxNamed; left > 0 {
			words += fmt.Sprintf(" and %d more", left)
		}
		w.notes = append(w.notes, w.suite.Place+": policies name groups in which nobody of given.people is: "+words)
	}
	return n
}

// groups are the ids of a person's groups, sorted.
func (w *world) groups(p *Person) (ids []string) {
	for _, g := range p.Groups {
		ids = append(ids, w.base.Names.Groups[strings.ToLower(g)])
	}
	slices.Sort(ids)
	return slices.Compact(ids)
}

// rules are the rules with a test's assumptions, which beat the suite's.
func (w *world) rules(more []Assumption) *policy.Snapshot {
	all := slices.Concat(w.suite.Assume, more)
	key := fmt.Sprint(more)
	if s := w.compiled[key]; s != nil {
		return s
	}
	src := w.base
	src.Policies = slices.Clone(src.Policies)
	for _, a := range all {
		if i := find(&src, a.Policy); i >= 0 {
			src.Policies[i].State = a.State
		}
	}
	s, _ := policy.Compile(src)
	if len(w.compiled) >= maxCompiled {
		clear(w.compiled)
	}
	w.compiled[key] = s
	return s
}

// find is the policy with an id, or else with a name; below 0 if there is none.
func find(src *policy.Source, name string) int {
	if i := slices.IndexFunc(src.Policies, func(p policy.Policy) bool { return same(p.ID, name) }); i >= 0 {
		return i
	}
	return slices.IndexFunc(src.Policies, func(p policy.Policy) bool { return same(p.DisplayName, name) })
}

// names are what policies can be called.
func names(src *policy.Source) (all []string) {
	for i := range src.Policies {
		all = append(all, src.Policies[i].ID, src.Policies[i].DisplayName)
	}
	return all
}

// Assumed are rules in which policies, by id or name, are in the states that
// tests assume; what is not there is left out.
func Assumed(s *policy.Snapshot, all []Assumption) *policy.Snapshot {
	src := s.Source()
	src.Policies = slices.Clone(src.Policies)
	changed := false
	for _, a := range all {
		if i := find(&src, a.Policy); i >= 0 && src.Policies[i].State != a.State {
			src.Policies[i].State, changed = a.State, true
		}
	}
	if !changed {
		return s
	}
	out, _ := policy.Compile(src)
	return out
}
