package tenantaudit

import (
	"slices"
	"strings"

	"github.com/portreeve/portreeve/internal/filter"
	"github.com/portreeve/portreeve/internal/policy"
	"github.com/portreeve/portreeve/internal/tenant"
)

// protecting are the controls that a thief with a password and an unregistered
// device cannot meet. Terms of use can be accepted and passwords changed by
// whoever has the password; what a custom control or one not known here asks
// for, nobody can say.
const protecting = policy.ControlMFA | policy.ControlStrength | policy.ControlCompliantDevice | policy.ControlDomainJoinedDevice |
	policy.ControlApprovedApplication | policy.ControlCompliantApplication | policy.ControlBlock

// byEnrolling are those that a thief can meet once they registered a factor of their own.
const byEnrolling = policy.ControlMFA | policy.ControlStrength

// force is what a policy comes to for the thief.
type force struct {
	modern    bool // stops a modern program or a browser
	legacy    bool // stops a program that shows a password: any grant control does
	enrolling bool // but not one who enrolled a factor
	said      bool // has a control that is block or like a second factor
}

// forceOf weighs a policy's controls.
func (a *audit) forceOf(p *policy.Policy) force {
	g := p.Grant
	if g == nil {
		return force{}
	}
	controls := g.Controls
	weak := false // a control that protects nobody
	if g.Strength != nil {
		if a.strong(g.Strength) {
			controls |= policy.ControlStrength
		} else {
			weak = true
		}
	}
	if controls&policy.ControlBlock != 0 {
		return force{modern: true, legacy: true, said: true}
	}
	good, bad := controls&protecting, controls&^protecting
	weak = weak || bad != 0 || len(g.Unknown) > 0
	f := force{legacy: good != 0 || weak, said: good != 0}
	if g.Any {
		f.modern = good != 0 && !weak
		f.enrolling = good&byEnrolling != 0
	} else {
		f.modern = good != 0
		f.enrolling = good != 0 && good&^byEnrolling == 0
	}
	return f
}

// strong says that no combination of a strength is a single factor. A strength
// that is not known is not strong.
func (a *audit) strong(s *policy.Strength) bool {
	combinations := s.Combinations
	for _, known := range policy.BuiltInStrengths() {
		if strings.EqualFold(known.ID, s.ID) {
			return true
		}
	}
	for i := range a.t.Strengths {
		if known := &a.t.Strengths[i]; strings.EqualFold(known.ID, s.ID) && s.ID != "" && len(known.Combinations) > 0 {
			combinations = known.Combinations
		}
	}
	return len(combinations) > 0 && !slices.ContainsFunc(combinations, func(c policy.Combination) bool {
		return !c.Unprovable && !policy.MultiFactor(c.Methods)
	})
}

// unsure says why a policy cannot be counted on: a condition that is not
// understood may leave out the very sign-in that matters.
func unsure(p *policy.Policy) string {
	harmless := []string{"/conditions/applications/includeUserActions", "/conditions/applications/includeAuthenticationContextClassReferences",
		"/conditions/deviceStates", "/conditions/times", "/conditions/clients"}
	for _, u := range p.Unsupported {
		if strings.HasPrefix(u.Pointer, "/conditions/") && !slices.ContainsFunc(harmless, func(h string) bool { return strings.HasPrefix(u.Pointer, h) }) {
			return "its condition " + strings.TrimPrefix(u.Pointer, "/conditions/") + " is not understood"
		}
	}
	if d := p.Conditions.DeviceFilter; d != nil {
		if _, err := filter.ParseDevice(d.Rule); err != nil {
			return "its device filter cannot be read"
		}
	}
	o := &p.Conditions.Portreeve
	if o.CredentialKinds != nil || o.Programs != nil || o.ASNs != nil || o.Hours != nil || o.NewClient != nil || o.ViaWebmail != nil || o.Share != nil {
		return "it is narrowed by a condition that Entra does not have"
	}
	return ""
}

// usual are applications as Exchange Online stands among them.
const (
	exchangeID   = policy.ExchangeOnline
	sharePointID = "00000003-0000-0ff1-ce00-000000000000"
)

// officeIDs are resources of the group Office365, as far as sign-ins show them.
var officeIDs = []string{exchangeID, sharePointID,
	"cc15fd57-2c6c-4117-a88c-83b1d56b4bbe", // Teams
	"00000004-0000-0ff1-ce00-000000000000", // Skype for Business
	"00000005-0000-0000-c000-000000000000", // Yammer
	"4345a7b9-9a63-4910-a426-35363201d503", // Office portal
}

// aims says that a policy is about signing in to a resource.
func aims(a *policy.Applications, resource string) bool {
	if a == nil {
		return true
	}
	among := func(list []string) bool {
		return slices.ContainsFunc(list, func(s string) bool {
			switch lower(s) {
			case "all":
				return true
			case "office365":
				return slices.Contains(officeIDs, resource)
			}
			return resource != "" && lower(s) == resource
		})
	}
	return among(a.Include) && !among(a.Exclude)
}

// registers says that a policy is about registering security information.
func registers(a *policy.Applications) bool {
	return a != nil && slices.ContainsFunc(a.Actions, func(s string) bool { return strings.EqualFold(s, policy.ActionRegisterSecurityInfo) })
}

// bare is a policy's conditions as the thief meets them: what it is about and
// what it asks for are settled before, so that it blocks where it holds.
func bare(p *tenant.Policy) policy.Policy {
	c := p.Conditions
	c.Applications = nil
	c.Portreeve = policy.Own{}
	if c.Users != nil {
		users := policy.Users{Include: lowered(&c.Users.Include, false), Exclude: lowered(&c.Users.Exclude, true)}
		c.Users = &users
	}
	if c.Locations != nil {
		c.Locations = &policy.Locations{Include: lowerAll(c.Locations.Include), Exclude: lowerAll(c.Locations.Exclude)}
	}
	return policy.Policy{ID: p.ID, State: policy.Enabled, Conditions: c, Grant: &policy.Grant{Controls: policy.ControlBlock}}
}

// lowered spells ids alike. Which organisation a guest comes from is not
// exported: such guests are not counted on to be included, and are excluded.
func lowered(p *policy.People, excluded bool) policy.People {
	out := policy.People{All: p.All, Users: lowerAll(p.Users), Groups: lowerAll(p.Groups), Roles: lowerAll(p.Roles)}
	for _, g := range p.Guests {
		switch {
		case g.Everywhere:
			out.Guests = append(out.Guests, g)
		case excluded:
			g.Everywhere, g.Domains = true, nil
			out.Guests = append(out.Guests, g)
		}
	}
	return out
}

func lowerAll(list []string) []string {
	out := make([]string, len(list))
	for i, s := range list {
		out[i] = lower(s)
	}
	return out
}
