package importer

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"

	"github.com/portreeve/portreeve/internal/policy"
	"github.com/portreeve/portreeve/internal/tenant"
)

// EntraPolicies are the strengths, locations and policies of an exported
// tenant, each as it came, but that people and groups, whose ids mean nothing
// here, have their addresses and names in place of them.
func EntraPolicies(t *tenant.Tenant) *Translation {
	tr := &Translation{}
	tr.noted(t, tenant.ConditionalAccessPolicies, tenant.NamedLocations, tenant.AuthenticationStrengths)
	for _, s := range t.Strengths {
		if builtIn(s.ID) {
			continue
		}
		tr.Strengths = append(tr.Strengths, json.RawMessage(s.Raw))
	}
	for _, l := range t.Locations {
		tr.Locations = append(tr.Locations, json.RawMessage(l.Raw))
	}
	names := map[string]string{}
	for _, p := range t.People {
		names[strings.ToLower(p.ID)] = p.UPN
	}
	for _, g := range t.Groups {
		names[strings.ToLower(g.ID)] = g.DisplayName
	}
	for i := range t.Policies {
		tr.Policies = append(tr.Policies, named(tr, &t.Policies[i], names))
	}
	return tr
}

// noted takes over what the reader noted of files of these kinds, and of those
// that it did not recognise.
func (t *Translation) noted(from *tenant.Tenant, of ...tenant.Kind) {
	kinds := map[string]tenant.Kind{}
	for _, f := range from.Files {
		kinds[f.Path] = f.Kind
	}
	for _, n := range from.Notes {
		if k := kinds[n.File]; k == "" || slices.Contains(of, k) {
			t.unmapped(n.Line, n.Object, "%s: %s", n.File, n.Text)
		}
	}
}

func builtIn(id string) bool {
	return slices.ContainsFunc(policy.BuiltInStrengths(), func(s policy.Strength) bool { return s.ID == id })
}

// named puts names for the ids of a policy's people and groups. Every other
// byte stays.
func named(tr *Translation, p *tenant.Policy, names map[string]string) json.RawMessage {
	raw := p.Raw
	users := p.Conditions.Users
	if users == nil {
		return raw
	}
	told := map[string]bool{}
	for _, id := range slices.Concat(users.Include.Users, users.Exclude.Users, users.Include.Groups, users.Exclude.Groups) {
		name := names[strings.ToLower(id)]
		switch {
		case told[id] || len(id) != 36: // a word, or a name already
			continue
		case name == "":
			tr.unmapped(p.Source.Line, p.DisplayName, "%s is nobody and no group of the export: the policy names it as it stands", id)
		default:
			quoted, err := json.Marshal(name)
			if err != nil { // a text always encodes
				continue
			}
			raw = bytes.ReplaceAll(raw, []byte(`"`+id+`"`), quoted)
		}
		told[id] = true
	}
	return raw
}
