package policy_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/portreeve/portreeve/internal/location"
	"github.com/portreeve/portreeve/internal/policy"
	"github.com/portreeve/portreeve/internal/policy/policytest"
	"github.com/portreeve/portreeve/internal/protocol"
)

// Random policies and facts over small alphabets, so that things meet.

var (
	drawPeople    = []string{"ana", "bo", "cy", "dee", "service-7"}
	drawGroups    = []string{"staff", "board", "scanners", "glass"}
	drawRoles     = []string{"admin", "reader"}
	drawDomains   = []string{"example.org", "partner.example", "other.example"}
	drawCountries = []string{"", "DE", "FR", "US"}
	drawAddrs     = []string{"", "192.0.2.7", "192.0.2.200", "198.51.100.1", "10.0.0.7", "2001:db8::7", "2001:db8:1::7"}
	drawASNs      = []uint32{0, 64500, 64501}
	drawPrograms  = []string{"", "thunderbird", "Outlook", "apple-mail"}
	drawAt        = time.Date(2026, 11, 20, 9, 0, 0, 0, time.UTC)
)

func pick1[T any](t *rapid.T, name string, from ...T) T { return rapid.SampledFrom(from).Draw(t, name) }

func some[T comparable](t *rapid.T, name string, from []T, most int) []T {
	return rapid.SliceOfNDistinct(rapid.SampledFrom(from), 0, most, rapid.ID[T]).Draw(t, name)
}

func maybe1(t *rapid.T, name string, oneIn int) bool {
	return rapid.IntRange(1, oneIn).Draw(t, name) == 1
}

func drawSource(t *rapid.T) policy.Source {
	src := policy.Source{Version: 3, Zone: time.LoadLocation}
	parse := func(s string) location.Range {
		r, err := location.ParseRange(s)
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	src.Locations = []location.Named{
		{ID: "office", DisplayName: "Office", Trusted: true, Ranges: []location.Range{parse("192.0.2.0/25"), parse("2001:db8::/48")}},
		{ID: "all-office", Ranges: []location.Range{parse("192.0.2.0/24"), parse("10.0.0.0/8")}},
		{ID: "work", Kind: location.Countries, Countries: []string{"DE", "FR"}},
		{ID: "odd", Kind: location.Countries, Countries: []string{"US"}, IncludeUnknown: true},
		{ID: "gps", Kind: location.Elsewhere, Countries: []string{"DE"}, IncludeUnknown: rapid.Bool().Draw(t, "gps")},
	}
	src.Strengths = []policy.Strength{
		{ID: "bound", DisplayName: "Bound", Combinations: []policy.Combination{{Methods: policy.MethodBoundAppPassword}, {Methods: policy.MethodPassword | policy.MethodApprovalWindow}}},
		{ID: "keys", DisplayName: "Keys", Combinations: []policy.Combination{{Methods: policy.MethodFIDO2, Unprovable: true}, {Methods: policy.MethodX509MultiFactor}}},
		{ID: "model", DisplayName: "Model", Combinations: []policy.Combination{{Methods: policy.MethodFIDO2, Keys: []string{"blue"}}, {Methods: policy.MethodPassword | policy.MethodFIDO2, Keys: []string{"red", "blue"}}}},
		{ID: "nothing", DisplayName: "Nothing", Combinations: []policy.Combination{{Methods: policy.MethodFIDO2, Unprovable: true}, {}}},
	}
	if rapid.Bool().Draw(t, "also") {
		src.Organization.MFAAlsoAccepts = []policy.Combination{{Methods: policy.MethodBoundAppPassword}}
	}
	for i := range rapid.IntRange(0, 6).Draw(t, "policies") {
		src.Policies = append(src.Policies, drawPolicy(t, i))
	}
	if drawn := src.Policies; len(drawn) > 0 && maybe1(t, "many", 4) { // more than one word of bits
		for i := range rapid.IntRange(1, 150).Draw(t, "copies") {
			p := drawn[rapid.IntRange(0, len(drawn)-1).Draw(t, "copy")]
			p.ID = fmt.Sprint("copy", i)
			src.Policies = append(src.Policies, p)
		}
	}
	return src
}

func drawPolicy(t *rapid.T, i int) policy.Policy {
	p := policy.Policy{ID: fmt.Sprint("p", i), DisplayName: fmt.Sprint("Policy ", i), State: pick1(t, "state", policy.Enabled, policy.Enabled, policy.Enabled, policy.ReportOnly, policy.Disabled)}
	c := &p.Conditions
	if !maybe1(t, "no users", 5) {
		c.Users = &policy.Users{Include: drawPeopleSide(t, 2), Exclude: drawPeopleSide(t, 20)}
		for _, id := range slices.Concat(c.Users.Exclude.Users, c.Users.Exclude.Groups, c.Users.Exclude.Roles) {
			if maybe1(t, "paper", 3) {
				p.Exclusions = append(p.Exclusions, policy.Exclusion{ID: id, Expires: drawAt.Add(time.Duration(rapid.IntRange(-1, 1).Draw(t, "expires")) * time.Hour)})
			}
		}
	}
	if !maybe1(t, "no apps", 3) {
		apps := []string{"All", "Office365", policy.ExchangeOnline, "None", "imap", protocol.POP3.AppID(), "sharepoint", "portal"}
		c.Applications = &policy.Applications{Include: some(t, "apps", apps, 3), Exclude: some(t, "not apps", apps[1:], 1), Filtered: maybe1(t, "filtered", 10)}
	}
	if rapid.Bool().Draw(t, "clients") {
		c.ClientAppTypes = policy.ClientAppTypes(rapid.IntRange(0, 31).Draw(t, "types"))
	}
	if maybe1(t, "platforms", 4) {
		all := []policy.Platform{policy.PlatformAndroid, policy.PlatformIOS, policy.PlatformWindows, policy.PlatformMacOS}
		c.Platforms = &policy.Platforms{AllIncluded: rapid.Bool().Draw(t, "all"), AllExcluded: maybe1(t, "none", 10), Include: some(t, "platforms", all, 2), Exclude: some(t, "not platforms", all, 2)}
	}
	if maybe1(t, "locations", 3) {
		places := []string{"All", "AllTrusted", "office", "all-office", "work", "odd", "gps", "atlantis"}
		c.Locations = &policy.Locations{Include: some(t, "places", places, 3), Exclude: some(t, "not places", places[1:], 2)}
	}
	if maybe1(t, "filter", 3) {
		rules := make([]string, 0, len(policytest.DeviceRules))
		for r := range policytest.DeviceRules {
			rules = append(rules, r)
		}
		slices.Sort(rules)
		c.DeviceFilter = &policy.DeviceFilter{Exclude: rapid.Bool().Draw(t, "mode"), Rule: rapid.SampledFrom(rules).Draw(t, "rule")}
	}
	if maybe1(t, "flows", 6) {
		c.TransferMethods = policy.TransferMethods(rapid.IntRange(0, 3).Draw(t, "flow"))
	}
	if maybe1(t, "risks", 10) {
		c.Risks = []policy.Risk{{"userRiskLevels", some(t, "levels", []string{"high", "none", "hidden"}, 2)}}
	}
	c.ClientApplications = maybe1(t, "services", 30)
	drawOwn(t, &c.Portreeve)
	drawGrant(t, &p)
	return p
}

func drawPeopleSide(t *rapid.T, all int) policy.People {
	p := policy.People{All: maybe1(t, "everybody", all), Users: some(t, "users", drawPeople, 2), Groups: some(t, "groups", drawGroups, 2), Roles: some(t, "roles", drawRoles, 1)}
	if maybe1(t, "guests", 5) {
		p.Guests = []policy.Guests{{Types: policy.GuestTypes(rapid.IntRange(1, 63).Draw(t, "kinds")), Everywhere: rapid.Bool().Draw(t, "everywhere"), Domains: some(t, "domains", drawDomains, 2)}}
	}
	return p
}

func drawOwn(t *rapid.T, o *policy.Own) {
	if maybe1(t, "kinds", 6) {
		kinds := []string{"password", "appPassword", "bearer", "unknown"}
		o.CredentialKinds = &policy.Words{some(t, "kinds", kinds, 2), some(t, "not kinds", kinds, 1)}
	}
	if maybe1(t, "programs", 6) {
		programs := []string{"thunderbird", "outlook", "unknown", "Apple-Mail"}
		o.Programs = &policy.Words{some(t, "programs", programs, 2), some(t, "not programs", programs, 1)}
	}
	if maybe1(t, "asns", 6) {
		o.ASNs = &policy.Numbers{some(t, "asns", drawASNs, 2), some(t, "not asns", drawASNs, 1)}
	}
	if maybe1(t, "hours", 6) {
		span := rapid.Custom(func(t *rapid.T) policy.Span {
			s := policy.Span{From: rapid.SampledFrom([]int{0, 480, 600, 1320}).Draw(t, "from"), To: rapid.SampledFrom([]int{0, 360, 600, 1440}).Draw(t, "to")}
			for d := range s.Days {
				s.Days[d] = rapid.Bool().Draw(t, "day")
			}
			return s
		})
		o.Hours = &policy.Hours{pick1(t, "zone", "", "Europe/Berlin", "America/New_York", "Atlantis/City"), rapid.SliceOfN(span, 0, 2).Draw(t, "hours"), rapid.SliceOfN(span, 0, 1).Draw(t, "not hours")}
	}
	yes, no := true, false
	if maybe1(t, "new", 6) {
		o.NewClient = pick1(t, "new", &yes, &no)
	}
	if maybe1(t, "webmail", 6) {
		o.ViaWebmail = pick1(t, "webmail", &yes, &no)
	}
	if maybe1(t, "share", 6) {
		o.Share = new(rapid.IntRange(0, 100).Draw(t, "share"))
	}
	if maybe1(t, "period", 6) {
		moment := rapid.Custom(func(t *rapid.T) time.Time {
			return pick1(t, "moment", time.Time{}, drawAt, drawAt.Add(-48*time.Hour), drawAt.Add(time.Duration(rapid.IntRange(-10000, 10000).Draw(t, "minutes"))*time.Minute))
		})
		o.Period = &policy.Period{Start: moment.Draw(t, "start"), End: moment.Draw(t, "end")}
	}
}

func drawGrant(t *rapid.T, p *policy.Policy) {
	if maybe1(t, "block", 5) {
		p.Grant = &policy.Grant{Any: true, Controls: policy.ControlBlock}
	} else if !maybe1(t, "no grant", 6) {
		p.Grant = &policy.Grant{Any: rapid.Bool().Draw(t, "any")}
		for _, c := range []policy.Controls{policy.ControlMFA, policy.ControlCompliantDevice, policy.ControlDomainJoinedDevice, policy.ControlApprovedApplication, policy.ControlPasswordChange, policy.ControlTermsOfUse} {
			if maybe1(t, "control", 4) {
				p.Grant.Controls |= c
			}
		}
		if p.Grant.Controls&policy.ControlMFA == 0 && maybe1(t, "strength", 3) {
			id := pick1(t, "strength", "bound", "keys", "model", "nothing", policy.StrengthMFA, "its-own")
			p.Grant.Strength = &policy.Strength{ID: id, DisplayName: id, Combinations: []policy.Combination{{Methods: policy.MethodSMS}}}
		}
		if maybe1(t, "unknown", 20) {
			p.Grant.Unknown = []string{"dance"}
		}
	}
	if maybe1(t, "frequency", 4) {
		p.Session.Frequency = pick1(t, "every", &policy.Frequency{EveryTime: true}, &policy.Frequency{Every: time.Hour}, &policy.Frequency{Every: 12 * time.Hour})
	}
	p.Session.TokenProtection = maybe1(t, "bound", 20)
}

func drawFacts(t *rapid.T) policy.Facts {
	f := policy.Facts{At: drawAt.Add(time.Duration(rapid.IntRange(-10000, 10000).Draw(t, "at")) * time.Minute)}
	if maybe1(t, "now", 3) {
		f.At = drawAt
	}
	if !maybe1(t, "stranger", 6) {
		f.Person = rapid.SampledFrom(drawPeople).Draw(t, "person")
		f.Groups, f.Roles = some(t, "groups", drawGroups, 3), some(t, "roles", drawRoles, 2)
		slices.Sort(f.Groups)
		if maybe1(t, "guest", 4) {
			f.Guest = pick1(t, "guest", policy.InternalGuest, policy.B2BCollaborationGuest, policy.ServiceProvider)
		}
	}
	f.Domain = rapid.SampledFrom(drawDomains).Draw(t, "domain")
	f.Protocol = protocol.Protocol(rapid.IntRange(0, protocol.Count-1).Draw(t, "protocol"))
	f.Credential = policy.CredentialKind(rapid.IntRange(0, policy.KindsOfCredential-1).Draw(t, "credential"))
	f.Addr, f.Country = policytest.Addr(rapid.SampledFrom(drawAddrs).Draw(t, "addr")), rapid.SampledFrom(drawCountries).Draw(t, "country")
	f.ASN, f.Program = rapid.SampledFrom(drawASNs).Draw(t, "asn"), rapid.SampledFrom(drawPrograms).Draw(t, "program")
	f.Platform = policy.Platform(rapid.IntRange(0, int(policy.PlatformLinux)).Draw(t, "platform"))
	f.KnownNetwork, f.ViaWebmail = rapid.Bool().Draw(t, "known"), rapid.Bool().Draw(t, "webmail")
	f.Proven = true
	f.Methods = rapid.SampledFrom(somePossibleMethods).Draw(t, "methods")
	f.Key = pick1(t, "key", "", "blue", "red", "green")
	f.AuthTime = rapid.SampledFrom(possibleAuthTimes(f.At)).Draw(t, "proof")
	f.Flow = policy.TransferMethods(rapid.IntRange(0, 3).Draw(t, "flow"))
	f.Device = rapid.SampledFrom(policytest.EveryKindOfDevice()).Draw(t, "device")
	return f
}

var somePossibleMethods = []policy.Methods{0, policy.MethodPassword, policy.MethodPassword | policy.MethodSoftwareOath, policy.MethodFIDO2, policy.MethodX509MultiFactor, policy.MethodSMS,
	policy.MethodBoundAppPassword, policy.MethodPassword | policy.MethodApprovalWindow, ^policy.Methods(0)}

func possibleAuthTimes(at time.Time) []time.Time {
	return []time.Time{{}, at.Add(-1000 * time.Hour), at.Add(-6 * time.Hour), at.Add(-5 * time.Minute), at.Add(-time.Minute), at, at.Add(time.Hour)}
}

func same(a, b policy.Verdict) bool {
	return a.Effect == b.Effect && a.Code == b.Code && a.By == b.By && a.Stage == b.Stage && a.Until.Equal(b.Until) && a.Version == b.Version && a.Widened == b.Widened
}

// Two judges who share no code agree in the verdict, its code, the policy that
// decides, every policy's result, and the words agree with both.
func TestTheJudgesAgree(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		src := drawSource(t)
		s, _ := policy.Compile(src)
		var b policy.Bits
		for range 8 {
			f := drawFacts(t)
			want := policytest.Plain(&src, &f)
			got := policy.Evaluate(s, &f, &b)
			if !same(got, want.Verdict) {
				t.Fatalf("engine %+v\nloops  %+v", got, want.Verdict)
			}
			if plain := policy.Evaluate(s, &f, nil); !same(plain, got) {
				t.Fatalf("without bits %+v", plain)
			}
			for i := range src.Policies {
				if r := s.Result(&b, i); r != want.Results[i] {
					t.Fatalf("policy %d: engine %v, loops %v", i, r, want.Results[i])
				}
			}
			checkExplanation(t, s, &f, &b)
		}
	})
}

// checkExplanation holds the words against the bits.
func checkExplanation(t *rapid.T, s *policy.Snapshot, f *policy.Facts, b *policy.Bits) {
	x := policy.Explain(s, f)
	if early := x.Stage == policy.StageEarlyBlock.String(); early {
		return // told in TestEarlyBlockIfAndOnlyIfEveryCompletionBlocks
	}
	for i, p := range x.Policies {
		if p.Result != s.Result(b, i).String() {
			t.Fatalf("policy %d is explained as %s", i, p.Result)
		}
		holds := true
		for _, c := range p.Conditions {
			holds = holds && c.Result == "satisfied"
		}
		if applied := b.Applied[i/64]>>(i%64)&1 != 0; s.Policies()[i].State != policy.Disabled && applied != holds {
			t.Fatalf("policy %d applied: %v, its conditions %+v", i, applied, p.Conditions)
		}
	}
}

// completions calls with every completion of the facts that hang on the
// secret, until one stops.
func completions(f policy.Facts, yield func(*policy.Facts) bool) {
	for _, flow := range []policy.TransferMethods{0, policy.DeviceCodeFlow, policy.AuthenticationTransfer} {
		for _, at := range []time.Time{f.At, f.At.Add(-6 * time.Hour), {}} {
			for _, m := range []policy.Methods{^policy.Methods(0), policy.MethodPassword | policy.MethodSoftwareOath, policy.MethodPassword | policy.MethodApprovalWindow, 0} {
				for _, d := range policytest.EveryKindOfDevice() {
					if f.Key = ""; m == ^policy.Methods(0) {
						f.Key = "blue" // which meets all that is asked of keys
					}
					f.Flow, f.AuthTime, f.Methods, f.Device, f.Proven = flow, at, m&policy.Attainable(&f), d, true
					if !yield(&f) {
						return
					}
				}
			}
		}
	}
}

func TestEarlyBlockIfAndOnlyIfEveryCompletionBlocks(t *testing.T) {
	if len(policy.SecretFacts) != 6 {
		t.Fatal("completions knows six facts that hang on the secret")
	}
	early, late := 0, 0
	rapid.Check(t, func(t *rapid.T) {
		src := drawSource(t)
		s, _ := policy.Compile(src)
		f := drawFacts(t)
		blocks := true
		codes := map[int]bool{}
		results := make([]map[policy.Result]bool, len(src.Policies))
		for i := range results {
			results[i] = map[policy.Result]bool{}
		}
		completions(f, func(c *policy.Facts) bool {
			n := policytest.Plain(&src, c)
			codes[n.Verdict.Code] = true
			for i, r := range n.Results {
				results[i][r] = true
			}
			blocks = n.Verdict.Effect == policy.Block
			return blocks
		})
		v := policy.Preauth(s, &f)
		if (v.Effect == policy.Block) != blocks {
			t.Fatalf("early %+v, but every completion blocks: %v", v, blocks)
		}
		if !blocks {
			late++
			return
		}
		early++
		if v.Stage != policy.StageEarlyBlock || !codes[v.Code] {
			t.Fatalf("%+v is no code that it would have had afterwards: %v", v, codes)
		}
		var b policy.Bits
		if j := policy.Judge(s, &f, &b); j != v {
			t.Fatalf("Judge says %+v, Preauth %+v", j, v)
		}
		for i, seen := range results {
			got := s.Result(&b, i)
			if len(seen) > 1 && got != policy.Unknown || len(seen) == 1 && !seen[got] {
				t.Fatalf("policy %d: %v foreseen, completions come to %v", i, got, seen)
			}
		}
		x := policy.Explain(s, &f)
		for i, p := range x.Policies {
			if p.Result != s.Result(&b, i).String() {
				t.Fatalf("policy %d is explained as %s", i, p.Result)
			}
		}
	})
	if early == 0 || late == 0 {
		t.Errorf("%d cases block early, %d do not: both must occur", early, late)
	}
}

// The secret's facts never move Preauth.
func TestPreauthNeverLooksAtWhatHangsOnTheSecret(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s, _ := policy.Compile(drawSource(t))
		f := drawFacts(t)
		want := policy.Preauth(s, &f)
		g := drawFacts(t)
		f.Proven, f.Methods, f.Flow, f.Device, f.AuthTime = false, g.Methods, g.Flow, g.Device, g.AuthTime
		if got := policy.Preauth(s, &f); got != want {
			t.Fatalf("%+v, then %+v", want, got)
		}
	})
}

func TestEveryRuleOfTheTableIsReadable(t *testing.T) {
	for rule := range policytest.DeviceRules {
		_, warnings := policy.Compile(policy.Source{Policies: []policy.Policy{{Conditions: policy.Conditions{DeviceFilter: &policy.DeviceFilter{Rule: rule}}, Grant: &policy.Grant{Controls: policy.ControlBlock}}}})
		if len(warnings) != 0 {
			t.Error(warnings)
		}
	}
}
