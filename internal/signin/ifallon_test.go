package signin

import (
	"testing"

	"github.com/portreeve/portreeve/internal/policy"
)

// TestIfAllOnIsWhatTheChangedRulesSay switches every report-only policy on and
// judges the same facts again.
func TestIfAllOnIsWhatTheChangedRulesSay(t *testing.T) {
	rule := func(id string, state policy.State, c policy.Controls, kinds ...string) policy.Policy {
		return policy.Policy{ID: id, DisplayName: id, State: state, Grant: &policy.Grant{Any: true, Controls: c},
			Conditions: policy.Conditions{Users: &policy.Users{Include: policy.People{All: true}}, Portreeve: policy.Own{CredentialKinds: &policy.Words{Include: kinds}}}}
	}
	src := policy.Source{Policies: []policy.Policy{rule("tokens", policy.Enabled, policy.ControlMFA, "bearer"), rule("passwords", policy.ReportOnly, policy.ControlBlock, "password"),
		rule("app passwords", policy.ReportOnly, policy.ControlMFA, "appPassword"), rule("off", policy.Disabled, policy.ControlBlock, "certificate")}}
	now, _ := policy.Compile(src)
	on := src
	on.Policies = append([]policy.Policy(nil), src.Policies...)
	for i := range on.Policies {
		if on.Policies[i].State == policy.ReportOnly {
			on.Policies[i].State = policy.Enabled
		}
	}
	later, _ := policy.Compile(on)
	words := map[policy.Effect]string{policy.Allow: "allowed", policy.Interrupt: "asked", policy.Block: "refused"}
	seen := map[string]int{}
	for kind := policy.CredentialPassword; kind <= policy.CredentialPass; kind++ {
		for _, f := range []policy.Facts{{Person: "p", Protocol: 1}, {Person: "p", Protocol: 1, Methods: policy.MethodPassword | policy.MethodSoftwareOath}} {
			f.Credential, f.Proven = kind, true
			f.Methods &= policy.Attainable(&f)
			e := Event{Facts: f}
			e.Verdict = policy.Judge(now, &f, &e.Applied)
			want := words[policy.Judge(later, &f, nil).Effect]
			if got := e.IfAllOn(); got != want {
				t.Errorf("%s with %x: %s, judged again %s (%+v)", kind, f.Methods, got, want, e.Verdict)
			}
			seen[want]++
		}
	}
	if seen["allowed"] == 0 || seen["refused"] == 0 {
		t.Errorf("the test shows little: %v", seen)
	}
	wrong := Event{Facts: policy.Facts{Credential: policy.CredentialPassword}, Code: WrongCredentials}
	if got := wrong.IfAllOn(); got != "" {
		t.Errorf("a wrong password: %q", got)
	}
	unseen := Event{Verdict: policy.Verdict{Stage: policy.StageSwitch, Effect: policy.Block}}
	if got := unseen.IfAllOn(); got != "refused" {
		t.Errorf("by a switch: %q", got)
	}
}
