package graph

import (
	"strings"

	"github.com/portreeve/portreeve/internal/policy"
)

// Strength reads one authenticationStrengthPolicy. The error is an *Error or Errors.
func Strength(data []byte) (policy.Strength, error) {
	v, err := Parse(data)
	if err != nil {
		return policy.Strength{}, err
	}
	return v.Strength()
}

// Strengths reads one strength, a list of them, or a Graph collection.
func Strengths(data []byte) ([]policy.Strength, error) {
	items, err := Split(data)
	if err != nil {
		return nil, err
	}
	var all []policy.Strength
	for _, v := range items {
		s, err := v.Strength()
		if err != nil {
			return nil, err
		}
		all = append(all, s)
	}
	return all, nil
}

// Strength reads the value as an authenticationStrengthPolicy.
func (v *Value) Strength() (policy.Strength, error) {
	r := &reader{}
	if v.Kind != Object {
		r.fault(v, "an authentication strength is an object, not %s", v.Kind)
		return policy.Strength{}, r.err()
	}
	s := r.strength(v)
	if s.DisplayName == "" {
		r.fault(v, "an authentication strength needs a displayName")
	}
	if len(s.Combinations) == 0 {
		r.fault(v, "an authentication strength needs allowedCombinations")
	}
	return s, r.err()
}

// strength reads a strength, whole or as a policy refers to it by its id. Which
// model of key or which issuer proved somebody is not recorded, so a
// combination configured to ask for it is never met.
func (r *reader) strength(v *Value) policy.Strength {
	s := policy.Strength{ID: r.text(v, "id"), DisplayName: r.text(v, "displayName")}
	configured := map[string]bool{}
	for _, c := range r.list(v, "combinationConfigurations") {
		if c.Kind != Object {
			r.fault(c, "a combination's configuration is an object, not %s", c.Kind)
			continue
		}
		for _, word := range r.words(c, "appliesToCombinations") {
			configured[strings.ToLower(word)] = true
		}
	}
	for _, word := range r.words(v, "allowedCombinations") {
		c, _ := policy.ParseCombination(word)
		if configured[strings.ToLower(word)] {
			c.Unprovable = true
		}
		s.Combinations = append(s.Combinations, c)
	}
	return s
}
