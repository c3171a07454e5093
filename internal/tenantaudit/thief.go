package tenantaudit

import (
	"net/netip"
	"slices"
	"strings"

	"github.com/portreeve/portreeve/internal/location"
	"github.com/portreeve/portreeve/internal/policy"
	"github.com/portreeve/portreeve/internal/protocol"
)

// thief holds everything a thief with a password can choose from: the program,
// the platform it claims (or none), the address and the country. Addresses that
// are in the same locations, and countries that are, are one choice, so that
// the search is complete and short.
type thief struct {
	places    []location.Named // named locations, then the ranges that client access rules name
	named     int              // how many of them are named locations
	locator   *location.Set
	addresses []netip.Addr // one of each class; class 0 is in no location
	countries []string     // one of each kind; the first is in no location
	platforms []policy.Platform

	everyone   *policy.Snapshot // users only, to tell people apart
	modern     *policy.Snapshot // policies that stop a modern sign-in
	enrolled   *policy.Snapshot // those that stop one with a factor of the thief's own
	legacy     *policy.Snapshot // those that stop a password alone
	register   *policy.Snapshot // those that limit registering a factor
	reportOn   *policy.Snapshot // report-only ones that would stop a modern sign-in
	reportOld  *policy.Snapshot // or a password alone
	reports    []int            // of t.Policies, beside reportOn's
	reportsOld []int            // beside reportOld's
	defaults   bool             // security defaults are on
	asked      bool             // policies or security defaults were exported
}

// door is the kind of program a thief uses.
type door uint8

const (
	doorOther door = iota // a password on anything but ActiveSync
	doorEAS
	doorBrowser
	doorModern
	doorCount
)

func (d door) facts() policy.Facts {
	switch d {
	case doorEAS:
		return policy.Facts{Protocol: protocol.ActiveSync, Credential: policy.CredentialPassword}
	case doorBrowser:
		return policy.Facts{Protocol: protocol.Webmail, Credential: policy.CredentialPassword}
	case doorModern:
		return policy.Facts{Protocol: protocol.IMAP, Credential: policy.CredentialBearer}
	}
	return policy.Facts{Protocol: protocol.IMAP, Credential: policy.CredentialPassword}
}

func newThief(a *audit) *thief {
	th := &thief{platforms: []policy.Platform{policy.PlatformUnknown, policy.PlatformWindows, policy.PlatformMacOS, policy.PlatformIOS, policy.PlatformAndroid, policy.PlatformLinux, policy.PlatformWindowsPhone}}
	for i := range a.t.Locations {
		n := a.t.Locations[i].Named
		if n.Kind == location.Elsewhere && len(n.Countries) > 0 {
			n.Kind = location.Countries // told by a phone's GPS: the thief's phone
		}
		n.ID, n.DisplayName = lower(n.ID), ""
		th.places = append(th.places, n)
	}
	th.named = len(th.places)
	for i := range a.t.ClientRules {
		th.places = append(th.places, ruleRanges(&a.t.ClientRules[i])...)
	}
	th.locator = location.NewSet(th.places)
	th.chooseAddresses()
	th.chooseCountries()
	th.defaults = a.t.SecurityDefaults != nil && *a.t.SecurityDefaults
	th.asked = a.policiesRead()
	th.compile(a)
	return th
}

// likely are addresses that are nobody's, for a witness's "anywhere".
var likely = []string{"203.0.113.77", "198.51.100.77", "192.0.2.77", "185.220.101.7", "45.83.64.1", "91.219.236.1", "2001:db8:77::1", "2a0b:f4c0::1"}

// chooseAddresses finds an address of each class there is, at the borders of ranges.
func (th *thief) chooseAddresses() {
	th.addresses = make([]netip.Addr, th.locator.Classes())
	try := func(at netip.Addr) {
		if !at.IsValid() {
			return
		}
		if c := th.locator.Class(at); !th.addresses[c].IsValid() {
			th.addresses[c] = at
		}
	}
	for _, s := range likely {
		try(netip.MustParseAddr(s))
	}
	for i := range th.places {
		for _, r := range th.places[i].Ranges {
			if r.From != r.To {
				try(r.From.Next())
			}
			try(r.From)
			try(r.To)
			try(r.To.Next())
		}
	}
}

// foreign are countries for a witness, should no location name them.
var foreign = []string{"BR", "VN", "NG", "US", "RU", "CN", "IN", "TR", "ZA", "AQ"}

func (th *thief) chooseCountries() {
	signature := func(c string) string {
		var b strings.Builder
		for i := range th.places {
			if th.places[i].ContainsCountry(c) {
				b.WriteByte('1')
			} else {
				b.WriteByte('0')
			}
		}
		return b.String()
	}
	var all []string
	named := map[string]bool{}
	for i := range th.places {
		for _, c := range th.places[i].Countries {
			named[c] = true
		}
	}
	for _, c := range append(slices.Clone(foreign), "ZZ") {
		if !named[c] {
			all = append(all, c)
		}
	}
	all = append(append(all, sorted(named)...), "")
	seen := map[string]bool{}
	for _, c := range all {
		if s := signature(c); !seen[s] {
			seen[s] = true
			th.countries = append(th.countries, c)
		}
	}
}

// compile makes the snapshots.
func (th *thief) compile(a *audit) {
	var everyone, modern, enrolled, legacy, register, reportOn, reportOld []policy.Policy
	for i := range a.t.Policies {
		p := &a.t.Policies[i]
		b := bare(p)
		b.ID = p.ID
		everyone = append(everyone, policy.Policy{ID: p.ID, State: p.State, Conditions: policy.Conditions{Users: b.Conditions.Users}, Grant: b.Grant})
		f := a.forceOf(&p.Policy)
		if p.State == policy.Disabled || !f.modern && !f.legacy || p.Conditions.ClientApplications {
			continue
		}
		if why := unsure(&p.Policy); why != "" {
			a.note(p.DisplayName, "this policy is not counted on to protect anybody: "+why, p.Source)
			continue
		}
		mail := aims(p.Conditions.Applications, exchangeID)
		switch {
		case p.State == policy.ReportOnly:
			if mail && f.modern {
				reportOn, th.reports = append(reportOn, b), append(th.reports, i)
			}
			if mail && f.said {
				reportOld, th.reportsOld = append(reportOld, b), append(th.reportsOld, i)
			}
		default:
			if mail && f.modern {
				modern = append(modern, b)
				if !f.enrolling {
					enrolled = append(enrolled, b)
				}
			}
			if mail && f.legacy {
				legacy = append(legacy, b)
			}
			if registers(p.Conditions.Applications) && f.modern {
				register = append(register, b)
			}
		}
	}
	for _, one := range []struct {
		to  **policy.Snapshot
		all []policy.Policy
	}{{&th.everyone, everyone}, {&th.modern, modern}, {&th.enrolled, enrolled}, {&th.legacy, legacy}, {&th.register, register}, {&th.reportOn, reportOn}, {&th.reportOld, reportOld}} {
		*one.to, _ = policy.Compile(policy.Source{Policies: one.all, Locations: th.places}) // its warnings are told of the policies as they came
	}
}

// way is how the thief got in, or what stopped them.
type way struct {
	open     bool
	platform policy.Platform
	address  netip.Addr
	country  string
	by       string // closed: the id of the policy that stops the first choice
}

// search tries every platform and country from one class of address.
func (th *thief) search(s *policy.Snapshot, who *policy.Facts, d door, class int) way {
	f := d.facts()
	f.Person, f.Groups, f.Roles, f.Guest = who.Person, who.Groups, who.Roles, who.Guest
	f.Addr = th.addresses[class]
	closed := way{address: f.Addr}
	for _, f.Platform = range th.platforms {
		for _, f.Country = range th.countries {
			v := policy.Evaluate(s, &f, nil)
			if v.Effect != policy.Block {
				return way{open: true, platform: f.Platform, address: f.Addr, country: f.Country}
			}
			if closed.by == "" {
				closed.by = v.By
			}
		}
	}
	return closed
}

// covers sets the policies of a report-only snapshot that would stop one of
// the ways that are open from anywhere.
func (th *thief) covers(report, now *policy.Snapshot, who *policy.Facts, d door, hit []bool) {
	f := d.facts()
	f.Person, f.Groups, f.Roles, f.Guest = who.Person, who.Groups, who.Roles, who.Guest
	f.Addr = th.addresses[0]
	var b policy.Bits
	for _, f.Platform = range th.platforms {
		for _, f.Country = range th.countries {
			if policy.Evaluate(now, &f, nil).Effect == policy.Block {
				continue
			}
			policy.Evaluate(report, &f, &b)
			for i := range hit {
				if b.Applied[i/64]>>(i%64)&1 != 0 {
					hit[i] = true
				}
			}
		}
	}
}

// class is people whom the same policies are for.
type class struct {
	who                       policy.Facts // of one of them
	other, eas                map[int]way  // with a password, by class of address
	browser, modern           way          // from anywhere
	browserAfter, modernAfter way          // likewise, with a factor of the thief's own
	browserEnrol, modernEnrol way          // registering one
	people                    int
	oldOpen, easOpen, noMFA   bool // somebody in it is open that way
	registerable, asksForMFA  bool
}

// judgePeople puts people into classes and judges each class once.
func (a *audit) judgePeople() {
	var b policy.Bits
	key := make([]byte, 0, 64)
	for _, p := range a.people {
		f := policy.Facts{Person: p.id, Groups: p.groups, Roles: p.roles, Guest: p.guestType, Protocol: protocol.IMAP, Credential: policy.CredentialPassword}
		policy.Evaluate(a.thief.everyone, &f, &b)
		key = key[:0]
		for _, word := range b.Applied {
			for i := range 8 {
				key = append(key, byte(word>>(8*i)))
			}
		}
		c := a.classes[string(key)]
		if c == nil {
			c = a.thief.judge(f)
			a.classes[string(key)] = c
		}
		c.people++
		p.class = c
	}
}

func (th *thief) judge(who policy.Facts) *class {
	c := &class{who: who, other: map[int]way{}, eas: map[int]way{}}
	c.browser, c.modern = th.search(th.modern, &who, doorBrowser, 0), th.search(th.modern, &who, doorModern, 0)
	c.browserAfter, c.modernAfter = th.search(th.enrolled, &who, doorBrowser, 0), th.search(th.enrolled, &who, doorModern, 0)
	c.browserEnrol, c.modernEnrol = th.search(th.register, &who, doorBrowser, 0), th.search(th.register, &who, doorModern, 0)
	if th.defaults {
		c.browser.open, c.modern.open = false, false
	}
	c.registerable = c.browserEnrol.open || c.modernEnrol.open
	c.asksForMFA = !c.browser.open && !c.modern.open && (c.browserAfter.open || c.modernAfter.open)
	return c
}

// old is what a password alone comes to from one class of address.
func (th *thief) old(c *class, eas bool, at int) way {
	known, d := c.other, doorOther
	if eas {
		known, d = c.eas, doorEAS
	}
	w, ok := known[at]
	if !ok {
		w = th.search(th.legacy, &c.who, d, at)
		if th.defaults {
			w.open = false
		}
		known[at] = w
	}
	return w
}
