package policy

import (
	"slices"
	"strings"
	"time"
)

// usersCondition: who signs in. Exclude beats include, also across kinds. The
// stranger, who is nobody, is included by All and excluded by nothing.
type usersCondition struct {
	include, exclude members
	words            string
}

// members is one side, by id.
type members struct {
	all                  bool
	users, groups, roles []member
	guests               []Guests // domains in lower case
	absent               bool     // somebody or a group is named who is not here, and may come
}

// member is one id; an exclusion may end.
type member struct {
	id      string
	expires time.Time // zero is never
}

// counts says whether the membership still counts at a time; an unknown time
// is after every end.
func (m member) counts(at time.Time) bool {
	return m.expires.IsZero() || !at.IsZero() && at.Before(m.expires)
}

func (u *usersCondition) name() string { return "users" }

func (u *usersCondition) holds(f *Facts) bool {
	return u.include.has(f) && !u.exclude.has(f)
}

func (m *members) has(f *Facts) bool {
	if m.all {
		return true
	}
	for _, p := range m.users {
		if p.id == f.Person && p.counts(f.At) && f.Person != "" {
			return true
		}
	}
	for _, g := range m.groups {
		if slices.Contains(f.Groups, g.id) && g.counts(f.At) {
			return true
		}
	}
	for _, r := range m.roles {
		if slices.Contains(f.Roles, r.id) && r.counts(f.At) {
			return true
		}
	}
	for _, g := range m.guests {
		if g.Types&f.Guest != 0 && (g.Everywhere || slices.Contains(g.Domains, f.Domain)) {
			return true
		}
	}
	return false
}

func (u *usersCondition) needed() string { return u.words }

func (u *usersCondition) seen(f *Facts) string {
	if f.Person == "" {
		return "nobody we know"
	}
	s := "user " + f.Person
	if len(f.Groups) > 0 {
		s += ", groups " + strings.Join(f.Groups, ", ")
	}
	if len(f.Roles) > 0 {
		s += ", roles " + strings.Join(f.Roles, ", ")
	}
	if f.Guest != 0 {
		s += ", guest (" + strings.Join(f.Guest.Names(), ", ") + ")"
	}
	return s
}

var guestNames = [...]string{"internalGuest", "b2bCollaborationGuest", "b2bCollaborationMember", "b2bDirectConnectUser", "otherExternalUser", "serviceProvider"}

// Names are Graph's words for the kinds of guest.
func (g GuestTypes) Names() []string {
	var names []string
	for i, n := range guestNames {
		if g&(1<<i) != 0 {
			names = append(names, n)
		}
	}
	return names
}

// ParseGuestType finds a kind of guest by Graph's word.
func ParseGuestType(s string) (GuestTypes, bool) {
	for i, n := range guestNames {
		if equalFold(s, n) {
			return 1 << i, true
		}
	}
	return 0, false
}

// sides writes "include a, b; exclude c" for a person.
func sides(include, exclude []string) string {
	s := "include " + strings.Join(include, ", ")
	if len(include) == 0 {
		s = "include nothing"
	}
	if len(exclude) > 0 {
		s += "; exclude " + strings.Join(exclude, ", ")
	}
	return s
}

// servicesCondition: a policy for workload identities. No person is one.
type servicesCondition struct{}

func (*servicesCondition) name() string       { return "clientApplications" }
func (*servicesCondition) holds(*Facts) bool  { return false }
func (*servicesCondition) needed() string     { return "a service, not a person" }
func (*servicesCondition) seen(*Facts) string { return "a person" }

// riskCondition: nothing here computes a risk, which is Entra's none or hidden.
type riskCondition struct{ Risk }

func (r *riskCondition) name() string { return r.Name }

func (r *riskCondition) holds(*Facts) bool {
	return slices.ContainsFunc(r.Levels, func(l string) bool { return equalFold(l, "none") || equalFold(l, "hidden") })
}

func (r *riskCondition) needed() string     { return strings.Join(r.Levels, " or ") }
func (r *riskCondition) seen(*Facts) string { return "none (not computed)" }
