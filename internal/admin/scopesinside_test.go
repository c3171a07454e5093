package admin_test

import "testing"

// A token that may change policies alone changes nothing else by bringing it in
// a folder or out of the history, and learns nothing of the log by a test.
func TestANarrowTokenIsHeldToTheScopesOfWhatAFolderHas(t *testing.T) {
	o := openAbroad(t)
	narrow := o.token(`{"name":"narrow","role":"administrator","scopes":["Policy.ReadWrite.ConditionalAccess"]}`)
	whole := o.token(`{"name":"whole","role":"administrator"}`)
	o.expect(201, "POST", "/portreeve/v1/people", whole, `{"address":"leela@example.org"}`)
	policies := map[string]string{"retire.yaml": folderFiles["retire.yaml"], "office.yaml": folderFiles["locations/office.yaml"]}
	o.expect(200, "POST", applyPath, narrow, folderBody(t, policies, nil))

	strength := with(policies, "strength.yaml", "kind: AuthenticationStrength\nid: two\nspec: {displayName: Two, allowedCombinations: [\"password,softwareOath\"]}\n")
	switches := with(policies, "switches.yaml", "kind: Switches\nspec: {mailboxes: {leela@example.org: {ImapEnabled: false}}}\n")
	tests := with(policies, "tests.yaml", "kind: PolicyTest\ntests:\n  - name: nobody\n    replay: {last: 30d}\n    expect: {newlyRefused: {people: 0}}\n")
	for name, files := range map[string]map[string]string{"strength": strength, "switches": switches, "tests": tests} {
		t.Log(name)
		o.expect(403, "POST", applyPath, narrow, folderBody(t, files, nil))
	}
	for _, files := range []map[string]string{strength, with(strength, "strength.yaml", ""), switches, tests} {
		o.expect(200, "POST", applyPath, whole, folderBody(t, files, nil))
	}
	o.expect(403, "POST", "/portreeve/v1/history/strength/Two/restore", narrow, `{"version":1}`)
}
