package policy

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/portreeve/portreeve/internal/location"
	"github.com/portreeve/portreeve/internal/protocol"
)

// drawAt is when these sign-ins happen.
var drawAt = time.Date(2026, 11, 20, 9, 0, 0, 0, time.UTC)

func TestNamesAndIDsMeanTheSameAndUnknownOnesAreNamed(t *testing.T) {
	names := Names{People: map[string]string{"ana@example.org": "id-ana", "id-ana": "id-ana"},
		Groups: map[string]string{"staff": "id-staff", "id-staff": "id-staff"}}
	users := &Users{Include: People{Users: []string{"Ana@Example.org", "nobody@example.org"}, Groups: []string{"ghosts"}}, Exclude: People{Groups: []string{"STAFF"}}}
	s, warnings := Compile(Source{Names: names, Policies: []Policy{{ID: "p", DisplayName: "P", Conditions: Conditions{Users: users}, Grant: &Grant{Controls: ControlBlock},
		Exclusions: []Exclusion{{ID: "staff", Expires: drawAt}, {ID: "nobody in the list"}}}}})
	want := []string{
		`policy P /conditions/users/includeUsers/1: "nobody@example.org" is nobody here: it matches nobody`,
		`policy P /conditions/users/includeGroups/0: "ghosts" is no group here: it matches nobody`,
		`policy P /portreeve/exclusions/1: "nobody in the list" is in none of the policy's exclude lists of people`,
	}
	var got []string
	for _, w := range warnings {
		got = append(got, w.String())
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("warnings:\n%s", strings.Join(got, "\n"))
	}
	for _, c := range []struct {
		person, group string
		at            time.Time
		blocked       bool
	}{
		{"id-ana", "", drawAt, true}, {"ana@example.org", "", drawAt, false}, {"nobody@example.org", "", drawAt, false},
		{"id-x", "ghosts", drawAt, false}, {"id-ana", "id-staff", drawAt.Add(-1), false}, {"id-ana", "id-staff", drawAt, true},
		{"id-ana", "id-staff", time.Time{}, true},
	} {
		f := Facts{Person: c.person, Groups: []string{c.group}, At: c.at, Protocol: protocol.IMAP, Credential: CredentialPassword}
		if v := Judge(s, &f, nil); v.Allowed() == c.blocked {
			t.Errorf("%+v: %+v", c, v)
		}
	}
}

func TestLoadNamesWhatIsNotEnforced(t *testing.T) {
	src := Source{
		Locations:              []location.Named{{ID: "gps", DisplayName: "GPS", Kind: location.Elsewhere}},
		Strengths:              []Strength{{ID: "s", DisplayName: "Keys", Combinations: []Combination{{Methods: MethodFIDO2, Unprovable: true}}}},
		Organization:           Organization{MFAAlsoAccepts: []Combination{{Unprovable: true}}, DefaultAuthenticationPolicy: "gone"},
		AuthenticationPolicies: []AuthenticationPolicy{{ID: "a", Name: "Half", AllowBasicAuth: map[string]bool{"Imap": false, "Pop": false}}},
		Zone:                   func(string) (*time.Location, error) { return nil, errors.New("no zones") },
		Policies: []Policy{{ID: "p", DisplayName: "P", Unsupported: []Unsupported{{"/x", "not known"}},
			Conditions: Conditions{Portreeve: Own{Hours: &Hours{Zone: "Europe/Berlin"}, CredentialKinds: &Words{Include: []string{"PASSWORD", "magic"}}}},
			Grant:      &Grant{Strength: &Strength{ID: "s"}}}, {ID: "q", DisplayName: "Q"}},
	}
	s, warnings := Compile(src)
	for i, part := range []string{"/x: not known", `"magic" is no kind`, `"Europe/Berlin" is not known`, `"Keys" can be proven`, "Q /grantControls: the policy asks for nothing", "location GPS: it cannot be seen", "strength Keys", "mfaAlsoAccepts", "Half: it says nothing of passwords on submission, sieve", `no authentication policy "gone"`} {
		if i >= len(warnings) || !strings.Contains(warnings[i].String(), part) {
			t.Fatalf("warning %d is not %q: %v", i, part, warnings)
		}
	}
	f := Facts{At: drawAt, Protocol: protocol.Portal, Credential: CredentialPassword, Methods: ^Methods(0)}
	if v := Evaluate(s, &f, nil); v.Effect != Interrupt || v.By != "p" || v.Code != 50076 {
		t.Errorf("a zone that is not known holds at every hour: %+v", v)
	}
	f.Protocol = protocol.IMAP
	if v := Preauth(s, &f); v.Stage != StageAuthenticationPolicy || v.By != "gone" {
		t.Errorf("an authentication policy that is not there refuses: %+v", v)
	}
}

// Facts of old events lack what was not known then: no unknown value lets
// somebody in who was kept out, other than where Entra says so.
func TestTheZeroFactsAreTheStrangerAtAnUnknownDoor(t *testing.T) {
	all := &Users{Include: People{All: true}}
	for what, c := range map[string]Conditions{
		"users": {Users: all}, "no condition": {}, "applications": {Applications: &Applications{Include: []string{"imap"}}},
		"client app types": {ClientAppTypes: ClientAppOther}, "locations": {Locations: &Locations{Include: []string{"All"}, Exclude: []string{"AllTrusted"}}},
		"platforms": {Platforms: &Platforms{AllIncluded: true, Exclude: []Platform{PlatformIOS}}},
		"devices":   {DeviceFilter: &DeviceFilter{Exclude: true, Rule: "device.isCompliant -eq True"}},
	} {
		s, _ := Compile(Source{Policies: []Policy{{ID: "p", Conditions: c, Grant: &Grant{Controls: ControlBlock}}}})
		if v := Judge(s, &Facts{}, nil); v.Effect != Block {
			t.Errorf("%s: %+v", what, v)
		}
	}
}
