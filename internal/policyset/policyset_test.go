package policyset

import (
	"testing"
	"testing/fstest"
)

const retire = `kind: ConditionalAccessPolicy
id: retire-passwords
spec:
  displayName: Retire passwords
  state: enabledForReportingButNotEnforced
  conditions:
    clientAppTypes: [exchangeActiveSync, other]
    users: {includeUsers: [All], excludeGroups: [service-accounts, break-glass]}
    applications: {includeApplications: [All]}
    locations: {includeLocations: [All], excludeLocations: [office]}
  grantControls: {operator: OR, builtInControls: [block]}
x-portreeve:
  help: https://intranet.example.org/mail
`

func TestAFolderOfEveryKind(t *testing.T) {
	set, err := Read(fstest.MapFS{
		"a/retire.yaml":  {Data: []byte(retire + "---\nkind: NamedLocation\nid: office\nspec:\n  displayName: Office\n  ipRanges: [{cidrAddress: 192.0.2.0/24}]\n")},
		"b.json":         {Data: []byte(`{"@odata.context":"x","value":[{"id":"1","displayName":"A","state":"disabled","conditions":{"users":{"includeUsers":["All"]}}}]}`)},
		"auth.yml":       {Data: []byte("Name: No basic\nGuid: g1\nAllowBasicAuthImap: false\n")},
		"switches.yaml":  {Data: []byte("kind: Switches\nspec:\n  organization: {PopEnabled: false, DefaultAuthenticationPolicy: No basic}\n  mailboxes:\n    Scanner@example.org: {PopEnabled: null, imapenabled: true}\n")},
		".git/x.yaml":    {Data: []byte("not: [read")},
		"README.md":      {Data: []byte("no policy")},
		"strength.yaml":  {Data: []byte("kind: AuthenticationStrength\nspec: {displayName: Keys, allowedCombinations: [fido2]}\n")},
		"empty.yaml":     {Data: []byte("# nothing\n")},
		"graph/raw.json": {Data: []byte(`{"displayName": "Raw", "state": "enabled", "conditions": {}, "x": 1.50}`)},
	})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, o := range set.Objects {
		got = append(got, string(o.Kind)+" "+o.Key()+" "+o.Place())
	}
	want := []string{"ConditionalAccessPolicy retire-passwords a/retire.yaml:1", "NamedLocation office a/retire.yaml:15",
		"AuthenticationPolicy g1 auth.yml:1", "ConditionalAccessPolicy 1 b.json:1", "ConditionalAccessPolicy raw graph/raw.json:1",
		"AuthenticationStrength keys strength.yaml:1", "Switches  switches.yaml:1"}
	if len(got) != len(want) {
		t.Fatalf("%q", got)
	}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("%q, not %q", got[i], want[i])
		}
	}
	if raw := string(set.Find(Policy, "RAW").JSON()); raw != `{"displayName": "Raw", "state": "enabled", "conditions": {}, "x": 1.50}` {
		t.Error(raw)
	}
	p := set.Find(Policy, "Retire passwords")
	if j := string(p.JSON()); j[:26] != `{"id":"retire-passwords","` {
		t.Error(j)
	}
	src, err := set.Source()
	if err != nil || len(src.Policies) != 3 || len(src.Locations) != 1 || *src.Organization.PopEnabled || src.Mailboxes["scanner@example.org"].ImapEnabled == nil {
		t.Errorf("%+v, %v", src, err)
	}
}

func TestWhatIsWrittenIsReadAgain(t *testing.T) {
	object := []byte(`{"id":"p1","@odata.type":"#x","displayName":"A: b","conditions":{"users":{"includeUsers":["All"]}},"list":[{"a":1,"b":null},{"c":[1]}],"deep":[[1,2],[]],"empty":{}}`)
	out, err := Write(Policy, "p1", object)
	if err != nil {
		t.Fatal(err)
	}
	want := "kind: ConditionalAccessPolicy\nid: p1\nspec:\n  \"@odata.type\": \"#x\"\n  displayName: \"A: b\"\n  conditions:\n    users:\n      includeUsers: [All]\n  list:\n" +
		"    - {a: 1, b: null}\n    - c: [1]\n  deep:\n    - [1, 2]\n    - []\n  empty: {}\n"
	if string(out) != want {
		t.Errorf("%s", out)
	}
	if again, err := Format("x.yaml", out); err != nil || string(again) != want {
		t.Errorf("%s %v", again, err)
	}
}
