package admin_test

import (
	"fmt"
	"strings"
	"testing"
)

// Deleting an authentication policy takes it from whoever has it: a folder that
// gives it to somebody is refused, and of all others it is told.
func TestWhoLosesAnAuthenticationPolicyIsTold(t *testing.T) {
	o := open(t, "")
	o.want(201, "POST", "/portreeve/v1/people", `{"address":"leela@example.org"}`)
	o.want(201, "POST", "/portreeve/v1/people", `{"address":"fry@example.org"}`)
	o.want(200, "POST", applyPath, folderBody(t, folderFiles, nil))
	without := with(folderFiles, "auth.yaml", "")
	if told := fmt.Sprint(o.want(400, "POST", planPath, folderBody(t, without, nil))); !strings.Contains(told, "there is no authentication policy") {
		t.Errorf("a folder that gives what it deletes: %s", told)
	}
	o.want(400, "POST", applyPath, folderBody(t, without, nil))

	o.want(200, "PUT", "/portreeve/v1/assignments", `{"scope":"person","subject":"fry@example.org","policy":"No basic"}`)
	without["switches.yaml"] = "kind: Switches\nspec:\n  organization: {PopEnabled: false}\n"
	planned := fmt.Sprint(o.want(200, "POST", planPath, folderBody(t, without, nil))["changes"])
	if !strings.Contains(planned, `the authentication policy of fry@example.org goes from "No basic" to inherited`) {
		t.Errorf("the plan does not tell who else had it: %s", planned)
	}
	o.want(200, "POST", applyPath, folderBody(t, without, nil))
	if p := o.want(200, "POST", planPath, folderBody(t, without, nil)); p["add"] != 0.0 || p["change"] != 0.0 || p["remove"] != 0.0 {
		t.Errorf("applied, there is still to do: %v", p)
	}
}

// A test about a group that is not there was not run, and stops the folder as
// one that fails.
func TestATestThatCannotBeRunStopsTheFolder(t *testing.T) {
	o := open(t, "")
	files := with(folderFiles, "tests.yaml", `kind: PolicyTest
tests:
  - name: nobody of the board
    replay: {last: 30d}
    expect: {newlyRefused: {none: ["group:Board"]}}
`)
	tests := o.want(200, "POST", planPath, folderBody(t, files, nil))["tests"].(map[string]any)
	if tests["passed"] != 0.0 || tests["notRun"] != 1.0 || !strings.Contains(fmt.Sprint(tests["cases"]), `there is no group "Board" here`) {
		t.Fatalf("tests %v", tests)
	}
	code, b := o.do("POST", applyPath, folderBody(t, files, nil))
	if code != 409 || !strings.Contains(string(b), "could not be run") || !strings.Contains(string(b), "TestNotRun") {
		t.Fatalf("%d %s", code, b)
	}
	o.want(201, "POST", "/portreeve/v1/groups", `{"name":"Board"}`)
	if tests := o.want(200, "POST", planPath, folderBody(t, files, nil))["tests"].(map[string]any); tests["passed"] != 1.0 {
		t.Fatalf("tests %v", tests)
	}
	o.want(200, "POST", applyPath, folderBody(t, files, nil))
}

// What waits to be confirmed is not as the folder has it for long, and that is
// told by whoever plans or applies it meanwhile.
func TestAPlanTellsWhatIsTakenBackUnlessItIsConfirmed(t *testing.T) {
	o := open(t, "")
	o.want(200, "POST", applyPath, folderBody(t, folderFiles, nil))
	off := with(folderFiles, "retire.yaml", strings.Replace(folderFiles["retire.yaml"], "enabledForReportingButNotEnforced", "disabled", 1))
	const note = `the policy "Retire passwords", as `
	if a := o.want(200, "POST", applyPath+"?confirmWithin=1h", folderBody(t, off, nil)); strings.Contains(fmt.Sprint(a["notes"]), note) {
		t.Errorf("apply says of what it changes itself: %v", a["notes"])
	}
	for _, path := range []string{planPath, applyPath} {
		if notes := fmt.Sprint(o.want(200, "POST", path, folderBody(t, off, nil))["notes"]); !strings.Contains(notes, note) || !strings.Contains(notes, "is taken back at") {
			t.Errorf("%s: notes %s", path, notes)
		}
	}
	if p := o.want(200, "POST", planPath, folderBody(t, folderFiles, nil)); strings.Contains(fmt.Sprint(p["notes"]), note) {
		t.Errorf("a plan that changes it itself: %v", p["notes"])
	}
}
