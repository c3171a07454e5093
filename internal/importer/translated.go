package importer

import (
	"encoding/json"
	"fmt"
	"slices"
	"sort"
	"strings"

	"github.com/portreeve/portreeve/internal/location"
)

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
