package gate

import (
	"net/netip"

	"github.com/portreeve/portreeve/internal/approval"
	"github.com/portreeve/portreeve/internal/policy"
	"github.com/portreeve/portreeve/internal/protocol"
	"github.com/portreeve/portreeve/internal/signin"
)

// Windows is what people have granted beforehand to programs that know only a
// password. None of its methods waits for a database.
type Windows interface {
	// Open finds what was granted to a knock whose password was right.
	Open(k approval.Knock) (approval.Pass, bool)
	// Ask keeps a request, for its owner to find, of a knock that was refused for want of a grant.
	Ask(k approval.Knock)
	// Denied says that the person has said of this source that it is not them.
	Denied(person string, addr netip.Addr) bool
}

// knockOf is a sign-in as far as grants are concerned.
func (t *telling) knockOf() approval.Knock {
	o := &t.out
	k := approval.Knock{ID: o.Attempt.ID, Reference: o.Reference, At: o.Attempt.At, Person: o.Facts.Person, Protocol: o.Facts.Protocol,
		Program: o.Facts.Program, JA4: o.Attempt.TLS.JA4, Addr: o.Facts.Addr, Country: o.Facts.Country, ASN: o.Facts.ASN}
	if t.g.Places != nil {
		k.Owner = t.g.Places.Lookup(k.Addr).Owner
	}
	return k
}

// passwordProgram says that a program showed a password: it can be asked for
// nothing more, so that only what was granted beforehand helps it.
func passwordProgram(f *policy.Facts) bool {
	return f.Credential == policy.CredentialPassword && f.Protocol != protocol.Portal && f.Protocol != protocol.Webmail
}

// denied refuses a source whose password its owner has disowned, before the
// secret is looked at; the words are those of a wrong one.
func (t *telling) denied() bool {
	if t.g.Windows == nil || !t.known || !passwordProgram(&t.out.Facts) || !t.g.Windows.Denied(t.person.ID, t.out.Facts.Addr) {
		return false
	}
	return t.refuse(signin.StepGuard, signin.SourceDenied, "")
}

// granted adds what was granted to a right password beforehand.
func (t *telling) granted() {
	f := &t.out.Facts
	if t.g.Windows == nil || !f.Proven || !passwordProgram(f) {
		return
	}
	pass, ok := t.g.Windows.Open(t.knockOf())
	if !ok {
		return
	}
	f.Methods |= pass.Methods
	p := &t.out.Principal
	p.Methods, p.Grant = f.Methods, pass.Grant
	if !pass.Until.IsZero() && (p.Until.IsZero() || pass.Until.Before(p.Until)) { // a delegate's right may end before
		p.Until = pass.Until
	}
}

// ask keeps a request for the owner if an approval is all that a right password
// lacked.
func (t *telling) ask() {
	f := t.out.Facts
	if t.g.Windows == nil || !f.Proven || !passwordProgram(&f) || t.out.Verdict.Stage != policy.StageConditionalAccess {
		return
	}
	f.Methods |= policy.MethodApprovalWindow
	if policy.Judge(t.s, &f, nil).Allowed() {
		t.g.Windows.Ask(t.knockOf())
	}
}

// halfway says that somebody in front of a page has shown a password alone and
// has a second factor: it is asked for, whatever policy says, since a page from
// which programs are approved is worth no less than what it approves.
func (t *telling) halfway() bool {
	f := &t.out.Facts
	return f.Protocol == protocol.Portal && t.out.Verdict.Allowed() && t.g.Enrolled != nil && t.g.Enrolled(f.Person) && !policy.MultiFactor(f.Methods)
}
