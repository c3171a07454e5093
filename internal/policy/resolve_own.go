package policy

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/portreeve/portreeve/internal/location"
)

// own resolves the conditions that only Portreeve has.
func (r *resolver) own(out *rule, c *Own) {
	if c.CredentialKinds != nil {
		out.kinds = &kindsCondition{c.CredentialKinds.lowered(kindWord)}
		for _, w := range slices.Concat(out.kinds.Include, out.kinds.Exclude) {
			if _, ok := ParseCredentialKind(w); !ok && w != wordUnknown {
				r.warn("/conditions/portreeve/credentialKinds", "%q is no kind of credential: it matches no sign-in", w)
			}
		}
	}
	if c.Programs != nil {
		out.programs = &programsCondition{c.Programs.lowered(strings.ToLower)}
	}
	if c.ASNs != nil {
		out.asns = &asnsCondition{*c.ASNs}
	}
	if c.Hours != nil {
		out.hours = &hoursCondition{*c.Hours, r.zone(c.Hours.Zone)}
	}
	if c.Period != nil {
		out.period = &periodCondition{*c.Period}
	}
	if c.NewClient != nil {
		out.newClient = &newClientCondition{*c.NewClient}
	}
	if c.ViaWebmail != nil {
		out.webmail = &webmailCondition{*c.ViaWebmail}
	}
	if c.Share != nil {
		out.share = &shareCondition{*c.Share}
	}
}

// kindWord puts a kind of credential into its own spelling.
func kindWord(s string) string {
	for _, n := range credentialNames {
		if equalFold(n, s) {
			return n
		}
	}
	return s
}

func (r *resolver) zone(name string) *time.Location {
	if name == "" || name == "UTC" {
		return time.UTC
	}
	if r.source.Zone != nil {
		if zone, err := r.source.Zone(name); err == nil {
			return zone
		}
	}
	r.warn("/conditions/portreeve/hours/timeZone", "the time zone %q is not known: the condition is read as holding at every hour", name)
	return nil
}

// asked resolves the controls.
func (r *resolver) asked(p *Policy) asked {
	a := asked{mfa: r.mfa}
	if p.Grant != nil {
		a.any, a.grant = p.Grant.Any, p.Grant.Controls
		if p.Grant.Strength != nil {
			a.grant |= ControlStrength
			a.strength = r.strength(p.Grant.Strength)
		}
		if len(p.Grant.Unknown) > 0 {
			a.grant |= ControlUnknown
			r.warn("/grantControls", "controls not known here are never met: %s", strings.Join(p.Grant.Unknown, ", "))
		}
		if a.grant&ControlBlock != 0 {
			a.grant, a.any = ControlBlock, false // block stands alone
		}
	}
	if p.Session.Frequency != nil {
		a.session |= ControlSignInFrequency
		a.every = p.Session.Frequency
	}
	if p.Session.TokenProtection {
		a.session |= ControlTokenProtection
		r.warn("/sessionControls/secureSignInSession", "tokens are not bound to devices here: the control is never met")
	}
	if never := a.grant & (ControlApprovedApplication | ControlCompliantApplication | ControlPasswordChange | ControlRiskRemediation | ControlTermsOfUse | ControlCustomFactor); never != 0 {
		r.warn("/grantControls", "never met by a mail program: %s", strings.Join(never.Names(), ", "))
	}
	if a.grant|a.session == 0 {
		r.warn("/grantControls", "the policy asks for nothing that is enforced here")
	}
	return a
}

// strength finds the stored strength that a policy refers to; a policy read
// from elsewhere may bring its own.
func (r *resolver) strength(s *Strength) *Strength {
	found := r.strengths[strings.ToLower(s.ID)]
	if found == nil && s.ID == "" {
		found = r.strengths[strings.ToLower(s.DisplayName)]
	}
	if found == nil {
		found = s
		if s.ID != "" {
			r.strengths[strings.ToLower(s.ID)] = s // policies that bring the same one share it
		}
	}
	const pointer = "/grantControls/authenticationStrength"
	provable := slices.ContainsFunc(found.Combinations, func(c Combination) bool { return !c.Unprovable && c.Methods != 0 })
	if !provable {
		r.warn(pointer, "no combination of the strength %q can be proven here: it is never met", found.DisplayName)
	} else if found == s {
		for _, c := range s.Combinations {
			if c.Unprovable {
				r.warn(pointer+"/allowedCombinations", "the combination %q asks for what is not recorded here: it is never met", c)
			}
		}
	}
	return found
}

// objects notes what is wrong with everything but policies.
func (r *resolver) objects() {
	note := func(object, id, name, format string, args ...any) {
		r.warnings = append(r.warnings, Warning{object, id, name, "", fmt.Sprintf(format, args...)})
	}
	for _, n := range r.source.Locations {
		if n.Kind == location.Elsewhere {
			note("location", n.ID, n.DisplayName, "it cannot be seen from here: it matches no address, unless it includes unknown countries")
		}
	}
	for _, s := range r.source.Strengths {
		for _, c := range s.Combinations {
			if c.Unprovable {
				note("strength", s.ID, s.DisplayName, "the combination %q asks for what is not recorded here: it is never met", c)
			}
		}
	}
	for _, c := range r.source.Organization.MFAAlsoAccepts {
		if c.Unprovable || c.Methods == 0 {
			note("organization", "", "", "mfaAlsoAccepts: the combination %q cannot be proven here", c)
		}
	}
	for i := range r.source.AuthenticationPolicies {
		a := &r.source.AuthenticationPolicies[i]
		if open := a.unsaid(); len(open) > 0 {
			note("authenticationPolicy", a.ID, a.Name, "it says nothing of passwords on %s, which stay allowed there", strings.Join(open, ", "))
		}
	}
}
