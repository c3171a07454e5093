package policy

import (
	"fmt"
	"net/netip"
	"testing"

	"github.com/portreeve/portreeve/internal/location"
	"github.com/portreeve/portreeve/internal/protocol"
)

var on, off = new(true), new(false)

// Every switch closes exactly its door, with its polarity, for every kind of
// credential, before anything else is looked at.
func TestEachSwitchClosesItsDoor(t *testing.T) {
	for _, name := range SwitchNames() {
		closing := off
		if name == "SmtpClientAuthenticationDisabled" {
			closing = on
		}
		for _, value := range []*bool{nil, on, off} {
			var w Switches
			if !w.Set(name, value) || w.Get(name) != value {
				t.Fatalf("%s cannot be set", name)
			}
			s, _ := Compile(Source{Mailboxes: map[string]Settings{"ana": {Switches: w}}})
			for _, p := range protocol.All() {
				for k := range CredentialCertificate + 1 { // the others are shown to pages only
					f := Facts{Person: "ana", Protocol: p, Credential: k, At: drawAt}
					v := Judge(s, &f, nil)
					closed := value == closing && switchOf(name) == p && !ewsFamily(name)
					if v.Allowed() == closed {
						t.Errorf("%s %v, %s with %s: %+v", name, show(value), p, f.Credential, v)
					}
					if closed && (v.Stage != StageSwitch || v.Code != 1001 || v.By != "ana") {
						t.Errorf("%s: %+v", name, v)
					}
					f.Person = "bo"
					if v := Judge(s, &f, nil); !v.Allowed() {
						t.Errorf("%s of ana closes bo's door: %+v", name, v)
					}
				}
			}
		}
	}
}

func switchOf(name string) protocol.Protocol {
	for _, row := range switchTable {
		if row.name == name {
			return row.protocol
		}
	}
	return protocol.Unknown
}

func ewsFamily(name string) bool { return len(name) > 8 && name[:8] == "EwsAllow" }

func show(b *bool) string {
	if b == nil {
		return "inherits"
	}
	return fmt.Sprint(*b)
}

// The effective value for every setting of the four levels, against the rule
// written as Exchange's documentation has it.
func TestEffectiveSwitchesForEverySettingOfEveryLevel(t *testing.T) {
	values := []*bool{nil, on, off}
	for _, name := range []string{"ImapEnabled", "SmtpClientAuthenticationDisabled", "EwsEnabled", "MapiHttpEnabled"} {
		for _, o := range values {
			for _, d := range values {
				for _, g1 := range values {
					for _, g2 := range values {
						for _, m := range values {
							checkLevels(t, name, o, d, g1, g2, m)
						}
					}
				}
			}
		}
	}
}

func checkLevels(t *testing.T, name string, o, d, g1, g2, m *bool) {
	t.Helper()
	with := func(v *bool) (w Switches) {
		w.Set(name, v)
		return w
	}
	src := Source{Organization: Organization{Switches: with(o)}, Domains: map[string]Switches{"Example.org": with(d)},
		Groups: map[string]Settings{"g1": {Switches: with(g1)}, "g2": {Switches: with(g2)}}, Mailboxes: map[string]Settings{"ana": {Switches: with(m)}}}
	s, _ := Compile(src)
	reversed := name == "SmtpClientAuthenticationDisabled"
	open := func(v *bool) bool { return *v != reversed }
	want, from := true, Holder{Kind: HeldByDefault}
	switch {
	case name == "EwsEnabled" && o != nil && !*o:
		want, from = false, Holder{HeldByOrganization, HeldByOrganization}
	case m != nil:
		want, from = open(m), Holder{HeldByMailbox, "ana"}
	case g1 != nil && !open(g1):
		want, from = false, Holder{HeldByGroup, "g1"}
	case g2 != nil && !open(g2):
		want, from = false, Holder{HeldByGroup, "g2"}
	case g1 != nil:
		want, from = true, Holder{HeldByGroup, "g1"}
	case g2 != nil:
		want, from = true, Holder{HeldByGroup, "g2"}
	case d != nil:
		want, from = open(d), Holder{HeldByDomain, "example.org"}
	case o != nil:
		want, from = open(o), Holder{HeldByOrganization, HeldByOrganization}
	}
	setting := fmt.Sprintf("%s org %s domain %s groups %s %s mailbox %s", name, show(o), show(d), show(g1), show(g2), show(m))
	f := Facts{Person: "ana", Domain: "example.org", Groups: []string{"g1", "g2"}, Protocol: switchOf(name), Credential: CredentialPassword}
	if v := Preauth(s, &f); v.Allowed() != want || !want && v.By != from.ID {
		t.Errorf("%s: %+v, want %v from %+v", setting, v, want, from)
	}
	for _, e := range s.Effective("ana", "example.org", []string{"g1", "g2"}) {
		if e.Name == name && (e.On != want || e.From != from) {
			t.Errorf("%s: effective %+v, want %v from %+v", setting, e, want, from)
		}
	}
	stranger := Facts{Domain: "example.org", Protocol: switchOf(name), Credential: CredentialPassword}
	strangers := true
	switch {
	case name == "EwsEnabled" && o != nil && !*o:
		strangers = false
	case d != nil:
		strangers = open(d)
	case o != nil:
		strangers = open(o)
	}
	if v := Preauth(s, &stranger); v.Allowed() != strangers {
		t.Errorf("%s: the stranger gets %+v", setting, v)
	}
}

func TestMapiNeedsBothItsSwitches(t *testing.T) {
	for _, c := range []struct {
		mapi, http, orgHTTP *bool
		want                bool
	}{{nil, nil, nil, true}, {on, on, nil, true}, {off, on, nil, false}, {on, nil, off, false}, {on, on, off, true}, {on, off, on, false}, {nil, nil, off, false}} {
		s, _ := Compile(Source{Organization: Organization{Switches: Switches{MapiHttpEnabled: c.orgHTTP}},
			Mailboxes: map[string]Settings{"ana": {Switches: Switches{MAPIEnabled: c.mapi, MapiHttpEnabled: c.http}}}})
		if v := Preauth(s, &Facts{Person: "ana", Protocol: protocol.MAPI, Credential: CredentialBearer}); v.Allowed() != c.want {
			t.Errorf("MAPIEnabled %s MapiHttpEnabled %s organisation %s: %+v", show(c.mapi), show(c.http), show(c.orgHTTP), v)
		}
	}
}

func TestEwsFamiliesAndLists(t *testing.T) {
	list := func(kind string, programs ...string) Switches {
		return Switches{EwsApplicationAccessPolicy: kind, EwsAllowList: programs, EwsBlockList: programs}
	}
	allow, block := list("EnforceAllowList", "MyBackup/*", "thunderbird"), list("EnforceBlockList", "MyBackup/2*")
	families := allow
	families.EwsAllowMacOutlook, families.EwsAllowOutlook = off, on
	for _, c := range []struct {
		what     string
		org, own Switches
		program  string
		platform Platform
		want     bool
	}{
		{"on the list", allow, Switches{}, "mybackup", 0, true},
		{"not on it", allow, Switches{}, "other", 0, false},
		{"Outlook is not touched by lists", allow, Switches{}, "outlook", PlatformWindows, true},
		{"on a phone it is", allow, Switches{}, "outlook", PlatformIOS, false},
		{"blocked version", block, Switches{}, "MyBackup", 0, false},
		{"the mailbox's list wins", block, allow, "MyBackup", 0, true},
		{"the family's flag", families, Switches{}, "outlook", PlatformMacOS, false},
		{"another family", families, Switches{}, "outlook", PlatformWindows, true},
		{"the mailbox's flag wins", families, Switches{EwsAllowMacOutlook: on}, "outlook", PlatformMacOS, true},
		{"switched off as a whole", families, Switches{EwsEnabled: off}, "outlook", PlatformWindows, false},
	} {
		s, _ := Compile(Source{Organization: Organization{Switches: c.org}, Mailboxes: map[string]Settings{"ana": {Switches: c.own}}})
		f := Facts{Person: "ana", Protocol: protocol.EWS, Credential: CredentialBearer, Program: c.program, ProgramVersion: "2.1", Platform: c.platform}
		if v := Preauth(s, &f); v.Allowed() != c.want {
			t.Errorf("%s: %+v", c.what, v)
		}
	}
}

// Which kinds of credential each family of an authentication policy refuses,
// on every protocol.
func TestAuthenticationPoliciesRefuseBeforeTheSecret(t *testing.T) {
	families := map[string]struct {
		refusing *bool
		refused  map[CredentialKind]int
	}{
		"AllowBasicAuth":  {off, map[CredentialKind]int{CredentialPassword: 1002, CredentialAppPassword: 1002, CredentialUnknown: 1002}},
		"BlockLegacyAuth": {on, map[CredentialKind]int{CredentialPassword: 1002, CredentialAppPassword: 1002, CredentialCertificate: 1002, CredentialUnknown: 1002}},
		"BlockModernAuth": {on, map[CredentialKind]int{CredentialBearer: 1003, CredentialUnknown: 1003}},
	}
	for family, c := range families {
		for _, door := range protocol.All() {
			suffix := door.Row().AuthPolicy
			if suffix == "" {
				continue
			}
			for _, value := range []*bool{nil, on, off} {
				a := AuthenticationPolicy{ID: "a1", Name: "Basic off"}
				if !a.Set(family+suffix, value) {
					t.Fatal(family + suffix)
				}
				s, _ := Compile(Source{AuthenticationPolicies: []AuthenticationPolicy{a}, Organization: Organization{DefaultAuthenticationPolicy: "basic OFF"}})
				for _, p := range protocol.All() {
					for k := range CredentialCertificate + 1 { // the others are shown to pages only
						want := 0
						if p == door && value == c.refusing {
							want = c.refused[k]
						}
						f := Facts{Protocol: p, Credential: k}
						v := Preauth(s, &f)
						if v.Code != want || want != 0 && (v.Stage != StageAuthenticationPolicy || v.By != "a1") {
							t.Errorf("%s%s %s, %s with %s: %+v, want %d", family, suffix, show(value), p, f.Credential, v, want)
						}
					}
				}
			}
		}
	}
}

func TestWhoseAuthenticationPolicyCounts(t *testing.T) {
	policies := []AuthenticationPolicy{
		{ID: "open", AllowBasicAuth: map[string]bool{"Imap": true}},
		{ID: "shut", AllowBasicAuth: map[string]bool{"imap": false}},
	}
	for _, c := range []struct {
		what               string
		org, own, one, two string
		want               bool
		from               Holder
	}{
		{"nobody's", "", "", "", "", true, Holder{Kind: HeldByDefault}},
		{"the organisation's default", "shut", "", "", "", false, Holder{HeldByOrganization, HeldByOrganization}},
		{"direct assignment beats the default", "shut", "open", "", "", true, Holder{HeldByMailbox, "ana"}},
		{"and a group's", "open", "open", "shut", "", true, Holder{HeldByMailbox, "ana"}},
		{"a group's beats the default", "shut", "", "open", "", true, Holder{HeldByGroup, "one"}},
		{"of several groups the one that refuses wins", "open", "", "open", "shut", false, Holder{HeldByGroup, "one"}},
		{"one that is not there refuses", "gone", "", "", "", false, Holder{HeldByOrganization, HeldByOrganization}},
	} {
		s, warnings := Compile(Source{AuthenticationPolicies: policies, Organization: Organization{DefaultAuthenticationPolicy: c.org},
			Groups: map[string]Settings{"one": {AuthenticationPolicy: c.one}, "two": {AuthenticationPolicy: c.two}}, Mailboxes: map[string]Settings{"ana": {AuthenticationPolicy: c.own}}})
		f := Facts{Person: "ana", Groups: []string{"one", "two"}, Protocol: protocol.IMAP, Credential: CredentialPassword}
		if v := Preauth(s, &f); v.Allowed() != c.want {
			t.Errorf("%s: %+v", c.what, v)
		}
		if e := s.Effective("ana", "", f.Groups)[0]; e.Passwords != c.want || e.AuthFrom != c.from || !e.Tokens && c.org != "gone" {
			t.Errorf("%s: %+v", c.what, e)
		}
		if named := len(warnings) > 1; named != (c.org == "gone") {
			t.Errorf("%s: warnings %v", c.what, warnings)
		}
	}
}

// All three gates for every protocol, kind of credential and location: what
// each says alone, and their order when they stand together.
func TestGatesForEveryProtocolCredentialAndLocation(t *testing.T) {
	office, _ := location.ParseRange("192.0.2.0/24")
	block := Policy{ID: "p", Conditions: Conditions{Users: &Users{Include: People{All: true}}, ClientAppTypes: ClientAppExchangeActiveSync | ClientAppOther,
		Locations: &Locations{Include: []string{"All"}, Exclude: []string{"office"}}}, Grant: &Grant{Controls: ControlBlock}}
	for _, p := range protocol.All() {
		row := p.Row()
		src := Source{Policies: []Policy{block}, Locations: []location.Named{{ID: "office", Ranges: []location.Range{office}}}}
		if row.AuthPolicy != "" {
			src.AuthenticationPolicies = []AuthenticationPolicy{{ID: "a", AllowBasicAuth: map[string]bool{row.AuthPolicy: false}}}
		}
		for gates := range 8 {
			s := src
			if gates&1 == 0 {
				s.Policies = nil
			}
			authenticated := gates&2 != 0 && row.AuthPolicy != ""
			if authenticated {
				s.Organization.DefaultAuthenticationPolicy = "a"
			}
			switched := gates&4 != 0 && row.Switch != ""
			if switched {
				s.Organization.Set(row.Switch, map[bool]*bool{true: on, false: off}[row.Switch == "SmtpClientAuthenticationDisabled"])
			}
			snapshot, _ := Compile(s)
			for k := CredentialPassword; k <= CredentialCertificate; k++ {
				for _, addr := range []string{"192.0.2.1", "203.0.113.1", ""} {
					legacy := k != CredentialBearer && p != protocol.Webmail && p != protocol.Portal
					want := StageNone
					switch {
					case switched:
						want = StageSwitch
					case authenticated && (k == CredentialPassword || k == CredentialAppPassword):
						want = StageAuthenticationPolicy
					case gates&1 != 0 && legacy && addr != "192.0.2.1":
						want = StageEarlyBlock
					}
					f := Facts{Person: "ana", Protocol: p, Credential: k, At: drawAt}
					if addr != "" {
						f.Addr = netip.MustParseAddr(addr)
					}
					if v := Judge(snapshot, &f, nil); v.Stage != want || v.Allowed() != (want == StageNone) {
						t.Errorf("%s with %s from %q, gates %03b: %+v, want %s", p, k, addr, gates, v, want)
					}
					x := Explain(snapshot, &f)
					if x.Stage != want.String() || len(x.Steps) != 4 {
						t.Errorf("%s with %s: explained as %s", p, k, x.Stage)
					}
				}
			}
		}
	}
}
