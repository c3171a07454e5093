package graph

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/portreeve/portreeve/internal/location"
	"github.com/portreeve/portreeve/internal/policy"
	"github.com/portreeve/portreeve/internal/protocol"
)

func sample(t testing.TB, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// tokens are a document's members, order and values, numbers and texts as written.
func tokens(t *testing.T, data []byte) (all []any) {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	for {
		token, err := d.Token()
		if err != nil {
			return all
		}
		all = append(all, token)
	}
}

func TestExamplesComeBackWithTheSameMembersOrderAndValues(t *testing.T) {
	files, _ := filepath.Glob("testdata/*.json")
	if len(files) < 7 {
		t.Fatal("the examples are missing")
	}
	for _, file := range files {
		data := sample(t, filepath.Base(file))
		v, err := Parse(data)
		if err != nil {
			t.Errorf("%s: %v", file, err)
			continue
		}
		if diff := cmp.Diff(tokens(t, data), tokens(t, v.Bytes())); diff != "" {
			t.Errorf("%s changed:\n%s", file, diff)
		}
		if got := append(v.Bytes(), '\n'); !bytes.Equal(got, data) {
			t.Errorf("%s: not the same bytes, although it is indented as we write", file)
		}
	}
}

func TestPatchChangesWhatItNamesAndNothingElse(t *testing.T) {
	for _, name := range []string{"01-policy-block-legacy-auth.json", "02-policy-mfa-outside-trusted.json", "03-policy-device-filter-report-only.json"} {
		data := sample(t, name)
		same, err := Patch(data, []byte(`{}`))
		if err != nil || !bytes.Equal(append(same, '\n'), data) {
			t.Errorf("%s: an empty patch changed it (%v)", name, err)
		}
		out, err := Patch(data, []byte(`{"state":"disabled","conditions":{"users":{"excludeGroups":null}},"x":1}`))
		if err != nil {
			t.Fatal(err)
		}
		p, err := Policy(out)
		if err != nil || p.State != policy.Disabled || len(p.Conditions.Users.Exclude.Groups) != 0 {
			t.Errorf("%s: %v %+v", name, err, p)
		}
		before, after := tokens(t, data), tokens(t, out)
		if len(after) < 40 || !strings.HasSuffix(string(out), "\"x\": 1\n}") || reflect.DeepEqual(before, after) {
			t.Errorf("%s: %s", name, out)
		}
		if p, _ := Policy(out); len(p.Conditions.Users.Exclude.Users) != 2 {
			t.Error("a neighbour of what was patched is gone")
		}
	}
}

func TestExamplePoliciesAreRead(t *testing.T) {
	read := func(name string) policy.Policy {
		p, err := Policy(sample(t, name))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		return p
	}
	legacy := read("01-policy-block-legacy-auth.json")
	if legacy.ID != "44f7c0de-0004-4a00-9b00-000000000001" || legacy.State != policy.Enabled || legacy.Grant.Controls != policy.ControlBlock ||
		legacy.Conditions.ClientAppTypes != policy.ClientAppExchangeActiveSync|policy.ClientAppOther ||
		!legacy.Conditions.Users.Include.All || len(legacy.Conditions.Users.Exclude.Users) != 2 || len(legacy.Unsupported) != 0 {
		t.Errorf("%+v", legacy)
	}
	mfa := read("02-policy-mfa-outside-trusted.json")
	guests := []policy.Guests{{Types: policy.B2BCollaborationGuest | policy.ServiceProvider, Everywhere: true}}
	if mfa.Session.Frequency.Every != 12*time.Hour || mfa.Grant.Any || mfa.Grant.Controls != policy.ControlMFA ||
		!reflect.DeepEqual(mfa.Conditions.Users.Exclude.Guests, guests) || len(mfa.Conditions.Locations.Exclude) != 2 {
		t.Errorf("%+v", mfa)
	}
	if len(mfa.Unsupported) != 1 || mfa.Unsupported[0].Pointer != "/sessionControls/persistentBrowser" {
		t.Errorf("not named: %+v", mfa.Unsupported)
	}
	filter := read("03-policy-device-filter-report-only.json")
	if filter.State != policy.ReportOnly || !filter.Conditions.DeviceFilter.Exclude || filter.Conditions.TransferMethods != policy.DeviceCodeFlow|policy.AuthenticationTransfer ||
		filter.Grant.Controls != policy.ControlCompliantDevice|policy.ControlDomainJoinedDevice|policy.ControlMFA|policy.ControlTermsOfUse || !filter.Grant.Any {
		t.Errorf("%+v", filter)
	}
	strength := read("04-policy-auth-strength-every-time.json")
	if !strength.Session.Frequency.EveryTime || len(strength.Grant.Strength.Combinations) != 3 || len(strength.Grant.Strength.Combinations[0].Keys) != 1 ||
		strength.Grant.Strength.Combinations[0].Unprovable || strength.Grant.Strength.Combinations[1].Keys != nil {
		t.Errorf("%+v", strength.Grant)
	}
	all, err := Policies(sample(t, "10-evaluate-response.json"))
	if err != nil || len(all) != 4 || all[3].DisplayName != strength.DisplayName {
		t.Errorf("a collection: %v, %d", err, len(all))
	}
}

func TestAStrengthAsksForModelsOfKeys(t *testing.T) {
	const fido2, blue, red = `"@odata.type": "#microsoft.graph.fido2CombinationConfiguration", "appliesToCombinations": ["fido2"]`,
		"2fc0579f-8113-47ea-b116-bb5a8db9202a", "de1e552d-db1d-4423-a619-566b625cdc84"
	for name, c := range map[string]struct {
		configured string
		met        []string // models with which fido2 is enough
	}{
		"none":               {``, []string{"", blue, red}},
		"one":                {`{` + fido2 + `, "allowedAAGUIDs": ["` + strings.ToUpper(blue) + `"]}`, []string{blue}},
		"two":                {`{` + fido2 + `, "allowedAAGUIDs": ["` + blue + `", "` + red + `"]}`, []string{blue, red}},
		"two configurations": {`{` + fido2 + `, "allowedAAGUIDs": ["` + blue + `", "` + red + `"]}, {` + fido2 + `, "allowedAAGUIDs": ["` + red + `"]}`, []string{red}},
		"contradictory":      {`{` + fido2 + `, "allowedAAGUIDs": ["` + blue + `"]}, {` + fido2 + `, "allowedAAGUIDs": ["` + red + `"]}`, nil},
		"an empty list":      {`{` + fido2 + `, "allowedAAGUIDs": []}`, nil},
		"another kind":       {`{"@odata.type": "#microsoft.graph.x509CertificateCombinationConfiguration", "appliesToCombinations": ["FIDO2"], "allowedAAGUIDs": ["` + blue + `"]}`, nil},
	} {
		s, err := Strength([]byte(`{"displayName": "Keys", "allowedCombinations": ["fido2"], "combinationConfigurations": [` + c.configured + `]}`))
		if err != nil {
			t.Fatal(err)
		}
		for _, key := range []string{"", blue, red} {
			if met := s.Met(policy.MethodFIDO2, key); met != slices.Contains(c.met, key) {
				t.Errorf("%s: with model %q met is %v", name, key, met)
			}
		}
	}
}

func TestExampleLocationsAreRead(t *testing.T) {
	all, err := Locations(sample(t, "05-named-locations.json"))
	if err != nil || len(all) != 3 {
		t.Fatal(err, len(all))
	}
	var texts []string
	for _, r := range append(all[0].Ranges, all[1].Ranges...) {
		texts = append(texts, r.String())
	}
	want := "192.0.2.0/25 198.51.100.77 2001:db8:a0::/48 203.0.113.10-203.0.113.19 2001:db8:b0::10/124"
	if got := strings.Join(texts, " "); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if !all[0].Trusted || all[1].Trusted || all[2].Kind != location.Countries || !reflect.DeepEqual(all[2].Countries, []string{"DE", "FR", "CH", "PT"}) || all[2].IncludeUnknown {
		t.Errorf("%+v", all)
	}
}

const minimal = `{"displayName":"x","state":"enabled","conditions":{%},"grantControls":{"operator":"OR","builtInControls":["block"]}}`

func conditionsOf(t *testing.T, text string) (policy.Conditions, []policy.Unsupported) {
	t.Helper()
	p, err := Policy([]byte(strings.Replace(minimal, "%", text, 1)))
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return p.Conditions, p.Unsupported
}

// Whatever is not known makes a policy stricter, and is named.
func TestUnknownWordsAreReadSafelyAndNamed(t *testing.T) {
	for text, stricter := range map[string]func(policy.Conditions) bool{
		`"clientAppTypes":["teleporter"]`:                                                 func(c policy.Conditions) bool { return c.ClientAppTypes&policy.ClientAppAll == policy.ClientAppAll },
		`"platforms":{"includePlatforms":["android","beos"]}`:                             func(c policy.Conditions) bool { return c.Platforms.AllIncluded },
		`"platforms":{"includePlatforms":["all"],"excludePlatforms":["beos"]}`:            func(c policy.Conditions) bool { return !c.Platforms.AllExcluded && len(c.Platforms.Exclude) == 0 },
		`"users":{"includeUsers":["None"],"includeMoods":["sad"]}`:                        func(c policy.Conditions) bool { return c.Users.Include.All },
		`"users":{"includeUsers":["All"],"excludeMoods":["sad"]}`:                         func(c policy.Conditions) bool { return !c.Users.Exclude.All },
		`"locations":{"includeMoons":["io"]}`:                                             func(c policy.Conditions) bool { return reflect.DeepEqual(c.Locations.Include, []string{"All"}) },
		`"applications":{"applicationFilter":{"mode":"include","rule":"x"}}`:              func(c policy.Conditions) bool { return c.Applications.Filtered },
		`"authenticationFlows":{"transferMethods":"telepathy"}`:                           func(c policy.Conditions) bool { return c.TransferMethods == 0 },
		`"times":{"includedRanges":["x"]}`:                                                func(policy.Conditions) bool { return true },
		`"agentIdRiskLevels":"high"`:                                                      func(policy.Conditions) bool { return true },
		`"devices":{"includeDevices":["All"],"excludeDevices":["Painted"]}`:               func(c policy.Conditions) bool { return c.DeviceFilter == nil },
		`"users":{"includeGuestsOrExternalUsers":{"guestOrExternalUserTypes":"martian"}}`: func(c policy.Conditions) bool { return c.Users.Include.Guests[0].Types == policy.AllGuests },
		`"users":{"excludeGuestsOrExternalUsers":{"guestOrExternalUserTypes":"martian"}}`: func(c policy.Conditions) bool { return len(c.Users.Exclude.Guests) == 0 },
	} {
		c, notes := conditionsOf(t, text)
		if !stricter(c) || len(notes) != 1 {
			t.Errorf("%s: %+v, notes %v", text, c, notes)
		}
	}
	p, err := Policy([]byte(`{"displayName":"x","state":"enabled","conditions":{},"grantControls":{"operator":"AND","builtInControls":["dance"],"smile":true}}`))
	if err != nil || !reflect.DeepEqual(p.Grant.Unknown, []string{"dance", "smile"}) {
		t.Errorf("%v %+v", err, p.Grant)
	}
}

func TestOldDeviceConditionsBecomeARule(t *testing.T) {
	c, notes := conditionsOf(t, `"devices":{"includeDevices":["All"],"excludeDevices":["Compliant","DomainJoined"]}`)
	want := &policy.DeviceFilter{Exclude: true, Rule: `device.isCompliant -eq True -or device.trustType -eq "ServerAD"`}
	if !reflect.DeepEqual(c.DeviceFilter, want) || len(notes) != 0 {
		t.Errorf("%+v %v", c.DeviceFilter, notes)
	}
}

func TestOwnConditionsAndExclusions(t *testing.T) {
	text := `{"displayName":"x","state":"enabled","conditions":{"portreeve":{
		"credentialKinds":{"include":["password"]},"programs":{"exclude":["thunderbird"]},"asns":{"include":[64500,"AS64501"]},
		"hours":{"include":[{"days":["monday","Fri"],"from":"08:00","to":"18:00"}],"timeZone":"Europe/Berlin"},
		"newClient":true,"viaWebmail":false,"share":25}},
		"portreeve":{"exclusions":[{"id":"scanner","owner":"ana","reason":"no OAuth","expires":"2026-12-31"}],"help":"https://example.org"}}`
	p, err := Policy([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	own := p.Conditions.Portreeve
	if own.CredentialKinds.Include[0] != "password" || own.Programs.Exclude[0] != "thunderbird" || !reflect.DeepEqual(own.ASNs.Include, []uint32{64500, 64501}) ||
		!*own.NewClient || *own.ViaWebmail || *own.Share != 25 {
		t.Errorf("%+v", own)
	}
	span := own.Hours.Include[0]
	if own.Hours.Zone != "Europe/Berlin" || span.From != 480 || span.To != 1080 || span.Days != [7]bool{1: true, 5: true} {
		t.Errorf("%+v", own.Hours)
	}
	want := []policy.Exclusion{{ID: "scanner", Owner: "ana", Reason: "no OAuth", Expires: time.Date(2026, 12, 31, 0, 0, 0, 0, time.UTC)}}
	if !reflect.DeepEqual(p.Exclusions, want) {
		t.Errorf("%+v", p.Exclusions)
	}
}

func TestFaultsHavePointersOffsetsAndSentences(t *testing.T) {
	for _, c := range []struct{ text, pointer, message string }{
		{`{`, "", "not JSON"},
		{`[]`, "", "a policy is an object"},
		{`{"displayName":"x","state":"on","conditions":{}}`, "/state", "state is enabled, disabled or enabledForReportingButNotEnforced"},
		{`{"displayName":"x","state":"enabled"}`, "", "needs conditions"},
		{`{"displayName":5,"state":"enabled","conditions":{}}`, "/displayName", "displayName is a text, not a number"},
		{`{"displayName":"x","state":"enabled","state":"disabled","conditions":{}}`, "/state", "stands twice"},
		{`{"displayName":"x","state":"enabled","conditions":{"users":{"includeUsers":"All"}}}`, "/conditions/users/includeUsers", "includeUsers is a list, not a text"},
		{`{"displayName":"x","state":"enabled","conditions":{"users":{"includeUsers":["All",1]}}}`, "/conditions/users/includeUsers/1", "holds texts"},
		{`{"displayName":"x","state":"enabled","conditions":{"devices":{"deviceFilter":{"mode":"maybe","rule":"x"}}}}`, "/conditions/devices/deviceFilter", "mode is include or exclude"},
		{`{"displayName":"x","state":"enabled","conditions":{},"grantControls":{"operator":"XOR"}}`, "/grantControls/operator", "operator is AND or OR"},
		{`{"displayName":"x","state":"enabled","conditions":{},"grantControls":{"builtInControls":["block","mfa"]}}`, "/grantControls", "block stands alone"},
		{`{"displayName":"x","state":"enabled","conditions":{},"sessionControls":{"signInFrequency":{"isEnabled":true,"type":"hours","value":0}}}`, "/sessionControls/signInFrequency/value", "from 1"},
		{`{"displayName":"x","state":"enabled","conditions":{"portreeve":{"credentialKind":{}}}}`, "/conditions/portreeve/credentialKind", "not known here"},
		{`{"displayName":"x","state":"enabled","conditions":{"portreeve":{"credentialKinds":{"include":["passwort"]}}}}`, "/conditions/portreeve/credentialKinds/include/0", "a kind of credential is"},
		{`{"displayName":"x","state":"enabled","conditions":{"a/b~c":{"a":1,"a":2}}}`, "/conditions/a~1b~0c/a", "stands twice"},
		{`{"displayName":"x","state":"enabled","conditions":` + strings.Repeat("[", 80) + strings.Repeat("]", 80) + `}`, "", "nested deeper"},
		{"{\"displayName\":\"\xff\"}", "", "UTF-8"},
	} {
		_, err := Policy([]byte(c.text))
		var e *Error
		if !errors.As(err, &e) {
			t.Errorf("%s: %v", c.text, err)
			continue
		}
		if c.message != "nested deeper" && e.Pointer != c.pointer || !strings.Contains(e.Message, c.message) {
			t.Errorf("%s: %q %q", c.text, e.Pointer, e.Message)
		}
		if e.Offset < 0 || e.Offset > len(c.text) {
			t.Errorf("%s: offset %d", c.text, e.Offset)
		}
	}
	_, err := Policy([]byte(`{"displayName":"x", "state":"on","conditions":{}}`))
	var e *Error
	if errors.As(err, &e); e.Offset != 28 {
		t.Errorf("the offset of a value: %d", e.Offset)
	}
	for _, text := range []string{`{"displayName":"x","@odata.type":"#microsoft.graph.moon"}`, `{"displayName":"x"}`, `{"displayName":"x","ipRanges":[{"cidrAddress":"192.0.2.0/40"}]}`,
		`{"displayName":"x","ipRanges":[{"lowerAddress":"192.0.2.9","upperAddress":"192.0.2.1"}]}`, `{"displayName":"x","countriesAndRegions":["Germany"]}`, `{"ipRanges":[]}`} {
		if _, err := Location([]byte(text)); err == nil {
			t.Errorf("%s was read", text)
		}
	}
}

func TestNewerEnumMembersAreHiddenFromThoseWhoDidNotAsk(t *testing.T) {
	text := `{"displayName":"x","grantControls":{"builtInControls":["mfa","riskRemediation"],"authenticationStrength":{"allowedCombinations":["fido2","password,approvalWindow","qrCodePin"]}}}`
	out, err := HideUnknown([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	var flat bytes.Buffer
	if err := json.Compact(&flat, out); err != nil {
		t.Fatal(err)
	}
	want := `{"displayName":"x","grantControls":{"builtInControls":["mfa","unknownFutureValue"],"authenticationStrength":{"allowedCombinations":["fido2","password,unknownFutureValue","unknownFutureValue"]}}}`
	if flat.String() != want {
		t.Errorf("%s", flat.String())
	}
	plain := sample(t, "01-policy-block-legacy-auth.json")
	if same, _ := HideUnknown(plain); !bytes.Equal(same, plain) {
		t.Error("a policy without newer members changed")
	}
}

func FuzzPolicy(f *testing.F) {
	files, _ := filepath.Glob("testdata/*.json")
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Add([]byte(`{"a":[1,2.5e3,"\u00e9\"\\",null,true],"b":{}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		v, err := Parse(data)
		if err != nil {
			return
		}
		out := v.Bytes()
		again, err := Parse(out)
		if err != nil {
			t.Fatalf("what was written cannot be read: %v", err)
		}
		if !bytes.Equal(again.Bytes(), out) || !reflect.DeepEqual(tokens(t, data), tokens(t, out)) {
			t.Fatal("the round trip changed it")
		}
		if items, err := Split(data); err == nil {
			for _, item := range items {
				if p, err := item.Policy(); err == nil {
					policy.Compile(policy.Source{Policies: []policy.Policy{p}})
				}
				if n, err := item.Location(); err == nil {
					location.NewSet([]location.Named{n})
				}
				_, _ = item.Strength()
			}
		}
		_, _ = HideUnknown(data)
		_, _ = Patch(data, data)
	})
}

// The example of Graph's evaluate: the policies of its answer, judged here,
// apply where it says, and what it names as the reason is among what is unmet.
func TestTheEvaluateExampleIsJudgedAlike(t *testing.T) {
	policies, err := Policies(sample(t, "10-evaluate-response.json"))
	if err != nil {
		t.Fatal(err)
	}
	locations, err := Locations(sample(t, "05-named-locations.json"))
	if err != nil {
		t.Fatal(err)
	}
	s, _ := policy.Compile(policy.Source{Policies: policies, Locations: locations})
	no := false
	f := policy.Facts{At: time.Date(2026, 11, 20, 9, 0, 0, 0, time.UTC), Person: "11f7c0de-0001-4a00-9b00-000000000a01", Protocol: protocol.IMAP,
		Credential: policy.CredentialPassword, Country: "FR", Addr: netip.MustParseAddr("198.51.100.201"), Platform: policy.PlatformIOS,
		Proven: true, Methods: policy.MethodPassword, Device: &policy.Device{IsCompliant: &no, ProfileType: "RegisteredDevice", OperatingSystem: "iOS"}}
	var b policy.Bits
	policy.Evaluate(s, &f, &b)
	x := policy.Explain(s, &f)
	whole, err := Parse(sample(t, "10-evaluate-response.json"))
	if err != nil {
		t.Fatal(err)
	}
	words := map[string]string{"clientApps": "clientAppTypes", "authenticationFlow": "authenticationFlows", "users": "users"}
	for i, item := range whole.Member("value").Items {
		applies := item.Member("policyApplies").Text == "true"
		if got := b.Applied[0]>>i&1 != 0; got != applies {
			t.Errorf("%s applies: %v", policies[i].DisplayName, got)
		}
		reason := words[item.Member("analysisReasons").Text]
		found := reason == ""
		for _, c := range x.Policies[i].Conditions {
			found = found || c.Name == reason && c.Result != "satisfied"
		}
		if !found {
			t.Errorf("%s: %s is not among the unmet: %+v", policies[i].DisplayName, reason, x.Policies[i].Conditions)
		}
	}
}
