package tenants

// passwordCases are mailboxes that a password alone opens, and their near misses.
var passwordCases = []pair{
	func(b *builder) { // a group in a group is excluded
		name := "excluded through a nested group"
		protocols := b.somePhones()
		d := b.open(name, protocols...)
		inner := b.group("Scanners and such", d.people...)
		outer := b.nested(inner, 2)
		p := b.legacyBlock("Block legacy "+name, over(d.group), butGroup(outer.id))
		b.exemptLegacy(p, outer.id, d.people[0])
		b.passwordOnly(d, protocols...)
		b.by(d, p)

		d = b.open(name+", and covered again", protocols...)
		inner = b.group("Scanners and such", d.people...)
		outer = b.nested(inner, 2)
		p = b.legacyBlock("Block legacy once more", over(d.group), butGroup(outer.id))
		b.exemptLegacy(p, outer.id, d.people[0])
		b.legacyBlock("Block legacy of the exempt", over(inner))
		b.none(d, "password-only", "a second policy covers them")
	},
	func(b *builder) { // only one of the two legacy types
		name := "ActiveSync forgotten"
		d := b.open(name, b.somePhones()...)
		b.policy("Block other clients", clients(other), block, b.mailApps(), over(d.group))
		b.passwordOnly(d, "activesync")

		d = b.open(name+", but off per mailbox", b.some()...)
		b.policy("Block other clients 2", clients(other), block, b.mailApps(), over(d.group))
		b.none(d, "password-only", "ActiveSyncEnabled is false")
	},
	func(b *builder) {
		name := "only ActiveSync blocked"
		protocols := b.some()
		d := b.open(name, append(protocols, "activesync")...)
		b.policy("Block ActiveSync", clients(eas), block, b.mailApps(), over(d.group))
		b.passwordOnly(d, protocols...)

		d = b.open(name+", the rest by another", b.somePhones()...)
		b.policy("Block ActiveSync 2", clients(eas), block, b.mailApps(), over(d.group))
		b.policy("The rest needs MFA, which it cannot do", clients(other, browser), controls("OR", "mfa"), b.mailApps(), over(d.group))
		b.none(d, "password-only", "asked for MFA, a legacy client is blocked")
	},
	func(b *builder) { // a platform may be claimed, or none
		name := "narrowed by platform"
		protocols := b.somePhones()
		d := b.open(name, protocols...)
		b.legacyBlock("Block legacy on desktops", over(d.group), on([]string{"windows", "macOS"}, nil))
		b.passwordOnly(d, protocols...)
		b.by(d, b.last())

		d = b.open("all platforms but one", protocols...)
		b.legacyBlock("Block legacy but on Linux", over(d.group), on([]string{"all"}, []string{"linux"}))
		b.passwordOnly(d, protocols...)
		b.by(d, b.last())

		d = b.open("all platforms but one, and that one by another", protocols...)
		b.legacyBlock("Block legacy but on Linux 2", over(d.group), on([]string{"all"}, []string{"linux"}))
		b.legacyBlock("Block legacy on Linux", over(d.group), on([]string{"linux"}, nil))
		b.none(d, "password-only", "the second policy covers the platform left out")
	},
	func(b *builder) {
		name := "report-only"
		protocols := b.somePhones()
		d := b.open(name, protocols...)
		p := b.legacyBlock("Block legacy (enforced!)", over(d.group), state(reportOnly))
		if b.passwordOnly(d, protocols...) {
			b.expect("report-only", p.ID)
		}

		d = b.open(name+", with another that is on", protocols...)
		p = b.legacyBlock("Block legacy, try-out", over(d.group), state(reportOnly))
		b.legacyBlock("Block legacy, on", over(d.group))
		b.none(d, "password-only", "an enabled policy does it")
		b.near("report-only", p.ID, "an enabled policy does the same")
	},
	func(b *builder) {
		protocols := b.somePhones()
		d := b.open("only SharePoint", protocols...)
		b.policy("Block legacy for SharePoint", clients(eas, other), block, target(sharePointApp), over(d.group))
		b.passwordOnly(d, protocols...)

		d = b.open("all applications but Office 365", protocols...)
		b.policy("Block legacy, not for Office", clients(eas, other), block, butApps("Office365"), over(d.group))
		b.passwordOnly(d, protocols...)

		d = b.open("only SharePoint, and Office 365 by another", protocols...)
		b.policy("Block legacy for SharePoint 2", clients(eas, other), block, target(sharePointApp), over(d.group))
		b.policy("Block legacy for Office 365", clients(eas, other), block, target("Office365"), over(d.group))
		b.none(d, "password-only", "Exchange is a part of Office 365")
	},
	func(b *builder) { // authentication policies
		d := b.open("authentication policy that leaves SMTP", everyProtocol...)
		assign(d, b.authPolicyFor("Only for submission", "smtp").name)
		b.passwordOnly(d, "smtp")

		d = b.open("authentication policy that leaves SMTP, off per mailbox", "imap", "pop", "ews", "mapi", "rpc", "activesync")
		assign(d, b.authPolicyFor("Only for submission 2", "smtp").name)
		b.none(d, "password-only", "SmtpClientAuthenticationDisabled is true")

		d = b.open("authentication policy that leaves IMAP and SMTP", everyProtocol...)
		assign(d, b.authPolicyFor("IMAP & submission", "imap", "smtp").name)
		b.passwordOnly(d, "imap", "smtp")

		if b.draw.organisation == ours { // its policies know no SMTP
			d = b.open("every switch of an on-premises policy, which has none for SMTP", everyProtocol...)
			assign(d, strictName)
			b.passwordOnly(d, "smtp")
		}

		d = b.open("own lax policy over a default", everyProtocol...)
		assign(d, laxName)
		b.passwordOnly(d, everyProtocol...)
	},
	func(b *builder) { // the organisation's default
		d := b.open("the default authentication policy only", everyProtocol...)
		assign(d, "")
		onPremises := b.auth[1].blocks // the polarity of the strict one, which knows no SMTP
		switch {
		case !b.draw.strictDefault:
			b.passwordOnly(d, everyProtocol...)
		case onPremises:
			b.passwordOnly(d, "smtp")
		default:
			b.none(d, "password-only", "the default authentication policy blocks every protocol")
		}

		d = b.open("POP3 only, as a client access rule has it", "pop")
		switch {
		case b.draw.popRule == popOffice:
			b.passwordOnly(d)
			if b.draw.organisation != online {
				for _, p := range d.people {
					b.expect("password-only-from", p.subject()).Where = []string{headOffice}
				}
			}
		default:
			b.passwordOnly(d, "pop")
		}

		d = b.open("POP3 only, and blocked by a policy", "pop")
		b.legacyBlock("Block POP and all", over(d.group))
		b.none(d, "password-only", "a policy blocks them")
		b.none(d, "password-only-from", "a policy blocks them")
	},
	func(b *builder) { // roles
		protocols := b.somePhones()
		d := b.open("a role that the person lost", protocols...)
		b.hold(exchangeAdmin) // activated, with others in it
		b.legacyBlock("Block legacy of administrators", overRoles(exchangeAdmin))
		b.passwordOnly(d, protocols...)

		d = b.open("a role that the person has", protocols...)
		b.hold(exchangeAdmin, d.people...)
		b.none(d, "password-only", "the policy covers the role")

		d = b.open("a role that exempts", protocols...)
		b.hold(helpdesk, d.people...)
		b.legacyBlock("Block legacy but of the help desk", over(d.group), butRoles(helpdesk))
		b.passwordOnly(d, protocols...)
		b.by(d, b.last())
	},
	func(b *builder) {
		protocols := b.somePhones()
		d := b.open("disabled policy", protocols...)
		b.legacyBlock("Block legacy (old)", over(d.group), state(disabled))
		b.passwordOnly(d, protocols...)

		d = b.open("disabled policy, and all switches off")
		b.legacyBlock("Block legacy (old) 2", over(d.group), state(disabled))
		b.none(d, "password-only", "every mailbox switch is off")
	},
	func(b *builder) {
		protocols := b.somePhones()
		d := b.open("group of a deleted id", protocols...)
		gone := b.id()
		p := b.legacyBlock("Block legacy of a former group", over(&group{id: gone}))
		b.expect("deleted-reference", p.ID+"/"+gone)
		b.passwordOnly(d, protocols...)

		d = b.open("group of a deleted id, and the people themselves", protocols...)
		gone = b.id()
		p = b.legacyBlock("Block legacy of a former group and some people", over(&group{id: gone}), overUsers(ids(d.people)...))
		b.expect("deleted-reference", p.ID+"/"+gone)
		b.none(d, "password-only", "they are named themselves")
	},
	func(b *builder) { // countries may be chosen
		protocols := b.some()
		d := b.open("a country's exclusion", protocols...)
		b.legacyBlock("Block legacy from abroad", over(d.group), at([]string{"All"}, b.where(countries)))
		b.passwordOnly(d, protocols...)
		b.by(d, b.last())

		d = b.open("only some countries", protocols...)
		b.legacyBlock("Block legacy from somewhere", over(d.group), at(b.where(countries), nil))
		b.passwordOnly(d, protocols...)
		b.by(d, b.last())

		d = b.open("a country's exclusion, and that country by another", protocols...)
		b.legacyBlock("Block legacy from abroad 2", over(d.group), at([]string{"All"}, b.where(countries)))
		b.legacyBlock("Block legacy at home", over(d.group), at(b.where(countries), nil))
		b.none(d, "password-only", "the two policies cover every country")
		b.none(d, "password-only-from", "the two policies cover every country")
	},
	func(b *builder) { // only from a named place
		protocols := b.some()
		d := b.open("only from the offices", protocols...)
		b.legacyBlock("Block legacy in the offices", over(d.group), at([]string{"AllTrusted"}, nil))
		b.passwordOnly(d, protocols...)
		b.by(d, b.last())
	},
	func(b *builder) { // the organisation's switch for SMTP
		d := b.open("SMTP switch unset", "smtp")
		unset := null
		if b.draw.missing == "TransportConfig" {
			unset = no // what the organisation says is not known
		}
		for _, p := range d.people {
			p.cas.smtpOff = unset
		}
		if b.draw.smtpOff && unset == null {
			b.none(d, "password-only", "the organisation says off")
		} else {
			b.passwordOnly(d, "smtp")
		}

		d = b.open("SMTP switch set against the organisation", "smtp")
		for _, p := range d.people {
			p.cas.smtpOff = no
		}
		b.passwordOnly(d, "smtp")

		d = b.open("SMTP switched off by name")
		for _, p := range d.people {
			p.cas.smtpOff = yes
		}
		b.none(d, "password-only", "the mailbox says off")
	},
	func(b *builder) { // a thief has no risk
		protocols := b.some()
		d := b.open("only at risk", protocols...)
		b.legacyBlock("Block risky legacy", over(d.group), atRisk("high"))
		b.passwordOnly(d, protocols...)

		d = b.open("only at risk, and always by another", protocols...)
		b.legacyBlock("Block risky legacy 2", over(d.group), atRisk("high"))
		b.policy("Terms for legacy clients", clients(other, eas), controls("OR"), terms(b.id()), b.mailApps(), over(d.group))
		b.none(d, "password-only", "a legacy client cannot agree to terms of use")
	},
	func(b *builder) { // devices
		protocols := b.some()
		d := b.open("devices that are registered", protocols...)
		b.legacyBlock("Block legacy on managed devices", over(d.group), deviceRule("include", `device.isCompliant -eq True -or (device.model -in ["ThinkPad X1", "MacBook Pro"] -and device.trustType -eq "AzureAD")`))
		b.passwordOnly(d, protocols...)
		b.by(d, b.last())

		d = b.open("devices that are not ours are left out", protocols...)
		b.legacyBlock("Block legacy but on unknown devices", over(d.group), deviceRule("exclude", `device.trustType -ne "ServerAD"`))
		b.passwordOnly(d, protocols...)
		b.by(d, b.last())

		d = b.open("devices that are not ours", protocols...)
		b.legacyBlock("Block legacy on foreign devices", over(d.group), deviceRule("include", `device.trustType -ne "ServerAD"`))
		b.none(d, "password-only", "a negative rule holds for an unknown device")

		d = b.open("but for printers", protocols...)
		b.legacyBlock("Block legacy but of printers", over(d.group), deviceRule("exclude", `device.profileType -eq "Printer" -and device.displayName -startsWith "MFP-"`))
		b.none(d, "password-only", "an unknown device is no printer")
	},
	func(b *builder) {
		protocols := b.somePhones()
		d := b.open("session controls only", protocols...)
		b.policy("Legacy sessions", clients(eas, other), sessionOnly, over(d.group))
		b.passwordOnly(d, protocols...)

		d = b.open("session controls and MFA for every client", protocols...)
		b.policy("Sessions and MFA", sessionOnly, controls("OR", "mfa"), clients("all"), over(d.group))
		b.none(d, "password-only", "asked for MFA, a legacy client is blocked")
	},
	func(b *builder) {
		protocols := b.some()
		d := b.open("device code flow only", protocols...)
		b.policy("Block device code", clients("all"), block, deviceCode, over(d.group))
		b.passwordOnly(d, protocols...)

		d = b.open("guests only", protocols...)
		b.legacyBlock("Block legacy of guests", guestsOnly)
		b.passwordOnly(d, protocols...)

		d = b.open("modern clients only", protocols...)
		b.policy("Compliant devices", clients(browser, apps), controls("AND", "compliantDevice", "mfa"), b.mailApps(), over(d.group))
		b.passwordOnly(d, protocols...)

		d = b.open("compliant devices for every client", protocols...)
		b.policy("Compliant devices for all", clients("all"), controls("OR", "compliantDevice", "domainJoinedDevice"), b.mailApps(), over(d.group))
		b.none(d, "password-only", "a thief's device is not compliant")
	},
	func(b *builder) { // people excluded by name
		protocols := b.somePhones()
		d := b.open("excluded by name", protocols...)
		p := b.legacyBlock(`Block legacy <img src="//thief.example/x" onerror=alert(1)> but of some`, over(d.group), butUsers(ids(d.people)...))
		for _, x := range d.people {
			b.exemptLegacy(p, x.id, x)
		}
		b.passwordOnly(d, protocols...)
		b.by(d, p)

		d = b.open("excluded by name, account disabled", protocols...)
		for _, x := range d.people {
			x.enabled, x.registered = false, no
		}
		b.none(d, "password-only", "the account is disabled")
		b.none(d, "no-mfa", "the account is disabled")
		b.none(d, "unregistered", "the account is disabled")

		d = b.open("no mailbox", protocols...)
		for _, x := range d.people {
			x.mailbox, x.mail = false, ""
		}
		b.none(d, "password-only", "no mailbox")

		b.disguise = "guest"
		for range b.copies {
			g := b.guest()
			b.near("password-only", g.subject(), "a guest without a mailbox")
			b.near("no-mfa", g.subject(), "a guest without a mailbox")
		}
	},
}

// placeCases are mailboxes that a password opens from named places.
var placeCases = []pair{
	func(b *builder) {
		protocols := b.some()
		d := b.open("but from trusted places", protocols...)
		b.legacyBlock("Block legacy outside", over(d.group), at([]string{"All"}, []string{"AllTrusted"}))
		b.passwordOnlyFrom(d, []string{headOffice, datacentre}, protocols...)
		b.by(d, b.last())

		d = b.open("but from trusted places, and there by another", protocols...)
		b.legacyBlock("Block legacy outside 2", over(d.group), at([]string{"All"}, []string{"AllTrusted"}))
		b.legacyBlock("Block legacy inside", over(d.group), at([]string{"AllTrusted"}, nil))
		b.none(d, "password-only-from", "another policy blocks there")
	},
	func(b *builder) {
		protocols := b.some()
		d := b.open("but from the scanners", protocols...)
		b.legacyBlock("Block legacy but of scanners", over(d.group), at([]string{"All"}, b.where(scanners)))
		b.passwordOnlyFrom(d, []string{scanners}, protocols...)
		b.by(d, b.last())

		d = b.open("but from the scanners, covered by all", protocols...)
		b.legacyBlock("Block legacy but of scanners 2", over(d.group), at([]string{"All"}, b.where(scanners)))
		b.policy("MFA for each client everywhere", clients("all"), controls("OR", "mfa"), over(d.group))
		b.none(d, "password-only-from", "another policy blocks everywhere")
	},
	func(b *builder) {
		protocols := b.some()
		d := b.open("but from two places, one closed by another", protocols...)
		b.legacyBlock("Block legacy but from two", over(d.group), at([]string{"All"}, b.where(branch, headOffice)))
		b.legacyBlock("Block legacy at the branch", over(d.group), at(b.where(branch), nil))
		b.passwordOnlyFrom(d, []string{headOffice}, protocols...)

		d = b.open("but from two places, both closed by another", protocols...)
		b.legacyBlock("Block legacy but from two 2", over(d.group), at([]string{"All"}, b.where(branch, headOffice)))
		b.legacyBlock("Block legacy at the two", over(d.group), at(b.where(branch, headOffice), nil))
		b.none(d, "password-only-from", "another policy blocks there")

		d = b.open("but from two places, switches off")
		b.legacyBlock("Block legacy but from two 3", over(d.group), at([]string{"All"}, b.where(branch, datacentre)))
		b.none(d, "password-only-from", "every mailbox switch is off")
	},
	func(b *builder) {
		protocols := b.some()
		d := b.open("but from the trusted and the branch", protocols...)
		b.legacyBlock("Block legacy outside of what we know", over(d.group), at([]string{"All"}, append(b.where(branch), "AllTrusted")))
		b.passwordOnlyFrom(d, []string{headOffice, datacentre, branch}, protocols...)
		b.by(d, b.last())
	},
}
