package policy

import (
	"slices"
	"strings"

	"github.com/portreeve/portreeve/internal/protocol"
)

// ActionRegisterSecurityInfo is Graph's user action for setting up a second
// factor. A policy that names it is not about signing in: it says who may
// register from where, and with what proof.
const ActionRegisterSecurityInfo = "urn:user:registersecurityinfo"

// ForAction is a snapshot that judges a user action: the policies that name it,
// all other conditions as they stand, read as if what is done in the portal
// were signed in to. Switches and authentication policies are about doors and
// have no say. It has the version of the rules that it comes from.
func (s *Snapshot) ForAction(action string) *Snapshot {
	src := Source{Version: s.source.Version, Locations: s.source.Locations, Strengths: s.source.Strengths, Names: s.source.Names, Zone: s.source.Zone,
		Organization: Organization{MFAAlsoAccepts: s.source.Organization.MFAAlsoAccepts}}
	for _, p := range s.source.Policies {
		a := p.Conditions.Applications
		if a == nil || !slices.ContainsFunc(a.Actions, func(x string) bool { return strings.EqualFold(x, action) }) {
			continue
		}
		p.Conditions.Applications = &Applications{Include: []string{protocol.Portal.AppID()}}
		src.Policies = append(src.Policies, p)
	}
	snap, _ := Compile(src) // its warnings are told of the rules that it comes from
	return snap
}

// Trusted says that a place is in a named location that is marked as trusted.
func (s *Snapshot) Trusted(f *Facts) bool {
	for i := range s.source.Locations {
		if n := &s.source.Locations[i]; n.Trusted && n.Contains(f.Addr, f.Country) {
			return true
		}
	}
	return false
}
