package policy

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/portreeve/portreeve/internal/filter"
	"github.com/portreeve/portreeve/internal/location"
)

// resolver turns policies into rules and notes what will not be enforced.
type resolver struct {
	source    *Source
	strengths map[string]*Strength // by id and by name, in lower case
	mfa       []Combination
	warnings  []Warning
	policy    *Policy
}

func (r *resolver) warn(pointer, format string, args ...any) {
	r.warnings = append(r.warnings, Warning{"policy", r.policy.ID, r.policy.DisplayName, pointer, fmt.Sprintf(format, args...)})
}

func newResolver(s *Source) *resolver {
	r := &resolver{source: s, strengths: map[string]*Strength{}}
	builtIn := BuiltInStrengths()
	for _, list := range [][]Strength{s.Strengths, builtIn} { // nobody can redefine a built-in one
		for i := range list {
			r.strengths[strings.ToLower(list[i].DisplayName)] = &list[i]
			r.strengths[strings.ToLower(list[i].ID)] = &list[i]
		}
	}
	r.mfa = slices.Concat(builtIn[0].Combinations, s.Organization.MFAAlsoAccepts)
	return r
}

// rule resolves one policy.
func (r *resolver) rule(p *Policy) rule {
	r.policy = p
	for _, u := range p.Unsupported {
		r.warn(u.Pointer, "%s", u.Text)
	}
	c := &p.Conditions
	out := rule{Policy: p}
	out.users = r.users(c.Users)
	out.apps = r.applications(c.Applications)
	if c.ClientAppTypes != 0 {
		out.clients = &clientAppCondition{c.ClientAppTypes}
	}
	if c.Platforms != nil {
		out.platforms = &platformsCondition{*c.Platforms}
	}
	out.locations = r.locations(c.Locations)
	out.device = r.device(c.DeviceFilter)
	if c.TransferMethods != 0 {
		out.flows = &flowsCondition{c.TransferMethods}
	}
	for _, risk := range c.Risks {
		if len(risk.Levels) > 0 {
			out.risks = append(out.risks, riskCondition{risk})
			r.risk(&out.risks[len(out.risks)-1])
		}
	}
	if c.ClientApplications {
		out.services = &servicesCondition{}
		r.warn("/conditions/clientApplications", "no service signs in here: the policy never applies")
	}
	r.own(&out, &c.Portreeve)
	out.asked = r.asked(p)
	return out
}

func (r *resolver) users(u *Users) *usersCondition {
	if u == nil {
		return nil
	}
	c := &usersCondition{words: sides(peopleWords(&u.Include), peopleWords(&u.Exclude))}
	c.include = r.members(&u.Include, "include", nil)
	c.exclude = r.members(&u.Exclude, "exclude", r.policy.Exclusions)
	for i, x := range r.policy.Exclusions {
		all := slices.Concat(u.Exclude.Users, u.Exclude.Groups, u.Exclude.Roles)
		if !slices.ContainsFunc(all, func(s string) bool { return strings.EqualFold(s, x.ID) }) {
			r.warn(fmt.Sprintf("/portreeve/exclusions/%d", i), "%q is in none of the policy's exclude lists of people", x.ID)
		}
	}
	return c
}

func peopleWords(p *People) []string {
	var words []string
	if p.All {
		words = append(words, wordAll)
	}
	add := func(kind string, list []string) {
		for _, s := range list {
			words = append(words, kind+" "+s)
		}
	}
	add("user", p.Users)
	add("group", p.Groups)
	add("role", p.Roles)
	for _, g := range p.Guests {
		s := "guests (" + strings.Join(g.Types.Names(), ", ") + ")"
		if !g.Everywhere {
			s += " of " + strings.Join(g.Domains, ", ")
		}
		words = append(words, s)
	}
	return words
}

func (r *resolver) members(p *People, side string, papers []Exclusion) members {
	pointer := func(kind string) string { return "/conditions/users/" + side + kind }
	m := members{all: p.All}
	names := &r.source.Names
	m.users = r.references(p.Users, names.People, pointer("Users"), "nobody here", papers)
	m.groups = r.references(p.Groups, names.Groups, pointer("Groups"), "no group here", papers)
	m.roles = r.references(p.Roles, names.Roles, pointer("Roles"), "no role here", papers)
	m.absent = len(m.users)+len(m.groups)+len(m.roles) < len(p.Users)+len(p.Groups)+len(p.Roles)
	for _, g := range p.Guests {
		g.Domains = slices.Clone(g.Domains)
		for i := range g.Domains {
			g.Domains[i] = strings.ToLower(g.Domains[i])
			if !strings.Contains(g.Domains[i], ".") {
				r.warn(pointer("GuestsOrExternalUsers")+"/externalTenants/members", "%q is no domain: guests are told apart by their domain, so it matches nobody", g.Domains[i])
			}
		}
		m.guests = append(m.guests, g)
	}
	return m
}

// references resolves names to ids. One that is not known matches nobody.
func (r *resolver) references(list []string, known map[string]string, pointer, what string, papers []Exclusion) []member {
	var out []member
	for i, s := range list {
		id := s
		if known != nil {
			found, ok := known[strings.ToLower(s)]
			if !ok {
				r.warn(fmt.Sprintf("%s/%d", pointer, i), "%q is %s: it matches nobody", s, what)
				continue
			}
			id = found
		}
		var expires time.Time
		for _, x := range papers {
			if strings.EqualFold(x.ID, s) {
				expires = x.Expires
			}
		}
		out = append(out, member{id, expires})
	}
	return out
}

func (r *resolver) applications(a *Applications) *appsCondition {
	if a == nil {
		return nil
	}
	resolve := func(list []string, name string) (bits protocolBits) {
		for i, s := range list {
			b, ok := application(s)
			if !ok {
				r.warn(fmt.Sprintf("/conditions/applications/%s/%d", name, i), "%q is no application behind this gate: it matches no sign-in here", s)
			}
			bits |= b
		}
		return bits
	}
	c := &appsCondition{words: sides(a.Include, a.Exclude)}
	c.include = resolve(a.Include, "includeApplications")
	c.exclude = resolve(a.Exclude, "excludeApplications") &^ unknownDoor
	if a.Filtered {
		c.include = everyDoor
		c.words = "an application filter, read as every application"
	}
	if c.include != 0 {
		c.include |= unknownDoor
	}
	return c
}

func (r *resolver) locations(l *Locations) *locationsCondition {
	if l == nil {
		return nil
	}
	c := &locationsCondition{places: r.source.Locations, words: sides(l.Include, l.Exclude)}
	c.includeAll, c.include = r.places(l.Include, "includeLocations")
	c.excludeAll, c.exclude = r.places(l.Exclude, "excludeLocations")
	if r.policy.State != Disabled && c.catchesPrivate() {
		r.warn("/conditions/locations", "private addresses (10.0.0.0/8 and the like) are in no country and are caught for that reason alone: name a network location for them")
	}
	return c
}

func (r *resolver) places(list []string, name string) (all bool, indexes []int) {
	for i, s := range list {
		switch {
		case equalFold(s, wordAll):
			all = true
		case equalFold(s, wordTrusted):
			for at := range r.source.Locations {
				if r.source.Locations[at].Trusted {
					indexes = append(indexes, at)
				}
			}
		default:
			at := slices.IndexFunc(r.source.Locations, func(n location.Named) bool {
				return strings.EqualFold(n.ID, s) || strings.EqualFold(n.DisplayName, s)
			})
			if at < 0 {
				r.warn(fmt.Sprintf("/conditions/locations/%s/%d", name, i), "there is no location %q: it matches no address", s)
				continue
			}
			indexes = append(indexes, at)
		}
	}
	return all, indexes
}

func (r *resolver) device(d *DeviceFilter) *deviceCondition {
	if d == nil {
		return nil
	}
	c := &deviceCondition{exclude: d.Exclude, text: d.Rule}
	rule, err := filter.ParseDevice(d.Rule)
	if err != nil {
		r.warn("/conditions/devices/deviceFilter/rule", "%v; the condition is read as holding for every device", err)
		return c
	}
	c.rule, c.test = rule, readied(rule)
	return c
}

func (r *resolver) risk(c *riskCondition) {
	if !c.holds(nil) {
		r.warn("/conditions/"+c.Name, "no risk is computed here, which is Entra's level none: the policy never applies")
	}
}
