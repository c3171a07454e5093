package policy

import (
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/portreeve/portreeve/internal/filter"
)

var ruleTexts = []string{"MFP-1", "mfp-", "kiosk", "a", "AZUREAD", "ServerAD", "Printer", "12", "ios"}

// drawRule writes a rule over a few attributes and every operator they allow.
func drawRule(t *rapid.T, depth int) string {
	if depth > 0 && rapid.Bool().Draw(t, "nested") {
		joint := rapid.SampledFrom([]string{"-and", "-or"}).Draw(t, "joint")
		not := rapid.SampledFrom([]string{"", "-not "}).Draw(t, "not")
		return fmt.Sprintf("%s(%s %s %s)", not, drawRule(t, depth-1), joint, drawRule(t, depth-1))
	}
	text := func() string { return fmt.Sprintf("%q", rapid.SampledFrom(ruleTexts).Draw(t, "text")) }
	switch rapid.IntRange(0, 6).Draw(t, "leaf") {
	case 0:
		return "device.isCompliant " + rapid.SampledFrom([]string{"-eq True", "-ne True", "-eq False", "-ne null"}).Draw(t, "compliant")
	case 1:
		return fmt.Sprintf("device.trustType %s %q", rapid.SampledFrom([]string{"-eq", "-ne"}).Draw(t, "op"), rapid.SampledFrom([]string{"AzureAD", "ServerAD"}).Draw(t, "trust"))
	case 2:
		return fmt.Sprintf("device.physicalIds %s %s", rapid.SampledFrom([]string{"-contains", "-notContains"}).Draw(t, "op"), text())
	case 3:
		list := []string{text(), text()}
		return fmt.Sprintf("device.displayName %s [%s]", rapid.SampledFrom([]string{"-in", "-notIn"}).Draw(t, "op"), strings.Join(list, ","))
	}
	attribute := rapid.SampledFrom([]string{"displayName", "extensionAttribute3"}).Draw(t, "attribute")
	op := rapid.SampledFrom([]string{"-eq", "-ne", "-startsWith", "-notStartsWith", "-endsWith", "-notEndsWith", "-contains", "-notContains"}).Draw(t, "op")
	return fmt.Sprintf("device.%s %s %s", attribute, op, text())
}

func drawDevice(t *rapid.T) *Device {
	if rapid.IntRange(0, 5).Draw(t, "unregistered") == 0 {
		return nil
	}
	yes, no := true, false
	name := rapid.StringOfN(rapid.RuneFrom([]rune("aMFPkiosk-1 ß")), 0, 8, -1)
	text := rapid.OneOf(rapid.Just(""), rapid.SampledFrom(ruleTexts), name)
	d := &Device{IsCompliant: rapid.SampledFrom([]*bool{nil, &yes, &no}).Draw(t, "compliant"), TrustType: rapid.SampledFrom([]string{"", "AzureAD", "serverad", "x"}).Draw(t, "trust"),
		DisplayName: text.Draw(t, "name"), PhysicalIDs: rapid.SliceOfN(rapid.SampledFrom(ruleTexts), 0, 2).Draw(t, "ids")}
	d.ExtensionAttributes[2] = text.Draw(t, "extension")
	return d
}

// The short way of asking a rule gives what the rule itself gives.
func TestReadiedRulesAnswerAsTheRuleDoes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := drawRule(t, 2)
		e, err := filter.ParseDevice(text)
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		test := readied(e)
		for range 10 {
			d := drawDevice(t)
			if got, want := test(d), e.Match(d.attribute); got != want {
				t.Fatalf("%s of %+v: %v, want %v", text, d, got, want)
			}
		}
	})
}

// Whatever device there is, one of the made-up kinds answers every rule alike.
func TestMadeUpDevicesAreOfEveryKindThereIs(t *testing.T) {
	complete := 0
	rapid.Check(t, func(t *rapid.T) {
		var src Source
		for range rapid.IntRange(1, 4).Draw(t, "rules") {
			src.Policies = append(src.Policies, Policy{Conditions: Conditions{DeviceFilter: &DeviceFilter{Rule: drawRule(t, 1)}},
				Grant: &Grant{Controls: ControlCompliantDevice | ControlDomainJoinedDevice}})
		}
		s, _ := Compile(src)
		if !s.allDevices {
			return
		}
		complete++
		kind := func(d *Device) (k string) {
			for i := range s.rules {
				k += fmt.Sprint(s.rules[i].device.holds(&Facts{Device: d}))
			}
			return k + fmt.Sprint(d.compliant(), d.domainJoined())
		}
		known := map[string]bool{}
		for _, d := range s.devices {
			known[kind(d)] = true
		}
		for range 20 {
			if d := drawDevice(t); !known[kind(d)] {
				t.Fatalf("no made-up device is like %+v", d)
			}
		}
	})
	if complete == 0 {
		t.Error("no set of rules was small enough to make up every kind")
	}
}

// Where there are too many kinds, an early block that hangs on them is left
// to the judgement after the secret.
func TestTooManyKindsOfDeviceAreNeverBlockedEarly(t *testing.T) {
	var src Source
	for i := range 20 {
		src.Policies = append(src.Policies, Policy{ID: fmt.Sprint(i), State: ReportOnly, Conditions: Conditions{DeviceFilter: &DeviceFilter{Rule: fmt.Sprintf("device.extensionAttribute%d -contains %q", i%15+1, fmt.Sprint("x", i))}}, Grant: &Grant{Controls: ControlMFA}})
	}
	for _, exclude := range []bool{false, true} { // together they block every device
		src.Policies = append(src.Policies, Policy{ID: fmt.Sprint("block", exclude), Conditions: Conditions{DeviceFilter: &DeviceFilter{Exclude: exclude, Rule: "device.isCompliant -eq True"}}, Grant: &Grant{Controls: ControlBlock}})
	}
	s, _ := Compile(src)
	f := Facts{At: drawAt, Credential: CredentialPassword}
	if v := Preauth(s, &f); s.allDevices || !v.Allowed() {
		t.Errorf("%d kinds, all of them %v: %+v", len(s.devices), s.allDevices, v)
	}
	if v := Judge(s, &f, nil); v.Effect != Block || v.Stage != StageConditionalAccess {
		t.Errorf("%+v", v)
	}
	s, _ = Compile(Source{Policies: src.Policies[20:]})
	if v := Preauth(s, &f); v.Stage != StageEarlyBlock || v.Code != 53003 {
		t.Errorf("the two alone: %+v", v)
	}
}

func TestIDsAreFoundWhateverTheirLength(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		id := rapid.StringOfN(rapid.RuneFrom([]rune("ab0-")), 0, 40, -1)
		named := map[string]int{}
		for i, s := range rapid.SliceOfN(id, 0, 60).Draw(t, "ids") {
			named[s] = i
		}
		table := newIDTable(named, hashID)
		for s, i := range named {
			if found := table.find(hashID(s), s); found == nil || *found != i {
				t.Fatalf("%q is not found", s)
			}
		}
		s := id.Draw(t, "other")
		if _, there := named[s]; (table.find(hashID(s), s) != nil) != there {
			t.Fatalf("%q is found, and is not there", s)
		}
	})
}
