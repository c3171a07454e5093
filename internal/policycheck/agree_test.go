package policycheck

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/portreeve/portreeve/internal/policy"
	"github.com/portreeve/portreeve/internal/policy/policytest"
)

// written is a sign-in as somebody would write it in a test.
func written(f *policy.Facts) map[string]any {
	s := map[string]any{"user": f.Address, "protocol": f.Protocol.String(), "credential": f.Credential.String(), "ip": f.Addr.String(), "country": f.Country, "asn": f.ASN,
		"platform": f.Platform.String(), "program": f.Program, "knownNetwork": f.KnownNetwork, "viaWebmail": f.ViaWebmail, "methods": f.Methods.Names(),
		"time": f.At.Format(time.RFC3339), "authTime": f.AuthTime.Format(time.RFC3339)}
	if f.Platform == policy.PlatformUnknown {
		delete(s, "platform")
	}
	if d := f.Device; d != nil {
		s["device"] = map[string]any{"deviceId": d.DeviceID, "displayName": d.DisplayName, "isCompliant": *d.IsCompliant, "trustType": d.TrustType, "operatingSystem": d.OperatingSystem}
	}
	return s
}

// TestTestsAgreeWithThePlainEvaluator writes made-up sign-ins as tests and holds
// what is judged, and what comes of it, to the facts and to the second,
// plain evaluator.
func TestTestsAgreeWithThePlainEvaluator(t *testing.T) {
	const people = 60
	ends := map[Outcome]int{}
	for seed := range uint64(20) {
		src, all := policytest.Source(seed, 12, people), policytest.Facts(seed, people)
		given, tests := map[string]any{}, []any{}
		for i := range all {
			f := &all[i]
			slices.Sort(f.Groups)
			f.Groups = slices.Compact(f.Groups)
			p := map[string]any{"id": f.Person, "groups": f.Groups, "roles": f.Roles}
			if f.Guest != 0 {
				p["guest"] = f.Guest.Names()[0]
			}
			given[f.Address] = p
			end := map[policy.Effect]Outcome{policy.Allow: Allow, policy.Interrupt: Challenge, policy.Block: Refuse}[policytest.Plain(&src, f).Verdict.Effect]
			ends[end]++
			tests = append(tests, map[string]any{"name": fmt.Sprint(i), "signin": written(f), "expect": end.String()})
		}
		text, err := json.Marshal(map[string]any{"given": map[string]any{"people": given}, "tests": tests})
		if err != nil {
			t.Fatal(err)
		}
		s, err := ReadSuite("x", text)
		if err != nil {
			t.Fatal(err)
		}
		w := newWorld(&src, s, &Options{})
		for i := range all {
			got, code := w.facts(&s.Cases[i].SignIns[0])
			want := all[i]
			want.ProgramConfidence = 100
			if want.Roles == nil {
				want.Roles = got.Roles
			}
			got.At, got.AuthTime, want.At, want.AuthTime = got.At.UTC(), got.AuthTime.UTC(), want.At.UTC(), want.AuthTime.UTC()
			if code != 0 || !reflect.DeepEqual(got, want) {
				t.Fatalf("seed %d: %s\n got %+v (%v)\nwant %+v", seed, text, got, code, want)
			}
		}
		for _, x := range Run(src, []*Suite{s}, Options{}).Results {
			if x.Status != Passed {
				t.Errorf("seed %d, sign-in %s: %q", seed, x.Name, x.Problems)
			}
		}
	}
	for _, o := range []Outcome{Allow, Refuse, Challenge} {
		if ends[o] == 0 {
			t.Errorf("no sign-in ends in %s", o)
		}
	}
}

// halves are two conditions each, of which every sign-in meets one.
var halves = map[string]func(a, b *policy.Conditions){
	"platforms": func(a, b *policy.Conditions) {
		a.Platforms = &policy.Platforms{AllIncluded: true, Exclude: []policy.Platform{policy.PlatformIOS}}
		b.Platforms = &policy.Platforms{Include: []policy.Platform{policy.PlatformIOS}}
	},
	"webmail": func(a, b *policy.Conditions) {
		yes, no := true, false
		a.Portreeve.ViaWebmail, b.Portreeve.ViaWebmail = &yes, &no
	},
	"new networks": func(a, b *policy.Conditions) {
		yes, no := true, false
		a.Portreeve.NewClient, b.Portreeve.NewClient = &yes, &no
	},
	"hours": func(a, b *policy.Conditions) {
		span := []policy.Span{{Days: [7]bool{3: true}, From: 8*60 + 17, To: 8*60 + 43}}
		a.Portreeve.Hours, b.Portreeve.Hours = &policy.Hours{Zone: "Asia/Kolkata", Exclude: span}, &policy.Hours{Zone: "Asia/Kolkata", Include: span}
	},
	"countries": func(a, b *policy.Conditions) {
		a.Locations, b.Locations = &policy.Locations{Include: []string{"All"}, Exclude: []string{"land-0"}}, &policy.Locations{Include: []string{"land-0"}}
	},
	"networks": func(a, b *policy.Conditions) {
		a.Locations, b.Locations = &policy.Locations{Include: []string{"All"}, Exclude: []string{"net-57"}}, &policy.Locations{Include: []string{"net-57"}}
	},
	"programs": func(a, b *policy.Conditions) {
		a.Portreeve.Programs, b.Portreeve.Programs = &policy.Words{Exclude: []string{"outlook"}}, &policy.Words{Include: []string{"outlook"}}
	},
	"network numbers": func(a, b *policy.Conditions) {
		a.Portreeve.ASNs, b.Portreeve.ASNs = &policy.Numbers{Exclude: []uint32{64500}}, &policy.Numbers{Include: []uint32{64500}}
	},
	"client types": func(a, b *policy.Conditions) {
		a.ClientAppTypes, b.ClientAppTypes = policy.ClientAppOther|policy.ClientAppExchangeActiveSync, policy.ClientAppBrowser
	},
}

// TestInvariantsFindWhatOneHalfLeavesOpen blocks each half of what there is:
// with both, password sign-ins are always refused; with one, an invariant has
// to find the other, and many made-up sign-ins agree by the plain evaluator.
func TestInvariantsFindWhatOneHalfLeavesOpen(t *testing.T) {
	s, err := ReadSuite("x", []byte(`{"given": {"people": {"a@example.org": {}}, "time": "2026-11-20T09:00:00Z"}, "tests": [
		{"name": "1", "invariant": "noPasswordAlone", "signin": {"protocol": "webmail"}},
		{"name": "2", "invariant": "alwaysRefused", "signin": {"credential": "password"}},
		{"name": "3", "invariant": "alwaysAllowed", "signin": {"credential": "password"}}]}`))
	if err != nil {
		t.Fatal(err)
	}
	for what, halve := range halves {
		base := policytest.Source(7, 0, 3)
		base.Locations = base.Locations[55:] // fewer places to try
		everybody := &policy.Users{Include: policy.People{All: true}}
		a, b := policy.Policy{ID: "a", DisplayName: "a", Grant: &policy.Grant{Controls: policy.ControlBlock}}, policy.Policy{ID: "b", DisplayName: "b", Grant: &policy.Grant{Controls: policy.ControlBlock}}
		a.Conditions.Users, b.Conditions.Users = everybody, everybody
		halve(&a.Conditions, &b.Conditions)
		for which, policies := range map[string][]policy.Policy{"both": {a, b}, "first": {a}, "second": {b}, "neither": {}} {
			src := base
			src.Policies = policies
			report := Run(src, []*Suite{s}, Options{})
			refused := report.Results[1].Status == Passed
			if refused != (which == "both") {
				t.Errorf("%s, %s: always refused is %v: %q", what, which, refused, report.Results[1].Problems)
			}
			if allowed := report.Results[2].Status == Passed; allowed != (which == "neither") {
				t.Errorf("%s, %s: always allowed is %v", what, which, allowed)
			}
			if alone := report.Results[0].Status == Passed; what != "client types" && alone != refused {
				t.Errorf("%s, %s: no password alone is %v", what, which, alone)
			}
			for _, f := range policytest.Facts(1, 500) {
				f.Person, f.Groups, f.Roles, f.Guest = "a@example.org", nil, nil, 0
				f.Credential, f.Methods, f.Device, f.AuthTime = policy.CredentialPassword, policy.MethodPassword, nil, f.At
				if in := policytest.Plain(&src, &f).Verdict.Allowed(); in && refused || !in && which == "neither" {
					t.Fatalf("%s, %s: %+v is let in: %v", what, which, f, in)
				}
			}
		}
	}
}

func TestWhatIsAssumed(t *testing.T) {
	src := source(t, retire)
	s, _ := policy.Compile(src)
	if Assumed(s, []Assumption{{Policy: "nothing", State: policy.Enabled}, {Policy: "retire-passwords", State: policy.ReportOnly}}) != s {
		t.Error("compiled again without a change")
	}
	if on := Assumed(s, []Assumption{{Policy: "Retire Passwords", State: policy.Enabled}}); on.Policies()[0].State != policy.Enabled || s.Policies()[0].State != policy.ReportOnly {
		t.Error("the state is not the one assumed")
	}
}
