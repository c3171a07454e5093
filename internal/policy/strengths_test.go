package policy_test

import (
	"strings"
	"testing"

	"github.com/portreeve/portreeve/internal/policy"
	"github.com/portreeve/portreeve/internal/policy/policytest"
)

func TestBuiltInStrengthsAreEntras(t *testing.T) {
	built := policy.BuiltInStrengths()
	if len(built) != 3 || len(built[0].Combinations) != 19 || len(built[1].Combinations) != 4 || len(built[2].Combinations) != 3 {
		t.Fatalf("%+v", built)
	}
	for i, want := range policytest.PlainMFA {
		found := false
		for _, c := range built[0].Combinations {
			found = found || c.String() == want || policytest.PlainCombination(want, c.Methods) && len(strings.Split(want, ",")) == len(c.Methods.Names())
		}
		if !found {
			t.Errorf("combination %d, %s, is missing", i, want)
		}
	}
	for name, bit := range policytest.PlainBits {
		if m, ok := policy.ParseMethod(strings.ToUpper(name)); !ok || m != bit {
			t.Errorf("%s is %d", name, m)
		}
	}
	c, unknown := policy.ParseCombination("password, telepathy")
	if s := (policy.Strength{Combinations: []policy.Combination{c}}); !c.Unprovable || len(unknown) != 1 || s.Met(^policy.Methods(0), "") {
		t.Error("a combination with a method that nobody knows must never be met")
	}
	s, _ := policy.Compile(policy.Source{
		Strengths: []policy.Strength{{ID: policy.StrengthMFA, DisplayName: "Mine", Combinations: []policy.Combination{{Methods: policy.MethodPassword}}}},
		Policies:  []policy.Policy{{ID: "p", Grant: &policy.Grant{Strength: &policy.Strength{ID: policy.StrengthMFA}}}}})
	if v := policy.Evaluate(s, &policy.Facts{At: drawAt, Methods: policy.MethodPassword}, nil); v.Allowed() {
		t.Error("a built-in strength was redefined")
	}
}
