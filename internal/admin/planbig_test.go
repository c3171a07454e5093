package admin_test

import (
	"fmt"
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

// A folder of ten thousand policies and a location of five thousand networks is
// planned and applied in one change.
func TestAFolderOfTenThousandPolicies(t *testing.T) {
	o := open(t, "")
	files := map[string]string{}
	var ranges strings.Builder
	for i := range 5000 {
		fmt.Fprintf(&ranges, "    - {cidrAddress: 10.%d.%d.0/24}\n", i/250, i%250)
	}
	files["big.yaml"] = "kind: NamedLocation\nid: big\nspec:\n  displayName: Everywhere of ours\n  ipRanges:\n" + ranges.String()
	for i := range 100 {
		var file strings.Builder
		for j := range 100 {
			fmt.Fprintf(&file, "---\nkind: ConditionalAccessPolicy\nid: p%d-%d\nspec:\n  displayName: Policy %d %d\n  state: disabled\n  conditions: {clientAppTypes: [all], users: {includeUsers: [All]}, applications: {includeApplications: [All]}, locations: {includeLocations: [All], excludeLocations: [big]}}\n  grantControls: {operator: OR, builtInControls: [block]}\n", i, j, i, j)
		}
		files[fmt.Sprintf("p%d.yaml", i)] = file.String()
	}
	began := time.Now()
	p := o.want(200, "POST", planPath, folderBody(t, files, map[string]any{"days": -1}))
	planned := time.Since(began)
	if p["add"] != 10001.0 {
		t.Fatalf("to add are %v", p["add"])
	}
	o.want(200, "POST", applyPath, folderBody(t, files, map[string]any{"plan": p["id"], "serverVersion": p["serverVersion"]}))
	applied := time.Since(began) - planned
	if again := o.want(200, "POST", applyPath, folderBody(t, files, nil)); again["nothing"] != true {
		t.Error("applied twice, there is something to do")
	}
	t.Logf("planned in %v, applied in %v", planned, applied)
}
