package tenantaudit

import (
	"slices"
	"strings"

	"github.com/portreeve/portreeve/internal/location"
	"github.com/portreeve/portreeve/internal/policy"
	"github.com/portreeve/portreeve/internal/tenant"
)

// clientRule is a client access rule made ready. What an export does not tell
// of a rule (recipient filters, lost lists) makes a refusal not counted on.
type clientRule struct {
	*tenant.ClientRule
	in, out []int // of thief.places: the ranges it names, and excepts
	vague   bool  // nobody can say whom it matches
}

// ruleRanges are the ranges a rule names, as one place each.
func ruleRanges(r *tenant.ClientRule) (all []location.Named) {
	for _, list := range [][]string{r.Addresses, r.ExceptAddresses} {
		for _, s := range list {
			if x, err := location.ParseRange(s); err == nil {
				all = append(all, location.Named{Kind: location.Networks, Ranges: []location.Range{x}})
			}
		}
	}
	return all
}

func newClientRules(a *audit) (rules []clientRule) {
	at := a.thief.named
	for i := range a.t.ClientRules {
		r := clientRule{ClientRule: &a.t.ClientRules[i]}
		read := func(list []string) (places []int) {
			for _, s := range list {
				if _, err := location.ParseRange(s); err != nil {
					r.vague = true
					a.note(r.Name, "the address "+s+" of this client access rule cannot be read", r.Source)
					continue
				}
				places = append(places, at)
				at++
			}
			return places
		}
		r.in, r.out = read(r.Addresses), read(r.ExceptAddresses)
		r.vague = r.vague || r.RecipientFilter != "" || r.ExceptFilter != "" || len(r.Unknown) > 0
		if !r.Enabled {
			continue
		}
		if r.vague {
			a.note(r.Name, "whom this client access rule matches is not in the export: it is not counted on to deny anybody", r.Source)
		}
		rules = append(rules, r)
	}
	if len(rules) > 0 {
		a.note(rules[0].Name, "client access rules are counted as they stand, but are gone from Exchange Online since September 2025, and Exchange 2019 and later keep them for the admin centre and remote PowerShell only: do not rely on them for mail", rules[0].Source)
	}
	return rules
}

// The three answers of meant.
const (
	meantNo uint8 = iota
	meantYes
	meantMaybe
)

// meant says whether a rule is for somebody, protocols and places aside.
func (r *clientRule) meant(p *person) uint8 {
	if matchesAny(r.ExceptUserPatterns, p) {
		return meantNo
	}
	if len(r.UserPatterns) > 0 && !matchesAny(r.UserPatterns, p) {
		return meantNo
	}
	if r.vague {
		return meantMaybe
	}
	return meantYes
}

// matchesAny compares a person's names with patterns such as DOMAIN\user or *x*.
func matchesAny(patterns []string, p *person) bool {
	local, _, _ := strings.Cut(p.upn, "@")
	return slices.ContainsFunc(patterns, func(pattern string) bool {
		pattern = lower(pattern)
		if _, user, domain := strings.Cut(pattern, `\`); domain {
			return policy.Wildcard(user, local)
		}
		return policy.Wildcard(pattern, p.upn) || policy.Wildcard(pattern, local)
	})
}

// denied is the rule that refuses a password from one class of address: the
// first that matches decides, and whoever no rule matches is let in. A rule
// that may match is passed over if it denies, and lets in if it allows.
func (g *gates) denied(p *person, w *wayIn, class int) string {
	if w.rule == "" {
		return ""
	}
	here := g.a.thief.locator.Members(class)
	for i := range g.rules {
		r := &g.rules[i]
		meant := r.meant(p)
		if meant == meantNo || !r.about(w, here) || meant == meantMaybe && r.Deny {
			continue
		}
		if r.Deny {
			return r.Name
		}
		return ""
	}
	return ""
}

// about says whether a rule is for a protocol with a password from a place.
func (r *clientRule) about(w *wayIn, here []int) bool {
	named := func(list []string, word string) bool {
		return slices.ContainsFunc(list, func(s string) bool { return strings.EqualFold(strings.TrimSpace(s), word) })
	}
	const basic = "BasicAuthentication"
	inAny := func(places []int) bool {
		return slices.ContainsFunc(places, func(at int) bool { return slices.Contains(here, at) })
	}
	switch {
	case len(r.Protocols) > 0 && !named(r.Protocols, w.rule), named(r.ExceptProtocols, w.rule):
		return false
	case len(r.AuthTypes) > 0 && !named(r.AuthTypes, basic), named(r.ExceptAuthTypes, basic):
		return false
	case len(r.Addresses) > 0 && !inAny(r.in), inAny(r.out):
		return false
	}
	return true
}
