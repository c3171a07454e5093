package whatif_test

import (
	"net/netip"
	"slices"

	"github.com/portreeve/portreeve/internal/policy"
	"github.com/portreeve/portreeve/internal/policy/policytest"
	"github.com/portreeve/portreeve/internal/protocol"
	"github.com/portreeve/portreeve/internal/signin"
	"github.com/portreeve/portreeve/internal/whatif"
)

// plain sorts one sign-in after the other by the plain judge, with no code of
// the package under test and none of the engine.
type plain struct {
	before, after policy.Source
	join, leave   map[string][]string
	able          map[string]policy.Methods
	granted       map[string]policy.Methods
	addresses     []netip.Addr // whatever the locations tell apart
}

func (p *plain) effect(src *policy.Source, f *policy.Facts) policy.Effect {
	if shut(src, f) || unwelcome(src, f) {
		return policy.Block
	}
	return policytest.Plain(src, f).Verdict.Effect
}

// needs are the switches that must all be on for a protocol.
var needs = map[protocol.Protocol][]string{protocol.IMAP: {"ImapEnabled"}, protocol.POP3: {"PopEnabled"}, protocol.Submission: {"SmtpClientAuthenticationDisabled"},
	protocol.Sieve: {"SieveEnabled"}, protocol.ActiveSync: {"ActiveSyncEnabled"}, protocol.EWS: {"EwsEnabled"}, protocol.MAPI: {"MAPIEnabled", "MapiHttpEnabled"},
	protocol.Webmail: {"OWAEnabled"}, protocol.CalDAV: {"CalDavEnabled"}, protocol.CardDAV: {"CardDavEnabled"}, protocol.JMAP: {"JmapEnabled"}}

// shut asks the mailbox, then its groups (of which one that says no wins), then
// its domain, then the organization; what nobody says is open.
func shut(src *policy.Source, f *policy.Facts) bool {
	whose, groups := f.Person, f.Groups
	if f.Mailbox != "" {
		whose, groups = f.Mailbox, f.MailboxGroups
	}
	for _, name := range needs[f.Protocol] {
		open := func(s policy.Switches) (open, said bool) {
			v := s.Get(name)
			return v != nil && *v != (name == "SmtpClientAuthenticationDisabled"), v != nil
		}
		if name == "EwsEnabled" { // the organization's no beats everybody's yes
			if on, said := open(src.Organization.Switches); said && !on {
				return true
			}
		}
		var holders []policy.Switches
		if whose != "" {
			holders = append(holders, src.Mailboxes[whose].Switches)
		}
		var yes, no policy.Switches
		for _, g := range groups {
			if on, said := open(src.Groups[g].Switches); said && on {
				yes = src.Groups[g].Switches
			} else if said {
				no = src.Groups[g].Switches
			}
		}
		for _, s := range append(holders, no, yes, src.Domains[f.Domain], src.Organization.Switches) {
			on, said := open(s)
			if said && !on {
				return true
			}
			if said {
				break
			}
		}
	}
	return false
}

// unwelcome asks the one authentication policy of these tests, which refuses
// passwords on some protocols: the person's own beats everybody's.
func unwelcome(src *policy.Source, f *policy.Facts) bool {
	name := src.Organization.DefaultAuthenticationPolicy
	if own := src.Mailboxes[f.Person].AuthenticationPolicy; own != "" && f.Person != "" {
		name = own
	}
	for _, a := range src.AuthenticationPolicies {
		if allowed, said := a.AllowBasicAuth[f.Protocol.Row().AuthPolicy]; a.Name == name && said && !allowed {
			return f.Credential != policy.CredentialBearer && f.Credential != policy.CredentialCertificate
		}
	}
	return false
}

func (p *plain) newFacts(f policy.Facts) policy.Facts {
	f.Groups = p.newGroups(f.Person, f.Groups)
	if f.Mailbox != "" {
		f.MailboxGroups = p.newGroups(f.Mailbox, f.MailboxGroups)
	}
	return f
}

func (p *plain) newGroups(person string, were []string) []string {
	groups := []string{}
	for _, g := range were {
		if !slices.Contains(p.leave[person], g) {
			groups = append(groups, g)
		}
	}
	for _, g := range p.join[person] {
		if !slices.Contains(groups, g) {
			groups = append(groups, g)
		}
	}
	slices.Sort(groups)
	return groups
}

// end is where a sign-in ends: "in", "asked", "unable" or "out".
func (p *plain) end(src *policy.Source, f policy.Facts) string {
	own := p.able[f.Person]
	switch p.effect(src, &f) {
	case policy.Allow:
		if f.Protocol == protocol.Portal && !two(f.Methods) && two(f.Methods|own) {
			return "asked"
		}
		return "in"
	case policy.Interrupt:
		g := f
		g.Methods, g.AuthTime = f.Methods|own, f.At
		if p.effect(src, &g) == policy.Allow {
			return "asked"
		}
	}
	for _, key := range []string{f.Key, "blue", "red"} {
		g := f
		g.Methods, g.AuthTime, g.Key = ^policy.Methods(0), f.At, key
		if p.effect(src, &g) == policy.Allow {
			return "unable"
		}
	}
	return "out"
}

func two(m policy.Methods) bool {
	return slices.ContainsFunc(policytest.PlainMFA, func(c string) bool { return policytest.PlainCombination(c, m) })
}

func (p *plain) known(f policy.Facts) whatif.Bucket {
	g := p.newFacts(f)
	if f.Credential == policy.CredentialPassword && f.Protocol != protocol.Portal && f.Protocol != protocol.Webmail && f.Person != "" &&
		(p.effect(&p.before, &f) != policy.Allow || p.effect(&p.after, &g) != policy.Allow) {
		f.Methods |= p.granted[f.Person]
		g.Methods |= p.granted[f.Person]
	}
	if p.effect(&p.before, &f) == policy.Allow && p.effect(&p.after, &g) == policy.Allow {
		return whatif.Unchanged
	}
	was, is := p.end(&p.before, f), p.end(&p.after, g)
	kept := func(s string) bool { return s == "out" || s == "unable" }
	switch {
	case was == is || kept(was) && kept(is):
		return whatif.Unchanged
	case is == "in":
		return whatif.Allowed
	case is == "asked":
		return whatif.Asked
	case is == "unable":
		return whatif.Unable
	}
	return whatif.Refused
}

// bucket is the plain answer for a recorded event.
func (p *plain) bucket(e *signin.Event) whatif.Bucket {
	f := e.Facts
	early := e.Verdict.Stage == policy.StageEarlyBlock || e.Verdict.Stage == policy.StageSwitch || e.Verdict.Stage == policy.StageAuthenticationPolicy
	switch {
	case e.Observed && e.Code != 0, !f.Proven && !early:
		return whatif.Unchanged
	case !f.Proven:
		return p.unseen(e)
	}
	all := []policy.Facts{f}
	spread := func(do func(policy.Facts) []policy.Facts) {
		var next []policy.Facts
		for _, x := range all {
			next = append(next, do(x)...)
		}
		all = next
	}
	if f.Protocol == protocol.Unknown {
		spread(func(x policy.Facts) (out []policy.Facts) {
			for i := range protocol.Count {
				x.Protocol = protocol.Protocol(i)
				out = append(out, x)
			}
			return out
		})
	}
	if f.Credential == policy.CredentialUnknown {
		spread(func(x policy.Facts) (out []policy.Facts) {
			for k := policy.CredentialUnknown; k <= policy.CredentialPass; k++ {
				x.Credential = k
				out = append(out, x)
			}
			return out
		})
	}
	if !f.Addr.IsValid() {
		spread(func(x policy.Facts) []policy.Facts {
			out := []policy.Facts{x}
			for _, a := range p.addresses {
				x.Addr = a
				out = append(out, x)
			}
			return out
		})
	}
	if e.Observed && f.Methods == 0 {
		spread(func(x policy.Facts) []policy.Facts {
			y := x
			y.Methods = policy.Attainable(&y)
			return []policy.Facts{x, y}
		})
	}
	first := p.known(all[0])
	for _, x := range all[1:] {
		if p.known(x) != first {
			return whatif.Unknown
		}
	}
	return first
}

// unseen knows only what holds whatever the secret was.
func (p *plain) unseen(e *signin.Event) whatif.Bucket {
	f, g := e.Facts, p.newFacts(e.Facts)
	if p.blocks(&p.before, f) && p.blocks(&p.after, g) {
		return whatif.Unchanged
	}
	if f.Protocol == protocol.Unknown || f.Protocol == protocol.Portal || f.Protocol == protocol.Webmail || !f.Addr.IsValid() {
		return whatif.Unknown
	}
	const a, b, c = policy.MethodPassword, policy.MethodApprovalWindow, policy.MethodKnownProgram
	may := map[policy.CredentialKind][]policy.Methods{
		policy.CredentialPassword:    {a, a | b, a | c, a | b | c},
		policy.CredentialAppPassword: {0, policy.MethodBoundAppPassword},
		policy.CredentialCertificate: {0, policy.MethodX509SingleFactor, policy.MethodX509MultiFactor, policy.MethodX509SingleFactor | policy.MethodX509MultiFactor},
	}[f.Credential]
	f.Proven, f.AuthTime = true, f.At
	for _, f.Methods = range may {
		if p.known(f) != whatif.Unchanged {
			return whatif.Unknown
		}
	}
	if may == nil {
		return whatif.Unknown
	}
	return whatif.Unchanged
}

// blocks says that every secret would be refused: of a password program, one
// that proves all it can; of others, anything.
func (p *plain) blocks(src *policy.Source, f policy.Facts) bool {
	for _, device := range append([]*policy.Device{nil}, policytest.EveryKindOfDevice()...) {
		for _, flow := range []policy.TransferMethods{0, policy.DeviceCodeFlow} {
			for _, m := range []policy.Methods{policy.Attainable(&f), 0} {
				f.Proven, f.Methods, f.AuthTime, f.Flow, f.Device = true, m, f.At, flow, device
				for _, f.Key = range []string{"", "blue"} {
					if p.effect(src, &f) != policy.Block {
						return false
					}
				}
			}
		}
	}
	return true
}
