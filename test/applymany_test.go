package test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A folder of ten thousand policies and a location of five thousand networks is
// planned and applied in one change; applied twice, there is nothing to do.
func TestAFolderOfTenThousandPolicies(t *testing.T) {
	t.Parallel()
	s := hastySite(t, siteOptions{})
	folder := t.TempDir()
	put := func(name, text string) { check(t, os.WriteFile(filepath.Join(folder, name), []byte(text), 0o600)) }
	var ranges strings.Builder
	for i := range 5000 {
		fmt.Fprintf(&ranges, "    - {cidrAddress: 10.%d.%d.0/24}\n", i/250, i%250)
	}
	put("big.yaml", "kind: NamedLocation\nid: big\nspec:\n  displayName: Everywhere of ours\n  ipRanges:\n"+ranges.String())
	for i := range 100 {
		var file strings.Builder
		for j := range 100 {
			fmt.Fprintf(&file, "---\nkind: ConditionalAccessPolicy\nid: p%d-%d\nspec:\n  displayName: Policy %d %d\n  state: disabled\n  conditions: {clientAppTypes: [all], users: {includeUsers: [All]}, applications: {includeApplications: [All]}, locations: {includeLocations: [All], excludeLocations: [big]}}\n  grantControls: {operator: OR, builtInControls: [block]}\n", i, j, i, j)
		}
		put(fmt.Sprintf("p%d.yaml", i), file.String())
	}
	if out := s.ends(t, 3, "plan", folder, "--exit-code"); !strings.Contains(out, "0 to change, 10001 to add, 0 to remove") {
		t.Fatalf("the plan ends with\n%s", out[max(0, len(out)-1000):])
	}
	s.do(t, "apply", folder)
	s.ends(t, 0, "plan", folder, "--exit-code")
	if out := s.do(t, "apply", folder); !strings.Contains(out, "nothing") {
		t.Errorf("applied twice:\n%s", out[max(0, len(out)-1000):])
	}
}
