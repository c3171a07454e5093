package tenants

// bare makes a department that the guarding policies do not ask for MFA, and
// whose legacy clients they block.
func (b *builder) bare(disguise string) *dept {
	b.disguise = disguise
	return b.staff(disguise).forLegacy()
}

// mfaCases are people whose password alone opens the browser or a modern program.
var mfaCases = []pair{
	func(b *builder) {
		d := b.bare("excluded through nested groups")
		outer := b.nested(b.group("Break glass", d.people...), 3)
		p := b.asksMFA("MFA but for some", over(d.group), butGroup(outer.id))
		b.exemptModern(p, outer.id, d.people[0])
		b.all(d, "no-mfa")
		b.by(d, p)

		d = b.bare("excluded through nested groups, and covered again")
		inner := b.group("Break glass", d.people...)
		outer = b.nested(inner, 3)
		p = b.asksMFA("MFA but for some 2", over(d.group), butGroup(outer.id))
		b.exemptModern(p, outer.id, d.people[0])
		b.policy("Keys for those", clients("all"), byStrength(b.strong("Phishing-resistant MFA")), b.mailApps(), over(inner))
		b.none(d, "no-mfa", "a second policy covers them")
	},
	func(b *builder) {
		d := b.bare("browsers only")
		b.policy("MFA in browsers", clients(browser), controls("OR", "mfa"), b.mailApps(), over(d.group))
		b.all(d, "no-mfa")

		d = b.bare("browsers and programs apart")
		b.policy("MFA in browsers 2", clients(browser), controls("OR", "mfa"), b.mailApps(), over(d.group))
		b.policy("MFA in programs", clients(apps), controls("OR", "mfa"), b.mailApps(), over(d.group))
		b.none(d, "no-mfa", "each is covered by one policy")
	},
	func(b *builder) {
		d := b.bare("all platforms but one")
		b.asksMFA("MFA but on macOS", over(d.group), on([]string{"all"}, []string{"macOS"}))
		b.all(d, "no-mfa")
		b.by(d, b.last())

		d = b.bare("each platform by name")
		b.asksMFA("MFA on what we know", over(d.group), on([]string{"android", "iOS", "windows", "windowsPhone", "macOS", "linux"}, nil))
		b.all(d, "no-mfa")
		b.by(d, b.last())

		d = b.bare("each platform by name, the unknown ones blocked")
		six := []string{"android", "iOS", "windows", "windowsPhone", "macOS", "linux"}
		b.asksMFA("MFA on what we know 2", over(d.group), on(six, nil))
		b.policy("Block unknown platforms", clients("all"), block, over(d.group), on([]string{"all"}, six))
		b.none(d, "no-mfa", "the second policy covers unknown platforms")
	},
	func(b *builder) {
		d := b.bare("MFA or terms of use")
		b.asksMFA("MFA or terms", over(d.group), controls("OR", "mfa"), terms(b.id()))
		b.all(d, "no-mfa")
		b.by(d, b.last())

		d = b.bare("terms of use only")
		b.asksMFA("Terms", over(d.group), controls("OR"), terms(b.id()))
		b.all(d, "no-mfa")
		b.by(d, b.last())

		d = b.bare("MFA and terms of use")
		b.asksMFA("MFA and terms", over(d.group), controls("AND", "mfa"), terms(b.id()))
		b.none(d, "no-mfa", "both are asked for")

		d = b.bare("MFA or a compliant device")
		b.asksMFA("MFA or device", over(d.group), controls("OR", "mfa", "compliantDevice", "domainJoinedDevice"))
		b.none(d, "no-mfa", "each of the controls protects")
	},
	func(b *builder) {
		d := b.bare("session controls only")
		b.policy("Short sessions", clients(browser, apps), sessionOnly, over(d.group))
		b.all(d, "no-mfa")

		d = b.bare("session controls and a compliant device")
		b.policy("Short sessions on our devices", sessionOnly, controls("OR", "compliantDevice"), clients(browser, apps), over(d.group))
		b.none(d, "no-mfa", "a thief's device is not compliant")
	},
	func(b *builder) {
		d := b.bare("at risk only")
		b.asksMFA("MFA at risk", over(d.group), atRisk("high", "medium", "low"))
		b.all(d, "no-mfa")

		d = b.bare("users at risk only")
		b.asksMFA("MFA of risky users", over(d.group), func(p *policy) { p.Conditions.UserRiskLevels = []string{"high"} })
		b.all(d, "no-mfa")

		d = b.bare("at risk, and always in another place")
		b.asksMFA("MFA at risk 2", over(d.group), atRisk("high", "medium", "low"))
		b.policy("Domain devices", clients(browser, apps), controls("OR", "domainJoinedDevice"), b.mailApps(), over(d.group))
		b.none(d, "no-mfa", "a thief's device is in no domain")
	},
	func(b *builder) {
		d := b.bare("strength with a password alone")
		b.policy("Strength of a kind", clients(browser, apps), byStrength(b.strong("Codes, or whatever the printer can")), b.mailApps(), over(d.group))
		b.all(d, "no-mfa")
		b.by(d, b.last())

		d = b.bare("strength of two factors")
		b.policy("Strength of a better kind", clients(browser, apps), byStrength(b.strong("Keys or codes")), b.mailApps(), over(d.group))
		b.none(d, "no-mfa", "no combination is of one factor")
	},
	func(b *builder) {
		d := b.bare("compliant devices asked for more")
		b.asksMFA("MFA on managed devices", over(d.group), deviceRule("include", `device.isCompliant -eq True`))
		b.all(d, "no-mfa")
		b.by(d, b.last())

		d = b.bare("all devices but such as are not personal")
		b.asksMFA("MFA but on what is not personal", over(d.group), deviceRule("exclude", `device.deviceOwnership -ne "Personal"`))
		b.all(d, "no-mfa")
		b.by(d, b.last())

		d = b.bare("all devices but managed ones")
		b.asksMFA("MFA but on managed devices", over(d.group), deviceRule("exclude", `(device.isCompliant -eq True) -or device.trustType -eq "ServerAD"`))
		b.none(d, "no-mfa", "an unknown device is not managed")

		d = b.bare("devices that are not compliant")
		b.asksMFA("MFA on devices that are not compliant", over(d.group), deviceRule("include", `device.isCompliant -ne True`))
		b.none(d, "no-mfa", "a negative rule holds for an unknown device")
	},
	func(b *builder) {
		d := b.bare("SharePoint only")
		b.policy("MFA for SharePoint", clients(browser, apps), controls("OR", "mfa"), target(sharePointApp), over(d.group))
		b.all(d, "no-mfa")

		d = b.bare("all but Exchange")
		b.policy("MFA but for Exchange", clients(browser, apps), controls("OR", "mfa"), butApps(exchangeApp), over(d.group))
		b.all(d, "no-mfa")

		d = b.bare("all but SharePoint")
		b.policy("MFA but for SharePoint", clients(browser, apps), controls("OR", "mfa"), butApps(sharePointApp), over(d.group))
		b.none(d, "no-mfa", "Exchange is covered")
	},
	func(b *builder) {
		d := b.bare("home country left out")
		b.asksMFA("MFA abroad", over(d.group), at([]string{"All"}, b.where(countries)))
		b.all(d, "no-mfa")
		b.by(d, b.last())

		d = b.bare("one place only")
		b.asksMFA("MFA in the branch", over(d.group), at(b.where(branch), nil))
		b.all(d, "no-mfa")
		b.by(d, b.last())

		d = b.bare("trusted places left out")
		b.asksMFA("MFA outside", over(d.group), at([]string{"All"}, []string{"AllTrusted"}))
		b.none(d, "no-mfa", "only trusted places are left out")

		d = b.bare("home country blocked, abroad asked")
		b.asksMFA("MFA abroad 2", over(d.group), at([]string{"All"}, b.where(countries)))
		b.policy("Block at home", clients("all"), block, over(d.group), at(b.where(countries), nil))
		b.none(d, "no-mfa", "the two policies cover every country")
	},
	func(b *builder) {
		d := b.bare("a role that the person lost")
		b.asksMFA("MFA for user administrators", overRoles(userAdmin))
		b.all(d, "no-mfa")

		d = b.bare("a role that the person has")
		b.hold(userAdmin, d.people...)
		b.none(d, "no-mfa", "the policy covers the role")
	},
	func(b *builder) {
		d := b.bare("device code flow only")
		b.asksMFA("MFA of device codes", over(d.group), deviceCode)
		b.all(d, "no-mfa")

		d = b.bare("registration only")
		b.policy("MFA to register", registering, controls("OR", "mfa"), over(d.group))
		b.all(d, "no-mfa")

		d = b.bare("disabled policy")
		b.asksMFA("MFA (old)", over(d.group), state(disabled))
		b.all(d, "no-mfa")

		d = b.bare("disabled policy, all clients blocked by another")
		b.asksMFA("MFA (old) 2", over(d.group), state(disabled))
		b.policy("No Exchange at all", clients("all"), block, target(exchangeApp), over(d.group))
		b.none(d, "no-mfa", "blocked")
	},
	func(b *builder) {
		d := b.bare("service account without a mailbox")
		for _, p := range d.people {
			p.mailbox, p.mail = false, ""
		}
		b.all(d, "no-mfa")

		d = b.bare("account disabled")
		for _, p := range d.people {
			p.enabled, p.registered = false, null
		}
		b.none(d, "no-mfa", "the account is disabled")
	},
}

// registrationCases are people asked for a second factor they never registered.
var registrationCases = []pair{
	func(b *builder) {
		d := b.asked("never registered")
		b.all(d, "unregistered")

		b.disguise = "registered"
		d = b.staff(b.disguise).guarded()
		b.none(d, "unregistered", "registered")
	},
	func(b *builder) {
		d := b.asked("registering limited by a disabled policy")
		b.policy("Registering (old)", registering, block, over(d.group), state(disabled))
		b.all(d, "unregistered")

		d = b.asked("registering blocked outside")
		b.policy("Registering only inside", registering, block, over(d.group), at([]string{"All"}, []string{"AllTrusted"}))
		b.none(d, "unregistered", "registering is blocked from anywhere else")
	},
	func(b *builder) {
		d := b.asked("registering blocked from abroad")
		b.policy("Registering only at home", registering, block, over(d.group), at([]string{"All"}, b.where(countries)))
		b.all(d, "unregistered")

		d = b.asked("registering blocked from abroad and at home")
		b.policy("Registering only at home 2", registering, block, over(d.group), at([]string{"All"}, b.where(countries)))
		b.policy("Registering at home needs MFA", registering, controls("OR", "mfa"), over(d.group), at(b.where(countries), nil))
		b.none(d, "unregistered", "the two policies cover every country")
	},
	func(b *builder) {
		d := b.asked("registering limited on phones")
		b.policy("Registering on phones", registering, controls("OR", "mfa"), over(d.group), on([]string{"android", "iOS"}, nil))
		b.all(d, "unregistered")

		d = b.asked("registering needs MFA")
		b.policy("Registering needs MFA", registering, controls("OR", "mfa"), over(d.group))
		b.none(d, "unregistered", "such a policy covers them")
	},
	func(b *builder) {
		d := b.asked("registering needs terms of use")
		b.policy("Registering needs terms", registering, controls("OR"), terms(b.id()), over(d.group))
		b.all(d, "unregistered")

		b.disguise = "never registered, and not asked"
		d = b.staff(b.disguise).forLegacy()
		for _, p := range d.people {
			p.registered = no
		}
		b.policy("Our devices only", clients(browser, apps), controls("OR", "compliantDevice"), b.mailApps(), over(d.group))
		b.none(d, "unregistered", "no policy asks for MFA")
	},
	func(b *builder) {
		b.disguise = "never registered, asked by a strength of its own"
		d := b.staff(b.disguise).forLegacy()
		for _, p := range d.people {
			p.registered = no
		}
		b.policy("Strength for newcomers", clients(browser, apps), byStrength(b.strong("Multifactor authentication")), b.mailApps(), over(d.group))
		b.all(d, "unregistered")
	},
}

// asked makes people whom the guarding policies ask for MFA, and who never
// registered any.
func (b *builder) asked(disguise string) *dept {
	b.disguise = disguise
	d := b.staff(disguise).guarded()
	for _, p := range d.people {
		p.registered = no
	}
	return d
}
