package admin_test

import (
	"encoding/json"
	"strings"
	"testing"
)

// A folder of every kind, as people write one.
var folderFiles = map[string]string{
	"locations/office.yaml": "kind: NamedLocation\nid: office\nspec:\n  \"@odata.type\": \"#microsoft.graph.ipNamedLocation\"\n  displayName: Head office\n  isTrusted: true\n  ipRanges: [{\"@odata.type\": \"#microsoft.graph.iPv4CidrRange\", cidrAddress: 192.0.2.0/24}]\n",
	"retire.yaml": `kind: ConditionalAccessPolicy
id: retire-passwords
spec:
  displayName: Retire passwords
  state: enabledForReportingButNotEnforced
  conditions:
    clientAppTypes: [exchangeActiveSync, other]
    users: {includeUsers: [All]}
    applications: {includeApplications: [All]}
    locations: {includeLocations: [All], excludeLocations: [office]}
  grantControls: {operator: OR, builtInControls: [block]}
`,
	"auth.yaml":     "kind: AuthenticationPolicy\nspec: {Name: No basic, AllowBasicAuthPop: false}\n",
	"switches.yaml": "kind: Switches\nspec:\n  organization: {PopEnabled: false, DefaultAuthenticationPolicy: No basic, mfaAlsoAccepts: [\"password,approvalWindow\"]}\n  mailboxes: {leela@example.org: {ImapEnabled: true, AuthenticationPolicy: No basic}, nobody@example.org: {ImapEnabled: false}}\n",
}

func folderBody(t *testing.T, files map[string]string, more map[string]any) string {
	t.Helper()
	body := map[string]any{"files": files}
	for k, v := range more {
		body[k] = v
	}
	b, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func with(files map[string]string, pairs ...string) map[string]string {
	out := map[string]string{}
	for k, v := range files {
		out[k] = v
	}
	for i := 0; i < len(pairs); i += 2 {
		if out[pairs[i]] = pairs[i+1]; pairs[i+1] == "" {
			delete(out, pairs[i])
		}
	}
	return out
}

const retireJSON = `{"displayName":"NAME","state":"disabled","conditions":{"clientAppTypes":["all"],"users":{"includeUsers":["All"]},"applications":{"includeApplications":["All"]}},"grantControls":{"operator":"OR","builtInControls":["block"]}}`

const (
	planPath  = "/portreeve/v1/plan"
	applyPath = "/portreeve/v1/apply"
)

func TestAFolderIsPlannedAppliedAndPulled(t *testing.T) {
	o := open(t, "")
	o.want(201, "POST", "/portreeve/v1/people", `{"address":"leela@example.org"}`)
	p := o.want(200, "POST", planPath, folderBody(t, folderFiles, nil))
	if p["add"] != 3.0 || p["change"] != 5.0 || p["remove"] != 0.0 {
		t.Fatalf("plan %v", p)
	}
	if notes, _ := json.Marshal(p["notes"]); !strings.Contains(string(notes), `no mailbox \"nobody@example.org\"`) {
		t.Errorf("notes %s", notes)
	}
	if len(values(o.want(200, "GET", policies, ""))) != 0 {
		t.Fatal("a plan changed something")
	}
	done := o.want(200, "POST", applyPath, folderBody(t, folderFiles, map[string]any{"plan": p["id"], "serverVersion": p["serverVersion"], "commit": "3f2a1c"}))
	if done["nothing"] != false || done["id"] != p["id"] {
		t.Errorf("apply %v", done)
	}
	again := o.want(200, "POST", applyPath, folderBody(t, folderFiles, map[string]any{"plan": p["id"], "serverVersion": p["serverVersion"]}))
	if again["nothing"] != true {
		t.Errorf("applied twice: %v", again)
	}

	// References by the file's words hold by the server's ids.
	rule := values(o.want(200, "GET", policies, ""))[0]
	office := values(o.want(200, "GET", "/v1.0/identity/conditionalAccess/namedLocations", ""))[0]
	if b, _ := json.Marshal(rule["conditions"]); !strings.Contains(string(b), `"excludeLocations":["`+office["id"].(string)+`"]`) {
		t.Errorf("the reference is %s, the location %v", b, office["id"])
	}
	managed, _ := rule["@portreeve.managed"].(map[string]any)
	if managed["file"] != "retire.yaml" || managed["commit"] != "3f2a1c" || managed["by"] == "" {
		t.Errorf("origin %v", rule["@portreeve.managed"])
	}

	// Read-only by other ways, with the file to edit.
	code, b := o.do("PATCH", policies+"/Retire%20passwords", `{"state":"enabled"}`)
	if code != 409 || !strings.Contains(string(b), "ManagedFromFiles") || !strings.Contains(string(b), "retire.yaml:1") {
		t.Errorf("%d %s", code, b)
	}
	for _, refused := range [][3]string{{"DELETE", policies + "/Retire%20passwords", ""}, {"PATCH", mailboxSwitches, `{"scope":"organization","switches":{"pop3":"on"}}`},
		{"PUT", "/portreeve/v1/settings", `{"mfaAlsoAccepts":[]}`}, {"PUT", "/portreeve/v1/assignments", `{"scope":"organization","policy":""}`},
		{"DELETE", "/portreeve/v1/authenticationPolicies/No%20basic", ""}} {
		if code, b := o.do(refused[0], refused[1], refused[2]); code != 409 {
			t.Errorf("%s %s: %d %s", refused[0], refused[1], code, b)
		}
	}
	if code, b := o.do("PATCH", mailboxSwitches, `{"scope":"organization","switches":{"imap":"on"}}`); code != 200 {
		t.Errorf("what no file has: %d %s", code, b)
	}

	// Who insists changes it, and the next plan says so.
	o.want(200, "PATCH", policies+"/Retire%20passwords?override=true", `{"state":"enabled"}`)
	p = o.want(200, "POST", planPath, folderBody(t, folderFiles, map[string]any{"days": -1}))
	changes := p["changes"].([]any)
	first := changes[0].(map[string]any)
	if len(changes) != 1 || !strings.Contains(first["sentence"].(string), "goes from on to report-only") || first["changedHereBy"] == nil {
		t.Errorf("drift %v", changes)
	}
	o.want(200, "POST", applyPath, folderBody(t, folderFiles, nil))

	// What was here before and is managed from its file since was changed by nobody.
	o.want(201, "POST", policies, strings.Replace(retireJSON, "NAME", "By hand", 1))
	handmade := with(folderFiles, "hand.json", strings.Replace(retireJSON, "NAME", "By hand", 1))
	if done := o.want(200, "POST", applyPath, folderBody(t, handmade, nil)); done["nothing"] != true || len(done["adopts"].([]any)) != 1 {
		t.Errorf("taking over: %v", done)
	}
	handmade["hand.json"] = strings.Replace(handmade["hand.json"], "disabled", "enabled", 1)
	p = o.want(200, "POST", planPath, folderBody(t, handmade, map[string]any{"days": -1}))
	if c := p["changes"].([]any)[0].(map[string]any); c["changedHereBy"] != nil || p["change"] != 1.0 {
		t.Errorf("a change of the file's: %v", c)
	}
	o.want(200, "POST", "/portreeve/v1/managed/release", `{"names":["By hand"]}`)
	o.want(204, "DELETE", policies+"/By%20hand", "")

	// Pulled into an empty folder and planned, nothing changes.
	pulled := map[string]string{}
	for _, f := range values(o.want(200, "POST", "/portreeve/v1/pull", `{"files":{}}`)) {
		pulled[f["file"].(string)] = f["text"].(string)
	}
	if len(pulled) != 4 {
		t.Fatalf("pulled %v", pulled)
	}
	p = o.want(200, "POST", planPath, folderBody(t, pulled, map[string]any{"days": -1}))
	if len(p["changes"].([]any)) != 0 {
		t.Errorf("after a pull there is to do: %v\n%v", p["changes"], pulled)
	}
	for _, f := range values(o.want(200, "POST", "/portreeve/v1/pull", folderBody(t, folderFiles, nil))) {
		if f["status"] != map[bool]string{true: "differs", false: "same"}[f["kind"] == "Switches"] { // imap on was set beside it
			t.Errorf("%v is %v", f["file"], f["status"])
		}
	}
}

func TestWhatAFolderHasNoMoreIsDeletedAndNothingElse(t *testing.T) {
	o := open(t, "")
	o.want(201, "POST", policies, strings.Replace(retireJSON, "NAME", "By hand", 1))
	o.want(200, "POST", applyPath, folderBody(t, folderFiles, nil))
	less := with(folderFiles, "retire.yaml", "", "switches.yaml", "kind: Switches\nspec: {organization: {DefaultAuthenticationPolicy: No basic}}\n")
	p := o.want(200, "POST", planPath, folderBody(t, less, map[string]any{"days": -1}))
	if p["remove"] != 3.0 || p["add"] != 0.0 || p["change"] != 0.0 { // the policy, a switch, the setting
		t.Fatalf("plan %v", p)
	}
	o.want(200, "POST", applyPath, folderBody(t, less, nil))
	left := values(o.want(200, "GET", policies, ""))
	if len(left) != 1 || left[0]["displayName"] != "By hand" {
		t.Errorf("left are %v", left)
	}
	o.want(200, "POST", "/portreeve/v1/history/policy/Retire%20passwords/restore", `{}`)

	// A file that calls its object otherwise has the same object.
	renamed := with(less, "locations/office.yaml", strings.Replace(folderFiles["locations/office.yaml"], "id: office", "id: head-office", 1))
	p = o.want(200, "POST", planPath, folderBody(t, renamed, map[string]any{"days": -1}))
	if len(p["changes"].([]any)) != 0 || len(p["adopts"].([]any)) != 1 {
		t.Errorf("called otherwise: %v", p)
	}
	o.want(400, "POST", planPath, folderBody(t, map[string]string{"a.yaml": "# nothing\n"}, nil))
	o.want(200, "POST", "/portreeve/v1/managed/release", `{"names":["office","No basic"]}`)
	o.want(204, "DELETE", "/v1.0/identity/conditionalAccess/namedLocations/Head%20office", "")
	o.want(404, "POST", "/portreeve/v1/managed/release", `{"names":["office"]}`)
}

func TestAPlanForAnotherStateIsRefused(t *testing.T) {
	o := open(t, "")
	p := o.want(200, "POST", planPath, folderBody(t, folderFiles, map[string]any{"days": -1}))
	o.want(200, "PATCH", mailboxSwitches, `{"scope":"organization","switches":{"sieve":"off"}}`)
	code, b := o.do("POST", applyPath, folderBody(t, folderFiles, map[string]any{"plan": p["id"], "serverVersion": p["serverVersion"]}))
	if code != 409 || !strings.Contains(string(b), "PlanOutdated") || !strings.Contains(string(b), "SieveEnabled") {
		t.Errorf("%d %s", code, b)
	}
	if len(values(o.want(200, "GET", policies, ""))) != 0 {
		t.Error("it was applied all the same")
	}
	p = o.want(200, "POST", planPath, folderBody(t, folderFiles, map[string]any{"days": -1}))
	other := with(folderFiles, "retire.yaml", strings.Replace(folderFiles["retire.yaml"], "enabledForReportingButNotEnforced", "enabled", 1))
	if code, b := o.do("POST", applyPath, folderBody(t, other, map[string]any{"plan": p["id"], "serverVersion": p["serverVersion"]})); code != 409 {
		t.Errorf("another folder than was planned: %d %s", code, b)
	}
	// One fault anywhere, and nothing is done.
	broken := with(folderFiles, "switches.yaml", "kind: Switches\nspec: {organization: {DefaultAuthenticationPolicy: No such}}\n")
	if code, b := o.do("POST", applyPath, folderBody(t, broken, nil)); code != 400 || !strings.Contains(string(b), "switches.yaml:2") {
		t.Errorf("%d %s", code, b)
	}
	if len(values(o.want(200, "GET", policies, ""))) != 0 {
		t.Error("half of it was applied")
	}
}

const folderTests = `kind: PolicyTest
given:
  people:
    leela@example.org: {groups: [staff]}
assume: {retire-passwords: enabled}
tests:
  - name: a password at home is refused
    signin: {user: leela@example.org, protocol: imap, credential: password, ip: 203.0.113.7}
    expect: refuse
  - name: in the office it is not
    signin: {user: leela@example.org, protocol: imap, credential: password, ip: 192.0.2.9}
    expect: allow
  - name: on the log nobody is hit
    replay: {last: 30d, server: true}
    expect: {newlyRefused: {people: "<= 0"}}
`

func TestAFailingTestStopsTheFolder(t *testing.T) {
	o := open(t, "")
	good := with(folderFiles, "tests.yaml", folderTests)
	p := o.want(200, "POST", planPath, folderBody(t, good, nil))
	tests := p["tests"].(map[string]any)
	if tests["passed"] != 3.0 || tests["failed"] != 0.0 || tests["notRun"] != 0.0 {
		t.Fatalf("tests %v", tests)
	}
	bad := with(good, "locations/office.yaml", strings.Replace(folderFiles["locations/office.yaml"], "192.0.2.0/24", "198.51.100.0/24", 1))
	code, b := o.do("POST", applyPath, folderBody(t, bad, nil))
	if code != 409 || !strings.Contains(string(b), "TestsFailed") || !strings.Contains(string(b), "in the office it is not") || !strings.Contains(string(b), "tests.yaml:") {
		t.Fatalf("%d %s", code, b)
	}
	if len(values(o.want(200, "GET", policies, ""))) != 0 {
		t.Fatal("it was applied all the same")
	}
	o.want(200, "POST", applyPath, folderBody(t, bad, map[string]any{"force": true})) // this client always gives a reason
	if len(values(o.want(200, "GET", policies, ""))) != 1 {
		t.Error("it was not applied")
	}
}

func TestFoldersThatAreRefused(t *testing.T) {
	o := open(t, "")
	retire := folderFiles["retire.yaml"]
	for what, c := range map[string]struct {
		files map[string]string
		more  map[string]any
		want  string
	}{
		"no policy file by its name":           {map[string]string{"retire.txt": retire}, nil, "no name of a policy file"},
		"one id twice":                         {map[string]string{"a.yaml": retire, "b.yaml": strings.Replace(retire, "Retire passwords", "Other", 1)}, nil, "b.yaml:"},
		"one name twice":                       {map[string]string{"a.yaml": retire, "b.yaml": strings.Replace(retire, "id: retire-passwords", "id: other", 1)}, nil, "b.yaml:"},
		"a wrong word":                         {map[string]string{"a.yaml": strings.Replace(retire, "includeUsers: [All]", "includeUsers: All", 1)}, nil, "a.yaml:8:27"},
		"no name":                              {map[string]string{"a.yaml": strings.Replace(retire, "  displayName: Retire passwords\n", "", 1)}, nil, "displayName"},
		"a commit of a novel's length":         {folderFiles, map[string]any{"commit": strings.Repeat("a", 1000)}, "commit"},
		"an age":                               {folderFiles, map[string]any{"days": 100000}, "days"},
		"a member of the future":               {folderFiles, map[string]any{"folders": 1}, "folders"},
		"said twice of one holder":             {with(folderFiles, "more.yaml", "kind: Switches\nspec: {organization: {PopEnabled: true}}\n"), nil, "switches.yaml:"},
		"a test of a policy that there is not": {with(folderFiles, "t.yaml", strings.Replace(folderTests, "retire-passwords", "no-such", 1)), nil, "t.yaml:"},
	} {
		for _, path := range []string{planPath, applyPath} {
			if code, b := o.do("POST", path, folderBody(t, c.files, c.more)); code != 400 || !strings.Contains(string(b), c.want) {
				t.Errorf("%s: %s: %d %s", what, path, code, b)
			}
		}
	}
	if len(values(o.want(200, "GET", "/portreeve/v1/managed", ""))) != 0 {
		t.Error("something was applied")
	}
}
