package admin_test

import (
	"strings"
	"sync"
	"testing"
	"time"
)

// Two administrators apply at once: one plan is carried out once, and of two
// plans for the same state the second is refused.
func TestTwoAdministratorsApplyAtOnce(t *testing.T) {
	o := open(t, "")
	p := o.want(200, "POST", planPath, folderBody(t, folderFiles, map[string]any{"days": -1}))
	other := with(folderFiles, "retire.yaml", strings.Replace(folderFiles["retire.yaml"], "enabledForReportingButNotEnforced", "disabled", 1))
	q := o.want(200, "POST", planPath, folderBody(t, other, map[string]any{"days": -1}))
	bodies := []string{folderBody(t, folderFiles, map[string]any{"plan": p["id"], "serverVersion": p["serverVersion"]}),
		folderBody(t, folderFiles, map[string]any{"plan": p["id"], "serverVersion": p["serverVersion"]}),
		folderBody(t, other, map[string]any{"plan": q["id"], "serverVersion": q["serverVersion"]})}
	var all sync.WaitGroup
	codes := make([]int, len(bodies))
	for i, body := range bodies {
		all.Go(func() { codes[i], _ = o.do("POST", applyPath, body) })
	}
	all.Wait()
	same, refused := codes[0] == 200 && codes[1] == 200 && codes[2] == 409, codes[0] == 409 && codes[1] == 409 && codes[2] == 200
	if !same && !refused {
		t.Errorf("ended with %v", codes)
	}
	made := 0
	for _, a := range values(o.want(200, "GET", "/portreeve/v1/audits?kind=policy", "")) {
		if a["action"] == "create" {
			made++
		}
	}
	if made != 1 {
		t.Errorf("the policy was made %d times", made)
	}
}

// What a folder deleted and changed is back as a whole, and managed from the
// files that it was managed from.
func TestAFolderTakesItselfBackAsAWhole(t *testing.T) {
	o := open(t, "")
	o.want(201, "POST", "/portreeve/v1/people", `{"address":"leela@example.org"}`)
	o.want(200, "POST", applyPath, folderBody(t, folderFiles, map[string]any{"commit": "one"}))
	state := func() string {
		var all []string
		for _, path := range []string{policies, "/v1.0/identity/conditionalAccess/namedLocations", "/portreeve/v1/authenticationPolicies", mailboxSwitches, "/portreeve/v1/assignments", "/portreeve/v1/managed"} {
			_, b := o.do("GET", path, "")
			all = append(all, string(b))
		}
		return strings.Join(all, "\n")
	}
	before := state()
	next := with(folderFiles, "retire.yaml", "", "new/place.yaml", strings.NewReplacer("id: office", "id: elsewhere", "Head office", "Elsewhere").Replace(folderFiles["locations/office.yaml"]),
		"auth.yaml", "kind: AuthenticationPolicy\nspec: {Name: No basic, AllowBasicAuthPop: false, AllowBasicAuthImap: false}\n",
		"switches.yaml", "kind: Switches\nspec: {organization: {ImapEnabled: true}}\n")
	done := o.want(200, "POST", applyPath+"?confirmWithin=2s", folderBody(t, next, map[string]any{"commit": "two"}))
	if done["remove"] == 0.0 || done["add"] != 1.0 || state() == before {
		t.Fatalf("apply %v", done)
	}
	for range 300 {
		if state() == before {
			break
		}
		time.Sleep(100 * time.Millisecond)
	}
	if now := state(); now != before {
		t.Fatalf("it is\n%s\nit was\n%s", now, before)
	}
	if p := o.want(200, "POST", planPath, folderBody(t, folderFiles, map[string]any{"days": -1})); len(p["changes"].([]any))+len(p["adopts"].([]any)) != 0 {
		t.Errorf("after it was taken back there is to do: %v", p)
	}
}
