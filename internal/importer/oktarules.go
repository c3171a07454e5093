package importer

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/portreeve/portreeve/internal/location"
	"github.com/portreeve/portreeve/internal/tenant"
)

// oktaObject is what is read of what Okta's API gives: policies with their
// rules, rules alone, zones, groups and people, told apart by what they have.
type oktaObject struct {
	ID, Name, Type, Status string
	Priority               int
	Conditions             *oktaConditions
	Actions                *oktaActions
	Embedded               struct {
		Rules []json.RawMessage
	} `json:"_embedded"`
	Gateways  []struct{ Type, Value string }
	Proxies   []json.RawMessage
	Locations []struct{ Country, Region string }
	ASNs      []string `json:"asns"`
	ProxyType string   `json:"proxyType"`
	Usage     string
	Profile   struct{ Name, Login string }
	line      int
	rules     []oktaObject
}

type oktaLists struct{ Include, Exclude []string }

type oktaConditions struct {
	People struct {
		Users, Groups oktaLists
	}
	Network struct {
		Connection       string
		Include, Exclude []string
	}
	AuthContext      struct{ AuthType string }
	Risk             struct{ Behaviors []string }
	RiskScore        struct{ Level string }
	IdentityProvider struct{ Provider string }
	Device           *struct{ Registered, Managed *bool }
	Platform         struct {
		Include, Exclude []struct {
			Type string
			OS   struct{ Type, Expression string } `json:"os"`
		}
	}
	ELCondition *struct{ Condition string } `json:"elCondition"`
	UserType    oktaLists
}

type oktaActions struct {
	SignOn *struct {
		Access        string
		RequireFactor bool
	} `json:"signon"`
	AppSignOn *struct {
		Access             string
		VerificationMethod struct {
			FactorMode, Type, ReauthenticateIn string
			Constraints                        []map[string]json.RawMessage
		}
	} `json:"appSignOn"`
}

// ErrNoOktaPolicy says that none of the files has a policy.
var ErrNoOktaPolicy = errors.New("there is no sign-on policy to translate")

// OktaPolicies turns Okta's sign-on policies (OKTA_SIGN_ON, the global session
// policies, or one ACCESS_POLICY, an application's authentication policy), of
// whose rules the first that matches decides, into policies, all of which
// count. Zones, groups and people of the same organisation, in the same files,
// give the ids in the rules their meaning. only names the policy to take where
// there are several authentication policies.
func OktaPolicies(files map[string]io.Reader, only string) (*Translation, error) {
	o := &okta{translator: translator{systems: oktaSystems, kinds: allKinds, apps: []string{"All"}}, zones: map[string]string{}, names: map[string]string{}}
	for _, name := range slices.Sorted(maps.Keys(files)) {
		err := tenant.ReadJSON(files[name], func(raw []byte, line int) error {
			return o.object(raw, name, line)
		})
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
	}
	for i := range o.zoneList {
		o.zone(&o.zoneList[i])
	}
	list, err := o.chosen(only)
	if err != nil {
		return nil, err
	}
	var all []rule
	for i := range list {
		all = append(all, o.policyRules(&list[i])...)
	}
	o.rules(all)
	return &o.out, nil
}

type okta struct {
	translator
	policyList, zoneList, loose []oktaObject
	zones, names                map[string]string // names by id
}

var oktaSystems = words("android", "iOS", "windows", "macOS", "linux", "windowsPhone", "unknown")

func (o *okta) object(raw []byte, file string, line int) error {
	var x oktaObject
	if err := json.Unmarshal(raw, &x); err != nil {
		o.out.unmapped(line, file, "this object cannot be read: %v", err)
		return nil
	}
	x.line = line
	switch {
	case x.Actions != nil && (x.Actions.SignOn != nil || x.Actions.AppSignOn != nil):
		o.loose = append(o.loose, x)
	case x.Type == "OKTA_SIGN_ON" || x.Type == "ACCESS_POLICY":
		for _, one := range x.Embedded.Rules {
			var r oktaObject
			if err := json.Unmarshal(one, &r); err != nil {
				o.out.unmapped(line, x.Name, "a rule of this policy cannot be read: %v", err)
				continue
			}
			r.line = line
			x.rules = append(x.rules, r)
		}
		if len(x.rules) == 0 {
			o.out.unmapped(line, x.Name, "this policy came without its rules: export it with ?expand=rules")
		}
		o.policyList = append(o.policyList, x)
	case x.Gateways != nil || x.Type == "DYNAMIC" || x.Type == "DYNAMIC_V2" || x.Type == "IP":
		o.zoneList = append(o.zoneList, x)
	case x.Profile.Login != "":
		o.names[x.ID] = x.Profile.Login
	case x.Profile.Name != "":
		o.names[x.ID] = x.Profile.Name
	default:
		o.out.unmapped(line, cmp.Or(x.Name, file), "this is no sign-on policy, zone, group or person and was left out (type %q)", x.Type)
	}
	return nil
}

// chosen are the policies to translate, in their order.
func (o *okta) chosen(only string) ([]oktaObject, error) {
	if len(o.policyList) == 0 && len(o.loose) > 0 {
		o.policyList = []oktaObject{{Name: "rules", Type: "OKTA_SIGN_ON", Status: "ACTIVE", rules: o.loose}}
		o.loose = nil
	}
	for _, r := range o.loose {
		o.out.unmapped(r.line, r.Name, "this rule stands by itself, and nothing says to which of the policies it belongs")
	}
	var session, access []oktaObject
	for _, p := range o.policyList {
		switch {
		case only != "" && !strings.EqualFold(p.Name, only):
		case p.Status != "" && p.Status != "ACTIVE":
			o.out.unmapped(p.line, p.Name, "this policy was left out: it is %s", strings.ToLower(p.Status))
		case p.Type == "ACCESS_POLICY":
			access = append(access, p)
		default:
			session = append(session, p)
		}
	}
	switch {
	case len(session)+len(access) == 0:
		return nil, ErrNoOktaPolicy
	case len(access) > 1 || len(access) == 1 && len(session) > 0:
		var names []string
		for _, p := range access {
			names = append(names, fmt.Sprintf("%q", p.Name))
		}
		return nil, fmt.Errorf("these are authentication policies of several applications, or of one beside global session policies: name the one that mail has; there are %s", strings.Join(names, ", "))
	case len(access) == 1:
		o.apps = []string{"Office365"}
		return access, nil
	}
	slices.SortStableFunc(session, func(a, b oktaObject) int { return a.Priority - b.Priority })
	return session, nil
}

// zone makes a named location of a network zone.
func (o *okta) zone(z *oktaObject) {
	if z.Status != "" && z.Status != "ACTIVE" {
		o.out.unmapped(z.line, z.Name, "this zone was left out: it is %s", strings.ToLower(z.Status))
		return
	}
	if len(z.Proxies) > 0 {
		o.out.unmapped(z.line, z.Name, "the zone's proxies were left out: whose word about an address counts is set in the configuration (trusted_forwarders)")
	}
	switch {
	case len(z.Gateways) > 0:
		var ranges []location.Range
		for _, g := range z.Gateways {
			r, err := location.ParseRange(g.Value)
			if err != nil {
				o.out.unmapped(z.line, z.Name, "this zone was left out: %v", err)
				return
			}
			ranges = append(ranges, r)
		}
		o.place(z.Name, ranges)
	case len(z.ASNs) > 0 || z.ProxyType != "" && z.ProxyType != "null":
		o.out.unmapped(z.line, z.Name, "this zone was left out: it is told by network numbers or by being a proxy, which is no named location (a policy's conditions.portreeve.asns can say the numbers)")
		return
	case len(z.Locations) > 0:
		var countries []string
		for _, l := range z.Locations {
			if l.Region != "" {
				o.out.unmapped(z.line, z.Name, "this zone was left out: it names a region (%s) of a country", l.Region)
				return
			}
			countries = append(countries, l.Country)
		}
		o.location(map[string]any{"@odata.type": "#microsoft.graph.countryNamedLocation", "displayName": z.Name, "countriesAndRegions": countries, "includeUnknownCountriesAndRegions": false})
	default:
		o.out.unmapped(z.line, z.Name, "this zone was left out: it has no addresses and no countries")
		return
	}
	o.zones[z.ID], o.zones[z.Name] = z.Name, z.Name
	if strings.EqualFold(z.Usage, "BLOCKLIST") {
		o.out.unmapped(z.line, z.Name, "this zone is a blocklist, from which Okta refuses everything before any rule: make a policy that blocks it")
	}
}

// policyRules are a policy's rules, each narrowed to whom the policy is for.
func (o *okta) policyRules(p *oktaObject) []rule {
	slices.SortStableFunc(p.rules, func(a, b oktaObject) int { return a.Priority - b.Priority })
	var all []rule
	for i := range p.rules {
		x := &p.rules[i]
		name := p.Name + ": " + x.Name
		if x.Status != "" && x.Status != "ACTIVE" {
			o.out.unmapped(x.line, name, "this rule was left out: it is %s", strings.ToLower(x.Status))
			continue
		}
		r := rule{line: x.line, name: name, system: oktaSystems}
		o.does(&r, x.Actions)
		o.conditions(&r, p.Conditions)
		o.conditions(&r, x.Conditions)
		if r.does == allows && len(r.lost) > 0 {
			o.out.unmapped(r.line, r.name, "this rule, which allows, was left out: %s", strings.Join(r.lost, "; "))
		}
		all = append(all, r)
	}
	return all
}

func (o *okta) does(r *rule, a *oktaActions) {
	if a == nil {
		r.lost = append(r.lost, "it does nothing that is known")
		return
	}
	access, second, strong := "", false, false
	if s := a.SignOn; s != nil {
		access, second = s.Access, s.RequireFactor || s.Access == "CHALLENGE"
	} else if s := a.AppSignOn; s != nil {
		v := &s.VerificationMethod
		access, second = s.Access, v.FactorMode == "2FA"
		strong = len(v.Constraints) > 0 && !slices.ContainsFunc(v.Constraints, func(c map[string]json.RawMessage) bool {
			return !strings.Contains(string(c["possession"]), `"REQUIRED"`) || !strings.Contains(string(c["possession"]), "phishingResistant")
		})
		if len(v.Constraints) > 0 && !strong {
			o.out.unmapped(r.line, r.name, "which factors count (constraints) was left out: any second factor does")
		}
		if v.ReauthenticateIn != "" {
			o.out.unmapped(r.line, r.name, "how often to ask again (reauthenticateIn %s) was left out: sessionControls.signInFrequency says it here", v.ReauthenticateIn)
		}
		if v.Type != "" && v.Type != "ASSURANCE" {
			o.out.unmapped(r.line, r.name, "the verification method %s was read as its factorMode only", v.Type)
		}
	}
	switch {
	case access == "DENY":
		r.does = blocks
	case access != "ALLOW" && access != "CHALLENGE":
		r.lost = append(r.lost, "its access "+access+" is not known")
	case strong && second:
		r.does = asksStrong
	case second:
		r.does = asksMFA
	}
}

// conditions narrows a rule. What has no equal is told.
func (o *okta) conditions(r *rule, c *oktaConditions) {
	if c == nil {
		return
	}
	lose := func(when bool, format string, args ...any) {
		if when {
			r.lost = append(r.lost, fmt.Sprintf(format, args...))
		}
	}
	every := func(word string) bool { return word == "" || strings.EqualFold(word, "ANY") }
	lose(!every(c.AuthContext.AuthType), "it asks for %s", c.AuthContext.AuthType)
	lose(!every(c.RiskScore.Level), "it asks for a risk score (%s), which is not computed here", c.RiskScore.Level)
	lose(len(c.Risk.Behaviors) > 0, "it asks for behaviours, which are not watched here")
	lose(!every(c.IdentityProvider.Provider), "it asks by whom people were signed in (%s)", c.IdentityProvider.Provider)
	lose(c.ELCondition != nil && c.ELCondition.Condition != "", "it asks for an expression")
	lose(c.Device != nil && (c.Device.Registered != nil && *c.Device.Registered || c.Device.Managed != nil && *c.Device.Managed), "it asks for a registered or managed device: a device filter can say that here")
	lose(len(c.UserType.Include)+len(c.UserType.Exclude) > 0, "it asks for kinds of user")
	users, groups := o.named(c.People.Users), o.named(c.People.Groups)
	if slices.ContainsFunc(groups.include, func(g string) bool { return strings.EqualFold(g, "Everyone") }) {
		groups.include = nil // Okta's group of all people
	}
	lose(len(users.include) > 0 && len(groups.include) > 0, "it names people and groups at once")
	lose(len(r.people.include) > 0 && len(users.include)+len(groups.include) > 0 || len(r.groups.include) > 0 && len(users.include)+len(groups.include) > 0,
		"the policy and the rule both say for whom it is, which no policy can")
	r.people.include, r.people.exclude = append(r.people.include, users.include...), append(r.people.exclude, users.exclude...)
	r.groups.include, r.groups.exclude = append(r.groups.include, groups.include...), append(r.groups.exclude, groups.exclude...)
	switch n := c.Network; strings.ToUpper(n.Connection) {
	case "", "ANYWHERE":
	case "ZONE":
		r.places.include, r.places.exclude = o.zonesOf(r, n.Include), o.zonesOf(r, n.Exclude)
	default:
		lose(true, "it asks for the network connection %s", n.Connection)
	}
	o.platforms(r, c)
}

// named gives ids their names where the files have them.
func (o *okta) named(l oktaLists) sides {
	name := func(ids []string) (all []string) {
		for _, id := range ids {
			if n, ok := o.names[id]; ok {
				id = n
			} else {
				o.unnamed(id)
			}
			all = append(all, id)
		}
		return all
	}
	return sides{name(l.Include), name(l.Exclude)}
}

func (o *okta) unnamed(id string) {
	o.names[id] = id
	o.out.unmapped(0, id, "no file says which person or group this id is: the policies name it as it stands")
}

func (o *okta) zonesOf(r *rule, ids []string) (all []string) {
	for _, id := range ids {
		name, ok := o.zones[id]
		if !ok {
			r.lost = append(r.lost, "the zone "+id+" is in none of the files, or could not be translated")
			name = id
		}
		all = append(all, name)
	}
	return all
}

var oktaOS = map[string][]string{"IOS": {"iOS"}, "ANDROID": {"android"}, "WINDOWS": {"windows"}, "OSX": {"macOS"}, "MACOS": {"macOS"}, "LINUX": {"linux"}, "ANY": nil}

func (o *okta) platforms(r *rule, c *oktaConditions) {
	if len(c.Platform.Exclude) > 0 {
		r.lost = append(r.lost, "it excludes platforms")
	}
	if len(c.Platform.Include) == 0 {
		return
	}
	found := set{}
	for _, p := range c.Platform.Include {
		names, known := oktaOS[strings.ToUpper(p.OS.Type)]
		switch {
		case known && names == nil && (p.Type == "ANY" || p.Type == ""):
			return
		case !known || names == nil || p.OS.Expression != "":
			r.lost = append(r.lost, fmt.Sprintf("the platform %s %s has no equal", p.Type, p.OS.Type))
		}
		for _, n := range names {
			found[n] = true
		}
	}
	if len(found) > 0 {
		r.system = found
	}
}
