package lint

import (
	"encoding/json"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/portreeve/portreeve/internal/location"
	"github.com/portreeve/portreeve/internal/policy"
	"github.com/portreeve/portreeve/internal/policy/graph"
	"github.com/portreeve/portreeve/internal/protocol"
)

var now = time.Date(2026, 11, 20, 9, 0, 0, 0, time.UTC)

const everybody = `"users": {"includeUsers": ["All"]}, "applications": {"includeApplications": ["All"]}`

// read makes a policy in force of its conditions and what it asks for.
func read(t *testing.T, name, conditions, controls, more string) policy.Policy {
	t.Helper()
	p, err := graph.Policy([]byte(`{"id": "` + name + `", "displayName": "` + name + `", "state": "enabled", "conditions": {` + conditions +
		`}, "grantControls": {"operator": "OR", "builtInControls": [` + controls + `]}` + more + `}`))
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return p
}

func source(t *testing.T, policies ...policy.Policy) policy.Source {
	t.Helper()
	ranges := func(texts ...string) (all []location.Range) {
		for _, s := range texts {
			r, err := location.ParseRange(s)
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, r)
		}
		return all
	}
	return policy.Source{Policies: policies, Zone: time.LoadLocation, Names: policy.Names{Groups: map[string]string{"staff": "g-staff", "scanners": "g-scanners"}}, Locations: []location.Named{
		{ID: "home", DisplayName: "Home", Kind: location.Countries, Countries: []string{"PT"}},
		{ID: "office", DisplayName: "Office", Trusted: true, Ranges: ranges("192.0.2.0/24")},
		{ID: "inside", DisplayName: "Inside", Ranges: ranges("10.0.0.0/8", "192.168.0.0/16")},
	}}
}

func ids(found []Finding) (all []string) {
	for _, f := range found {
		all = append(all, f.ID)
	}
	return all
}

// Each row is one policy and all that is to be found of it.
func TestFindingsOfOnePolicy(t *testing.T) {
	legacy := everybody + `, "clientAppTypes": ["exchangeActiveSync", "other"]`
	abroad := everybody + `, "locations": {"includeLocations": ["All"], "excludeLocations": ["home"]}`
	excluded := func(paper string) string {
		return `, "portreeve": {"exclusions": [{"id": "scanners", ` + paper + `}]}`
	}
	some := `"users": {"includeUsers": ["All"], "excludeGroups": ["scanners"]}, "applications": {"includeApplications": ["All"]}`
	for _, c := range []struct {
		what, conditions, controls, more string
		want                             []string
	}{
		{"a block abroad", abroad, `"block"`, "", []string{PrivateRanges}},
		{"a second factor abroad", abroad, `"mfa"`, "", []string{PrivateRanges}},
		{"a block abroad that thinks of its own networks", strings.Replace(abroad, `"home"`, `"home", "inside"`, 1), `"block"`, "", nil},
		{"a block outside networks", strings.Replace(abroad, `"home"`, `"office"`, 1), `"block"`, "", nil},
		{"a legacy block", legacy, `"block"`, "", []string{BlocksGranted}},
		{"a legacy block of a group", strings.Replace(legacy, `"includeUsers": ["All"]`, `"includeGroups": ["staff"]`, 1), `"block"`, "", []string{BlocksGranted}},
		{"a block of passwords alone", legacy + `, "portreeve": {"credentialKinds": {"include": ["password"]}}`, `"block"`, "", nil},
		{"a legacy block of one place", legacy + `, "locations": {"includeLocations": ["office"]}`, `"block"`, "", []string{Narrowed}},
		{"a block of everything of a group", `"users": {"includeGroups": ["staff"]}, "applications": {"includeApplications": ["All"]}`, `"block"`, "", nil},
		{"a legacy block of what says it is a phone", legacy + `, "platforms": {"includePlatforms": ["iOS"]}`, `"block"`, "", []string{Narrowed}},
		{"a second factor by day", everybody + `, "portreeve": {"hours": {"include": [{"from": "08:00", "to": "18:00"}]}}`, `"mfa"`, "", []string{Narrowed}},
		{"a second factor outside trusted networks", everybody + `, "locations": {"includeLocations": ["All"], "excludeLocations": ["AllTrusted"]}`, `"mfa"`, "", nil},
		{"a second factor for a share", everybody + `, "portreeve": {"share": 10}`, `"mfa"`, "", nil},
		{"a second factor of two conditions", everybody + `, "portreeve": {"newClient": true, "programs": {"include": ["k-9"]}}`, `"mfa"`, "", nil},
		{"nobody's share", everybody + `, "portreeve": {"share": 0}`, `"mfa"`, "", []string{NeverApplies}},
		{"browsers over IMAP", `"users": {"includeUsers": ["All"]}, "applications": {"includeApplications": ["imap"]}, "clientAppTypes": ["browser"]`, `"mfa"`, "", []string{NeverApplies}},
		{"a group that it excludes", `"users": {"includeGroups": ["staff"], "excludeGroups": ["staff"]}, "applications": {"includeApplications": ["All"]}`, `"mfa"`, "", []string{NeverApplies, ExclusionUnowned}},
		{"a place within a place that is excluded", everybody + `, "locations": {"includeLocations": ["office"], "excludeLocations": ["AllTrusted"]}`, `"mfa"`, "", []string{NeverApplies}},
		{"a period that is over", everybody + `, "portreeve": {"period": {"endDateTime": "2026-11-20T09:00:00Z"}}`, `"mfa"`, "", []string{NeverApplies}},
		{"a period that is to come", everybody + `, "portreeve": {"period": {"startDateTime": "2027-01-01"}}`, `"mfa"`, "", nil},
		{"an exclusion with its paper", some, `"mfa"`, excluded(`"owner": "ana", "reason": "no OAuth", "expires": "2027-06-30"`), nil},
		{"an exclusion without an owner", some, `"mfa"`, excluded(`"reason": "no OAuth"`), []string{ExclusionUnowned}},
		{"an exclusion without paper", some, `"mfa"`, "", []string{ExclusionUnowned}},
		{"one that ends in two weeks", some, `"mfa"`, excluded(`"owner": "ana", "reason": "r", "expires": "2026-12-04"`), []string{ExclusionExpiring}},
		{"one that ends after them", some, `"mfa"`, excluded(`"owner": "ana", "reason": "r", "expires": "2026-12-05"`), nil},
		{"one that has ended", some, `"mfa"`, excluded(`"owner": "ana", "reason": "r", "expires": "2026-11-20T09:00:00Z"`), []string{ExclusionExpired}},
	} {
		rules, _ := policy.Compile(source(t, read(t, "p", c.conditions, c.controls, c.more)))
		found := Check(Input{Rules: rules, Now: now})
		got := ids(found)
		if slices.Sort(got); !slices.Equal(got, sorted(c.want)) {
			t.Errorf("%s: found %v, want %v", c.what, got, c.want)
		}
		for _, f := range found {
			if f.Object.ID != "p" || f.Sentence == "" || f.Fix.Text == "" || rank(f.Severity) < 0 || f.Fix.JSON != nil && !json.Valid(f.Fix.JSON) {
				t.Errorf("%s: %+v", c.what, f)
			}
		}
	}
}

func sorted(all []string) []string { return slices.Sorted(slices.Values(all)) }

// What is offered instead of a block refuses a bare password too, and lets
// through what was earned.
func TestTheStrengthOfferedInsteadOfABlockKeepsWhatWasGranted(t *testing.T) {
	conditions := everybody + `, "clientAppTypes": ["exchangeActiveSync", "other"]`
	block := read(t, "p", conditions, `"block"`, "")
	rules, _ := policy.Compile(source(t, block))
	found := Check(Input{Rules: rules, Now: now})
	var fix struct {
		Grant json.RawMessage `json:"grantControls"`
	}
	if len(found) != 1 || json.Unmarshal(found[0].Fix.JSON, &fix) != nil {
		t.Fatalf("%+v", found)
	}
	p, err := graph.Policy([]byte(`{"displayName": "p", "state": "enabled", "conditions": {` + conditions + `}, "grantControls": ` + string(fix.Grant) + `}`))
	if err != nil {
		t.Fatal(err)
	}
	mended, warnings := policy.Compile(source(t, p))
	if len(warnings) > 0 || len(Check(Input{Rules: mended, Now: now})) > 0 {
		t.Errorf("the mended policy is not clean: %v", warnings)
	}
	f := policy.Facts{At: now, Person: "ana", Protocol: protocol.IMAP, Credential: policy.CredentialPassword, Proven: true, Methods: policy.MethodPassword,
		Addr: netip.MustParseAddr("198.51.100.1")}
	if policy.Judge(mended, &f, nil).Allowed() {
		t.Error("a bare password passes the mended policy")
	}
	f.Methods |= policy.MethodApprovalWindow
	if !policy.Judge(mended, &f, nil).Allowed() || policy.Judge(rules, &f, nil).Allowed() {
		t.Error("a window must be refused by the block and pass what is offered")
	}
}

func TestRecordedSignInsAreTheEvidence(t *testing.T) {
	conditions := everybody + `, "locations": {"includeLocations": ["All"], "excludeLocations": ["home"]}`
	rules, _ := policy.Compile(source(t, read(t, "p", conditions, `"block"`, "")))
	seen := []policy.Facts{
		{At: now, Person: "ana", Protocol: protocol.IMAP, Credential: policy.CredentialPassword, Addr: netip.MustParseAddr("10.0.0.7")},
		{At: now, Person: "tom", Protocol: protocol.Submission, Credential: policy.CredentialPassword, Addr: netip.MustParseAddr("192.168.0.7")},
		{At: now, Person: "tom", Protocol: protocol.IMAP, Credential: policy.CredentialPassword, Addr: netip.MustParseAddr("198.51.100.7"), Country: "US"},
	}
	each := func(yield func(*policy.Facts, int64) bool) {
		for i := range seen {
			if !yield(&seen[i], 10) {
				return
			}
		}
	}
	found := Check(Input{Rules: rules, Now: now, SignIns: each, Days: 30})
	want := "20 sign-ins of 2 people in 30 days came from private addresses and would meet it"
	if len(found) != 1 || !slices.Equal(found[0].Evidence, []string{want}) {
		t.Errorf("%+v", found)
	}
}

func TestTheOneThatDecidesNothingIsNamedAndByWhom(t *testing.T) {
	wide := read(t, "wide", everybody, `"mfa"`, "")
	narrow := read(t, "narrow", `"users": {"includeGroups": ["staff"]}, "applications": {"includeApplications": ["imap"]}`, `"mfa"`, "")
	other := read(t, "other", `"users": {"includeGroups": ["staff"]}, "applications": {"includeApplications": ["imap"]}`, `"block"`, "")
	rules, _ := policy.Compile(source(t, narrow, wide, other))
	found := Check(Input{Rules: rules, Now: now})
	if len(found) != 1 || found[0].ID != Shadowed || found[0].Object.ID != "narrow" || !strings.Contains(found[0].Sentence, `"wide"`) && !strings.Contains(found[0].Sentence, `"other"`) {
		t.Errorf("%+v", found)
	}
	wide.State, other.State = policy.ReportOnly, policy.ReportOnly
	rules, _ = policy.Compile(source(t, narrow, wide, other))
	if found := Check(Input{Rules: rules, Now: now}); len(found) != 0 {
		t.Errorf("what only reports shadows nobody: %+v", found)
	}
	rules, _ = policy.Compile(source(t, narrow, wide, other))
	if found := Check(Input{Rules: rules, Now: now, Since: map[string]time.Time{"wide": now.AddDate(0, 0, -40), "other": now.AddDate(0, 0, -29)}}); len(found) != 1 || found[0].ID != ReportOnlyLong || found[0].Object.ID != "wide" {
		t.Errorf("%+v", found)
	}
}

func TestLocationsThatAreEverywhere(t *testing.T) {
	for _, c := range []struct {
		ranges []string
		want   string
	}{
		{[]string{"0.0.0.0/0"}, "IPv4"}, {[]string{"::/0"}, "IPv6"}, {[]string{"::/0", "0.0.0.0/0"}, "IPv4 and IPv6"},
		{[]string{"128.0.0.0/1", "0.0.0.0/1"}, "IPv4"}, {[]string{"0.0.0.0-9.255.255.255", "10.0.0.0-255.255.255.255"}, "IPv4"},
		{[]string{"0.0.0.0-9.255.255.255", "10.0.0.1-255.255.255.255"}, ""}, {[]string{"0.0.0.1-255.255.255.255"}, ""}, {[]string{"0.0.0.0-255.255.255.254"}, ""}, {nil, ""},
	} {
		var ranges []location.Range
		for _, s := range c.ranges {
			r, err := location.ParseRange(s)
			if err != nil {
				t.Fatal(err)
			}
			ranges = append(ranges, r)
		}
		if got := AllOf(ranges); got != c.want {
			t.Errorf("%v: %q, want %q", c.ranges, got, c.want)
		}
		src := source(t, read(t, "p", everybody+`, "locations": {"includeLocations": ["All"], "excludeLocations": ["AllTrusted"]}`, `"mfa"`, ""))
		src.Locations = []location.Named{{ID: "l", DisplayName: "L", Trusted: true, Ranges: ranges}}
		rules, _ := policy.Compile(src)
		found := slices.DeleteFunc(Check(Input{Rules: rules, Now: now}), func(f Finding) bool { return f.ID != Everywhere })
		if (len(found) == 1) != (c.want != "") || len(found) == 1 && (found[0].Severity != Danger || len(found[0].Evidence) != 1) {
			t.Errorf("%v: %+v", c.ranges, found)
		}
	}
}

func TestWarningsBecomeFindingsAndNothingIsToldTwice(t *testing.T) {
	src := source(t,
		read(t, "a", everybody+`, "locations": {"includeLocations": ["All"], "excludeLocations": ["home", "nowhere"]}`, `"block"`, ""),
		read(t, "b", `"users": {"includeGroups": ["staff", "gone"]}, "applications": {"includeApplications": ["All"]}`, `"mfa", "approvedApplication"`, ""))
	rules, warnings := policy.Compile(src)
	found := Check(Input{Rules: rules, Warnings: warnings, Now: now})
	count := map[string]int{}
	for _, f := range found {
		count[f.ID+" "+f.Object.ID]++
	}
	want := map[string]int{"private-ranges a": 1, "refers-to-nothing a": 1, "refers-to-nothing b": 1, "not-enforced b": 1}
	for k, n := range want {
		if count[k] != n {
			t.Errorf("%s: %d times, want %d", k, count[k], n)
		}
	}
	if len(found) != len(want) {
		t.Errorf("found %v", count)
	}
	told := map[string]bool{}
	for _, f := range found {
		told[f.Warning] = true
	}
	for _, w := range warnings {
		if !told[w.Text] {
			t.Errorf("the warning %q is lost", w.Text)
		}
	}
	if only := Check(Input{Rules: rules, Warnings: warnings, Now: now, Only: func(id string) bool { return id == "b" }}); slices.ContainsFunc(only, func(f Finding) bool { return f.Object.ID != "b" }) || len(only) != 2 {
		t.Errorf("of b alone: %v", ids(only))
	}
}

func TestWindowsThatPinNoPlace(t *testing.T) {
	for network, want := range map[string]Severity{"0.0.0.0/0": Danger, "::/0": Danger, "10.0.0.0/7": Warning, "2000::/3": Warning, "10.0.0.0/8": "", "192.0.2.1/32": "", "2001:db8::/32": "", "": ""} {
		var p netip.Prefix
		if network != "" {
			p = netip.MustParsePrefix(network)
		}
		f, found := Window("w", "ana", p)
		if found != (want != "") || f.Severity != want {
			t.Errorf("%q: %v %q, want %q", network, found, f.Severity, want)
		}
	}
}

func TestDaysBeforeAnEnd(t *testing.T) {
	for in, want := range map[time.Duration]int{0: 0, time.Second: 1, day: 1, day + 1: 7, 7 * day: 7, 8 * day: 14, 14 * day: 14, 14*day + 1: 0, -time.Hour: 0} {
		if got := DueDays(now.Add(in), now); got != want {
			t.Errorf("in %s: %d, want %d", in, got, want)
		}
	}
	if DueDays(time.Time{}, now) != 0 {
		t.Error("what never ends is due")
	}
}
