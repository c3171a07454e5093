package tenants

import "strings"

// exclusionCases are exclusions that nobody used, and such as somebody did. All
// of these people are guarded by other policies.
var exclusionCases = []pair{
	func(b *builder) {
		d := b.watched("exclusion from a legacy block of one who uses browsers")
		p := b.legacyBlock("Legacy block but of one", over(d.group), butUsers(d.people[0].id))
		b.signIn(d.people[0], onBrowser)
		b.signIn(d.people[0])
		b.expect("unused-exclusion", p.ID+"/"+d.people[0].id)

		d = b.watched("exclusion from MFA of one who uses browsers")
		p = b.asksMFA("MFA but of one", over(d.group), butUsers(d.people[0].id))
		b.signIn(d.people[0], onBrowser)
		b.near("unused-exclusion", p.ID+"/"+d.people[0].id, "used")
	},
	func(b *builder) {
		d := b.watched("exclusion of a nested group that only fails")
		outer := b.nested(b.group("Former vendors", d.people...), 2)
		p := b.legacyBlock("Legacy block but of vendors", over(d.group), butGroup(outer.id))
		each(d, func(x *person) { b.signIn(x, by("IMAP4"), failing(pick(b, 50126, 53003))) })
		b.expect("unused-exclusion", p.ID+"/"+outer.id)

		d = b.watched("exclusion of a nested group of which one succeeded")
		outer = b.nested(b.group("Vendors", d.people...), 2)
		p = b.legacyBlock("Legacy block but of vendors 2", over(d.group), butGroup(outer.id))
		b.legacySuccess(d.people[len(d.people)-1], "POP3")
		b.near("unused-exclusion", p.ID+"/"+outer.id, "used by one of its members")
	},
	func(b *builder) {
		d := b.watched("exclusion used before the time that counts")
		p := b.asksMFA("MFA but for the project", over(d.group), butGroup(d.id))
		each(d, func(x *person) { b.signIn(x, onBrowser, b.longAgo()) })
		b.expect("unused-exclusion", p.ID+"/"+d.id)

		d = b.watched("exclusion used quietly")
		p = b.asksMFA("MFA but for the project 2", over(d.group), butGroup(d.id))
		b.signIn(d.people[0], quietly)
		b.near("unused-exclusion", p.ID+"/"+d.id, "used, not interactively")
	},
	func(b *builder) {
		d := b.watched("exclusion used for another resource")
		p := b.policy("MFA for Exchange but of some", clients(browser, apps), controls("OR", "mfa"), target(exchangeApp), over(d.group), butGroup(d.id))
		each(d, func(x *person) { b.signIn(x, onBrowser, from(sharePoint), to(sharePoint)) })
		b.expect("unused-exclusion", p.ID+"/"+d.id)

		d = b.watched("exclusion of an empty group")
		empty := b.group("Nobody")
		p = b.asksMFA("MFA, report-only, but of nobody", over(d.group), butGroup(empty.id), state(reportOnly))
		b.expect("unused-exclusion", p.ID+"/"+empty.id)
		b.near("report-only", p.ID, "everybody whom it covers is guarded")

		d = b.watched("exclusion from a disabled policy")
		p = b.asksMFA("MFA, disabled", over(d.group), butUsers(d.people[0].id), state(disabled))
		b.near("unused-exclusion", p.ID+"/"+d.people[0].id, "the policy is disabled")
	},
}

// reportCases are policies mistaken for on.
var reportCases = []pair{
	func(b *builder) {
		d := b.bare("MFA, report-only")
		p := b.asksMFA("MFA for all (enforced)", over(d.group), state(reportOnly))
		b.all(d, "no-mfa")
		b.expect("report-only", p.ID)

		d = b.bare("MFA, report-only, and on")
		p = b.asksMFA("MFA, to be", over(d.group), state(reportOnly))
		b.asksMFA("MFA, as it is", over(b.nested(d.group, 1)))
		b.none(d, "no-mfa", "an enabled policy asks")
		b.near("report-only", p.ID, "an enabled policy does the same")
	},
	func(b *builder) {
		d := b.bare("strength, report-only")
		p := b.policy("Keys for everybody", clients("all"), byStrength(b.strong("Phishing-resistant MFA")), over(d.group), state(reportOnly))
		b.all(d, "no-mfa")
		b.expect("report-only", p.ID)

		d = b.bare("session controls, report-only")
		p = b.policy("Sessions, to be", clients(browser, apps), sessionOnly, over(d.group), state(reportOnly))
		b.all(d, "no-mfa")
		b.near("report-only", p.ID, "session controls protect nobody")
	},
	func(b *builder) {
		d := b.bare("devices, report-only")
		p := b.policy("Our devices, to be", clients(browser, apps), controls("OR", "compliantDevice", "domainJoinedDevice"), b.mailApps(), over(d.group), state(reportOnly))
		b.all(d, "no-mfa")
		b.expect("report-only", p.ID)

		d = b.watched("block, report-only, of the guarded")
		p = b.legacyBlock("Legacy block, to be", over(d.group), state(reportOnly))
		b.near("report-only", p.ID, "everybody whom it covers is guarded")
	},
	func(b *builder) {
		protocols := b.some()
		d := b.open("block of everything, report-only", protocols...)
		p := b.policy("Block, to be", clients("all"), block, over(b.nested(d.group, 2)), state(reportOnly))
		if b.passwordOnly(d, protocols...) {
			b.expect("report-only", p.ID)
		}
	},
}

// deletedStrength is a disguise that only an export of strengths tells.
const deletedStrength = "deleted strength"

// referenceCases are policies that name what is gone. Whom else they name is
// guarded by others.
var referenceCases = []pair{
	func(b *builder) {
		d := b.watched("deleted user among the included")
		gone := b.id()
		p := b.asksMFA("MFA for two", overUsers(gone), over(d.group))
		b.expect("deleted-reference", p.ID+"/"+gone)

		d = b.watched("deleted ids in a disabled policy")
		gone, also := b.id(), b.id()
		p = b.asksMFA("MFA for two (old)", overUsers(gone), butGroup(also), over(d.group), state(disabled))
		b.near("deleted-reference", p.ID+"/"+gone, "the policy is disabled")
		b.near("deleted-reference", p.ID+"/"+also, "the policy is disabled")
		b.near("unused-exclusion", p.ID+"/"+also, "the policy is disabled")
	},
	func(b *builder) {
		d := b.watched("deleted group, report-only")
		gone := b.id()
		p := b.legacyBlock("Legacy block of two groups", over(d.group, &group{id: gone}), state(reportOnly))
		b.expect("deleted-reference", p.ID+"/"+gone)
		b.near("report-only", p.ID, "everybody whom it covers is guarded")

		b.disguise = "ids in capitals"
		d = b.watched(b.disguise)
		p = b.legacyBlock("Legacy block of one group", over(&group{id: strings.ToUpper(d.id)}))
		b.near("deleted-reference", p.ID+"/"+d.id, "an id is the same in capitals")
		b.near("deleted-reference", p.ID+"/"+strings.ToUpper(d.id), "an id is the same in capitals")
	},
	func(b *builder) {
		d := b.watched("deleted place")
		gone := b.id()
		p := b.asksMFA("MFA outside of a former branch", over(d.group), at([]string{"All"}, []string{gone, "AllTrusted"}))
		b.expect("deleted-reference", p.ID+"/"+gone)

		d = b.watched("deleted place, included")
		gone = b.id()
		p = b.legacyBlock("Legacy block in a former branch", over(d.group), at([]string{gone}, nil))
		b.expect("deleted-reference", p.ID+"/"+gone)

		d = b.watched("special words, roles, applications")
		p = b.policy("All kinds of words", clients("all"), controls("OR", "mfa"), target(b.id(), b.id()), butApps("Office365"), over(d.group), overRoles(reportsReader),
			at([]string{"All"}, []string{"AllTrusted"}))
		for _, word := range []string{reportsReader, "AllTrusted", "Office365"} {
			b.near("deleted-reference", p.ID+"/"+word, "no object at all")
		}
	},
	func(b *builder) {
		d := b.watched(deletedStrength)
		gone := b.strength(b.id(), "Former strength", "custom", "mfa", "fido2", "password,softwareOath")
		p := b.policy("A strength that is gone", clients(browser, apps), byStrength(gone), b.mailApps(), over(d.group))
		b.expect("deleted-reference", p.ID+"/"+gone.ID)

		d = b.watched("built-in strength")
		p = b.policy("A strength of the house", clients(browser, apps), byStrength(b.strong("Passwordless MFA")), b.mailApps(), over(d.group))
		b.near("deleted-reference", p.ID+"/"+b.strong("Passwordless MFA").ID, "it is built in")
	},
}
