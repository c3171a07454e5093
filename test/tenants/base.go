package tenants

import "fmt"

// populate fills the tenant up with ordinary people, rooms, shared mailboxes,
// service accounts and guests, all guarded.
func (b *builder) populate() {
	b.disguise = "base population"
	names := []string{"Vertrieb", "Finance", "Forschung & Entwicklung", "Operations", "HR", "Legal", "IT", "Marketing", "Ventes", "Einkauf", "Facilities", "Support"}
	rest := b.options.Mailboxes
	for _, p := range b.people {
		if p.mailbox {
			rest--
		}
	}
	var base []*dept
	for i, name := range names {
		d := &dept{group: b.group(name)}
		d.guarded()
		n := rest / len(names)
		if i == 0 {
			n = max(rest-n*(len(names)-1), 1) // one at least: somebody must sign in
		}
		for j := range n {
			p := b.person(name)
			d.people = append(d.people, p)
			b.ordinarily(p, i == 0 && j == 0)
		}
		for range n / 40 { // who have no mailbox: service accounts, students
			p := b.person(name)
			p.mailbox, p.mail = false, ""
			d.people = append(d.people, p)
		}
		b.depts = append(b.depts, d)
		base = append(base, d)
	}
	admins := base[6].people
	if len(admins) > 0 {
		b.hold(globalAdmin, admins[0])
		b.hold(userAdmin, admins[len(admins)-1])
	}
	for range 1 + b.options.Mailboxes/50 {
		b.guest()
	}
}

// ordinarily makes a person what most of a tenant is.
func (b *builder) ordinarily(p *person, active bool) {
	b.lax(p)
	if b.chance(0.1) {
		p.auth = strictName
	}
	c := &p.cas
	c.imap, c.pop = pick(b, yes, yes, no), pick(b, yes, no)
	switch b.r.IntN(8) { // never on RPC over HTTP by accident: who is, is planted
	case 0:
		c.mapi, c.mapiHTTP = no, null
	case 1:
		c.mapiHTTP, c.blockRPC = null, yes
	case 2:
		if b.draw.mapiHTTP {
			c.mapiHTTP = null
		}
	}
	if !active && b.chance(0.07) { // a room or a shared mailbox
		p.enabled, p.registered = false, null
		p.display = pick(b, "Raum Grüner Salon", "Shared: Sales; EMEA", "Conference \"Big\" Room", "Info-Postfach")
		return
	}
	b.ordinary = append(b.ordinary, p)
}

func (b *builder) guest() *person {
	p := b.person("")
	p.guest, p.mailbox = true, false
	p.mail = fmt.Sprintf("%s@partner%d.example", p.alias, b.r.IntN(50))
	p.upn = fmt.Sprintf("%s_partner.example#EXT#@%s", p.alias, b.draw.domain)
	return p
}

// guard writes the policies that cover all departments but those that cases left
// to themselves: in one half of the tenants for everybody except a group of the
// exempt, in the other by groups, each in another way.
func (b *builder) guard() {
	b.disguise = "guarding policies"
	if b.draw.defaults {
		return // which are enough, and suffer no policies beside them
	}
	if b.draw.everybody {
		b.guardAll()
	} else {
		b.guardGroups()
	}
	b.policy("Sessions end after 12 h", clients(browser), sessionOnly, overUsers("All"))
	b.policy("Risky sign-ins need MFA", atRisk("high", "medium"), controls("OR", "mfa"), overUsers("All"))
	b.policy("Admin portals", clients("all"), controls("OR", "mfa"), target("MicrosoftAdminPortals"), overRoles(globalAdmin, userAdmin, reportsReader))
}

func (b *builder) guardAll() {
	// Somebody who used both exemptions once, and whom other gates guard today.
	veteran := b.team("Migrated", 1)
	b.leave(veteran)
	b.legacySuccess(veteran.people[0], "IMAP4")
	b.signIn(veteran.people[0], onBrowser)
	b.asksMFA("MFA for the migrated", over(veteran.group))
	noLegacy, noMFA := b.group("Exempt from the legacy block"), b.group("Exempt from MFA")
	for _, d := range b.depts {
		if !d.legacy {
			noLegacy.groups = append(noLegacy.groups, b.maybeNested(d.group))
		}
		if !d.mfa {
			noMFA.groups = append(noMFA.groups, b.maybeNested(d.group))
		}
	}
	b.policy("Block legacy authentication", clients(eas, other), block, overUsers("All"), butGroup(noLegacy.id))
	everyone := []change{clients(browser, apps), overUsers("All"), butGroup(noMFA.id), controls("OR", "mfa")}
	if b.chance(0.5) {
		everyone = append(everyone, butUsers("GuestsOrExternalUsers"))
	}
	if b.chance(0.3) {
		everyone = append(everyone, byStrength(b.strong("Multifactor authentication")))
	}
	b.policy("MFA for all users", everyone...)
}

func (b *builder) maybeNested(g *group) *group {
	if b.chance(0.3) {
		return b.nested(g, 1+b.r.IntN(2))
	}
	return g
}

func (b *builder) guardGroups() {
	shards := make([]struct{ legacy, mfa []*group }, 3)
	for i, d := range b.depts {
		s := &shards[i%3]
		if d.legacy {
			s.legacy = append(s.legacy, d.group)
		}
		if d.mfa {
			s.mfa = append(s.mfa, d.group)
		}
	}
	outer := func(label string, inner []*group) *group {
		g := b.group(label)
		g.groups = inner
		return g
	}
	// By every department's own group; by one nested group; by one nested thrice, in a circle.
	b.legacyBlock("Legacy block A (Vertrieb, …)", over(shards[0].legacy...))
	b.legacyBlock("Legacy block B", over(outer("Mail users B", shards[1].legacy)))
	c := outer("Mail users C", shards[2].legacy)
	ring := b.nested(c, 2)
	c.groups = append(c.groups, ring)
	b.policy("Legacy block C: ActiveSync", clients(eas), block, target(exchangeApp), over(ring))
	b.policy("Legacy block C: the rest", clients(other), block, over(ring))

	b.asksMFA("MFA A", over(shards[0].mfa...))
	b.policy("MFA B, strength", clients(browser, apps), byStrength(b.strong("Multifactor authentication")), over(b.nested(outer("MFA users B", shards[1].mfa), 1)))
	third := outer("MFA users C", shards[2].mfa)
	b.policy("MFA C: browsers", clients(browser), controls("OR", "mfa"), target("Office365"), over(third))
	b.policy("MFA C: programs", clients(apps), controls("AND", "mfa"), target("Office365", sharePointApp), over(third))
}
