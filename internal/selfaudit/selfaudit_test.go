package selfaudit

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/portreeve/portreeve/internal/location"
	"github.com/portreeve/portreeve/internal/policy"
	"github.com/portreeve/portreeve/internal/policy/graph"
	"github.com/portreeve/portreeve/internal/policy/policytest"
	"github.com/portreeve/portreeve/internal/protocol"
)

var (
	now   = time.Date(2026, 11, 20, 9, 0, 0, 0, time.UTC)
	doors = []protocol.Protocol{protocol.IMAP, protocol.Submission}
	mary  = Person{ID: "mary-id", Address: "mary@example.org", Domain: "example.org"}
	anna  = Person{ID: "anna-id", Address: "anna@example.org", Domain: "example.org", Groups: []string{"scanners-id"}}
)

// last is when they were seen.
func last(id string) time.Time {
	if id == anna.ID {
		return now.Add(-100 * 24 * time.Hour)
	}
	return now
}

// rules compiles policies that are given by what stands between their braces.
func rules(t *testing.T, policies ...string) *policy.Snapshot {
	t.Helper()
	src := policy.Source{Version: 1, Zone: time.LoadLocation, Names: policy.Names{Groups: map[string]string{"scanners": "scanners-id"}},
		Locations: []location.Named{{ID: "office-id", DisplayName: "Office", Trusted: true, Ranges: []location.Range{{From: netip.MustParseAddr("192.0.2.0"), To: netip.MustParseAddr("192.0.2.255")}}}}}
	for i, text := range policies {
		p, err := graph.Policy([]byte(fmt.Sprintf(`{"id": "p%d", "displayName": "P%d", "state": "enabled", %s}`, i, i, text)))
		if err != nil {
			t.Fatal(err)
		}
		src.Policies = append(src.Policies, p)
	}
	s, _ := policy.Compile(src)
	return s
}

const (
	block = `"grantControls": {"operator": "OR", "builtInControls": ["block"]}`
	all   = `"users": {"includeUsers": ["All"]}, "applications": {"includeApplications": ["All"]}, "clientAppTypes": ["exchangeActiveSync", "other"]`
)

func TestWhomAPasswordAloneLetsIn(t *testing.T) {
	for name, c := range map[string]struct {
		policies []string
		want     string // kind people protocols where, one a line
		past     string // of the first witness
	}{
		"no policy":  {nil, "password-only anna,mary imap,submission anywhere", "no policy is in force"},
		"all closed": {[]string{`"conditions": {` + all + `}, ` + block}, "", ""},
		"report-only protects nobody": {[]string{`"conditions": {` + all + `}, ` + block},
			"password-only anna,mary imap,submission anywhere", "no policy is in force"},
		"but for the office": {[]string{`"conditions": {` + all + `, "locations": {"includeLocations": ["All"], "excludeLocations": ["AllTrusted"]}}, ` + block},
			"password-only-from anna,mary imap,submission Office", "locations"},
		"but for a group": {[]string{`"conditions": {` + strings.Replace(all, `["All"]}`, `["All"], "excludeGroups": ["scanners"]}`, 1) + `}, ` + block},
			"password-only anna imap,submission anywhere", "users"},
		"one platform": {[]string{`"conditions": {` + all + `, "platforms": {"includePlatforms": ["iOS"]}}, ` + block}, "password-only anna,mary imap,submission anywhere", "platforms"},
		"one program, which any can claim to be": {[]string{`"conditions": {` + all + `, "portreeve": {"programs": {"exclude": ["thunderbird"]}}}, ` + block},
			"password-only anna,mary imap,submission anywhere", "programs"},
		"by day only": {[]string{`"conditions": {` + all + `, "portreeve": {"hours": {"include": [{"days": ["friday"], "from": "08:00", "to": "18:00"}], "timeZone": "UTC"}}}, ` + block},
			"password-only anna,mary imap,submission anywhere", "hours"},
		"but for some minutes of a day": {[]string{`"conditions": {` + all + `, "portreeve": {"hours": {"exclude": [{"days": ["monday"], "from": "03:05", "to": "03:09"}], "timeZone": "UTC"}}}, ` + block},
			"password-only anna,mary imap,submission anywhere", "hours"},
		"only by submission": {[]string{`"conditions": {` + strings.Replace(all, `["All"]}, "client`, `["imap"]}, "client`, 1) + `}, ` + block}, "password-only anna,mary submission anywhere", "applications"},
	} {
		t.Run(name, func(t *testing.T) {
			s := rules(t, c.policies...)
			if strings.Contains(name, "report-only") {
				src := s.Source()
				src.Policies[0].State = policy.ReportOnly
				s, _ = policy.Compile(src)
			}
			found := Look(Input{Rules: s, Now: now, Last: last, People: []Person{mary, anna}, Doors: doors})
			var got []string
			for _, f := range found {
				if f.Kind == ExemptUnused {
					continue
				}
				who := strings.ReplaceAll(strings.Join(f.Subjects, ","), "@example.org", "")
				got = append(got, fmt.Sprint(f.Kind, " ", who, " ", strings.Join(f.Protocols, ","), " ", strings.Join(f.Where, ",")))
				if !strings.Contains(strings.Join(f.Witness.Past, ";"), c.past) {
					t.Errorf("the witness gets past %q", f.Witness.Past)
				}
			}
			if strings.Join(got, "\n") != c.want {
				t.Errorf("found\n%s\nnot\n%s", strings.Join(got, "\n"), c.want)
			}
		})
	}
}

// What is to be typed holds names that others chose as words of their own.
func TestNamesAreWordsOfTheCommand(t *testing.T) {
	src := rules(t, `"conditions": {`+strings.Replace(all, `["All"]}`, `["All"], "excludeGroups": ["scanners"]}`, 1)+`}, `+block).Source()
	src.Policies[0].DisplayName = "x$(reboot)"
	s, _ := policy.Compile(src)
	for _, f := range Look(Input{Rules: s, Now: now, Last: last, People: []Person{mary, anna}, Doors: doors}) {
		if f.Kind == ExemptUnused && !strings.Contains(f.Fix, `'x$(reboot)'`) {
			t.Errorf("%s", f.Fix)
		}
	}
}

func TestDelegatesAndExemptions(t *testing.T) {
	s := rules(t, `"conditions": {`+strings.Replace(all, `["All"]}`, `["All"], "excludeGroups": ["scanners"]}`, 1)+`}, `+block)
	found := Look(Input{Rules: s, Now: now, Last: last, People: []Person{mary, anna}, Doors: doors, Delegates: []Delegate{
		{Person: anna.ID, Mailbox: "office@example.org"}, {Person: anna.ID, Mailbox: "x", Protocols: []protocol.Protocol{protocol.POP3}}, {Person: mary.ID, Mailbox: "every mailbox"}}})
	var kinds []string
	for _, f := range found {
		kinds = append(kinds, f.Kind)
	}
	if want := []string{PasswordOnly, DelegateOpen, ExemptUnused}; !slices.Equal(kinds, want) {
		t.Errorf("found %q, not %q", kinds, want)
	}
}

// Who is not named as open cannot be got at by any choice that a thief has, and
// every witness gets in: by the second evaluator of the tests.
func TestTheSearchMissesNothing(t *testing.T) {
	people := 4
	for seed := range uint64(12) {
		src := policytest.Source(seed, 2+int(seed%6), people)
		src.Locations = append(src.Locations[:6], src.Locations[60:]...)
		s, _ := policy.Compile(src)
		r := rand.New(rand.NewPCG(seed, 3))
		in := Input{Rules: s, Now: policytest.At, Last: last, Doors: doors}
		for i := range people {
			in.People = append(in.People, Person{ID: policytest.Person(i), Address: fmt.Sprintf("p%d@example.org", i), Domain: "example.org"})
		}
		th := newThief(&in)
		for i := range in.People {
			p := &in.People[i]
			reach := th.reach(p)
			for _, w := range append(slices.Clone(reach.anywhere), reach.from...) {
				if !policy.Judge(s, &w.Facts, nil).Allowed() {
					t.Fatalf("seed %d: a witness is refused: %+v", seed, w)
				}
			}
			for range 400 {
				f := policy.Facts{At: policytest.At, AuthTime: policytest.At, Person: p.ID, Address: p.Address, Domain: p.Domain, Protocol: doors[r.IntN(2)], Credential: policy.CredentialPassword,
					Mechanism: "PLAIN", Proven: true, Methods: policy.MethodPassword, Platform: policy.Platform(r.IntN(7)), ASN: uint32(64490 + r.IntN(40)),
					Addr: netip.AddrFrom4([4]byte{byte(15 + r.IntN(70)), byte(r.IntN(256)), byte(r.IntN(256)), 1}), Country: []string{"", "DE", "US", "BR", "AQ", "FR"}[r.IntN(6)],
					Program: []string{"", "thunderbird", "k-9", "apple-mail", "outlook"}[r.IntN(5)]}
				if !policy.Judge(s, &f, nil).Allowed() {
					continue
				}
				here := false
				for i := range src.Locations {
					here = here || len(src.Locations[i].Ranges) > 0 && src.Locations[i].Contains(f.Addr, "")
				}
				is := func(w way) bool { return w.Protocol == f.Protocol }
				if !slices.ContainsFunc(reach.anywhere, is) && (!here || !slices.ContainsFunc(reach.from, is)) {
					t.Fatalf("seed %d: %+v is let in and not found; found %+v", seed, f, reach)
				}
			}
		}
	}
}

// Thousands of people in some groups are looked at in no time.
func BenchmarkLook(b *testing.B) {
	var src policy.Source
	for i := range 12 {
		p, err := graph.Policy([]byte(fmt.Sprintf(`{"id": "p%d", "displayName": "P%d", "state": "enabled", "conditions": {"users": {"includeGroups": ["g%d"]}, "applications": {"includeApplications": ["All"]}, "clientAppTypes": ["other"], "platforms": {"includePlatforms": ["all"], "excludePlatforms": ["iOS"]}}, %s}`, i, i, i, block)))
		if err != nil {
			b.Fatal(err)
		}
		src.Policies = append(src.Policies, p)
	}
	src.Names.Groups = map[string]string{}
	for i := range 12 {
		src.Names.Groups[fmt.Sprint("g", i)] = fmt.Sprint("g", i)
	}
	s, _ := policy.Compile(src)
	in := Input{Rules: s, Now: policytest.At, Last: last, Doors: []protocol.Protocol{protocol.IMAP, protocol.POP3, protocol.Submission, protocol.Sieve}}
	for i := range 5000 {
		in.People = append(in.People, Person{ID: policytest.Person(i), Address: fmt.Sprintf("p%d@example.org", i), Domain: "example.org", Groups: []string{fmt.Sprint("g", i%12)}})
	}
	for b.Loop() {
		Look(in)
	}
}
