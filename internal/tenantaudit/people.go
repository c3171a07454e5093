package tenantaudit

import (
	"slices"
	"strings"

	"github.com/portreeve/portreeve/internal/policy"
	"github.com/portreeve/portreeve/internal/tenant"
)

// audit is one audit while it runs.
type audit struct {
	t       *tenant.Tenant
	options Options
	online  bool // Exchange Online: basic is refused on everything but SMTP AUTH

	people  []*person
	byID    map[string]*person // by the directory's id, in lower case
	byUPN   map[string]*person // likewise, by UPN
	groups  map[string]*tenant.Group
	roles   map[string][]*tenant.Role // by template
	members map[string][]string       // of a group, nesting resolved: ids

	thief    *thief
	classes  map[string]*class
	gates    *gates
	log      *logFacts
	findings []*Finding
	notes    []Note
	alike    map[string]int // notes by their text
}

// person is an account, a mailbox, or both.
type person struct {
	id, upn, name string
	account       *tenant.Person
	mailbox       *tenant.Mailbox
	exchange      *tenant.ExchangeUser
	registration  *tenant.Registration
	disabled      bool
	guest         bool
	guestType     policy.GuestTypes
	groups, roles []string // that policies name, in lower case
	class         *class
	doors         *doors
	noMFA         bool
	passwordOnly  bool
	log           *personLog
}

// hasMailbox says whether there is mail to open: a row of Get-CASMailbox; where
// that was not exported, every member is taken to have a mailbox.
func (a *audit) hasMailbox(p *person) bool {
	if a.t.Exported(tenant.CASMailboxes) {
		return p.mailbox != nil
	}
	if p.exchange != nil && p.exchange.RecipientType != "" {
		return strings.Contains(strings.ToLower(p.exchange.RecipientType), "mailbox")
	}
	return p.account == nil || !p.guest
}

func lower(s string) string { return strings.ToLower(strings.TrimSpace(s)) }

func newAudit(t *tenant.Tenant, o Options) *audit {
	if o.Last <= 0 {
		o.Last = DefaultLast
	}
	a := &audit{t: t, options: o, byID: map[string]*person{}, byUPN: map[string]*person{}, groups: map[string]*tenant.Group{}, roles: map[string][]*tenant.Role{}, members: map[string][]string{}, classes: map[string]*class{}, alike: map[string]int{}}
	if t.SignIns == nil {
		t.SignIns = tenant.NewSignInLog()
	}
	a.online = isOnline(t.Organization)
	a.gather()
	a.join()
	a.thief = newThief(a)
	a.gates = newGates(a)
	return a
}

// isOnline: Exchange Online calls itself 15.20; every other version is a house
// of one's own, or not known.
func isOnline(o *tenant.Organization) bool {
	if o == nil {
		return false
	}
	v := strings.TrimSpace(strings.TrimPrefix(lower(o.AdminDisplayVersion), "version"))
	return v == "15.20" || strings.HasPrefix(v, "15.20.") || strings.HasPrefix(v, "15.20 ")
}

func (a *audit) note(object, text string, source tenant.Source) {
	a.notes = append(a.notes, Note{File: source.File, Line: source.Line, Object: object, Text: text})
}

// mostAlike is how many notes of one text are told; the rest is counted.
const mostAlike = 20

// noteAlike is a note that a broken export could have for every mailbox.
func (a *audit) noteAlike(object, text string, source tenant.Source) {
	if a.alike[text]++; a.alike[text] <= mostAlike {
		a.note(object, text, source)
	}
}

// noteRest counts what noteAlike did not tell.
func (a *audit) noteRest() {
	for _, text := range sorted(a.alike) {
		if more := a.alike[text] - mostAlike; more > 0 {
			a.note("and "+thousands(more)+" more", text, tenant.Source{})
		}
	}
}

// gather makes one person of each account, and of each mailbox without one.
func (a *audit) gather() {
	t := a.t
	byMail, byName := map[string]*person{}, map[string]*person{}
	for i := range t.People {
		x := &t.People[i]
		p := &person{id: lower(x.ID), upn: lower(x.UPN), name: x.DisplayName, account: x, disabled: x.Disabled}
		p.guest, p.guestType = guestKind(x)
		if p.upn == "" {
			p.upn = lower(x.Mail)
		}
		if p.upn == "" {
			p.upn = p.id
		}
		if a.byID[p.id] != nil && p.id != "" || a.byUPN[p.upn] != nil {
			continue // a page that was exported twice
		}
		a.add(p)
		once(byMail, lower(x.Mail), p)
		once(byName, lower(x.DisplayName), p)
	}
	byExchangeName := map[string]*person{}
	for i := range t.ExchangeUsers {
		x := &t.ExchangeUsers[i]
		p := a.byID[lower(x.ObjectID)]
		if p == nil || x.ObjectID == "" {
			p = a.byUPN[lower(x.UPN)]
		}
		if p == nil {
			if lower(x.UPN) == "" {
				a.noteAlike(x.Name, "this user of Exchange has no UserPrincipalName and cannot be told to anybody", x.Source)
				continue
			}
			p = &person{id: lower(x.ObjectID), upn: lower(x.UPN), name: x.Name}
			p.disabled = x.AccountDisabled != nil && *x.AccountDisabled
			a.add(p)
		}
		if p.exchange == nil {
			p.exchange = x
		}
		once(byExchangeName, lower(x.Name), p)
		once(byExchangeName, lower(x.Identity), p)
	}
	for i := range t.Mailboxes {
		a.gatherMailbox(&t.Mailboxes[i], byMail, byExchangeName, byName)
	}
	for i := range t.Registrations {
		x := &t.Registrations[i]
		p := a.byID[lower(x.ID)]
		if p == nil || x.ID == "" {
			p = a.byUPN[lower(x.UPN)]
		}
		if p != nil && p.registration == nil {
			p.registration = x
		}
	}
}

// once remembers who a word means; a word that means two means nobody.
func once(m map[string]*person, word string, p *person) {
	if word == "" {
		return
	}
	if other, twice := m[word]; twice && other != p {
		p = nil
	}
	m[word] = p
}

func (a *audit) add(p *person) {
	a.people = append(a.people, p)
	if p.id != "" {
		a.byID[p.id] = p
	}
	if p.upn != "" && a.byUPN[p.upn] == nil {
		a.byUPN[p.upn] = p
	}
}

// gatherMailbox finds whose a mailbox is: by the account's id, its UPN, its
// address (which may be another's UPN, so the accounts' own addresses come first),
// and last by a name that only one account has.
func (a *audit) gatherMailbox(m *tenant.Mailbox, byMail, byExchangeName, byName map[string]*person) {
	var p *person
	for _, try := range []struct {
		in   map[string]*person
		word string
	}{{a.byID, m.ObjectID}, {a.byUPN, m.UPN}, {byMail, m.Address}, {a.byUPN, m.Address}, {byExchangeName, m.Identity}, {byExchangeName, m.Name}, {byName, m.DisplayName}} {
		if word := lower(try.word); word != "" && try.in[word] != nil {
			p = try.in[word]
			break
		}
	}
	if p != nil && p.mailbox != nil {
		a.noteAlike(p.upn, "a second mailbox of theirs was not judged", m.Source)
		return
	}
	if p == nil {
		p = &person{upn: lower(m.UPN), name: m.DisplayName, id: lower(m.ObjectID)}
		for _, word := range []string{m.Address, m.Name, m.DisplayName, m.GUID} {
			if p.upn == "" {
				p.upn = lower(word)
			}
		}
		if len(a.t.People) > 0 {
			a.noteAlike(p.upn, "this mailbox belongs to no account of the export: it is judged as an enabled account without groups", m.Source)
		}
		a.add(p)
	}
	p.mailbox = m
}

// guestKind is what kind of guest an account is. Whoever was invited has #EXT#
// in their name.
func guestKind(x *tenant.Person) (guest bool, kind policy.GuestTypes) {
	invited := strings.Contains(strings.ToUpper(x.UPN), "#EXT#")
	switch {
	case x.Guest && invited:
		return true, policy.B2BCollaborationGuest
	case x.Guest:
		return true, policy.InternalGuest
	case invited:
		return false, policy.B2BCollaborationMember
	}
	return false, 0
}

// join resolves groups and roles that policies name.
func (a *audit) join() {
	for i := range a.t.Groups {
		a.groups[lower(a.t.Groups[i].ID)] = &a.t.Groups[i]
	}
	for i := range a.t.Roles {
		r := &a.t.Roles[i]
		a.roles[lower(r.TemplateID)] = append(a.roles[lower(r.TemplateID)], r)
	}
	groups, roles := map[string]bool{}, map[string]bool{}
	for i := range a.t.Policies {
		if u := a.t.Policies[i].Conditions.Users; u != nil {
			for _, side := range []*policy.People{&u.Include, &u.Exclude} {
				for _, g := range side.Groups {
					groups[lower(g)] = true
				}
				for _, r := range side.Roles {
					roles[lower(r)] = true
				}
			}
		}
	}
	for _, id := range sorted(groups) {
		for _, member := range a.membersOf(id) {
			if p := a.byID[member]; p != nil {
				p.groups = append(p.groups, id)
			}
		}
		if g := a.groups[id]; g != nil && !g.MembersSaid {
			a.note(g.DisplayName, "the export does not say who is in this group, which policies name: it is read as empty", g.Source)
		}
	}
	for _, id := range sorted(roles) {
		seen := map[string]bool{}
		for _, r := range a.roles[id] {
			a.expand(r.Members, seen)
		}
		for _, member := range sorted(seen) {
			if p := a.byID[member]; p != nil {
				p.roles = append(p.roles, id)
			}
		}
	}
}

// membersOf are the ids of everything in a group, whatever way it is nested.
func (a *audit) membersOf(group string) []string {
	if known, ok := a.members[group]; ok {
		return known
	}
	seen := map[string]bool{}
	if g := a.groups[group]; g != nil {
		a.expand(g.Members, seen)
	}
	a.members[group] = sorted(seen)
	return a.members[group]
}

// expand follows groups in groups; a cycle ends where it closes.
func (a *audit) expand(members []string, seen map[string]bool) {
	queue := slices.Clone(members)
	for len(queue) > 0 {
		id := lower(queue[len(queue)-1])
		queue = queue[:len(queue)-1]
		if id == "" || seen[id] {
			continue
		}
		seen[id] = true
		if g := a.groups[id]; g != nil {
			queue = append(queue, g.Members...)
		}
	}
}

func sorted[V any](m map[string]V) []string {
	all := make([]string, 0, len(m))
	for k := range m {
		all = append(all, k)
	}
	slices.Sort(all)
	return all
}
