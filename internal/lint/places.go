package lint

import (
	"fmt"
	"slices"
	"strings"

	"github.com/portreeve/portreeve/internal/location"
	"github.com/portreeve/portreeve/internal/policy"
)

// locations finds those that are everywhere.
func (c *checker) locations() {
	for i := range c.source.Locations {
		l := &c.source.Locations[i]
		if !c.wanted(l.ID) || l.Kind != location.Networks {
			continue
		}
		all := AllOf(l.Ranges)
		if all == "" {
			continue
		}
		f := Finding{ID: Everywhere, Severity: Warning, Object: Object{"location", l.ID, l.DisplayName}, Pointer: "/ipRanges",
			Sentence: fmt.Sprintf("The location holds every %s address there is: a policy that excludes it excludes everybody who comes by %[1]s", all),
			Fix:      Fix{Text: "name the networks that are meant; a policy for every place includes All and needs no location"}}
		for j := range c.source.Policies {
			p := &c.source.Policies[j]
			if p.State != policy.Disabled && p.Conditions.Locations != nil && excludesPlace(p.Conditions.Locations, l) {
				f.Severity = Danger
				f.Evidence = append(f.Evidence, fmt.Sprintf("excluded by the policy %q", p.DisplayName))
			}
		}
		c.add(f)
	}
}

func excludesPlace(l *policy.Locations, n *location.Named) bool {
	return slices.ContainsFunc(l.Exclude, func(s string) bool {
		return strings.EqualFold(s, n.ID) || strings.EqualFold(s, n.DisplayName) || n.Trusted && strings.EqualFold(s, "AllTrusted")
	})
}

// AllOf says which whole family of addresses ranges hold together: "IPv4",
// "IPv6", both, or none.
func AllOf(ranges []location.Range) string {
	var names []string
	for _, family := range []struct {
		name string
		bits int
	}{{"IPv4", 32}, {"IPv6", 128}} {
		var mine []location.Range
		for _, r := range ranges {
			if r.From.BitLen() == family.bits {
				mine = append(mine, r)
			}
		}
		if whole(mine) {
			names = append(names, family.name)
		}
	}
	return strings.Join(names, " and ")
}

// whole says that ranges of one family leave no address out.
func whole(all []location.Range) bool {
	if len(all) == 0 {
		return false
	}
	slices.SortFunc(all, func(a, b location.Range) int { return a.From.Compare(b.From) })
	if all[0].From.Prev().IsValid() {
		return false
	}
	end := all[0].To
	for _, r := range all[1:] {
		next := end.Next()
		if !next.IsValid() {
			return true
		}
		if next.Less(r.From) {
			return false
		}
		if end.Less(r.To) {
			end = r.To
		}
	}
	return !end.Next().IsValid()
}

// watch goes over the recorded sign-ins once, for all findings that ask.
func (c *checker) watch() {
	if c.SignIns == nil || !slices.ContainsFunc(c.found, func(f Finding) bool { return f.count != nil }) {
		return
	}
	signIns, people := make([]int64, len(c.found)), make([]map[string]bool, len(c.found))
	for f, n := range c.SignIns {
		for i := range c.found {
			if count := c.found[i].count; count == nil || !count(f) {
				continue
			}
			if people[i] == nil {
				people[i] = map[string]bool{}
			}
			signIns[i] += n
			people[i][f.Person] = true
		}
	}
	for i := range c.found {
		if f := &c.found[i]; signIns[i] > 0 {
			f.Evidence = append(f.Evidence, f.tell(int(signIns[i]), len(people[i])))
		}
	}
}

func signIns(n int) string { return counted(n, "sign-in", "sign-ins") }
func persons(n int) string { return counted(n, "person", "people") }

func counted(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}
