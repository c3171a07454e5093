package policy

import (
	"slices"

	"github.com/portreeve/portreeve/internal/protocol"
)

// Holder is an object that says something: the organisation, a domain, a group
// or a mailbox; Default is nobody.
type Holder struct {
	Kind string `json:"kind"` // "default", "organization", "domain", "group", "mailbox"
	ID   string `json:"id,omitempty"`
}

// The kinds of holder.
const (
	HeldByDefault      = "default"
	HeldByOrganization = "organization"
	HeldByDomain       = "domain"
	HeldByGroup        = "group"
	HeldByMailbox      = "mailbox"
)

// EffectiveSwitch is what holds of one switch for one mailbox, and who says so.
type EffectiveSwitch struct {
	Name     string            `json:"name"`
	Protocol protocol.Protocol `json:"protocol"`
	On       bool              `json:"on"` // the door is open, whatever the switch's polarity
	From     Holder            `json:"from"`
	// Passwords and Tokens say what the authentication policy in force lets pass on this protocol.
	Passwords  bool   `json:"passwords"`
	Tokens     bool   `json:"tokens"`
	AuthPolicy string `json:"authenticationPolicy,omitempty"` // id
	AuthFrom   Holder `json:"authenticationPolicyFrom"`
}

// Effective is what holds for a mailbox and which object says so, one row for
// each switch.
func (s *Snapshot) Effective(person, domain string, groups []string) []EffectiveSwitch {
	l := s.effective(person, domain, groups)
	var all []EffectiveSwitch
	for i := range switchTable {
		row := &switchTable[i]
		e := EffectiveSwitch{Name: row.name, Protocol: row.protocol, On: l.off&(1<<i) == 0}
		e.From = s.holder(person, domain, groups, 1<<i)
		password := Facts{Person: person, Groups: groups, Protocol: row.protocol, Credential: CredentialPassword}
		token := password
		token.Credential = CredentialBearer
		_, refused := s.authRefusal(&password)
		e.Passwords = refused == 0
		_, refused = s.authRefusal(&token)
		e.Tokens = refused == 0
		e.AuthPolicy, e.AuthFrom = s.authHolder(person, groups)
		all = append(all, e)
	}
	return all
}

// holder finds who says what holds of one switch.
func (s *Snapshot) holder(person, domain string, groups []string, bit switchBits) Holder {
	organization := Holder{HeldByOrganization, HeldByOrganization}
	if bit == switchEws && s.organization.off&switchEws != 0 {
		return organization
	}
	if m := s.mailboxes[person]; (m.on|m.off)&bit != 0 {
		return Holder{HeldByMailbox, person}
	}
	said := Holder{}
	for _, g := range groups {
		set := s.groups[g]
		if set.off&bit != 0 {
			return Holder{HeldByGroup, g} // false wins
		}
		if set.on&bit != 0 && said.ID == "" {
			said = Holder{HeldByGroup, g}
		}
	}
	if said.ID != "" {
		return said
	}
	if d := s.domains[domain]; (d.on|d.off)&bit != 0 {
		return Holder{HeldByDomain, domain}
	}
	if (s.organization.on|s.organization.off)&bit != 0 {
		return organization
	}
	return Holder{Kind: HeldByDefault}
}

// authHolder finds the authentication policy in force and who assigns it; of
// several groups' policies, the first.
func (s *Snapshot) authHolder(person string, groups []string) (id string, from Holder) {
	if own := s.mailboxes[person].auth; own != nil {
		return own.id, Holder{HeldByMailbox, person}
	}
	if at := slices.IndexFunc(groups, func(g string) bool { return s.groups[g].auth != nil }); at >= 0 {
		return s.groups[groups[at]].auth.id, Holder{HeldByGroup, groups[at]}
	}
	if s.defaultAuth != nil {
		return s.defaultAuth.id, Holder{HeldByOrganization, HeldByOrganization}
	}
	return "", Holder{Kind: HeldByDefault}
}
