package importer

import (
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/portreeve/portreeve/internal/location"
	"github.com/portreeve/portreeve/internal/policy"
	"github.com/portreeve/portreeve/internal/policy/graph"
	"github.com/portreeve/portreeve/internal/protocol"
	"github.com/portreeve/portreeve/internal/tenant"
)

// inForce compiles a translation, as an import would.
func inForce(t *testing.T, tr *Translation) *policy.Snapshot {
	t.Helper()
	src := policy.Source{Version: 1}
	for i, raw := range tr.Locations {
		l, err := graph.Location(raw)
		if err != nil {
			t.Fatalf("%v in %s", err, raw)
		}
		l.ID = fmt.Sprintf("l%d", i)
		src.Locations = append(src.Locations, l)
	}
	for i, raw := range tr.Policies {
		p, err := graph.Policy(raw)
		if err != nil {
			t.Fatalf("%v in %s", err, raw)
		}
		p.ID = fmt.Sprintf("p%d", i)
		src.Policies = append(src.Policies, p)
	}
	s, warnings := policy.Compile(src)
	for _, w := range warnings {
		t.Errorf("a policy is not enforced as it stands: %v", w)
	}
	return s
}

type attempt struct {
	person string
	door   protocol.Protocol
	kind   policy.CredentialKind
	addr   string
	os     policy.Platform
}

func blocked(s *policy.Snapshot, a attempt) bool {
	var bits policy.Bits
	f := policy.Facts{At: time.Date(2026, 11, 20, 9, 0, 0, 0, time.UTC), Person: a.person, Protocol: a.door, Credential: a.kind, Platform: a.os,
		Addr: netip.MustParseAddr(a.addr), Proven: true, Methods: policy.MethodPassword}
	return !policy.Judge(s, &f, &bits).Allowed()
}

// firstMatch is what Exchange does: the plain reading of client access rules.
func firstMatch(rules []tenant.ClientRule, a attempt) bool {
	doors := map[protocol.Protocol]string{protocol.IMAP: "IMAP4", protocol.POP3: "POP3", protocol.EWS: "ExchangeWebServices", protocol.Webmail: "OutlookWebApp", protocol.Submission: "none"}
	auth := map[policy.CredentialKind][]string{policy.CredentialPassword: {"BasicAuthentication"}, policy.CredentialBearer: {"OAuthAuthentication", "NonBasicAuthentication"}}
	inside := func(all []string) bool {
		return slices.ContainsFunc(all, func(r string) bool {
			x, err := location.ParseRange(r)
			return err == nil && x.Contains(netip.MustParseAddr(a.addr))
		})
	}
	any := func(all []string, of ...string) bool {
		return slices.ContainsFunc(all, func(w string) bool { return slices.Contains(of, w) })
	}
	if a.door == protocol.Submission {
		return false
	}
	for _, r := range rules {
		switch {
		case !r.Enabled,
			len(r.Protocols) > 0 && !any(r.Protocols, doors[a.door]), any(r.ExceptProtocols, doors[a.door]),
			len(r.AuthTypes) > 0 && !any(r.AuthTypes, auth[a.kind]...), any(r.ExceptAuthTypes, auth[a.kind]...),
			len(r.Addresses) > 0 && !inside(r.Addresses), inside(r.ExceptAddresses),
			len(r.UserPatterns) > 0 && !any(r.UserPatterns, a.person), any(r.ExceptUserPatterns, a.person):
			continue
		}
		return r.Deny
	}
	return false
}

// TestFirstMatchIsKept holds random client access rules against the policies
// they become, with the engine that enforces them.
func TestFirstMatchIsKept(t *testing.T) {
	rnd := rand.New(rand.NewPCG(7, 11))
	some := func(chance int, all ...string) (out []string) {
		if rnd.IntN(100) >= chance {
			return nil
		}
		for _, w := range all {
			if rnd.IntN(2) == 0 {
				out = append(out, w)
			}
		}
		return out
	}
	policies, left := 0, 0
	for round := range 400 {
		var rules []tenant.ClientRule
		for i := range 1 + rnd.IntN(4) {
			rules = append(rules, tenant.ClientRule{Name: fmt.Sprintf("r%d", i), Priority: i, Enabled: rnd.IntN(8) > 0, Deny: rnd.IntN(2) == 0,
				Protocols: some(60, "IMAP4", "POP3", "ExchangeWebServices", "OutlookWebApp"), ExceptProtocols: some(15, "IMAP4", "POP3"),
				AuthTypes: some(30, "BasicAuthentication", "OAuthAuthentication", "NonBasicAuthentication"), ExceptAuthTypes: some(10, "BasicAuthentication"),
				Addresses: some(50, "192.0.2.0/24", "198.51.100.1-198.51.100.9", "2001:db8::/32"), ExceptAddresses: some(20, "192.0.2.7", "2001:db8::1"),
				UserPatterns: some(20, "ana", "leela"), ExceptUserPatterns: some(20, "ana", "bjorn")})
		}
		tr := ClientAccessRules(&tenant.Tenant{ClientRules: rules})
		said := fmt.Sprint(tr.Unmapped)
		if strings.Contains(said, "left out: it is for") || strings.Contains(said, "no address lies") || strings.Contains(said, "would become") {
			left++
			continue // told, and so not equal
		}
		s := inForce(t, tr)
		policies += len(tr.Policies)
		for _, person := range []string{"ana", "bjorn", "leela"} {
			for _, door := range []protocol.Protocol{protocol.IMAP, protocol.POP3, protocol.EWS, protocol.Webmail, protocol.Submission} {
				for _, kind := range []policy.CredentialKind{policy.CredentialPassword, policy.CredentialBearer} {
					for _, addr := range []string{"192.0.2.7", "192.0.2.8", "198.51.100.5", "203.0.113.1", "2001:db8::1", "2001:db8::2"} {
						a := attempt{person, door, kind, addr, 0}
						if want, got := firstMatch(rules, a), blocked(s, a); want != got {
							t.Fatalf("round %d: %+v: blocked is %v, the rules say %v\nrules %+v\npolicies %s", round, a, got, want, rules, tr.Policies)
						}
					}
				}
			}
		}
	}
	if policies < 400 || left > 150 {
		t.Errorf("%d policies were tried and %d rounds left out: too little was shown", policies, left)
	}
}

func TestWhatHasNoEqualIsTold(t *testing.T) {
	exported, err := tenant.Read(fstest.MapFS{"ClientAccessRule.json": {Data: []byte(`[
{"Name":"Allow admins","Priority":1,"Enabled":true,"Action":"AllowAccess","UsernameMatchesAnyOfPatterns":["*admin*"]},
{"Name":"Deny by department","Priority":2,"Enabled":true,"Action":"DenyAccess","UserRecipientFilter":"Department -eq 'Sales'"},
{"Name":"Deny shells","Priority":3,"Enabled":true,"Action":"DenyAccess","AnyOfProtocols":["RemotePowerShell"]},
{"Name":"Deny IMAP","Priority":4,"Enabled":true,"Action":"DenyAccess","AnyOfProtocols":["IMAP4","REST"]},
{"Name":"Federated","Priority":5,"Enabled":true,"Action":"DenyAccess","AnyOfAuthenticationTypes":["AdfsAuthentication"]}]`)},
		"ActiveSyncDeviceAccessRule.json": {Data: []byte(`{"Name":"Old phones","Characteristic":"DeviceOS","QueryString":"iOS 9.1","AccessLevel":"Block"}`)}})
	if err != nil {
		t.Fatal(err)
	}
	tr := ClientAccessRules(exported)
	if len(tr.Policies) != 1 || !strings.Contains(string(tr.Policies[0]), `"imap"`) {
		t.Errorf("policies: %s", tr.Policies)
	}
	said, err := json.Marshal(tr.Unmapped)
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range []string{"*admin* has no equal", "UserRecipientFilter", "RemotePowerShell, which are no doors", "REST is no door", "is stricter here", "AdfsAuthentication has no equal", "device access rule"} {
		if !strings.Contains(strings.ReplaceAll(string(said), `\u003c`, "<"), part) {
			t.Errorf("nothing says %q: %s", part, said)
		}
	}
}

func oktaFiles(t *testing.T, names ...string) map[string]io.Reader {
	t.Helper()
	files := map[string]io.Reader{}
	for _, n := range names {
		b, err := os.ReadFile("testdata/vendors/" + n)
		if err != nil {
			t.Fatal(err)
		}
		files[n] = strings.NewReader(string(b))
	}
	return files
}

func TestOktasRules(t *testing.T) {
	tr, err := OktaPolicies(oktaFiles(t, "okta-policies.json", "okta-zones.json", "okta-groups.json"), "")
	if err != nil {
		t.Fatal(err)
	}
	s := inForce(t, tr)
	const office, abroad = "192.0.2.10", "203.0.113.1"
	refused := func(person, addr string, os policy.Platform) bool {
		return blocked(s, attempt{person, protocol.IMAP, policy.CredentialPassword, addr, os})
	}
	// Rules: allow in the office; deny from Tor-like addresses; deny Android; else a second factor,
	// which a program that shows a password cannot give.
	for _, c := range []struct {
		addr string
		os   policy.Platform
		want bool
	}{{office, 0, false}, {office, policy.PlatformAndroid, false}, {abroad, 0, true}, {abroad, policy.PlatformAndroid, true}, {"198.51.100.7", 0, true}} {
		if got := refused("ana", c.addr, c.os); got != c.want {
			t.Errorf("from %s on %v: refused is %v", c.addr, c.os, got)
		}
	}
	var names []string
	for _, raw := range tr.Policies {
		var p struct{ DisplayName string }
		if err := json.Unmarshal(raw, &p); err != nil {
			t.Fatal(err)
		}
		names = append(names, p.DisplayName)
	}
	if got := strings.Join(names, "\n"); got != "Everybody: Deny bad addresses\nEverybody: Deny Android\nEverybody: Else ask" {
		t.Errorf("the policies are\n%s", got)
	}
	said := fmt.Sprint(tr.Unmapped)
	for _, part := range []string{"a risk score (HIGH)", "Region DE-BE", "blocklist"} {
		if !strings.Contains(strings.ReplaceAll(said, "a region (DE-BE)", "Region DE-BE"), part) {
			t.Errorf("nothing says %q: %s", part, said)
		}
	}
}

func TestOktasApplicationPolicy(t *testing.T) {
	tr, err := OktaPolicies(oktaFiles(t, "okta-access-policy.json", "okta-groups.json"), "Mail")
	if err != nil {
		t.Fatal(err)
	}
	inForce(t, tr)
	all := fmt.Sprintf("%s", tr.Policies)
	if len(tr.Policies) != 2 || !strings.Contains(all, `"Office365"`) || !strings.Contains(all, "00000000-0000-0000-0000-000000000004") || !strings.Contains(all, `"Administrators"`) {
		t.Errorf("policies: %s", all)
	}
	if _, err := OktaPolicies(oktaFiles(t, "okta-access-policy.json"), ""); err == nil || !strings.Contains(err.Error(), `"Mail", "Wiki"`) {
		t.Errorf("two applications' policies give %v", err)
	}
}

func FuzzOktaPolicies(f *testing.F) {
	for _, n := range []string{"okta-policies.json", "okta-zones.json", "okta-access-policy.json"} {
		b, err := os.ReadFile("testdata/vendors/" + n)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(b))
	}
	f.Fuzz(func(t *testing.T, s string) {
		tr, err := OktaPolicies(map[string]io.Reader{"x": strings.NewReader(s)}, "")
		if err != nil {
			return
		}
		for _, raw := range tr.Policies {
			if _, err := graph.Policy(raw); err != nil {
				t.Errorf("%v in %s", err, raw)
			}
		}
	})
}

// What is not known is let in by no rule that names what it lets in.
func TestAnUnknownPlatformIsNoneOfThoseNamed(t *testing.T) {
	const rules = `[{"name":"iPhones","priority":1,"status":"ACTIVE","conditions":{"platform":{"include":[{"type":"MOBILE","os":{"type":"IOS"}}]}},"actions":{"signon":{"access":"ALLOW"}}},
{"name":"Ask on Windows","priority":2,"status":"ACTIVE","conditions":{"platform":{"include":[{"type":"DESKTOP","os":{"type":"WINDOWS"}}]}},"actions":{"signon":{"access":"ALLOW","requireFactor":true}}},
{"name":"Deny","priority":3,"status":"ACTIVE","actions":{"signon":{"access":"DENY"}}}]`
	tr, err := OktaPolicies(map[string]io.Reader{"rules.json": strings.NewReader(rules)}, "")
	if err != nil {
		t.Fatal(err)
	}
	s := inForce(t, tr)
	for os, want := range map[policy.Platform]bool{policy.PlatformIOS: false, policy.PlatformUnknown: true, policy.PlatformAndroid: true, policy.PlatformWindows: true} {
		if got := blocked(s, attempt{"ana", protocol.IMAP, policy.CredentialPassword, "192.0.2.1", os}); got != want {
			t.Errorf("%v: refused is %v\n%s", os, got, tr.Policies)
		}
	}
	// With a token and a page to ask on, Windows is asked and not denied.
	var bits policy.Bits
	f := policy.Facts{At: time.Date(2026, 11, 20, 9, 0, 0, 0, time.UTC), Person: "ana", Protocol: protocol.IMAP, Credential: policy.CredentialBearer, Platform: policy.PlatformWindows,
		Addr: netip.MustParseAddr("192.0.2.1"), Proven: true, Methods: policy.MethodFederatedMultiFactor}
	if v := policy.Judge(s, &f, &bits); !v.Allowed() {
		t.Errorf("a second factor on Windows: %+v", v)
	}
}
