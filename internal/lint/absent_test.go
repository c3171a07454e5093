package lint

import (
	"slices"
	"testing"

	"github.com/portreeve/portreeve/internal/policy"
)

// Who is not here may come tomorrow: nothing is claimed for good of a policy
// that names them, and none is held for its like.
func TestNothingIsClaimedOfWhoIsNotHereYet(t *testing.T) {
	const everywhere = `, "applications": {"includeApplications": ["All"]}`
	found := func(all ...policy.Policy) []string {
		rules, _ := policy.Compile(source(t, all...))
		return ids(Check(Input{Rules: rules, Now: now}))
	}
	hire := read(t, "hire", `"users": {"includeGroups": ["trainees"]}`+everywhere, `"mfa"`, "")
	if got := found(hire); slices.Contains(got, NeverApplies) {
		t.Errorf("a policy for a group that is to come: %v", got)
	}
	staff := read(t, "staff", `"users": {"includeGroups": ["staff"]}`+everywhere, `"mfa"`, "")
	both := read(t, "both", `"users": {"includeGroups": ["staff", "trainees"]}`+everywhere, `"mfa"`, "")
	if got := found(both, staff); len(got) != 1 || got[0] != Shadowed { // staff is, by both
		t.Errorf("staff and trainees beside staff: %v", got)
	}
	but := read(t, "but", `"users": {"includeUsers": ["All"], "excludeGroups": ["trainees"]}`+everywhere, `"mfa"`, "")
	if got := found(but, read(t, "all", everybody, `"mfa"`, "")); !slices.Contains(got, Shadowed) {
		t.Errorf("everybody beside everybody but trainees: %v", got)
	}
	if got := found(but, staff); slices.Contains(got, Shadowed) {
		t.Errorf("staff beside everybody but trainees: %v", got)
	}
	if got := found(read(t, "none", `"users": {"includeGroups": ["staff"], "excludeGroups": ["staff"]}`+everywhere, `"mfa"`, "")); !slices.Contains(got, NeverApplies) {
		t.Errorf("staff but staff: %v", got)
	}
}
