package policy_test

import (
	"net/netip"
	"testing"
	"time"

	"github.com/portreeve/portreeve/internal/location"
	"github.com/portreeve/portreeve/internal/policy"
	"github.com/portreeve/portreeve/internal/policy/graph"
	"github.com/portreeve/portreeve/internal/protocol"
)

// secureRegistration is Microsoft's template "Securing security info registration".
const secureRegistration = `{"id": "b8f2a9c0-0001-4a00-9b00-000000000001", "displayName": "Securing security info registration", "state": "enabled",
"conditions": {"clientAppTypes": ["all"], "users": {"includeUsers": ["All"], "excludeUsers": ["glass"]},
 "applications": {"includeUserActions": ["urn:user:registersecurityinfo"]},
 "locations": {"includeLocations": ["All"], "excludeLocations": ["AllTrusted"]}},
"grantControls": {"operator": "OR", "builtInControls": ["mfa"]}}`

func TestAPolicyOnRegisteringIsAboutThatAndNotAboutSigningIn(t *testing.T) {
	secure, err := graph.Policy([]byte(secureRegistration))
	if err != nil {
		t.Fatal(err)
	}
	everyDoor := policy.Policy{ID: "block", State: policy.Enabled, Grant: &policy.Grant{Controls: policy.ControlBlock},
		Conditions: policy.Conditions{ClientAppTypes: policy.ClientAppAll, Users: &policy.Users{Include: policy.People{All: true}},
			Applications: &policy.Applications{Include: []string{"All"}}, Locations: &policy.Locations{Include: []string{"elsewhere"}}}}
	network := func(s string) []location.Range {
		r, err := location.ParseRange(s)
		if err != nil {
			t.Fatal(err)
		}
		return []location.Range{r}
	}
	snap, _ := policy.Compile(policy.Source{Version: 7, Policies: []policy.Policy{secure, everyDoor}, Locations: []location.Named{
		{ID: "office", DisplayName: "Office", Trusted: true, Ranges: network("192.0.2.0/24")},
		{ID: "elsewhere", DisplayName: "Elsewhere", Ranges: network("203.0.113.0/24")}}})
	registering := snap.ForAction("URN:user:registerSecurityInfo")
	if registering.Version() != 7 || len(registering.Policies()) != 1 {
		t.Fatalf("version %d with %d policies", registering.Version(), len(registering.Policies()))
	}
	at := func(addr string, m policy.Methods) *policy.Facts {
		return &policy.Facts{At: time.Now(), Person: "leela", Protocol: protocol.Portal, Credential: policy.CredentialPassword,
			Addr: netip.MustParseAddr(addr), Proven: true, Methods: m, AuthTime: time.Now()}
	}
	for addr, want := range map[string]bool{"192.0.2.1": true, "203.0.113.1": false, "198.51.100.1": false} {
		if got := snap.Trusted(at(addr, 0)); got != want {
			t.Errorf("trusted at %s is %v", addr, got)
		}
	}
	password, both := policy.MethodPassword, policy.MethodPassword|policy.MethodSoftwareOath
	for name, c := range map[string]struct {
		on *policy.Snapshot
		f  *policy.Facts
		ok bool
	}{
		"signing in with a password":                {snap, at("198.51.100.1", password), true},
		"signing in from elsewhere":                 {snap, at("203.0.113.1", both), false},
		"registering with a password":               {registering, at("198.51.100.1", password), false},
		"registering with a password at the office": {registering, at("192.0.2.1", password), true},
		"registering with two factors":              {registering, at("198.51.100.1", both), true},
		"registering with a pass":                   {registering, at("198.51.100.1", policy.MethodTemporaryAccessPassOneTime), true},
		"registering from elsewhere with two":       {registering, at("203.0.113.1", both), true},
		"another action":                            {snap.ForAction("urn:user:registerdevice"), at("198.51.100.1", password), true},
	} {
		t.Run(name, func(t *testing.T) {
			if v := policy.Judge(c.on, c.f, nil); v.Allowed() != c.ok {
				t.Errorf("came to %+v", v)
			}
		})
	}
}
