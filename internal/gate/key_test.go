package gate

import (
	"context"
	"testing"
	"testing/synctest"

	"github.com/portreeve/portreeve/internal/policy"
	"github.com/portreeve/portreeve/internal/protocol"
)

func TestAPasskeyIsJudgedByItsModel(t *testing.T) {
	blueOnly := policy.Policy{ID: "blue", State: policy.Enabled, Conditions: policy.Conditions{Users: everybody},
		Grant: &policy.Grant{Controls: policy.ControlStrength, Strength: &policy.Strength{ID: "blue", Combinations: []policy.Combination{{Methods: policy.MethodFIDO2, Keys: []string{"blue"}}}}}}
	for answer, want := range map[string]bool{"blue": true, "red": false, "": false} {
		synctest.Test(t, func(t *testing.T) {
			h, g := open(policies(blueOnly))
			g.KeyModel = func(_ context.Context, shown []byte) string { return string(shown) }
			a := attempt()
			a.Protocol = protocol.Portal
			first := g.SignIn(t.Context(), a, password("mary@example.org", "right"))
			if first.Verdict.Effect != policy.Interrupt {
				t.Fatalf("the password came to %+v", first.Verdict)
			}
			key := func(context.Context) (policy.Methods, error) { return policy.MethodFIDO2, nil }
			out := g.Continue(t.Context(), first, a, "webauthn", []byte(answer), key)
			if out.Allowed() != want || out.Facts.Key != answer {
				t.Errorf("a key of model %q came to %+v with facts %+v", answer, out.Verdict, out.Facts)
			}
			if want && h.success[0].Facts.Key != "blue" {
				t.Errorf("the log has %+v", h.success[0].Facts)
			}
			code := func(context.Context) (policy.Methods, error) { return policy.MethodSoftwareOath, nil }
			if out := g.Continue(t.Context(), first, a, "totp", []byte("blue"), code); out.Allowed() || out.Facts.Key != "" {
				t.Errorf("a code that reads like a model came to %+v", out.Verdict)
			}
		})
	}
}
