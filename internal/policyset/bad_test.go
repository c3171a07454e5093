package policyset

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/portreeve/portreeve/internal/policyfile"
)

// many is a file of so many policies.
func many(n int) []byte {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "kind: ConditionalAccessPolicy\nid: policy-%d\nspec:\n  displayName: Policy %d\n  state: enabled\n  conditions:\n    users: {includeGroups: [group-%d], excludeUsers: [a@b.org]}\n"+
			"    clientAppTypes: [other]\n    locations:\n      includeLocations: [All]\n  grantControls:\n    operator: OR\n    builtInControls:\n      - block\n---\n", i, i, i)
	}
	return []byte(b.String())
}

func TestTenThousandPolicies(t *testing.T) {
	start := time.Now()
	set, err := Parse("many.yaml", many(10_000))
	if err != nil {
		t.Fatal(err)
	}
	src, err := set.Source()
	if err != nil || len(src.Policies) != 10_000 {
		t.Fatal(len(src.Policies), err)
	}
	if set.Find(Policy, "policy-9999").Line != 15*9999+1 {
		t.Error(set.Find(Policy, "policy-9999").Place())
	}
	t.Logf("read in %v", time.Since(start))
	folder := fstest.MapFS{}
	for i := range 2000 {
		folder[fmt.Sprintf("%d/%d.yaml", i%10, i)] = &fstest.MapFile{Data: fmt.Appendf(nil, "displayName: Policy %d\nstate: enabled\nconditions: {}\n", i)}
	}
	if set, err = Read(folder); err != nil || len(set.Objects) != 2000 {
		t.Error(err)
	}
}

func TestAFolderIsBounded(t *testing.T) {
	big := fstest.MapFS{}
	text := append([]byte("# "), make([]byte, 20<<20)...)
	for i := range text[2:] {
		text[2+i] = 'x'
	}
	for i := range 4 {
		big[fmt.Sprintf("%d.yaml", i)] = &fstest.MapFile{Data: text}
	}
	if _, err := Read(big); err == nil || !strings.Contains(err.Error(), "a folder of policies has at most 64 MB") {
		t.Error(err)
	}
	crowd := fstest.MapFS{}
	for i := range maxFiles + 1 {
		crowd[fmt.Sprintf("%d.yaml", i)] = &fstest.MapFile{}
	}
	if _, err := Read(crowd); err == nil || !strings.Contains(err.Error(), "at most 20000 files") {
		t.Error(err)
	}
}

// TestEveryFaultIsTold: faults of several files come together, but not without end.
func TestEveryFaultIsTold(t *testing.T) {
	folder := fstest.MapFS{}
	for i := range 50 {
		folder[fmt.Sprintf("%02d.yaml", i)] = &fstest.MapFile{Data: []byte("displayName: x\nstate: [\n")}
	}
	_, err := Read(folder)
	var all Errors
	if !errors.As(err, &all) || len(all) != maxErrors {
		t.Fatalf("%d: %v", len(all), err)
	}
	for _, one := range all {
		var f *policyfile.Fault
		if !errors.As(one, &f) || f.Pos.Line < 1 {
			t.Errorf("%v has no place", one)
		}
	}
}

func TestWhatThePortreeveMembersMustNotDo(t *testing.T) {
	for text, want := range map[string]string{
		"kind: ConditionalAccessPolicy\nid: a\nspec: {id: b, displayName: x, state: enabled, conditions: {}}\n":                                                     `x.yaml:2:5: the id is "a" here and "b" in the spec`,
		"kind: ConditionalAccessPolicy\nspec: {displayName: x, state: enabled, conditions: {}, portreeve: {}}\nx-portreeve: {}\n":                                   `x.yaml:3:14: the spec has a member portreeve already`,
		"kind: ConditionalAccessPolicy\nspec: {displayName: x, state: enabled, conditions: {}}\nx-portreeve:\n  hlep: y\n":                                          `x.yaml:4:9: "hlep" is not known here`,
		"kind: ConditionalAccessPolicy\nid: [a]\nspec: {displayName: x, state: enabled, conditions: {}}\n":                                                          `x.yaml:2:5: this is a text, not a list`,
		"kind: ConditionalAccessPolicy\nid: " + strings.Repeat("a", 300) + "\nspec: {displayName: x, state: enabled, conditions: {}}\n":                             `this has at most 256 bytes`,
		"kind: AuthenticationPolicy\nspec: {Name: x, AllowBasicAuthImapp: false}\n":                                                                                 `an authentication policy has no switch AllowBasicAuthImapp; did you mean AllowBasicAuthImap?`,
		"kind: AuthenticationPolicy\nspec: {Name: x, AllowBasicAuthImap: 0}\n":                                                                                      `AllowBasicAuthImap is true or false, not a number`,
		"kind: Switches\nspec: {organization: {mfaAlsoAccepts: [nothing]}}\n":                                                                                       `a combination is methods with commas`,
		"kind: Switches\nspec: {organisation: {}}\n":                                                                                                                `did you mean organization?`,
		"- {displayName: x, state: enabled, conditions: {}}\n- {displayName: X, state: enabled, conditions: {}}\n":                                                  `x.yaml:2:17: the name "X" stands here and at x.yaml:1`,
		`{"value": [{"id": "a", "displayName": "x", "state": "enabled", "conditions": {}}, {"id": "A", "displayName": "y", "state": "enabled", "conditions": {}}]}`: `the id "A" stands here and at x.yaml:1`,
	} {
		_, err := Parse("x.yaml", []byte(text))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s\n got %v\nwant %s", text, err, want)
		}
	}
}

// TestSwitchesAreSaidOnce: two documents may not say the same of one holder.
func TestSwitchesAreSaidOnce(t *testing.T) {
	set, err := Parse("x.yaml", []byte("kind: Switches\nspec: {mailboxes: {a@b.org: {ImapEnabled: false}}}\n---\nkind: Switches\nspec: {mailboxes: {A@b.org: {imapEnabled: true}}}\n"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err = set.Source(); err == nil || !strings.Contains(err.Error(), "x.yaml:5:43: ImapEnabled is said here and at x.yaml:2") {
		t.Error(err)
	}
}

// FuzzParse holds that what is read can be written, and reads the same then.
func FuzzParse(f *testing.F) {
	f.Add(retire)
	f.Add("kind: Switches\nspec: {organization: {PopEnabled: false}, mailboxes: {a@b.org: {ImapEnabled: null}}}\n")
	f.Add(`{"value": [{"id": "1", "displayName": "A", "state": "disabled", "conditions": {"users": {"includeUsers": ["All"]}}}]}`)
	f.Add("kind: PolicyTest\ntests: [{name: x, signin: {user: stranger}, expect: refuse}]\n")
	f.Add("Name: x\nAllowBasicAuthImap: false\n")
	f.Fuzz(func(t *testing.T, text string) {
		set, err := Parse("x.yaml", []byte(text))
		if err != nil {
			_ = err.Error()
			return
		}
		_, _ = set.Source()
		_, _ = set.Warnings(time.Unix(1_800_000_000, 0))
		for _, o := range set.Objects {
			if !json.Valid(o.JSON()) {
				t.Fatalf("%q became %s", text, o.JSON())
			}
			out, err := Write(o.Kind, o.ID, o.JSON())
			if err != nil {
				t.Fatalf("%q: %v", o.JSON(), err)
			}
			if o.Kind == Test {
				continue // written with its envelope
			}
			again, err := Parse("y.yaml", out)
			if err != nil || len(again.Objects) != 1 || again.Objects[0].Kind != o.Kind || again.Objects[0].Key() != o.Key() {
				t.Fatalf("%q is written as\n%s\n%v", text, out, err)
			}
		}
	})
}
