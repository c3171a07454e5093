package policy

import (
	"maps"
	"net/netip"
	"slices"
	"strings"
)

// What replay and What-If ask of the rules beyond a verdict: which values they
// tell apart, and what a person who could be asked for everything would come to.

// Source is what the snapshot was compiled of, to compile it again with a
// change. Its lists are the snapshot's own: clone one before changing it.
func (s *Snapshot) Source() Source { return s.source }

// SetSwitch sets a switch where it is held; known is whether there is such a
// switch and holder. What the source shares with others is left as it was.
func (src *Source) SetSwitch(h Holder, name string, value *bool) (known bool) {
	switch h.Kind {
	case HeldByOrganization:
		known = src.Organization.Set(name, value)
	case HeldByDomain:
		src.Domains, known = withSwitch(src.Domains, h.ID, name, value)
	case HeldByGroup:
		src.Groups, known = withSwitch(src.Groups, h.ID, name, value)
	case HeldByMailbox:
		src.Mailboxes, known = withSwitch(src.Mailboxes, h.ID, name, value)
	}
	return known
}

func withSwitch[T any, P interface {
	*T
	Set(name string, value *bool) bool
}](all map[string]T, id, name string, value *bool) (changed map[string]T, known bool) {
	changed = maps.Clone(all)
	if changed == nil {
		changed = map[string]T{}
	}
	s := changed[id]
	known = P(&s).Set(name, value)
	changed[id] = s
	return changed, known
}

// Promptable says that a person sits in front of a page and can be asked.
func Promptable(f *Facts) bool { return promptable(f.Protocol) }

// Attainable are the methods that a sign-in with these facts can come to prove.
func Attainable(f *Facts) Methods { return attainable(f) }

// ShownEverything is the sign-in of somebody who has just shown every factor there is.
func ShownEverything(f Facts) Facts {
	f.Proven, f.Methods, f.Key, f.AuthTime = true, ^Methods(0), anyKey, f.At
	return f
}

// Networks are addresses, one of each class of network that the locations tell
// apart, the one in none of them first if there is one of that kind.
func (s *Snapshot) Networks() []netip.Addr {
	seen := map[int]bool{}
	var all []netip.Addr
	add := func(a netip.Addr) {
		if class := s.locator.Class(a); a.IsValid() && !seen[class] {
			seen[class] = true
			all = append(all, a)
		}
	}
	for _, a := range []string{"203.0.113.1", "0.0.0.1", "2001:db8::1", "::1"} { // documentation (RFC 5737, RFC 3849), and the lowest
		if addr := netip.MustParseAddr(a); s.locator.Class(addr) == 0 {
			add(addr)
		}
	}
	for i := range s.source.Locations { // a class begins where a range does, or where one has ended
		for _, r := range s.source.Locations[i].Ranges {
			add(r.From)
			add(r.To.Next())
		}
	}
	return all
}

// Countries are the countries that locations name, sorted.
func (s *Snapshot) Countries() []string {
	var all []string
	for i := range s.source.Locations {
		for _, c := range s.source.Locations[i].Countries {
			all = append(all, strings.ToUpper(c))
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// Devices are devices, one of each kind that policies tell apart, nil (an
// unregistered one) first; all is false if there may be more kinds.
func (s *Snapshot) Devices() (devices []*Device, all bool) { return s.devices, s.allDevices }

// OnDevices says that a policy's result may hang on the device.
func (s *Snapshot) OnDevices() bool {
	return slices.ContainsFunc(s.onDevice, func(w uint64) bool { return w != 0 })
}

// TimeMatters says that a verdict may hang on when a sign-in happens: hours,
// periods, exclusions that end, proofs that age.
func (s *Snapshot) TimeMatters() bool {
	return len(s.hours) > 0 || len(s.periods) > 0 || len(s.paces) > 0 || slices.ContainsFunc(s.policies, func(p Policy) bool {
		return slices.ContainsFunc(p.Exclusions, func(x Exclusion) bool { return !x.Expires.IsZero() })
	})
}

// Conditions explains each policy's conditions by facts that are all known,
// whether or not a sign-in would come so far.
func (s *Snapshot) Conditions(f *Facts) (all []PolicyExplanation) {
	for i := range s.rules {
		all = append(all, s.explainPolicy(f, i, NotApplied, false))
	}
	return all
}
