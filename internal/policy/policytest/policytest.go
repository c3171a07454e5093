// Package policytest makes up rules and sign-ins of every kind from a seed, for
// benchmarks and tests of load: the same seed always gives the same ones.
package policytest

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"time"

	"github.com/portreeve/portreeve/internal/location"
	"github.com/portreeve/portreeve/internal/policy"
	"github.com/portreeve/portreeve/internal/protocol"
)

// The size of the made-up site.
const (
	groups    = 1000
	roles     = 10
	countries = 40
	networks  = 60 // named network locations
)

// At is when the made-up sign-ins happen.
var At = time.Date(2026, 11, 20, 9, 0, 0, 0, time.UTC)

// Source makes up n policies over every condition there is. Some are for a few
// people, most for groups or everybody; a third have three conditions or more.
func Source(seed uint64, n, people int) policy.Source {
	r := rand.New(rand.NewPCG(seed, 1))
	src := policy.Source{Version: 1, Zone: time.LoadLocation}
	for i := range networks {
		from := netip.AddrFrom4([4]byte{byte(20 + i), byte(r.IntN(256)), 0, 0})
		src.Locations = append(src.Locations, location.Named{ID: fmt.Sprint("net-", i), DisplayName: fmt.Sprint("Network ", i), Trusted: i%3 == 0,
			Ranges: []location.Range{{From: from, To: netip.AddrFrom4([4]byte{from.As4()[0], from.As4()[1], 63, 255})}}})
	}
	for i := range 10 {
		l := location.Named{ID: fmt.Sprint("land-", i), DisplayName: fmt.Sprint("Countries ", i), Kind: location.Countries, IncludeUnknown: i == 0}
		for range 5 {
			l.Countries = append(l.Countries, country(r))
		}
		src.Locations = append(src.Locations, l)
	}
	src.Strengths = []policy.Strength{{ID: "bound", DisplayName: "Bound", Combinations: []policy.Combination{{Methods: policy.MethodBoundAppPassword}, {Methods: policy.MethodPassword | policy.MethodApprovalWindow}}}}
	names := groupIDs()
	for i := range n {
		src.Policies = append(src.Policies, onePolicy(r, i, people, names))
	}
	return src
}

func onePolicy(r *rand.Rand, i, people int, names []string) policy.Policy {
	p := policy.Policy{ID: fmt.Sprintf("policy-%05d", i), DisplayName: fmt.Sprint("Policy ", i)}
	switch r.IntN(10) {
	case 0:
		p.State = policy.Disabled
	case 1, 2:
		p.State = policy.ReportOnly
	}
	u := &policy.Users{}
	switch r.IntN(10) {
	case 0, 1:
		u.Include.Users = []string{Person(r.IntN(people)), Person(r.IntN(people))}
	case 2:
		u.Include.Roles = []string{fmt.Sprint("role-", r.IntN(roles))}
	case 3:
		u.Include.Guests = []policy.Guests{{Types: policy.AllGuests, Everywhere: true}}
	case 4, 5, 6:
		u.Include.All = true
	default:
		u.Include.Groups = []string{oneOf(r, names), oneOf(r, names)}
	}
	u.Exclude.Users = []string{Person(r.IntN(people))}
	if r.IntN(2) == 0 {
		u.Exclude.Groups = []string{oneOf(r, names)}
	}
	p.Conditions.Users = u
	p.Conditions.Applications = &policy.Applications{Include: []string{"All"}}
	if r.IntN(3) == 0 {
		p.Conditions.Applications.Include = []string{protocol.All()[r.IntN(4)].AppID()}
	}
	for range 1 + r.IntN(3) {
		oneCondition(r, &p.Conditions)
	}
	grant(r, &p)
	return p
}

var rules = []string{`device.isCompliant -eq True`, `device.trustType -ne "ServerAD"`, `device.displayName -startsWith "MFP-"`, `device.operatingSystem -eq "iOS" -and device.isCompliant -ne True`}

func oneCondition(r *rand.Rand, c *policy.Conditions) {
	yes := r.IntN(2) == 0
	switch r.IntN(12) {
	case 0, 1:
		c.ClientAppTypes = policy.ClientAppExchangeActiveSync | policy.ClientAppOther
	case 2:
		c.ClientAppTypes = policy.ClientAppBrowser | policy.ClientAppMobileAppsAndDesktopClients
	case 3:
		c.Platforms = &policy.Platforms{AllIncluded: true, Exclude: []policy.Platform{policy.PlatformIOS, policy.PlatformMacOS}}
	case 4, 5:
		c.Locations = &policy.Locations{Include: []string{"All"}, Exclude: []string{"AllTrusted", fmt.Sprint("land-", r.IntN(10))}}
	case 6:
		c.Locations = &policy.Locations{Include: []string{fmt.Sprint("net-", r.IntN(networks)), fmt.Sprint("land-", r.IntN(10))}}
	case 7:
		c.DeviceFilter = &policy.DeviceFilter{Exclude: yes, Rule: rules[r.IntN(len(rules))]}
	case 8:
		c.TransferMethods = policy.DeviceCodeFlow
	case 9:
		c.Portreeve.Programs = &policy.Words{Exclude: []string{oneOf(r, programs)}}
		c.Portreeve.ASNs = &policy.Numbers{Exclude: []uint32{uint32(64500 + r.IntN(20))}}
	case 10:
		c.Portreeve.NewClient = &yes
		share := r.IntN(100)
		c.Portreeve.Share = &share
	case 11:
		c.Portreeve.CredentialKinds = &policy.Words{Include: []string{"password"}}
		c.Portreeve.Hours = &policy.Hours{Zone: "Europe/Berlin", Include: []policy.Span{{Days: [7]bool{1: true, 2: true, 3: true, 4: true, 5: true}, From: 480, To: 1080}}}
	}
}

func grant(r *rand.Rand, p *policy.Policy) {
	switch r.IntN(8) {
	case 0, 1:
		p.Grant = &policy.Grant{Any: true, Controls: policy.ControlBlock}
	case 2, 3, 4:
		p.Grant = &policy.Grant{Any: true, Controls: policy.ControlMFA | policy.ControlCompliantDevice}
	case 5:
		p.Grant = &policy.Grant{Strength: &policy.Strength{ID: "bound"}}
	case 6:
		p.Grant = &policy.Grant{Controls: policy.ControlMFA}
		p.Session.Frequency = &policy.Frequency{Every: 12 * time.Hour}
	case 7:
		p.Grant = &policy.Grant{Controls: policy.ControlMFA | policy.ControlDomainJoinedDevice}
	}
}

var programs = []string{"thunderbird", "apple-mail", "outlook", "k-9", "fairemail", "neomutt"}

// Person is the id of one of the made-up people.
func Person(i int) string { return fmt.Sprintf("11f7c0de-0001-4a00-9b00-%012d", i) }

// groupIDs are a site's groups. A directory has one copy of each id, so
// sign-ins share them.
func groupIDs() (all []string) {
	for i := range groups {
		all = append(all, fmt.Sprintf("22f7c0de-0002-4a00-9b00-%012d", i))
	}
	return all
}

func oneOf(r *rand.Rand, all []string) string { return all[r.IntN(len(all))] }

func country(r *rand.Rand) string {
	i := r.IntN(countries)
	return string([]byte{byte('A' + i%26), byte('A' + i/26)})
}

// Facts makes up one sign-in of each person: one to five groups, every
// protocol and credential, known places and unknown ones, half of the tokens with a device.
func Facts(seed uint64, people int) []policy.Facts {
	r := rand.New(rand.NewPCG(seed, 2))
	all, names := make([]policy.Facts, people), groupIDs()
	for i := range all {
		f := &all[i]
		f.At, f.Person, f.Proven, f.Domain = At.Add(time.Duration(r.IntN(10000))*time.Minute), Person(i), true, "example.org"
		f.Address = fmt.Sprintf("person%d@example.org", i)
		for range 1 + r.IntN(5) {
			f.Groups = append(f.Groups, oneOf(r, names))
		}
		if r.IntN(20) == 0 {
			f.Roles = []string{fmt.Sprint("role-", r.IntN(roles))}
		}
		if r.IntN(20) == 0 {
			f.Guest = policy.B2BCollaborationGuest
		}
		f.Protocol = protocol.All()[r.IntN(len(protocol.All()))]
		f.Credential = policy.CredentialKind(1 + r.IntN(4))
		f.Addr = netip.AddrFrom4([4]byte{byte(20 + r.IntN(90)), byte(r.IntN(256)), byte(r.IntN(256)), byte(r.IntN(256))})
		f.Country, f.ASN = country(r), uint32(64500+r.IntN(40))
		f.Platform, f.Program = policy.Platform(r.IntN(7)), oneOf(r, programs)
		f.KnownNetwork, f.ViaWebmail = r.IntN(4) > 0, r.IntN(10) == 0
		f.Methods, f.AuthTime = policy.MethodPassword, f.At.Add(-time.Duration(r.IntN(24))*time.Hour)
		if f.Credential == policy.CredentialBearer {
			f.Methods |= policy.MethodSoftwareOath
		}
		if f.Credential == policy.CredentialBearer && r.IntN(2) == 0 {
			yes := r.IntN(2) == 0
			f.Device = &policy.Device{DeviceID: "d", DisplayName: "MFP-1", IsCompliant: &yes, TrustType: "AzureAD", OperatingSystem: "iOS"}
		}
	}
	return all
}

// Changed is a source after a random change of a few of its policies: one that
// is new, gone, switched on or off, asks for something else or is for somebody else.
func Changed(seed uint64, src policy.Source, people int) policy.Source {
	r := rand.New(rand.NewPCG(seed, 4))
	src.Version++
	src.Policies = append([]policy.Policy(nil), src.Policies...)
	names := groupIDs()
	for range 1 + r.IntN(3) {
		if len(src.Policies) == 0 || r.IntN(3) == 0 {
			src.Policies = append(src.Policies, onePolicy(r, 90000+r.IntN(9999), people, names))
			continue
		}
		p := &src.Policies[r.IntN(len(src.Policies))]
		switch r.IntN(4) {
		case 0:
			p.State = policy.State(r.IntN(3))
		case 1:
			p.Grant, p.Session = nil, policy.Session{}
			grant(r, p)
		case 2:
			p.Conditions.Users = &policy.Users{Include: policy.People{All: true}}
		case 3:
			p.Conditions.Locations = nil
		}
	}
	return src
}
