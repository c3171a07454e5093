package policycheck

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/portreeve/portreeve/internal/policy"
	"github.com/portreeve/portreeve/internal/policy/graph"
	"github.com/portreeve/portreeve/internal/protocol"
	"github.com/portreeve/portreeve/internal/signin"
	"github.com/portreeve/portreeve/internal/whatif"
)

// The invariants. Each is tried with every value that the rules tell apart of
// every fact that the test's signin does not state.
const (
	// EveryAdminCanSignIn: for each person with admin: true there is a sign-in that is let in.
	EveryAdminCanSignIn = "everyAdminCanSignIn"
	// EveryoneCanSignIn: likewise for each person who is not disabled.
	EveryoneCanSignIn = "everyoneCanSignIn"
	// NoPasswordAlone: nobody is let in who has proven nothing but a password.
	NoPasswordAlone = "noPasswordAlone"
	// AlwaysRefused: no such sign-in is let in.
	AlwaysRefused = "alwaysRefused"
	// AlwaysAllowed: every such sign-in is let in.
	AlwaysAllowed = "alwaysAllowed"
)

// Invariants lists them.
var Invariants = []string{EveryAdminCanSignIn, EveryoneCanSignIn, NoPasswordAlone, AlwaysRefused, AlwaysAllowed}

// readers are the protocols over which somebody gets at their mail, where a
// test names none.
var mailProtocols = []protocol.Protocol{protocol.IMAP, protocol.POP3, protocol.Webmail}

const (
	// maxTries bounds the sign-ins that one invariant judges.
	maxTries = 2_000_000
	// maxWitnesses is how many people are named who break an invariant.
	maxWitnesses = 5
)

// invariant reads a test of that kind.
func (r *reader) invariant(v *graph.Value, c *Case) {
	c.Invariant = r.text(v, "invariant")
	if !slices.Contains(Invariants, c.Invariant) {
		r.fault(v.Member("invariant"), "there is no invariant %q: there are %s%s", c.Invariant, strings.Join(Invariants, ", "), meant(c.Invariant, Invariants))
	}
	for _, name := range []string{"for", "expect", "because", "text"} {
		if m := v.Member(name); m != nil {
			r.fault(m, "%s belongs to no invariant", name)
		}
	}
	s := v.Member("signin")
	if absent(s) {
		s = &graph.Value{Kind: graph.Object, Pointer: v.Pointer}
	}
	if !r.members(s, "a sign-in", signInMembers...) {
		return
	}
	c.SignIns = []SignIn{r.partial(s)}
	if c.Invariant == NoPasswordAlone {
		for _, name := range []string{"credential", "methods", "mfa"} {
			if m := s.Member(name); m != nil {
				r.fault(m, "%s is what the invariant says: a password and nothing else", name)
			}
		}
	}
	c.Except = r.words(v.Member("except"), "except")
	for _, x := range c.Except {
		if name, isGroup := strings.CutPrefix(x, "group:"); !isGroup && !slices.ContainsFunc(r.people, func(p Person) bool { return same(p.Address, name) }) {
			r.fault(v.Member("except"), "%q is none of given.people, and no group (group:NAME)", x)
		}
	}
}

// invariant runs a test of that kind.
func (w *world) invariant(r Result, c *Case) Result {
	rules := w.rules(c.Assume)
	t := &trial{world: w, rules: rules, left: maxTries}
	people := w.subjects(c)
	r.Status = Passed
	fail := func(format string, args ...any) {
		r.Status = Failed
		if len(r.Problems) < maxWitnesses {
			r.Problems = append(r.Problems, fmt.Sprintf(format, args...))
		}
	}
	if len(people) == 0 {
		fail("nobody in given.people is meant by it, so it proves nothing")
	}
	broken := 0
	for _, p := range people {
		problem, x := t.person(c, p)
		if t.left < 0 {
			fail("there are more than %d sign-ins to try: state more of them in signin", maxTries)
			break
		}
		if problem != "" {
			broken++
			fail("%s: %s", p.Address, problem)
			if r.Explanation == nil {
				r.Explanation = x
			}
		}
	}
	if broken > maxWitnesses {
		r.Problems = append(r.Problems, fmt.Sprintf("and %d more", broken-maxWitnesses))
	}
	r.Got = fmt.Sprintf("sign-ins tried: %d, of people: %d", maxTries-max(t.left, 0), len(people))
	return r
}

// subjects are the people an invariant is about.
func (w *world) subjects(c *Case) (all []*Person) {
	s := &c.SignIns[0]
	for i := range w.suite.Given.People {
		p := &w.suite.Given.People[i]
		switch {
		case p.Disabled, c.Invariant == EveryAdminCanSignIn && !p.Admin, s.User != "" && s.User != p.Address:
		case slices.ContainsFunc(c.Except, func(x string) bool {
			group, isGroup := strings.CutPrefix(x, "group:")
			return same(x, p.Address) || isGroup && slices.ContainsFunc(p.Groups, func(g string) bool { return same(g, group) })
		}):
		default:
			all = append(all, p)
		}
	}
	return all
}

// trial tries sign-ins until it is out of tries.
type trial struct {
	*world
	rules *policy.Snapshot
	left  int
}

// person says how somebody breaks an invariant, with the ladder of the
// sign-in that does; empty if they do not.
func (t *trial) person(c *Case, p *Person) (string, *policy.Explanation) {
	s := c.SignIns[0]
	s.User = p.Address
	switch c.Invariant {
	case EveryAdminCanSignIn, EveryoneCanSignIn:
		return t.wayIn(s, p)
	case NoPasswordAlone:
		s.Credential, s.Methods, s.Facts.Methods = policy.CredentialPassword, true, policy.MethodPassword
		s.stated = with(s.stated, "credential", "methods")
		return t.never(s, true)
	case AlwaysRefused:
		return t.never(s, false)
	}
	var found *policy.Facts
	t.each(&s, nil, func(f *policy.Facts) bool {
		if !policy.Judge(t.rules, f, nil).Allowed() {
			found = f
		}
		return found == nil
	})
	return t.told(found, "is not let in")
}

func with(stated map[string]bool, names ...string) map[string]bool {
	out := map[string]bool{}
	for k, v := range stated {
		out[k] = v
	}
	for _, n := range names {
		out[n] = true
	}
	return out
}

// never finds a sign-in that is let in. alone leaves out windows, which make
// more of a password, and the portal, where a second factor is set up.
func (t *trial) never(s SignIn, alone bool) (string, *policy.Explanation) {
	var found *policy.Facts
	t.each(&s, nil, func(f *policy.Facts) bool {
		if alone {
			f.Methods = policy.MethodPassword
		}
		if (!alone || f.Protocol != protocol.Portal || s.stated["protocol"]) && policy.Judge(t.rules, f, nil).Allowed() {
			found = f
		}
		return found == nil
	})
	return t.told(found, "is let in")
}

func (t *trial) told(f *policy.Facts, what string) (string, *policy.Explanation) {
	if f == nil {
		return "", nil
	}
	x := policy.Explain(t.rules, f)
	words := fmt.Sprintf("%s over %s with %s", what, f.Protocol, f.Credential)
	if f.Addr.IsValid() {
		words += " from " + f.Addr.String()
	}
	if f.Country != "" {
		words += " in " + f.Country
	}
	if f.Program != "" {
		words += " by " + f.Program
	}
	if x.Effect != policy.Allow.String() {
		words += fmt.Sprintf(": %s", signin.Code(x.Code))
		if x.ByName != "" {
			words += fmt.Sprintf(" by %q", x.ByName)
		}
	}
	return words, &x
}

// wayIn looks for one sign-in that is let in, with whatever the person can prove.
func (t *trial) wayIn(s SignIn, p *Person) (string, *policy.Explanation) {
	var protocols []protocol.Protocol
	if !s.stated["protocol"] {
		protocols = mailProtocols
	}
	in := false
	var last policy.Facts
	t.each(&s, protocols, func(f *policy.Facts) bool {
		if f.Credential == policy.CredentialBearer || policy.Promptable(f) {
			f.Methods, f.AuthTime = f.Methods|p.Factors, f.At
		}
		last = *f
		in = policy.Judge(t.rules, f, nil).Allowed()
		return !in
	})
	if in {
		return "", nil
	}
	if last.At.IsZero() {
		return "has no sign-in that could be tried", nil
	}
	_, x := t.told(&last, "")
	return fmt.Sprintf("is let in by no sign-in that was tried; the last, over %s with %s, ends in %s", last.Protocol, last.Credential, signin.Code(x.Code)), x
}

// each calls with every completion of a sign-in until told to stop. What the
// credential does not prove is not tried: such a sign-in is refused whatever
// the rules say, which no invariant means.
func (t *trial) each(s *SignIn, protocols []protocol.Protocol, do func(*policy.Facts) bool) {
	dims := t.dimensions(s, protocols)
	times, webmail := t.times(s), []bool{s.Facts.ViaWebmail}
	if !s.stated["viaWebmail"] && t.asks(func(own *policy.Own) bool { return own.ViaWebmail != nil }) {
		webmail = []bool{false, true}
	}
	total := len(times) * len(webmail)
	for _, d := range dims {
		if total *= len(d.Choices); total > maxTries {
			t.left = -1
			return
		}
	}
	for n := range total {
		if t.left--; t.left < 0 {
			return
		}
		one := *s
		f := &one.Facts
		f.Protocol, f.Credential = s.Protocol, s.Credential
		f.At, f.ViaWebmail = times[n%len(times)], webmail[n/len(times)%len(webmail)]
		for rest, d := n/len(times)/len(webmail), 0; d < len(dims); d++ {
			dims[d].Choices[rest%len(dims[d].Choices)].Set(f)
			rest /= len(dims[d].Choices)
		}
		one.Protocol, one.Credential = f.Protocol, f.Credential
		if !s.Methods {
			f.Methods = 0 // what a credential proves is worked out anew
		}
		if !s.stated["authTime"] {
			f.AuthTime = f.At
		}
		got, unproven := t.facts(&one)
		if unproven != signin.OK {
			continue
		}
		if !do(&got) {
			return
		}
	}
}

// dimensions are the facts that are not stated, with the values that the rules tell apart.
func (t *trial) dimensions(s *SignIn, protocols []protocol.Protocol) (all []whatif.Dimension) {
	is := func(name string) bool { return s.stated[name] }
	f := s.Facts
	if f.At.IsZero() {
		f.At = t.now
	}
	stated := whatif.Stated{Protocol: is("protocol"), Credential: is("credential"), Address: is("ip"), Country: is("country"), ASN: is("asn"), Program: is("program"),
		Platform: is("platform"), Methods: true, Device: is("device"), Time: true,
		KnownNetwork: is("knownNetwork") || !t.asks(func(own *policy.Own) bool { return own.NewClient != nil })}
	for _, d := range whatif.Unstated(t.rules, &f, stated) {
		if d.Fact == "protocol" && protocols != nil {
			d.Choices = slices.DeleteFunc(slices.Clone(d.Choices), func(c whatif.Choice) bool {
				p, _ := protocol.Parse(c.Label)
				return !slices.Contains(protocols, p)
			})
		}
		all = append(all, d)
	}
	return all
}

// asks says that a policy has one of the conditions that only we have.
func (t *trial) asks(has func(*policy.Own) bool) bool {
	return slices.ContainsFunc(t.rules.Policies(), func(p policy.Policy) bool { return has(&p.Conditions.Portreeve) })
}

// times are now, and each moment of the week to come at which hours that a
// policy names begin or end: nothing changes between two of them.
func (t *trial) times(s *SignIn) []time.Time {
	if s.stated["time"] {
		return []time.Time{s.Facts.At}
	}
	all := []time.Time{t.now}
	for _, p := range t.rules.Policies() {
		h := p.Conditions.Portreeve.Hours
		if h == nil {
			continue
		}
		zone := time.UTC
		if z := t.base.Zone; h.Zone != "" && z != nil {
			if found, err := z(h.Zone); err == nil {
				zone = found
			}
		}
		y, m, d := t.now.In(zone).Date()
		for _, x := range slices.Concat(h.Include, h.Exclude) {
			for day := range 8 {
				for _, minute := range []int{0, x.From, x.To} {
					if at := time.Date(y, m, d+day, 0, minute, 0, 0, zone); !at.Before(t.now) {
						all = append(all, at)
					}
				}
			}
		}
	}
	slices.SortFunc(all, time.Time.Compare)
	return slices.CompactFunc(all, time.Time.Equal)
}
