package policy_test

import (
	"testing"
	"time"

	"github.com/portreeve/portreeve/internal/policy"
	"github.com/portreeve/portreeve/internal/policy/policytest"
)

// Two policies for the same sign-ins: which demand makes the other one idle?
func TestWhichDemandIsAtLeastAsMuchAsAnother(t *testing.T) {
	controls := func(c policy.Controls, any bool) policy.Policy {
		return policy.Policy{Grant: &policy.Grant{Controls: c, Any: any}}
	}
	strength := func(id string) policy.Policy {
		return policy.Policy{Grant: &policy.Grant{Strength: &policy.Strength{ID: id}}}
	}
	every := func(q policy.Frequency) policy.Policy {
		p := controls(policy.ControlMFA, false)
		p.Session.Frequency = &q
		return p
	}
	hours := func(n int) policy.Policy { return every(policy.Frequency{Every: time.Duration(n) * time.Hour}) }
	block, mfa := controls(policy.ControlBlock, true), controls(policy.ControlMFA, false)
	either := controls(policy.ControlMFA|policy.ControlCompliantDevice, true)
	both := controls(policy.ControlMFA|policy.ControlCompliantDevice, false)
	for _, c := range []struct {
		name        string
		first, then policy.Policy
		want        bool // the later one decides nothing
		widened     bool // the organisation's mfa takes app passwords too
	}{
		{"block, mfa", block, mfa, true, false}, {"mfa, block", mfa, block, false, false},
		{"mfa, mfa", mfa, mfa, true, false}, {"both, mfa", both, mfa, true, false}, {"mfa, both", mfa, both, false, false},
		{"mfa, either", mfa, either, true, false}, {"either, mfa", either, mfa, false, false}, {"both, either", both, either, true, false},
		{"built-in strength, mfa", strength(policy.StrengthMFA), mfa, true, false}, {"mfa, built-in strength", mfa, strength(policy.StrengthMFA), true, false},
		{"wider mfa, built-in strength", mfa, strength(policy.StrengthMFA), false, true}, {"built-in strength, wider mfa", strength(policy.StrengthMFA), mfa, true, true},
		{"phishing-resistant, mfa", strength(policy.StrengthPhishingResistant), mfa, true, false}, {"mfa, phishing-resistant", mfa, strength(policy.StrengthPhishingResistant), false, false},
		{"one key, either key", strength("key-a"), strength("key-ab"), true, false}, {"either key, one key", strength("key-ab"), strength("key-a"), false, false},
		{"one key, any key", strength("key-a"), strength("key"), true, false}, {"any key, one key", strength("key"), strength("key-a"), false, false},
		{"app password, mfa", strength("bound"), mfa, false, false}, {"app password, wider mfa", strength("bound"), mfa, true, true},
		{"hourly, every two hours", hours(1), hours(2), true, false}, {"every two hours, hourly", hours(2), hours(1), false, false},
		{"every time, hourly", every(policy.Frequency{EveryTime: true}), hours(1), true, false}, {"hourly, every time", hours(1), every(policy.Frequency{EveryTime: true}), false, false},
		{"hourly, mfa", hours(1), mfa, true, false}, {"mfa, hourly", mfa, hours(1), false, false},
	} {
		c.first.ID, c.first.DisplayName, c.then.ID, c.then.DisplayName = "first", "first", "then", "then"
		src := policy.Source{Policies: []policy.Policy{c.first, c.then}}
		for id, keys := range map[string][]string{"key-a": {"a"}, "key-ab": {"a", "b"}, "key": nil} {
			src.Strengths = append(src.Strengths, policy.Strength{ID: id, DisplayName: id, Combinations: []policy.Combination{{Methods: policy.MethodFIDO2, Keys: keys}}})
		}
		src.Strengths = append(src.Strengths, policy.Strength{ID: "bound", DisplayName: "bound", Combinations: []policy.Combination{{Methods: policy.MethodBoundAppPassword}}})
		if c.widened {
			src.Organization.MFAAlsoAccepts = []policy.Combination{{Methods: policy.MethodBoundAppPassword}}
		}
		s, _ := policy.Compile(src)
		if by, got := s.Shadowed(1, policytest.At); got != c.want || got && by != 0 {
			t.Errorf("%s: shadowed is %v by %d, want %v", c.name, got, by, c.want)
		}
	}
}
