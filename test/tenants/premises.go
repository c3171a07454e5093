package tenants

import "slices"

// place is a named location.
type place struct {
	id, name  string
	trusted   bool
	ranges    []string // CIDR, or lower-upper
	countries []string // instead of ranges
}

// authPolicy is an Exchange authentication policy.
type authPolicy struct {
	name   string
	blocks bool            // on-premises polarity: BlockLegacyAuthX instead of AllowBasicAuthX
	open   map[string]bool // by protocol; SMTP is always open where the polarity is on-premises
}

// The names of places and policies that cases refer to.
const (
	headOffice = "Head office & \"Annexe\""
	datacentre = "Rechenzentrum Köln"
	scanners   = "Scanner VLAN egress (not trusted)"
	branch     = "Branch <Porto>"
	countries  = "Countries we work in"
	laxName    = "Allow Legacy Apps"
	strictName = "Block Basic Auth"
)

// premises are what every tenant has: places, strengths, authentication policies.
func (b *builder) premises() {
	b.places = []*place{
		{b.id(), headOffice, true, []string{"192.0.2.0/25", "2001:db8:a0::/48"}, nil},
		{b.id(), datacentre, true, []string{"198.51.100.64/28"}, nil},
		{b.id(), scanners, false, []string{"203.0.113.10-203.0.113.19", "2001:db8:b0::10-2001:db8:b0::1f"}, nil},
		{b.id(), branch, false, []string{"192.0.2.192/27"}, nil},
		{b.id(), countries, false, nil, []string{"DE", "FR", "CH", "PT"}},
	}
	slices.SortFunc(b.places, func(x, y *place) int { return b.r.IntN(3) - 1 })
	b.strengths = []*strength{
		b.strength("00000000-0000-0000-0000-000000000002", "Multifactor authentication", "builtIn", "mfa", "windowsHelloForBusiness", "fido2", "x509CertificateMultiFactor", "deviceBasedPush",
			"temporaryAccessPassOneTime", "temporaryAccessPassMultiUse", "password,microsoftAuthenticatorPush", "password,softwareOath", "password,hardwareOath", "password,sms", "password,voice",
			"federatedMultiFactor", "microsoftAuthenticatorPush,federatedSingleFactor", "softwareOath,federatedSingleFactor", "hardwareOath,federatedSingleFactor", "sms,federatedSingleFactor", "voice,federatedSingleFactor"),
		b.strength("00000000-0000-0000-0000-000000000003", "Passwordless MFA", "builtIn", "mfa", "windowsHelloForBusiness", "fido2", "x509CertificateMultiFactor", "deviceBasedPush"),
		b.strength("00000000-0000-0000-0000-000000000004", "Phishing-resistant MFA", "builtIn", "mfa", "windowsHelloForBusiness", "fido2", "x509CertificateMultiFactor"),
		b.strength(b.id(), "Keys or codes", "custom", "mfa", "fido2", "password,softwareOath"),
		b.strength(b.id(), "Codes, or whatever the printer can", "custom", "none", "password,softwareOath", "password"),
	}
	onPremises := b.draw.organisation == ours || b.draw.organisation == hybrid && b.chance(0.5)
	everything := map[string]bool{}
	for _, p := range everyProtocol {
		everything[p] = true
	}
	b.auth = []*authPolicy{{laxName, onPremises, everything}, {strictName, onPremises, nil}}
	if b.draw.organisation == hybrid {
		b.auth = append(b.auth, &authPolicy{"Of the other half", !onPremises, nil})
	}
}

func (b *builder) strength(id, name, kind, satisfies string, combinations ...string) *strength {
	return &strength{ID: id, CreatedDateTime: "2021-12-01T00:00:00Z", ModifiedDateTime: "2021-12-01T00:00:00Z", DisplayName: name, PolicyType: kind,
		RequirementsSatisfied: satisfies, AllowedCombinations: combinations, Configurations: []any{}}
}

// where is a place's id.
func (b *builder) where(names ...string) []string {
	var list []string
	for _, name := range names {
		list = append(list, b.places[slices.IndexFunc(b.places, func(p *place) bool { return p.name == name })].id)
	}
	return list
}

func (b *builder) strong(name string) *strength {
	return b.strengths[slices.IndexFunc(b.strengths, func(s *strength) bool { return s.DisplayName == name })]
}

// lax takes authentication policies out of the way of one person: by none where
// the organisation has no strict default, else by one of their own.
func (b *builder) lax(p *person) {
	p.auth = ""
	if b.draw.strictDefault || b.chance(0.3) {
		p.auth = laxName
	}
}

// authPolicyFor makes an authentication policy that leaves the protocols open;
// SMTP stays open whatever is said where the polarity is on-premises.
func (b *builder) authPolicyFor(name string, open ...string) *authPolicy {
	a := &authPolicy{name: name, blocks: b.draw.organisation == ours, open: map[string]bool{}}
	for _, p := range open {
		a.open[p] = true
	}
	b.auth = append(b.auth, a)
	return a
}

func assign(d *dept, a string) {
	for _, p := range d.people {
		p.auth = a
	}
}
