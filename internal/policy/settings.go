package policy

import "strings"

// settings are what a group or mailbox says.
type settings struct {
	level
	auth *authRules
}

// compileSettings makes switches and authentication policies ready.
func (s *Snapshot) compileSettings(r *resolver) {
	auth := map[string]*authRules{}
	for _, byID := range []bool{false, true} { // an id beats a name
		for i := range s.source.AuthenticationPolicies {
			a := &s.source.AuthenticationPolicies[i]
			rules := a.rules()
			if byID && a.ID != "" {
				auth[strings.ToLower(a.ID)] = &rules
			} else if !byID {
				auth[strings.ToLower(a.Name)] = &rules
			}
		}
	}
	find := func(object, holder, reference string) *authRules {
		if reference == "" {
			return nil
		}
		found := auth[strings.ToLower(reference)]
		if found == nil {
			r.warnings = append(r.warnings, Warning{object, holder, "", "", "there is no authentication policy \"" + reference + "\": passwords and tokens are refused until there is"})
			found = &authRules{id: reference, passwords: everyDoor, certificates: everyDoor, tokens: everyDoor}
		}
		return found
	}
	o := &s.source.Organization
	s.organization, s.defaultAuth = o.level(), find("organization", "", o.DefaultAuthenticationPolicy)
	s.domains = map[string]level{}
	for name, d := range s.source.Domains {
		s.domains[strings.ToLower(name)] = d.level()
	}
	s.groups, s.mailboxes = map[string]settings{}, map[string]settings{}
	for _, id := range sorted(s.source.Groups) {
		g := s.source.Groups[id]
		s.groups[id] = settings{g.level(), find("group", id, g.AuthenticationPolicy)}
	}
	for _, id := range sorted(s.source.Mailboxes) {
		m := s.source.Mailboxes[id]
		if id != "" { // the stranger has no mailbox
			s.mailboxes[id] = settings{m.level(), find("mailbox", id, m.AuthenticationPolicy)}
		}
	}
}
