package tenants

// jointCases are policies that each leave a way around them: together they are a
// hole only where the ways meet.
var jointCases = []pair{
	func(b *builder) {
		d := b.bare("one policy spares a platform, another a country")
		b.asksMFA("MFA but on Linux", over(d.group), on([]string{"all"}, []string{"linux"}))
		b.asksMFA("MFA but at home", over(d.group), at([]string{"All"}, b.where(countries)))
		b.all(d, "no-mfa")

		d = b.bare("two policies spare two platforms")
		b.asksMFA("MFA but on Linux 2", over(d.group), on([]string{"all"}, []string{"linux"}))
		b.asksMFA("MFA but on Windows", over(d.group), on([]string{"all"}, []string{"windows", "android"}))
		b.none(d, "no-mfa", "what one spares the other covers")

		d = b.bare("one policy spares a platform, another a country, a third closes where they meet")
		b.asksMFA("MFA but on Linux 3", over(d.group), on([]string{"all"}, []string{"linux"}))
		b.asksMFA("MFA but at home 2", over(d.group), at([]string{"All"}, b.where(countries)))
		b.policy("Block Linux at home", clients("all"), block, over(d.group), on([]string{"linux"}, nil), at(b.where(countries), nil))
		b.none(d, "no-mfa", "a third policy covers where the two ways meet")
	},
	func(b *builder) {
		d := b.bare("browsers everywhere, programs but on one platform")
		b.policy("MFA in browsers 3", clients(browser), controls("OR", "mfa"), b.mailApps(), over(d.group))
		b.policy("MFA in programs but on iOS", clients(apps), controls("OR", "mfa"), b.mailApps(), over(d.group), on([]string{"all"}, []string{"iOS"}))
		b.all(d, "no-mfa")

		d = b.bare("browsers everywhere, programs by two policies")
		b.policy("MFA in browsers 4", clients(browser), controls("OR", "mfa"), b.mailApps(), over(d.group))
		b.policy("MFA in programs but on iOS 2", clients(apps), controls("OR", "mfa"), b.mailApps(), over(d.group), on([]string{"all"}, []string{"iOS"}))
		b.policy("Managed apps on iOS", clients(apps), controls("OR", "compliantApplication", "mfa"), b.mailApps(), over(d.group), on([]string{"iOS"}, nil))
		b.none(d, "no-mfa", "what one spares the other covers")
	},
	func(b *builder) { // the same over legacy clients
		protocols := b.some()
		d := b.open("legacy: one policy spares a platform, another a country", protocols...)
		b.legacyBlock("Legacy block but on iOS", over(d.group), on([]string{"all"}, []string{"iOS"}))
		b.legacyBlock("Legacy block but at home", over(d.group), at([]string{"All"}, b.where(countries)))
		b.passwordOnly(d, protocols...)

		d = b.open("legacy: three policies, no way in common", protocols...)
		b.legacyBlock("Legacy block but on iOS 2", over(d.group), on([]string{"all"}, []string{"iOS"}))
		b.legacyBlock("Legacy block but at home 2", over(d.group), at([]string{"All"}, b.where(countries)))
		b.legacyBlock("Legacy block on iOS or Android", over(d.group), on([]string{"android", "iOS"}, nil))
		b.none(d, "password-only", "no platform is spared by all")
		b.none(d, "password-only-from", "no platform is spared by all")
	},
	func(b *builder) {
		protocols := b.some()
		d := b.open("two policies, one place in common", protocols...)
		b.legacyBlock("Legacy block but from trusted places", over(d.group), at([]string{"All"}, []string{"AllTrusted"}))
		b.legacyBlock("Legacy block but from two places", over(d.group), at([]string{"All"}, b.where(datacentre, branch)))
		b.passwordOnlyFrom(d, []string{datacentre}, protocols...)

		d = b.open("two policies, no place in common", protocols...)
		b.legacyBlock("Legacy block but from the office", over(d.group), at([]string{"All"}, b.where(headOffice)))
		b.legacyBlock("Legacy block but from the branch", over(d.group), at([]string{"All"}, b.where(branch, scanners)))
		b.none(d, "password-only-from", "each place is covered by one of them")
	},
	func(b *builder) {
		protocols := b.some()
		d := b.open("from a place, on a platform", protocols...)
		b.legacyBlock("Legacy block outside of the branch", over(d.group), at([]string{"All"}, b.where(branch)))
		b.legacyBlock("Legacy block in the branch, on desktops", over(d.group), at(b.where(branch), nil), on([]string{"windows", "macOS", "linux"}, nil))
		b.passwordOnlyFrom(d, []string{branch}, protocols...)

		d = b.open("from a place, on every platform", protocols...)
		b.legacyBlock("Legacy block outside of the branch 2", over(d.group), at([]string{"All"}, b.where(branch)))
		b.legacyBlock("Legacy block in the branch", over(d.group), at(b.where(branch), nil), on([]string{"all"}, nil))
		b.none(d, "password-only-from", "the branch is covered too")
	},
	func(b *builder) { // registering
		d := b.asked("registering limited in two ways that meet")
		b.policy("Registering but on Windows", registering, block, over(d.group), on([]string{"all"}, []string{"windows"}))
		b.policy("Registering but at home", registering, controls("OR", "mfa"), over(d.group), at([]string{"All"}, b.where(countries)))
		b.all(d, "unregistered")

		d = b.asked("registering limited in two ways that do not meet")
		b.policy("Registering but on Windows 2", registering, block, over(d.group), on([]string{"all"}, []string{"windows"}))
		b.policy("Registering on Windows", registering, controls("OR", "mfa"), over(d.group), on([]string{"windows"}, nil))
		b.none(d, "unregistered", "what one spares the other covers")

		d = b.asked("registering limited in the offices")
		b.policy("Registering not in the offices", registering, block, over(d.group), at([]string{"AllTrusted"}, nil))
		b.all(d, "unregistered")
	},
}

// oddCases are objects that are not what they seem.
var oddCases = []pair{
	func(b *builder) {
		protocols := b.somePhones()
		d := b.open("policy in the recycle bin", protocols...)
		b.legacyBlock("Block legacy, deleted", over(d.group), func(p *policy) {
			when := b.end.AddDate(0, 0, -3).Format("2006-01-02T15:04:05Z")
			p.DeletedDateTime = &when
		})
		b.passwordOnly(d, protocols...)

		d = b.open("authentication context", protocols...)
		b.policy("Block of a context", clients("all"), block, over(d.group), func(p *policy) {
			p.Conditions.Applications.Include, p.Conditions.Applications.Contexts = []string{}, []string{"c1", "c37"}
		})
		b.passwordOnly(d, protocols...)

		d = b.open("guests by the special word", protocols...)
		b.legacyBlock("Block legacy of guests 2", overUsers("GuestsOrExternalUsers"))
		b.passwordOnly(d, protocols...)

		d = b.open("workload identities", protocols...)
		b.policy("Block service principals", block, overUsers("None"), func(p *policy) {
			p.Conditions.ClientApplications = map[string]any{"includeServicePrincipals": []string{"ServicePrincipalsInMyTenant"}, "excludeServicePrincipals": []string{}, "servicePrincipalFilter": nil}
		})
		b.passwordOnly(d, protocols...)
	},
	func(b *builder) { // exclude beats include
		protocols := b.somePhones()
		d := b.open("included by name, excluded by role", protocols...)
		b.hold(authAdmin, d.people...)
		b.legacyBlock("Block legacy of some but administrators", overUsers(ids(d.people)...), butRoles(authAdmin))
		b.passwordOnly(d, protocols...)

		d = b.open("included by name, another group excluded", protocols...)
		others := b.group("Others")
		p := b.legacyBlock("Block legacy of some but others", overUsers(ids(d.people)...), butGroup(others.id))
		b.expect("unused-exclusion", p.ID+"/"+others.id)
		b.none(d, "password-only", "they are in no excluded group")
	},
	func(b *builder) { // addresses that cross
		b.disguise = "an address that is another's user name"
		d := b.staff(b.disguise).forMFA()
		b.leave(d, "imap", "smtp")
		b.passwordOnly(d, "imap", "smtp")
		guarded := b.staff("Crossed").guarded()
		for i, p := range d.people {
			q := guarded.people[i]
			b.leave(&dept{group: &group{people: []*person{q}}})
			p.mail, q.mail = q.upn, p.upn
			b.near("password-only", q.subject(), "every switch of their own mailbox is off")
		}
	},
	func(b *builder) { // exclusions and what they would have met
		d := b.watched("exclusion of somebody who was never included")
		elsewhere := b.watched("not those")
		p := b.asksMFA("MFA of others", over(elsewhere.group), butUsers(d.people[0].id))
		b.signIn(d.people[0], onBrowser)
		b.disguise = "exclusion of somebody who was never included"
		b.expect("unused-exclusion", p.ID+"/"+d.people[0].id)

		d = b.watched("exclusion from ActiveSync of one who uses IMAP")
		p = b.policy("Block ActiveSync but of one", clients(eas), block, target(exchangeApp), over(d.group), butUsers(d.people[0].id))
		b.legacySuccess(d.people[0], "IMAP4")
		b.expect("unused-exclusion", p.ID+"/"+d.people[0].id)

		d = b.watched("exclusion from ActiveSync of one who uses it")
		p = b.policy("Block ActiveSync but of one 2", clients(eas), block, target(exchangeApp), over(d.group), butUsers(d.people[0].id))
		b.legacySuccess(d.people[0], "Exchange ActiveSync")
		b.near("unused-exclusion", p.ID+"/"+d.people[0].id, "used")
	},
	func(b *builder) {
		outside := []string{"All"}
		d := b.watched("exclusion outside, of one who is always inside")
		p := b.asksMFA("MFA outside but of one", over(d.group), butUsers(d.people[0].id), at(outside, []string{"AllTrusted"}))
		b.signIn(d.people[0], onBrowser, cameFrom("192.0.2.77", "DE"))
		b.signIn(d.people[0], cameFrom("2001:db8:a0:7::1", "DE"))
		b.expect("unused-exclusion", p.ID+"/"+d.people[0].id)

		d = b.watched("exclusion outside, of one who was outside once")
		p = b.asksMFA("MFA outside but of one 2", over(d.group), butUsers(d.people[0].id), at(outside, []string{"AllTrusted"}))
		b.signIn(d.people[0], onBrowser, cameFrom("192.0.2.77", "DE"))
		b.signIn(d.people[0], onBrowser, cameFrom("192.0.2.200", "DE"))
		b.near("unused-exclusion", p.ID+"/"+d.people[0].id, "used from the branch, which is not trusted")

		d = b.watched("exclusion abroad, of one who is always at home")
		p = b.asksMFA("MFA abroad but of one", over(d.group), butUsers(d.people[0].id), at(outside, b.where(countries)))
		b.signIn(d.people[0], onBrowser, cameFrom("203.0.113.150", "PT"))
		b.expect("unused-exclusion", p.ID+"/"+d.people[0].id)

		d = b.watched("exclusion abroad, of one who was abroad once")
		p = b.asksMFA("MFA abroad but of one 2", over(d.group), butUsers(d.people[0].id), at(outside, b.where(countries)))
		b.signIn(d.people[0], onBrowser, cameFrom("203.0.113.150", "BR"))
		b.near("unused-exclusion", p.ID+"/"+d.people[0].id, "used from Brazil")
	},
	func(b *builder) {
		phones := []string{"iOS", "android"}
		d := b.watched("exclusion on phones, of one without")
		p := b.asksMFA("MFA on phones but of one", over(d.group), butUsers(d.people[0].id), on(phones, nil))
		b.signIn(d.people[0], onBrowser)
		b.expect("unused-exclusion", p.ID+"/"+d.people[0].id)

		d = b.watched("exclusion on phones, of one who has one")
		p = b.asksMFA("MFA on phones but of one 2", over(d.group), butUsers(d.people[0].id), on(phones, nil))
		b.signIn(d.people[0], from(outlookApp), func(e *event) { e.os, e.agent = "Ios 18.6", "Outlook-iOS/2.0" })
		b.near("unused-exclusion", p.ID+"/"+d.people[0].id, "used on a phone")
	},
	func(b *builder) { // a resource by its id
		each(b.watched("one factor, the resource in another language"), func(p *person) { b.oneFactor(p, to(service{exchangeApp, "Office 365 : Échange en ligne"})) })
		each(b.watched("two factors, a resource of a like name"), func(p *person) {
			b.signIn(p, once, from(service{b.id(), "Exchange rates"}), to(service{b.id(), "Exchange rates"}))
			b.near("passed-without-mfa", p.subject(), "the resource is another")
		})
	},
	func(b *builder) { // spelling of authentication policies
		d := b.open("authentication policy in capitals", "imap", "smtp")
		b.authPolicyFor("Lax As Can Be", everyProtocol...)
		assign(d, "LAX AS CAN BE")
		b.passwordOnly(d, "imap", "smtp")

		if b.draw.organisation != ours && b.draw.organisation != hybrid {
			d = b.open("strict authentication policy in capitals", everyProtocol...)
			b.authPolicyFor("Strict As Can Be")
			assign(d, "STRICT AS CAN BE")
			b.none(d, "password-only", "the policy blocks every protocol")
		}
	},
	func(b *builder) {
		d := b.asked("asked outside of trusted places, never registered")
		d.mfa = false
		b.asksMFA("MFA outside for newcomers", over(d.group), at([]string{"All"}, []string{"AllTrusted"}))
		b.all(d, "unregistered")

		d = b.bare("MFA or an approved application")
		b.asksMFA("MFA or apps", over(d.group), controls("OR", "mfa", "approvedApplication", "compliantApplication"))
		b.none(d, "no-mfa", "each of the controls protects")

		d = b.bare("a device or terms of use")
		b.asksMFA("Device or terms", over(d.group), controls("OR", "compliantDevice"), terms(b.id()))
		b.all(d, "no-mfa")
	},
}

// cameFrom sets a sign-in's address and its country.
func cameFrom(address, country string) func(*event) {
	return func(e *event) { e.address, e.city, e.country = address, "Somewhere", country }
}
