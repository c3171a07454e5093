package graph

import (
	"slices"
	"strings"

	"github.com/portreeve/portreeve/internal/policy"
)

var conditionMembers = []string{"users", "applications", "clientAppTypes", "platforms", "locations", "devices", "authenticationFlows",
	"clientApplications", "signInRiskLevels", "userRiskLevels", "servicePrincipalRiskLevels", "insiderRiskLevels", "portreeve"}

// conditions reads a conditionalAccessConditionSet.
func (r *reader) conditions(v *Value) policy.Conditions {
	c := policy.Conditions{
		Users:           r.users(v),
		Applications:    r.applications(v),
		ClientAppTypes:  r.clientAppTypes(v),
		Platforms:       r.platforms(v),
		Locations:       r.locations(v),
		DeviceFilter:    r.devices(v),
		TransferMethods: r.transferMethods(v),
		Risks:           r.risks(v),
		Portreeve:       r.own(v),
	}
	if services := r.object(v, "clientApplications"); services != nil {
		c.ClientApplications = !services.empty() && r.meantForServices(services)
	}
	unknown(v, conditionMembers, func(name string, m *Value) {
		r.note(m, "the condition %s is not enforced and is read as holding for every sign-in", name)
	})
	return c
}

func (r *reader) meantForServices(v *Value) bool {
	return len(r.words(v, "includeServicePrincipals")) > 0 || r.object(v, "servicePrincipalFilter") != nil
}

// users reads a conditionalAccessUsers.
func (r *reader) users(v *Value) *policy.Users {
	u := r.object(v, "users")
	if u == nil {
		return nil
	}
	out := &policy.Users{Include: r.people(u, "include"), Exclude: r.people(u, "exclude")}
	known := []string{}
	for _, side := range []string{"include", "exclude"} {
		for _, kind := range []string{"Users", "Groups", "Roles", "GuestsOrExternalUsers"} {
			known = append(known, side+kind)
		}
	}
	unknown(u, known, func(name string, m *Value) {
		if strings.HasPrefix(name, "include") {
			out.Include.All = true
			r.note(m, "%s is not known here and is read as including everybody", name)
			return
		}
		r.note(m, "%s is not known here and excludes nobody", name)
	})
	return out
}

func (r *reader) people(u *Value, side string) policy.People {
	p := policy.People{Groups: r.words(u, side+"Groups"), Roles: r.words(u, side+"Roles")}
	for _, s := range r.words(u, side+"Users") {
		switch {
		case strings.EqualFold(s, "All"):
			p.All = true
		case strings.EqualFold(s, "None"):
		case strings.EqualFold(s, "GuestsOrExternalUsers"):
			p.Guests = append(p.Guests, policy.Guests{Types: policy.AllGuests, Everywhere: true})
		default:
			p.Users = append(p.Users, s)
		}
	}
	if g := r.object(u, side+"GuestsOrExternalUsers"); g != nil {
		if guests := r.guests(g, side == "include"); guests.Types != 0 {
			p.Guests = append(p.Guests, guests)
		}
	}
	return p
}

// guests reads a conditionalAccessGuestsOrExternalUsers. Guests are told apart
// by their domain, where Entra has their tenant.
func (r *reader) guests(v *Value, included bool) policy.Guests {
	g := policy.Guests{Everywhere: true}
	for word := range strings.SplitSeq(r.text(v, "guestOrExternalUserTypes"), ",") {
		word = strings.TrimSpace(word)
		t, ok := policy.ParseGuestType(word)
		switch {
		case ok:
			g.Types |= t
		case word == "" || strings.EqualFold(word, "none"):
		case included:
			g.Types = policy.AllGuests
			r.note(v.Member("guestOrExternalUserTypes"), "%q is no kind of guest known here and is read as every kind", word)
		default:
			r.note(v.Member("guestOrExternalUserTypes"), "%q is no kind of guest known here and excludes nobody", word)
		}
	}
	tenants := r.object(v, "externalTenants")
	if tenants == nil {
		return g
	}
	switch kind := r.text(tenants, "membershipKind"); {
	case strings.EqualFold(kind, "all"):
	case strings.EqualFold(kind, "enumerated") || kind == "" && tenants.Member("members") != nil:
		g.Everywhere, g.Domains = false, r.words(tenants, "members")
	default:
		r.note(tenants, "the membership kind %q is not known here: read as every tenant if included, as none if excluded", kind)
		g.Everywhere = included
	}
	return g
}

// applications reads a conditionalAccessApplications. User actions and
// authentication contexts are other targets than applications; neither occurs
// when somebody signs in to mail. Of them only registering security information
// is done here, in the portal.
func (r *reader) applications(v *Value) *policy.Applications {
	a := r.object(v, "applications")
	if a == nil {
		return nil
	}
	out := &policy.Applications{Include: r.words(a, "includeApplications"), Exclude: r.words(a, "excludeApplications"), Actions: r.words(a, "includeUserActions")}
	if slices.ContainsFunc(out.Actions, func(s string) bool { return !strings.EqualFold(s, policy.ActionRegisterSecurityInfo) }) {
		r.note(a.Member("includeUserActions"), "only %s is done here: the policy never applies because of another one", policy.ActionRegisterSecurityInfo)
	}
	if name := "includeAuthenticationContextClassReferences"; len(r.words(a, name)) > 0 {
		r.note(a.Member(name), "signing in to mail is no such target: the policy never applies because of it")
	}
	if f := r.object(a, "applicationFilter"); f != nil {
		if strings.EqualFold(r.text(f, "mode"), "exclude") {
			r.note(f, "applications have no security attributes here: the filter excludes none")
		} else {
			out.Filtered = true
			r.note(f, "applications have no security attributes here: the filter is read as including all")
		}
	}
	known := []string{"includeApplications", "excludeApplications", "includeUserActions", "includeAuthenticationContextClassReferences", "applicationFilter"}
	unknown(a, known, func(name string, m *Value) {
		if strings.HasPrefix(name, "include") {
			out.Filtered = true
			r.note(m, "%s is not known here and is read as including every application", name)
			return
		}
		r.note(m, "%s is not known here and excludes no application", name)
	})
	return out
}

func (r *reader) clientAppTypes(v *Value) (all policy.ClientAppTypes) {
	for _, item := range r.list(v, "clientAppTypes") {
		t, ok := policy.ParseClientAppType(item.Text)
		switch {
		case item.Kind != String:
			r.fault(item, "clientAppTypes holds texts, not %s", item.Kind)
		case !ok:
			t = policy.ClientAppAll | policy.ClientAppEasSupported
			r.note(item, "%q is no client app type known here and is read as every type", item.Text)
		}
		all |= t
	}
	return all
}

func (r *reader) platforms(v *Value) *policy.Platforms {
	p := r.object(v, "platforms")
	if p == nil {
		return nil
	}
	out := &policy.Platforms{}
	read := func(name string, all *bool, list *[]policy.Platform, included bool) {
		for _, item := range r.list(p, name) {
			known, ok := policy.ParsePlatform(item.Text)
			switch {
			case item.Kind != String:
				r.fault(item, "%s holds texts, not %s", name, item.Kind)
			case strings.EqualFold(item.Text, "all"):
				*all = true
			case ok:
				*list = append(*list, known)
			case included:
				*all = true
				r.note(item, "%q is no platform known here and is read as all", item.Text)
			default:
				r.note(item, "%q is no platform known here and excludes nothing", item.Text)
			}
		}
	}
	read("includePlatforms", &out.AllIncluded, &out.Include, true)
	read("excludePlatforms", &out.AllExcluded, &out.Exclude, false)
	return out
}

func (r *reader) locations(v *Value) *policy.Locations {
	l := r.object(v, "locations")
	if l == nil {
		return nil
	}
	out := &policy.Locations{Include: r.words(l, "includeLocations"), Exclude: r.words(l, "excludeLocations")}
	unknown(l, []string{"includeLocations", "excludeLocations"}, func(name string, m *Value) {
		if strings.HasPrefix(name, "include") {
			out.Include = append(out.Include, "All")
			r.note(m, "%s is not known here and is read as including every address", name)
			return
		}
		r.note(m, "%s is not known here and excludes no address", name)
	})
	return out
}

// devices reads a conditionalAccessDevices: the filter, or its beta
// predecessor, which could exclude compliant and domain-joined devices.
func (r *reader) devices(v *Value) *policy.DeviceFilter {
	d := r.object(v, "devices")
	if d == nil {
		return nil
	}
	unknown(d, []string{"deviceFilter", "includeDevices", "excludeDevices"}, func(name string, m *Value) {
		r.note(m, "%s is not enforced and is read as holding for every device", name)
	})
	f := r.object(d, "deviceFilter")
	if f == nil {
		return r.oldDevices(d)
	}
	out := &policy.DeviceFilter{Rule: r.text(f, "rule")}
	switch mode := r.text(f, "mode"); {
	case strings.EqualFold(mode, "exclude"):
		out.Exclude = true
	case !strings.EqualFold(mode, "include"):
		r.fault(f, "mode is %s", oneOf("include", "exclude"))
	}
	if out.Rule == "" {
		r.fault(f, "a device filter needs a rule")
	}
	return out
}

func (r *reader) oldDevices(d *Value) *policy.DeviceFilter {
	include, exclude := r.words(d, "includeDevices"), r.words(d, "excludeDevices")
	if len(include) > 1 || len(include) == 1 && !strings.EqualFold(include[0], "All") {
		r.note(d.Member("includeDevices"), "only All is known here: it is read as including every device")
	}
	var rules []string
	for _, word := range exclude {
		switch {
		case strings.EqualFold(word, "Compliant"):
			rules = append(rules, "device.isCompliant -eq True")
		case strings.EqualFold(word, "DomainJoined"):
			rules = append(rules, `device.trustType -eq "ServerAD"`)
		default:
			r.note(d.Member("excludeDevices"), "%q is not known here and excludes no device", word)
		}
	}
	if len(rules) == 0 {
		return nil
	}
	return &policy.DeviceFilter{Exclude: true, Rule: strings.Join(rules, " -or ")}
}

func (r *reader) transferMethods(v *Value) (all policy.TransferMethods) {
	f := r.object(v, "authenticationFlows")
	if f == nil {
		return 0
	}
	for word := range strings.SplitSeq(r.text(f, "transferMethods"), ",") {
		switch word = strings.TrimSpace(word); {
		case strings.EqualFold(word, "deviceCodeFlow"):
			all |= policy.DeviceCodeFlow
		case strings.EqualFold(word, "authenticationTransfer"):
			all |= policy.AuthenticationTransfer
		case word != "" && !strings.EqualFold(word, "none"):
			r.note(f, "%q is no transfer method known here: the condition is read as holding for every sign-in", word)
			return 0
		}
	}
	return all
}

func (r *reader) risks(v *Value) (all []policy.Risk) {
	for _, name := range []string{"signInRiskLevels", "userRiskLevels", "servicePrincipalRiskLevels"} {
		if levels := r.words(v, name); len(levels) > 0 {
			all = append(all, policy.Risk{Name: name, Levels: levels})
		}
	}
	if flags := r.text(v, "insiderRiskLevels"); flags != "" {
		all = append(all, policy.Risk{Name: "insiderRiskLevels", Levels: strings.Split(flags, ",")})
	}
	return all
}
