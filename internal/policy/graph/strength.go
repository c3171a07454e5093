package graph

import (
	"slices"
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

// strength reads a strength, whole or as a policy refers to it by its id. Of
// what a combination can be configured to ask for besides, the models of keys
// are known; which issuer proved somebody is not recorded, so a combination
// that asks for that is never met.
func (r *reader) strength(v *Value) policy.Strength {
	s := policy.Strength{ID: r.text(v, "id"), DisplayName: r.text(v, "displayName")}
	configured := map[string]*policy.Combination{}
	for _, c := range r.list(v, "combinationConfigurations") {
		if c.Kind != Object {
			r.fault(c, "a combination's configuration is an object, not %s", c.Kind)
			continue
		}
		keys := r.models(c)
		for _, word := range r.words(c, "appliesToCombinations") {
			word = strings.ToLower(word)
			if configured[word] == nil {
				configured[word] = &policy.Combination{Keys: keys}
			} else { // both are asked for
				configured[word].Keys = slices.DeleteFunc(slices.Clone(configured[word].Keys), func(k string) bool { return !slices.Contains(keys, k) })
			}
		}
	}
	for _, word := range r.words(v, "allowedCombinations") {
		c, _ := policy.ParseCombination(word)
		if more := configured[strings.ToLower(word)]; more != nil {
			c.Keys, c.Unprovable = more.Keys, c.Unprovable || len(more.Keys) == 0
		}
		s.Combinations = append(s.Combinations, c)
	}
	return s
}

// models are the models of keys that a configuration asks for, in lower case;
// none if it asks for something else.
func (r *reader) models(c *Value) []string {
	if !strings.EqualFold(strings.TrimPrefix(r.text(c, "@odata.type"), "#"), "microsoft.graph.fido2CombinationConfiguration") {
		return nil
	}
	var keys []string
	for _, key := range r.words(c, "allowedAAGUIDs") {
		keys = append(keys, strings.ToLower(strings.TrimSpace(key)))
	}
	return keys
}
