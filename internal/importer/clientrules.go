package importer

import (
	"strings"

	"github.com/portreeve/portreeve/internal/location"
	"github.com/portreeve/portreeve/internal/tenant"
)

// accessProtocols are the words of client access rules for doors that are ours.
// OutlookAnywhere stood for MAPI over HTTP too.
var accessProtocols = map[string]string{
	"exchangeactivesync": "activesync", "exchangewebservices": "ews", "imap4": "imap", "pop3": "pop3", "outlookanywhere": "mapi", "outlookwebapp": "webmail",
}

// elsewhere are those for doors that are not.
var elsewhere = words("exchangeadmincenter", "offlineaddressbook", "powershellwebservices", "remotepowershell", "rest", "universaloutlook")

var (
	accessDoors = words("activesync", "ews", "imap", "mapi", "pop3", "webmail")
	allKinds    = words("password", "appPassword", "bearer", "certificate", "passkey", "temporaryAccessPass", "unknown")
)

// accessKinds are the authentication types.
var accessKinds = map[string]set{
	"basicauthentication":            words("password", "appPassword"),
	"nonbasicauthentication":         minus(allKinds, words("password", "appPassword")),
	"oauthauthentication":            words("bearer"),
	"certificatebasedauthentication": words("certificate"),
}

// ClientAccessRules turns Exchange's client access rules, of which the first
// that matches decides, into policies, all of which count. Submission was never
// covered by them and is not by what they become. Device access rules that stand
// in the same export are told as unmapped.
func ClientAccessRules(t *tenant.Tenant) *Translation {
	tr := &translator{kinds: allKinds}
	tr.out.noted(t, tenant.ClientAccessRules, tenant.DeviceAccessRules, tenant.DeviceSettings)
	var all []rule
	for i := range t.ClientRules {
		if r, ok := tr.clientRule(&t.ClientRules[i]); ok {
			all = append(all, r)
		}
	}
	tr.rules(all)
	for _, d := range t.DeviceRules {
		tr.out.unmapped(d.Source.Line, d.Name, "a device access rule (%s %q: %s) has no equal: devices are not held back by model or version here", d.Characteristic, d.QueryString, d.AccessLevel)
	}
	if t.DeviceSettings != nil && !strings.EqualFold(t.DeviceSettings.DefaultAccessLevel, "Allow") {
		tr.out.unmapped(t.DeviceSettings.Source.Line, "ActiveSyncOrganizationSettings", "DefaultAccessLevel %s has no equal: devices are not held back for approval here", t.DeviceSettings.DefaultAccessLevel)
	}
	return &tr.out
}

// clientRule reads one; false is a rule that cannot match anything here.
func (t *translator) clientRule(c *tenant.ClientRule) (rule, bool) {
	r := rule{line: c.Source.Line, name: c.Name}
	if c.Deny {
		r.does = blocks
	}
	if !c.Enabled {
		t.out.unmapped(r.line, r.name, "this rule was left out: it is off")
		return r, false
	}
	for _, name := range c.Unknown {
		r.lost = append(r.lost, "the export lost "+name)
	}
	if c.RecipientFilter != "" || c.ExceptFilter != "" {
		r.lost = append(r.lost, "it asks for a filter over people's attributes (UserRecipientFilter): make a group of them and a policy for the group")
	}
	r.doors = t.accessDoors(&r, c.Protocols, accessDoors)
	if len(r.doors) == 0 {
		t.out.unmapped(r.line, r.name, "this rule was left out: it is about %s, which are no doors here", strings.Join(c.Protocols, ", "))
		return r, false
	}
	if except := t.accessDoors(&r, c.ExceptProtocols, nil); len(except) > 0 {
		r.doors = minus(r.doors, except)
	}
	r.kinds = accessTypes(&r, c.AuthTypes)
	if r.kinds == nil {
		r.kinds = allKinds
	}
	if except := accessTypes(&r, c.ExceptAuthTypes); len(except) > 0 {
		r.kinds = minus(r.kinds, except)
	}
	r.places.include = t.accessPlaces(&r, c.Name+": addresses", c.Addresses)
	r.places.exclude = t.accessPlaces(&r, c.Name+": excepted addresses", c.ExceptAddresses)
	r.people.include = accessPeople(&r, c.UserPatterns)
	r.people.exclude = accessPeople(&r, c.ExceptUserPatterns)
	if !c.Deny && len(r.lost) > 0 {
		t.out.unmapped(r.line, r.name, "this rule, which allows, was left out: %s", strings.Join(r.lost, "; "))
	}
	return r, true
}

func (t *translator) accessDoors(r *rule, names []string, all set) set {
	if len(names) == 0 {
		return all
	}
	out := set{}
	var none []string
	for _, n := range names {
		word := strings.ToLower(n)
		switch door, ok := accessProtocols[word]; {
		case ok:
			out[door] = true
		case elsewhere[word]:
			none = append(none, n)
		default:
			r.lost = append(r.lost, "the protocol "+n+" is not known")
		}
	}
	if len(none) > 0 && len(out) > 0 {
		t.out.unmapped(r.line, r.name, "%s is no door here: the rule counts for its other protocols", strings.Join(none, ", "))
	}
	return out
}

func accessTypes(r *rule, names []string) set {
	if len(names) == 0 {
		return nil
	}
	out := set{}
	for _, n := range names {
		kinds, ok := accessKinds[strings.ToLower(n)]
		if !ok {
			r.lost = append(r.lost, "the authentication type "+n+" has no equal")
		}
		for k := range kinds {
			out[k] = true
		}
	}
	return out
}

func (t *translator) accessPlaces(r *rule, name string, addresses []string) []string {
	if len(addresses) == 0 {
		return nil
	}
	var ranges []location.Range
	for _, a := range addresses {
		x, err := location.ParseRange(a)
		if err != nil {
			r.lost = append(r.lost, err.Error())
			continue
		}
		ranges = append(ranges, x)
	}
	if len(r.lost) > 0 {
		return []string{name}
	}
	return []string{t.place(name, ranges)}
}

// accessPeople are people by name. DOMAIN\user is the user; stars have no equal.
func accessPeople(r *rule, patterns []string) []string {
	var all []string
	for _, p := range patterns {
		if strings.ContainsAny(p, "*?") {
			r.lost = append(r.lost, "the pattern "+p+" has no equal: make a group of the people whom it means and a policy for the group")
			continue
		}
		all = append(all, p[strings.LastIndexByte(p, '\\')+1:])
	}
	return all
}
