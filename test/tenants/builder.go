package tenants

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"
)

// The kinds of organisation.
const (
	online  = "Exchange Online" // refuses basic on everything but SMTP whatever the switches say
	ours    = "on-premises"     // does what the switches say; its authentication policies block, and know no SMTP
	hybrid  = "hybrid"          // both kinds of authentication policy
	unknown = "of no version"   // an export without the version
)

// Rules about POP3.
const (
	popBasic  = "deny basic"
	popTokens = "deny tokens"
	popOffice = "deny but from the head office"
)

// The forms of a sign-in log.
const (
	logV1     = "Graph v1.0" // says nothing of what was required
	logBeta   = "Graph beta"
	logPortal = "portal CSV"
)

// key is a finding's identity.
type key struct{ kind, subject string }

// draw is what the seed says about the organisation as a whole.
type draw struct {
	organisation  string
	log           string
	domain, other string
	smtpOff       bool   // TransportConfig's default for everybody
	mapiHTTP      bool   // OrganizationConfig's
	ews           string // OrganizationConfig's: "", "True", "False"
	easDefault    string // what an unknown device gets
	easModel      bool   // but a rule lets a model in, and a thief may claim to be one
	popRule       string // what a client access rule does about POP3, see accessRules
	strictDefault bool   // the organisation's default authentication policy blocks
	missing       string // a file that was not exported
	defaults      bool   // security defaults instead of policies
	everybody     bool   // the guarding policies name All and except a group; otherwise they name groups
}

// builder makes one tenant.
type builder struct {
	options Options
	r       *rand.Rand
	draw    draw
	end     time.Time // of the log
	copies  int       // people of each disguise

	people    []*person
	taken     map[string]bool // aliases
	groups    []*group
	roles     map[string]*role
	policies  []*policy
	places    []*place
	strengths []*strength
	auth      []*authPolicy
	devices   []*device
	events    []*event // planted ones
	depts     []*dept
	ordinary  []*person // of the base, who sign in

	findings map[key]*Finding
	misses   []NearMiss
	disguise string // being planted
	fillers  int
}

func newBuilder(o Options) *builder {
	b := &builder{options: o, r: rand.New(rand.NewPCG(o.Seed, uint64(o.Mailboxes)<<32|0x7ea2)), taken: map[string]bool{},
		roles: map[string]*role{}, findings: map[key]*Finding{}, copies: 1}
	b.end = time.Date(2026, 9, 1, 7, 0, 0, 0, time.UTC).Add(time.Duration(b.r.IntN(60*24*60)) * time.Minute)
	switch {
	case o.Mailboxes >= 50_000:
		b.copies = 12
	case o.Mailboxes >= 5_000:
		b.copies = 4
	case o.Mailboxes >= 1_000:
		b.copies = 2
	}
	d := &b.draw
	d.organisation = pick(b, online, online, ours, ours, hybrid, unknown)
	d.log = pick(b, logV1, logBeta, logBeta, logPortal)
	d.domain = pick(b, "contoso.example", "fabrikam.example", "nordwind.example", "tailspin.example")
	d.other = pick(b, "mail."+d.domain, "post.example", d.domain)
	d.smtpOff = b.chance(0.5)
	d.mapiHTTP = d.organisation == online || b.chance(0.3)
	d.ews = pick(b, "", "", "True", "False")
	d.easDefault = pick(b, "Allow", "Allow", "Allow", "Block", "Quarantine")
	d.easModel = b.chance(0.3)
	d.popRule = pick(b, "", "", "deny", "disabled", "allowed first", popBasic, popTokens, popOffice)
	d.strictDefault = b.chance(0.5)
	d.everybody = b.chance(0.5)
	d.defaults = b.chance(0.1)
	d.missing = pick(b, "", "", "", "", "MobileDevice", "signIns", "userRegistrationDetails", "authenticationStrengths", "OrganizationConfig", "TransportConfig", "securityDefaults", "ActiveSyncOrganizationSettings")
	switch { // what cannot be left out without changing what is true, stays
	case d.missing == "OrganizationConfig":
		d.organisation, d.strictDefault, d.ews, d.mapiHTTP = unknown, false, "", true
	case d.missing == "securityDefaults" && d.defaults, d.missing == "ActiveSyncOrganizationSettings" && d.easDefault != "Allow":
		d.missing = ""
	}
	b.premises()
	return b
}

func (b *builder) about() string {
	d := b.draw
	return fmt.Sprintf("seed %d, %d mailboxes: %s, log %s, SMTP off by default %v, MAPI/HTTP by default %v, EWS %q, unknown devices %s (a model let in: %v), POP rule %q, strict default authentication policy %v, guarding policies for All %v, security defaults %v, missing %q",
		b.options.Seed, b.options.Mailboxes, d.organisation, d.log, d.smtpOff, d.mapiHTTP, d.ews, d.easDefault, d.easModel, d.popRule, d.strictDefault, d.everybody, d.defaults, d.missing)
}

func pick[T any](b *builder, of ...T) T { return of[b.r.IntN(len(of))] }

func (b *builder) chance(p float64) bool { return b.r.Float64() < p }

// id is a fresh object id.
func (b *builder) id() string {
	x, y := b.r.Uint64(), b.r.Uint64()
	return fmt.Sprintf("%08x-%04x-4%03x-9%03x-%012x", uint32(x>>32), uint16(x>>16), x&0xfff, (y>>48)&0xfff, y&0xffffffffffff)
}

// expect adds a finding.
func (b *builder) expect(kind, subject string) *Finding {
	k := key{kind, subject}
	f := b.findings[k]
	if f == nil {
		f = &Finding{Kind: kind, Subject: subject, Disguise: b.disguise}
		b.findings[k] = f
	}
	return f
}

// near adds a near miss.
func (b *builder) near(kind, subject, why string) {
	b.misses = append(b.misses, NearMiss{Kind: kind, Subject: subject, Why: b.disguise + ": " + why})
}

// basic is those of the protocols that the organisation as a whole leaves open
// to a password.
func (b *builder) basic(protocols ...string) []string {
	var left []string
	for _, p := range protocols {
		closed := b.draw.organisation == online && p != "smtp" ||
			p == "activesync" && b.draw.easDefault != "Allow" && !b.draw.easModel ||
			p == "ews" && b.draw.ews == "False" ||
			p == "pop" && slices.Contains([]string{"deny", popBasic, popOffice}, b.draw.popRule)
		if !closed {
			left = append(left, p)
		}
	}
	slices.Sort(left)
	return left
}

// passwordOnly expects everybody of a department to be open to a password over
// those of the protocols that the organisation leaves open.
func (b *builder) passwordOnly(d *dept, protocols ...string) bool {
	left := b.basic(protocols...)
	for _, p := range d.people {
		if len(left) == 0 {
			b.near("password-only", p.subject(), "the organisation closes "+strings.Join(protocols, ", "))
			continue
		}
		f := b.expect("password-only", p.subject())
		f.Protocols, f.Where = left, []string{"anywhere"}
	}
	return len(left) > 0
}

// passwordOnlyFrom expects the same from places only.
func (b *builder) passwordOnlyFrom(d *dept, where []string, protocols ...string) {
	slices.Sort(where)
	for _, p := range d.people {
		if len(b.basic(protocols...)) == 0 {
			b.near("password-only-from", p.subject(), "the organisation closes "+strings.Join(protocols, ", "))
			continue
		}
		b.expect("password-only-from", p.subject()).Where = where
		b.near("password-only", p.subject(), "from places only")
	}
}

// all expects a kind of everybody of a department.
func (b *builder) all(d *dept, kind string) {
	for _, p := range d.people {
		b.expect(kind, p.subject())
	}
}

// none says that nobody of a department is one.
func (b *builder) none(d *dept, kind, why string) {
	for _, p := range d.people {
		b.near(kind, p.subject(), why)
	}
}

// by says which policy lets everybody of a department through.
func (b *builder) by(d *dept, p *policy) {
	for _, x := range d.people {
		for _, kind := range []string{"password-only", "password-only-from", "no-mfa"} {
			if f := b.findings[key{kind, x.subject()}]; f != nil {
				f.By = p.DisplayName
			}
		}
	}
}

// last is the policy added last.
func (b *builder) last() *policy { return b.policies[len(b.policies)-1] }
