package tenants

import (
	"fmt"
	"strings"
)

// tri is a switch that may be unset; void is the empty string of a broken export.
type tri int8

const (
	null tri = iota
	no
	yes
	void
)

// cell is a switch as an export's cell.
func (t tri) cell() any {
	switch t {
	case no:
		return false
	case yes:
		return true
	case void:
		return ""
	}
	return nil
}

// switches are a mailbox's, by the names of Get-CASMailbox.
type switches struct {
	imap, pop, eas, ews, mapi, mapiHTTP, blockRPC, smtpOff tri
}

type person struct {
	id, upn, display, alias, mail, dept string
	enabled, guest, mailbox             bool
	registered                          tri // null: no row in the registrations
	cas                                 switches
	auth                                string // name of an authentication policy, or ""
}

// subject is how findings name a person.
func (p *person) subject() string { return strings.ToLower(p.upn) }

type group struct {
	id, name string
	people   []*person
	groups   []*group
}

type role struct {
	template, name string
	people         []*person
}

// dept is people of one kind, with the group that policies name.
type dept struct {
	*group
	legacy, mfa bool // whether the policies that guard everybody cover it
}

var (
	firstNames = []string{"Jörg", "Zoë", "Anaïs", "Björn", "Siobhán", "Łukasz", "José", "Ana", "Mihály", "Günther", "Françoise", "Søren", "Ольга", "<b>Bob</b>", "יוסף", "أحمد", "Leela", "Maria", "Noor", "Åsa", "李"}
	lastNames  = []string{"Müller", "O'Brien", "D'Amico", "Weiß", "Núñez", "Þórsson", "van der Berg", "Kovács", "Ek", "כהן", "الخطيب", "Silva", "O'Neill", "Grünwald", "Çelik", "Dvořák", "Smith-Jones", "Nguyễn", "Петрова", "王"}
	plain      = []string{"Alex", "Sam", "Kim", "Robin", "Mia", "Jo", "Lee", "Toni", "Pat", "Chris"}
	family     = []string{"Berg", "OBrien", "D'Amico", "Ek", "Silva", "Kovacs", "O'Neill", "Mueller", "Weiss", "Celik", "Smith-Jones"}
)

// person makes somebody with an open mailbox, registered for MFA. The part of the
// address before the @ is ASCII, as the directory demands; the name need not be.
func (b *builder) person(department string) *person {
	p := &person{id: b.id(), dept: department, enabled: true, mailbox: true, registered: yes}
	p.display = pick(b, firstNames...) + " " + pick(b, lastNames...)
	base := pick(b, plain...) + "." + pick(b, family...)
	for n := 1; ; n++ {
		p.alias = base
		if n > 1 || b.chance(0.3) {
			p.alias = fmt.Sprintf("%s%d", base, b.r.IntN(100*n*n))
		}
		if lower := strings.ToLower(p.alias); !b.taken[lower] {
			b.taken[lower] = true
			break
		}
	}
	p.upn = p.alias + "@" + b.draw.domain
	if b.chance(0.5) {
		p.upn = strings.ToLower(p.upn)
	}
	p.mail = p.upn
	if b.chance(0.3) {
		p.mail = strings.ToLower(strings.ReplaceAll(p.alias, ".", "_")) + "@" + b.draw.other
	}
	if p.mail == strings.ToLower(p.upn) && b.chance(0.2) {
		p.mail = strings.ToUpper(p.mail[:1]) + p.mail[1:]
	}
	p.cas = switches{imap: yes, pop: yes, eas: yes, ews: pick(b, yes, null), mapi: yes, mapiHTTP: yes, blockRPC: no, smtpOff: pick(b, null, no, yes)}
	b.people = append(b.people, p)
	return p
}

// staff makes a department of planted people that no guarding policy covers.
func (b *builder) staff(label string) *dept {
	return b.team(label, b.copies)
}

func (b *builder) team(label string, n int) *dept {
	d := &dept{group: b.group(label)}
	for range n {
		d.people = append(d.people, b.person(label))
	}
	b.depts = append(b.depts, d)
	return d
}

// guarded says that the guarding policies cover the department in full.
func (d *dept) guarded() *dept { d.legacy, d.mfa = true, true; return d }

// forMFA says that only the policies about MFA do.
func (d *dept) forMFA() *dept { d.mfa = true; return d }

// forLegacy says that only the blocks of legacy clients do.
func (d *dept) forLegacy() *dept { d.legacy = true; return d }

func (b *builder) group(label string, people ...*person) *group {
	b.fillers++
	g := &group{id: b.id(), name: fmt.Sprintf("%s %d", label, b.fillers), people: people}
	b.groups = append(b.groups, g)
	return g
}

// nested wraps a group in others.
func (b *builder) nested(g *group, depth int) *group {
	for range depth {
		outer := b.group(pick(b, "Exceptions", "Projects", "Migration wave", "Ausnahmen für"))
		outer.groups = append(outer.groups, g)
		g = outer
	}
	return g
}

// The role templates that are used.
const (
	exchangeAdmin = "29232cdf-9323-42fd-ade2-1d097af3e4de"
	helpdesk      = "729827e3-9c14-49f7-bb1b-9608f156bbb8"
	globalAdmin   = "62e90394-69f5-4237-9190-012177145e10"
	authAdmin     = "c4e39bd9-1100-46d3-8c65-fb160da0071f"
	userAdmin     = "fe930be7-5e62-47db-91af-98c3a49a38b1"
	reportsReader = "4a5d8f65-41da-4de4-8968-e035b65339cf" // nobody ever activated it: not in the export
)

var roleNames = map[string]string{exchangeAdmin: "Exchange Administrator", helpdesk: "Helpdesk Administrator", globalAdmin: "Global Administrator", userAdmin: "User Administrator", authAdmin: "Authentication Administrator"}

func (b *builder) hold(template string, people ...*person) {
	r := b.roles[template]
	if r == nil {
		r = &role{template: template, name: roleNames[template]}
		b.roles[template] = r
	}
	r.people = append(r.people, people...)
}

// leave opens the protocols of everybody of a department and closes all others,
// by the mailbox switches alone, and takes any authentication policy out of the
// way.
func (b *builder) leave(d *dept, protocols ...string) {
	for _, p := range d.people {
		open := map[string]bool{}
		for _, protocol := range protocols {
			open[protocol] = true
		}
		c := switches{imap: b.flag(open["imap"]), pop: b.flag(open["pop"]), eas: b.flag(open["activesync"]), ews: b.flag(open["ews"])}
		if open["ews"] && b.chance(0.5) {
			c.ews = null
		}
		c.mapi = b.flag(open["mapi"] || open["rpc"])
		c.mapiHTTP = b.flag(open["mapi"])
		c.blockRPC = b.flag(!open["rpc"])
		c.smtpOff = b.flag(!open["smtp"])
		if b.draw.smtpOff != open["smtp"] && b.draw.missing != "TransportConfig" && b.chance(0.5) {
			c.smtpOff = null // the organisation says the same
		}
		p.cas = c
		b.lax(p)
	}
}

func (b *builder) flag(on bool) tri {
	if on {
		return yes
	}
	return no
}

// everyProtocol is all that a password may open.
var everyProtocol = []string{"activesync", "ews", "imap", "mapi", "pop", "rpc", "smtp"}
