package policycheck

import (
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/portreeve/portreeve/internal/location"
	"github.com/portreeve/portreeve/internal/policy"
	"github.com/portreeve/portreeve/internal/protocol"
	"github.com/portreeve/portreeve/internal/signin"
)

// facts are what a sign-in is judged on, and why its credential would prove
// nobody (OK if it proves somebody).
func (w *world) facts(s *SignIn) (policy.Facts, signin.Code) {
	f := s.Facts
	f.Protocol, f.Credential = s.Protocol, s.Credential
	if f.At.IsZero() {
		f.At = w.now
	}
	f.Domain = w.domain(s)
	p := w.people[s.User]
	if p != nil {
		w.belongs(&f, p)
	} else {
		f.Address = Stranger + "@" + f.Domain
	}
	if m := w.people[s.Mailbox]; m != nil && m != p {
		f.Address, f.Domain = m.Address, domainOf(m.Address)
		f.Mailbox, f.MailboxGroups = m.ID, w.groups(m)
	}
	code := w.proof(s, &f, p)
	if code != signin.OK {
		f.Proven, f.Methods, f.AuthTime, f.Device, f.Flow = false, 0, time.Time{}, nil, 0
	}
	return f, code
}

// belongs puts a person into the facts.
func (w *world) belongs(f *policy.Facts, p *Person) {
	f.Person, f.Address, f.Domain, f.Guest, f.Groups = p.ID, p.Address, domainOf(p.Address), p.Guest, w.groups(p)
	f.Roles = slices.Clone(p.Roles)
	for i := range f.Roles {
		if id, ok := w.base.Names.Roles[strings.ToLower(f.Roles[i])]; ok {
			f.Roles[i] = id
		}
	}
	slices.Sort(f.Roles)
}

func domainOf(address string) string { return address[strings.LastIndexByte(address, '@')+1:] }

// domain is where the stranger knocks: that of the first of the people.
func (w *world) domain(s *SignIn) string {
	if len(w.suite.Given.People) > 0 {
		return domainOf(w.suite.Given.People[0].Address)
	}
	return "example.org"
}

// proves is what a right secret of each kind proves, where nothing is stated.
var proves = map[policy.CredentialKind]policy.Methods{
	policy.CredentialPassword: policy.MethodPassword, policy.CredentialAppPassword: policy.MethodBoundAppPassword,
	policy.CredentialBearer: policy.MethodPassword, policy.CredentialCertificate: policy.MethodX509SingleFactor,
	policy.CredentialPasskey: policy.MethodFIDO2, policy.CredentialPass: policy.MethodTemporaryAccessPassOneTime,
}

// proof puts what hangs on the secret into the facts.
func (w *world) proof(s *SignIn, f *policy.Facts, p *Person) signin.Code {
	switch {
	case s.Wrong:
		return signin.WrongCredentials
	case p == nil:
		return signin.UserUnknown
	case p.Disabled:
		return signin.UserDisabled
	}
	f.Proven = true
	if !s.Methods {
		f.Methods = proves[f.Credential]
	}
	f.Methods |= s.MFA
	switch {
	case s.AuthAgo >= 0:
		f.AuthTime = f.At.Add(-s.AuthAgo)
	case f.AuthTime.IsZero():
		f.AuthTime = f.At
	}
	switch f.Credential {
	case policy.CredentialPassword:
		if !policy.Promptable(f) && slices.ContainsFunc(p.Windows, func(x Window) bool { return open(x.Protocols, x.Networks, x.Until, f) }) {
			f.Methods |= policy.MethodApprovalWindow
		}
	case policy.CredentialAppPassword:
		return p.appPassword(f)
	}
	return signin.OK
}

// appPassword finds out whether one of the person's app passwords is good here.
func (p *Person) appPassword(f *policy.Facts) signin.Code {
	if p.AppPasswords == nil {
		return signin.OK
	}
	code := signin.AppPasswordUnknown
	for _, x := range p.AppPasswords {
		switch {
		case open(x.Protocols, x.Networks, x.Expires, f):
			return signin.OK
		case !open(x.Protocols, nil, time.Time{}, f):
			code = signin.AppPasswordProtocol
		case !open(nil, x.Networks, time.Time{}, f):
			code = signin.AppPasswordNetwork
		default:
			code = signin.AppPasswordExpired
		}
	}
	return code
}

// open says that a grant holds for a protocol, an address and a time.
func open(protocols []protocol.Protocol, networks []location.Range, until time.Time, f *policy.Facts) bool {
	return (len(protocols) == 0 || slices.Contains(protocols, f.Protocol)) && (len(networks) == 0 || within(networks, f.Addr)) &&
		(until.IsZero() || f.At.Before(until))
}

func within(networks []location.Range, a netip.Addr) bool {
	return a.IsValid() && slices.ContainsFunc(networks, func(r location.Range) bool { return r.Contains(a) })
}
