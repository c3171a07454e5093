package tenants

import "slices"

// pair plants a hole and beside it a near miss.
type pair func(b *builder)

// plant plants every disguise, or in a small tenant as many as there is room
// for, in an order of the seed's.
func (b *builder) plant() {
	pairs := []pair{}
	for _, kind := range [][]pair{passwordCases, mfaCases, registrationCases, placeCases, logCases, phoneCases, rpcCases, exclusionCases, reportCases, referenceCases, jointCases, oddCases} {
		pairs = append(pairs, kind...)
	}
	if b.draw.defaults {
		pairs = slices.Concat(defaultsCases, logCases, phoneCases, rpcCases)
	}
	if b.options.Mailboxes < roomForAll {
		b.r.Shuffle(len(pairs), func(i, j int) { pairs[i], pairs[j] = pairs[j], pairs[i] })
	}
	for _, p := range pairs {
		p(b)
		if b.options.Mailboxes < roomForAll && len(b.people) > b.options.Mailboxes*4/5 {
			return
		}
	}
}

// roomForAll is the number of mailboxes from which on all disguises are planted.
const roomForAll = 400

// defaultsCases are of a tenant under security defaults, which block legacy
// clients and ask everybody for MFA.
var defaultsCases = []pair{
	func(b *builder) {
		for _, name := range []string{"never registered, under security defaults", "a newcomer, under security defaults", "a scanner's account, under security defaults"} {
			b.all(b.asked(name), "unregistered")
		}
		d := b.open("all protocols, under security defaults", everyProtocol...)
		b.none(d, "password-only", "security defaults block legacy clients")
		b.none(d, "no-mfa", "security defaults ask for MFA")
		b.none(d, "unregistered", "registered")
	},
}

// open makes a department open to passwords over the protocols but for what its
// own policies do: the guarding policies only ask it for MFA.
func (b *builder) open(disguise string, protocols ...string) *dept {
	b.disguise = disguise
	d := b.staff(disguise).forMFA()
	b.leave(d, protocols...)
	return d
}

// some is a mix of protocols; SMTP is always one, which every organisation may
// leave open.
func (b *builder) some() []string {
	mix := []string{"smtp"}
	for _, p := range []string{"imap", "pop", "ews", "mapi", "rpc"} {
		if b.chance(0.5) {
			mix = append(mix, p)
		}
	}
	return mix
}

// somePhones is such a mix with ActiveSync.
func (b *builder) somePhones() []string { return append(b.some(), "activesync") }
