package tenants

// watched makes people whom every policy guards, and of whom the log tells
// something.
func (b *builder) watched(disguise string) *dept {
	b.disguise = disguise
	return b.staff(disguise).guarded()
}

// each adds sign-ins of everybody of a department.
func each(d *dept, do func(p *person)) {
	for _, p := range d.people {
		do(p)
	}
}

// logCases are what people did, and what they failed to.
var logCases = []pair{
	func(b *builder) { // spellings of one protocol
		for _, spelling := range []string{"IMAP4", "imap4", "IMAP"} {
			each(b.watched("legacy client "+spelling), func(p *person) { b.legacySuccess(p, spelling) })
		}
		d := b.watched("legacy client, refused")
		each(d, func(p *person) {
			for _, code := range []int{53003, 50126, 50053} {
				b.signIn(p, by(pick(b, "IMAP4", "POP3", "MAPI Over HTTP")), failing(code))
			}
			b.near("breaks-legacy-block", p.subject(), "only failures")
			b.near("passed-without-mfa", p.subject(), "only failures")
		})
	},
	func(b *builder) {
		for _, client := range []string{"POP", "MAPI", "Universal Outlook", "Exchange Online PowerShell", "Reporting Web Services"} {
			each(b.watched("legacy client "+client), func(p *person) { b.legacySuccess(p, client, quietlyAt(b)) })
		}
		d := b.watched("legacy client, before the time that counts")
		each(d, func(p *person) {
			b.signIn(p, by("IMAP4"), b.longAgo())
			b.near("breaks-legacy-block", p.subject(), "more than 30 days before the log's end")
			b.near("passed-without-mfa", p.subject(), "more than 30 days before the log's end")
		})
	},
	func(b *builder) { // one factor, modern
		each(b.watched("one factor in a browser"), func(p *person) { b.oneFactor(p) })
		each(b.watched("one factor in a program, quietly"), func(p *person) {
			b.oneFactor(p, client(modern), from(outlook), quietlyAt(b))
		})
		each(b.watched("one factor by IMAP with a token"), func(p *person) { b.oneFactor(p, client(modern), from(thunder), agent("")) })

		d := b.watched("one factor, elsewhere, or refused")
		each(d, func(p *person) {
			b.signIn(p, onBrowser, once, from(sharePoint), to(sharePoint))
			b.signIn(p, onBrowser, once, failing(50074))
			b.signIn(p, onBrowser, once, failing(50140))
			b.near("passed-without-mfa", p.subject(), "another resource, or interrupted")
		})
		d = b.watched("two factors by IMAP with a token")
		each(d, func(p *person) {
			b.signIn(p, from(thunder), agent(""))
			b.near("passed-without-mfa", p.subject(), "two factors")
			b.near("breaks-legacy-block", p.subject(), "a token")
		})
	},
	func(b *builder) { // SMTP
		for _, spelling := range []string{"Authenticated SMTP", "SMTP", "authenticated smtp"} {
			each(b.watched("submission as "+spelling), func(p *person) { b.legacySuccess(p, spelling) })
		}
		d := b.watched("submission with a token")
		each(d, func(p *person) {
			b.signIn(p, from(service{b.id(), "Contoso SMTP relay"}), agent("smtp-oauth/1.0"))
			b.near("breaks-smtp-end", p.subject(), "a token")
			b.near("breaks-legacy-block", p.subject(), "a token")
		})
		d = b.watched("submission refused")
		each(d, func(p *person) {
			b.signIn(p, by("Authenticated SMTP"), failing(50126))
			b.signIn(p, by("Authenticated SMTP"), failing(53003))
			b.near("breaks-smtp-end", p.subject(), "only failures")
		})
	},
	func(b *builder) { // EWS
		for _, spelling := range []string{"Exchange Web Services", "exchange web services"} {
			each(b.watched("EWS as "+spelling), func(p *person) { b.legacySuccess(p, spelling) })
		}
		tells := []func(*event){agent("ExchangeServicesClient/15.20.5944.16"), from(service{b.id(), "Contoso EWS Connector"}), agent("Backup/7 (EWS)")}
		for i, how := range tells {
			d := b.watched([]string{"EWS with a token, by its agent", "EWS with a token, by its name", "EWS with a token, in brackets"}[i])
			each(d, func(p *person) {
				b.signIn(p, how)
				b.expect("breaks-ews-end", p.subject())
			})
		}
		d := b.watched("EWS refused")
		each(d, func(p *person) {
			b.signIn(p, by("Exchange Web Services"), failing(53003))
			b.signIn(p, agent("ExchangeServicesClient/15.20.5944.16"), failing(50126))
			b.near("breaks-ews-end", p.subject(), "only failures")
		})
		d = b.watched("EWS in the middle of a word")
		each(d, func(p *person) {
			b.signIn(p, from(service{b.id(), "Daily News Reviews"}), agent("newsreader/2.1"))
			b.near("breaks-ews-end", p.subject(), "news is not EWS")
		})
		d = b.watched("EWS by name, to Graph")
		each(d, func(p *person) {
			b.signIn(p, from(service{b.id(), "EWS to Graph migration"}), to(graph))
			b.near("breaks-ews-end", p.subject(), "the resource is not Exchange")
		})
	},
	func(b *builder) { // what cannot be named
		each(b.watched("client without a name"), func(p *person) {
			b.signIn(p, client(""), agent(""))
			b.expect("unknown-client", p.subject())
		})
		each(b.watched("client Unknown"), func(p *person) {
			b.signIn(p, client("Unknown"), agent(""))
			b.expect("unknown-client", p.subject())
		})
		each(b.watched("client null"), func(p *person) {
			b.signIn(p, client(""), func(e *event) { e.clientNull = true })
			b.expect("unknown-client", p.subject())
		})
		each(b.watched("other clients without an agent"), func(p *person) {
			b.legacySuccess(p, "Other clients", agent(""))
			b.expect("unknown-client", p.subject())
		})
		each(b.watched("other clients with an agent"), func(p *person) {
			b.legacySuccess(p, "Other clients")
			b.near("unknown-client", p.subject(), "it has a user agent")
		})
		each(b.watched("unknown clients, refused"), func(p *person) {
			b.signIn(p, client(""), agent(""), failing(50126))
			b.signIn(p, client("Unknown"), failing(50053))
			b.signIn(p, by("Other clients"), agent(""), failing(53003))
			b.near("unknown-client", p.subject(), "only failures")
		})
	},
	func(b *builder) { // policies said "success", and that proves nothing
		d := b.watched("policies said success")
		each(d, func(p *person) {
			b.signIn(p, onBrowser)
			b.signIn(p, from(outlookApp))
			b.near("passed-without-mfa", p.subject(), "two factors")
		})
		if b.draw.log == logBeta {
			b.disguise = "service principal"
			b.signIn(nil, func(e *event) {
				e.program, e.app, e.single, e.client, e.agent, e.protocol = "Backup of mailboxes", service{b.id(), "Backup of mailboxes"}, true, "", "", "clientCredentials"
			})
		}
	},
}

// quietlyAt makes a sign-in one without the person, where logs tell.
func quietlyAt(b *builder) func(*event) {
	if b.chance(0.5) {
		return quietly
	}
	return func(*event) {}
}
