package tenantaudit

import (
	"fmt"
	"slices"
	"strings"

	"github.com/portreeve/portreeve/internal/filter"
	"github.com/portreeve/portreeve/internal/location"
	"github.com/portreeve/portreeve/internal/policy"
	"github.com/portreeve/portreeve/internal/tenant"
)

const mostReasons = 12 // policies that a witness names

// The steps of whyNot by how near a policy came to stopping a sign-in: one that
// exempts somebody by name is nearer to them than one that waits for a risk, and
// less near than one that a thief had to step around.
const (
	notForThem = iota
	otherRisk  // or another flow
	otherClient
	excludesThem
	otherPlace // or platform, or device
	asksTooLittle
	reportsOnly
)

// reason is why one policy did not stop a sign-in.
type reason struct {
	near int
	rung Rung
	of   *tenant.Policy
}

// reasons say of the policies in force that could have stopped a sign-in why
// they did not, those that come nearest to it first. let names the nearest of those
// meant for them, and nearest is that policy, if there is one.
func (a *audit) reasons(p *person, f policy.Facts, modern bool) (rungs []Rung, let string, nearest reason) {
	var all []reason
	for i := range a.t.Policies {
		x := &a.t.Policies[i]
		if x.State == policy.Disabled || !aims(x.Conditions.Applications, exchangeID) || x.Conditions.ClientApplications {
			continue
		}
		force := a.forceOf(&x.Policy)
		if !force.legacy {
			continue
		}
		if near, why := a.whyNot(p, &f, x, modern, force); why != "" {
			all = append(all, reason{near, Rung{"conditional access", "open", quoted(x.DisplayName) + " " + why}, x})
		}
	}
	slices.SortStableFunc(all, func(x, y reason) int { return y.near - x.near })
	if len(all) > 0 && all[0].near >= excludesThem {
		let, nearest = "policy "+all[0].rung.Object, all[0]
	}
	for i := range all[:min(len(all), mostReasons)] {
		if all[i].near == notForThem && len(rungs) >= 3 {
			break // the others are of interest to nobody
		}
		rungs = append(rungs, all[i].rung)
	}
	return rungs, let, nearest
}

// evidenceOf is where the nearest policy stands; where there is none, the file
// of policies.
func (a *audit) evidenceOf(nearest reason) Evidence {
	if nearest.of != nil {
		return source(nearest.of.Source, "policy "+nearest.rung.Object)
	}
	for i := range a.t.Files {
		if f := &a.t.Files[i]; f.Kind == tenant.ConditionalAccessPolicies {
			return Evidence{File: f.Path, Says: "no policy that is on is meant for this sign-in"}
		}
	}
	return Evidence{Says: "no conditional access policy was exported"}
}

// whyNot says which condition of a policy leaves a sign-in out; it is empty if
// none does.
func (a *audit) whyNot(p *person, f *policy.Facts, x *tenant.Policy, modern bool, force force) (near int, why string) {
	c := &x.Conditions
	if excludes, why := a.usersWhy(p, c.Users); why != "" {
		if excludes {
			return excludesThem, why
		}
		return notForThem, why
	}
	if len(c.Risks) > 0 {
		return otherRisk, "waits for a risk (" + c.Risks[0].Name + "), which is not counted on"
	}
	if c.TransferMethods != 0 {
		return otherRisk, "is for device code flow or authentication transfer only"
	}
	if client := policy.ClientAppTypeOf(f); c.ClientAppTypes != 0 && c.ClientAppTypes&client == 0 {
		return otherClient, "is for " + strings.Join(c.ClientAppTypes.Names(), ", ") + ", not for " + strings.Join(client.Names(), ", ")
	}
	for _, why := range []string{deviceWhy(c.DeviceFilter), platformWhy(f, c.Platforms), a.placeWhy(f, c.Locations)} {
		if why != "" {
			return otherPlace, why
		}
	}
	if why := unsure(&x.Policy); why != "" {
		return asksTooLittle, "is not counted on: " + why
	}
	if modern && !force.modern {
		return asksTooLittle, "asks for nothing that a thief cannot give (terms of use, one of several controls, a strength with a single factor)"
	}
	if x.State == policy.ReportOnly {
		return reportsOnly, "is report-only: it enforces nothing"
	}
	return 0, ""
}

// usersWhy says why a policy is not for somebody, and whether it leaves them out by name.
func (a *audit) usersWhy(p *person, u *policy.Users) (excludes bool, why string) {
	if u == nil {
		return false, ""
	}
	e := &u.Exclude
	if slices.Contains(lowerAll(e.Users), p.id) && p.id != "" {
		return true, "excludes them by name"
	}
	for _, g := range lowerAll(e.Groups) {
		if slices.Contains(p.groups, g) {
			name := g
			if a.groups[g] != nil {
				name = a.groups[g].DisplayName
			}
			return true, "excludes the group " + quoted(name)
		}
	}
	for _, r := range lowerAll(e.Roles) {
		if slices.Contains(p.roles, r) {
			return true, "excludes their role " + r
		}
	}
	for _, g := range e.Guests {
		if g.Types&p.guestType != 0 {
			return true, "excludes guests"
		}
	}
	i := lowered(&u.Include, false)
	among := func(list, mine []string) bool {
		return slices.ContainsFunc(list, func(s string) bool { return slices.Contains(mine, s) })
	}
	if i.All || among(i.Users, []string{p.id}) || among(i.Groups, p.groups) || among(i.Roles, p.roles) ||
		slices.ContainsFunc(i.Guests, func(g policy.Guests) bool { return g.Types&p.guestType != 0 }) {
		return false, ""
	}
	return false, "is not for them"
}

func deviceWhy(d *policy.DeviceFilter) string {
	if d == nil {
		return ""
	}
	rule, err := filter.ParseDevice(d.Rule)
	if err == nil && rule.Match(func(string) filter.Value { return filter.Null }) == d.Exclude {
		return "leaves out devices that are not registered (its device filter)"
	}
	return ""
}

func platformWhy(f *policy.Facts, p *policy.Platforms) string {
	if p == nil {
		return ""
	}
	known := f.Platform != policy.PlatformUnknown
	included := p.AllIncluded || known && slices.Contains(p.Include, f.Platform)
	excluded := p.AllExcluded || known && slices.Contains(p.Exclude, f.Platform)
	if included && !excluded {
		return ""
	}
	if !known {
		return "is for some platforms only, and a program that names none is none of them"
	}
	return "leaves out the platform " + f.Platform.String() + ", which any program can claim"
}

func (a *audit) placeWhy(f *policy.Facts, l *policy.Locations) string {
	if l == nil {
		return ""
	}
	has := func(list []string) (name string, found bool) {
		for _, s := range list {
			switch lower(s) {
			case "all":
				return "everywhere", true
			default:
				for i := range a.t.Locations {
					n := &a.t.Locations[i].Named
					if (lower(n.ID) == lower(s) || lower(s) == "alltrusted" && n.Trusted) && a.inPlace(i, f) {
						return quoted(n.DisplayName), true
					}
				}
			}
		}
		return "", false
	}
	if name, out := has(l.Exclude); out {
		return "leaves out " + name
	}
	if _, in := has(l.Include); !in {
		return "is for other places"
	}
	return ""
}

func (a *audit) inPlace(i int, f *policy.Facts) bool {
	return i < len(a.thief.places) && a.thief.places[i].Contains(f.Addr, f.Country)
}

// where is a place as a person reads it.
func (a *audit) where(w way) string {
	var names []string
	for i := range a.t.Locations {
		if n := &a.thief.places[i]; n.Kind == location.Networks && n.Contains(w.address, "") {
			names = append(names, a.t.Locations[i].DisplayName)
		}
	}
	country := w.country
	if country == "" {
		country = "a country that nobody can tell"
	}
	if len(names) > 0 {
		return strings.Join(names, ", ") + ", in " + country
	}
	return "anywhere, such as in " + country
}

func (a *audit) witness(p *person, program string, w way) *Witness {
	x := &Witness{Person: p.upn, Name: p.name, Program: program, Place: a.where(w), Country: w.country, Platform: w.platform.String()}
	if w.address.IsValid() {
		x.Address = w.address.String()
	}
	if w.platform == policy.PlatformUnknown {
		x.Platform = "none claimed"
	}
	return x
}

func quoted(s string) string { return fmt.Sprintf("%q", shorten(s, 80)) }
