package tenants

// device is a phone's row of Get-MobileDevice.
type device struct {
	owner                        *person
	client, state, reason        string
	kind, model, id, os, program string
}

func (b *builder) phone(p *person, client, state string) {
	d := &device{owner: p, client: client, state: state, reason: "Global", kind: "iPhone", model: "iPhone15C2", id: b.deviceID(), os: "iOS 18.6 22G86", program: "Apple-iPhone15C2/2207.86"}
	switch {
	case client != "EAS":
		d.kind, d.model, d.program = "Outlook", "Outlook for iOS and Android", "Outlook-iOS/2.0"
	case b.chance(0.4):
		d.kind, d.model, d.os, d.program = "SamsungDevice", "SM-S921B", "Android 15", "Android-SAMSUNG-SM-S921B/101.15"
	}
	b.devices = append(b.devices, d)
}

func (b *builder) deviceID() string {
	const digits = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	text := make([]byte, 26)
	for i := range text {
		text[i] = digits[b.r.IntN(len(digits))]
	}
	return string(text)
}

// phones makes people with ActiveSync switched on.
func (b *builder) phones(disguise string) *dept {
	d := b.watched(disguise)
	each(d, func(p *person) { p.cas.eas = yes })
	return d
}

// phoneCases are phones that lose mail if ActiveSync is switched off.
var phoneCases = []pair{
	func(b *builder) {
		each(b.phones("Apple Mail by its id"), func(p *person) {
			b.phone(p, "EAS", "Allowed")
			b.signIn(p, from(service{appleMail.id, pick(b, "iOS Accounts", appleMail.name)}), agent("Apple-iPhone15C2/2207.86"))
			b.expect("activesync-phone", p.subject())
		})
		each(b.phones("Apple Mail, switched off already"), func(p *person) {
			p.cas.eas = no
			b.phone(p, "EAS", "Allowed")
			b.signIn(p, from(appleMail))
			b.near("activesync-phone", p.subject(), "ActiveSyncEnabled is false already")
		})
	},
	func(b *builder) {
		each(b.phones("Samsung Email by its name"), func(p *person) {
			b.phone(p, "EAS", "Allowed")
			b.signIn(p, from(samsung), agent("Android-Mail/2024.1"), quietlyAt(b))
			b.expect("activesync-phone", p.subject())
		})
		each(b.phones("Samsung Email, device blocked"), func(p *person) {
			b.phone(p, "EAS", pick(b, "Blocked", "Quarantined"))
			b.signIn(p, from(samsung))
			b.near("activesync-phone", p.subject(), "the device is blocked")
		})
	},
	func(b *builder) {
		each(b.phones("Apple Mail by its name, several devices"), func(p *person) {
			b.phone(p, "REST", "Allowed")
			b.phone(p, "EAS", "Blocked")
			b.phone(p, "EAS", "Allowed")
			b.signIn(p, from(service{b.id(), appleMail.name}))
			b.signIn(p, from(outlookApp))
			b.expect("activesync-phone", p.subject())
		})
		each(b.phones("Outlook on phones"), func(p *person) {
			b.phone(p, pick(b, "REST", "Outlook"), "Allowed")
			b.signIn(p, from(outlookApp))
			b.near("activesync-phone", p.subject(), "Outlook does not use ActiveSync")
		})
		each(b.phones("Apple Mail, device gone"), func(p *person) {
			b.signIn(p, from(appleMail))
			b.near("activesync-phone", p.subject(), "no device")
		})
		each(b.phones("ActiveSync with a password"), func(p *person) {
			b.phone(p, "EAS", "Allowed")
			b.legacySuccess(p, "Exchange ActiveSync")
			b.near("activesync-phone", p.subject(), "a password, not a token")
		})
		each(b.phones("Apple Mail, refused"), func(p *person) {
			b.phone(p, "EAS", "Allowed")
			b.signIn(p, from(appleMail), failing(50076))
			b.near("activesync-phone", p.subject(), "only failures")
		})
		each(b.phones("Apple Mail, and ActiveSync with a password"), func(p *person) {
			b.phone(p, "EAS", "Allowed")
			b.signIn(p, from(appleMail))
			b.legacySuccess(p, "Exchange ActiveSync")
			b.near("activesync-phone", p.subject(), "it signs in with a password too")
		})
	},
}

// rpcCases are mailboxes on RPC over HTTP because nobody said otherwise.
var rpcCases = []pair{
	func(b *builder) {
		rpc := func(name string, then func(*person)) *dept {
			d := b.watched(name)
			each(d, func(p *person) {
				p.cas.mapi, p.cas.mapiHTTP, p.cas.blockRPC = yes, null, no
				then(p)
			})
			if b.draw.mapiHTTP {
				b.none(d, "rpc-over-http", "the organisation says MAPI over HTTP")
			} else {
				b.all(d, "rpc-over-http")
			}
			return d
		}
		rpc("MapiHttpEnabled unset", func(*person) {})
		rpc("MapiHttpEnabled unset, everything else off", func(p *person) { p.cas.imap, p.cas.pop, p.cas.eas, p.cas.ews, p.cas.smtpOff = no, no, no, no, yes })
		rpc("MapiHttpEnabled unset, strict authentication policy", func(p *person) { p.auth = strictName })
		miss := func(name string, change func(*person)) {
			d := b.watched(name)
			each(d, func(p *person) {
				p.cas.mapi, p.cas.mapiHTTP, p.cas.blockRPC = yes, null, no
				change(p)
			})
			b.none(d, "rpc-over-http", name)
		}
		miss("MapiHttpEnabled set", func(p *person) { p.cas.mapiHTTP = yes })
		miss("MapiHttpEnabled an empty text", func(p *person) { p.cas.mapiHTTP = void })
		miss("MapiHttpEnabled unset, MAPI off", func(p *person) { p.cas.mapi = no })
		miss("MapiHttpEnabled unset, RPC over HTTP blocked", func(p *person) { p.cas.blockRPC = yes })
	},
}
