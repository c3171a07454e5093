package admin

import (
	"encoding/json"
	"net/http"
	"slices"

	"github.com/portreeve/portreeve/internal/policy"
	"github.com/portreeve/portreeve/internal/policy/graph"
	"github.com/portreeve/portreeve/internal/store"
)

// builtInStrength is a strength that everybody has and nobody changes.
type builtInStrength struct {
	ID           string   `json:"id"`
	Created      string   `json:"createdDateTime"`
	Modified     string   `json:"modifiedDateTime"`
	Name         string   `json:"displayName"`
	Description  string   `json:"description"`
	Type         string   `json:"policyType"`
	Satisfied    string   `json:"requirementsSatisfied"`
	Combinations []string `json:"allowedCombinations"`
	Further      []string `json:"combinationConfigurations"`
}

// builtInSince is when Entra's own were made, as Graph tells it.
const builtInSince = "2021-12-01T00:00:00Z"

// builtIns are Entra's strengths as objects.
var builtIns = func() (all []store.Document) {
	for _, s := range policy.BuiltInStrengths() {
		x := builtInStrength{ID: s.ID, Created: builtInSince, Modified: builtInSince, Name: s.DisplayName, Type: "builtIn", Satisfied: "mfa", Further: []string{}}
		for _, c := range s.Combinations {
			x.Combinations = append(x.Combinations, c.String())
		}
		text, err := json.Marshal(x)
		if err != nil {
			panic(err) // only for types that are no JSON
		}
		all = append(all, store.Document{ID: s.ID, Kind: store.Strength, Name: s.DisplayName, JSON: text, Version: 1})
	}
	return all
}()

// builtIn finds a built-in strength by id or name.
func (d documents) builtIn(id string) (store.Document, bool) {
	i := slices.IndexFunc(builtIns, func(x store.Document) bool { return x.ID == id || x.Name == id })
	if d.kind != store.Strength || i < 0 {
		return store.Document{}, false
	}
	return builtIns[i], true
}

// fixed refuses to change what is built in.
func (d documents) fixed(id string) error {
	if x, is := d.builtIn(id); is {
		return &Error{Status: http.StatusForbidden, Code: "Forbidden", Message: "the strength " + x.Name + " is built in: nobody changes it"}
	}
	return nil
}

// combinationsChanged is Graph's answer to a change of combinations.
type combinationsChanged struct {
	Context    string            `json:"@odata.context"`
	More       string            `json:"additionalInformation"`
	References []json.RawMessage `json:"conditionalAccessReferences"`
	Current    []string          `json:"currentCombinations"`
	Previous   []string          `json:"previousCombinations"`
}

// updateAllowedCombinations is Graph's action: it replaces what a strength allows.
func (d documents) updateAllowedCombinations(r *http.Request) (any, error) {
	if err := d.fixed(r.PathValue("id")); err != nil {
		return nil, err
	}
	x, err := d.get(r)
	if err != nil {
		return nil, err
	}
	if err := unchanged(r, true, x.Version); err != nil {
		return nil, err
	}
	var q struct {
		Allowed []string `json:"allowedCombinations"`
	}
	if err := json.NewDecoder(r.Body).Decode(&q); err != nil || len(q.Allowed) == 0 {
		return nil, bad("allowedCombinations", "a list of combinations is expected")
	}
	out := combinationsChanged{Context: odataRoot + "microsoft.graph.updateAllowedCombinationsResult", Current: q.Allowed, Previous: combinationsOf(x.JSON), References: []json.RawMessage{}}
	raw, err := json.Marshal(q.Allowed)
	if err != nil {
		return nil, err
	}
	text, err := setMember(x.JSON, "allowedCombinations", raw)
	if err != nil {
		return nil, err
	}
	if _, err := d.keep(r, &x, text); err != nil {
		return nil, err
	}
	users, err := d.usersOf(r, x.ID)
	for _, p := range users {
		out.References = append(out.References, p.JSON)
	}
	return out, err
}

func combinationsOf(text json.RawMessage) []string {
	var s struct {
		Allowed []string `json:"allowedCombinations"`
	}
	_ = json.Unmarshal(text, &s) // it was checked when it was kept
	return append([]string{}, s.Allowed...)
}

// usage is Graph's function: which policies ask for a strength, and whether that
// is multifactor.
func (d documents) usage(r *http.Request) (any, error) {
	x, builtIn := d.builtIn(r.PathValue("id"))
	if !builtIn {
		var err error
		if x, err = d.get(r); err != nil {
			return nil, err
		}
	}
	users, err := d.usersOf(r, x.ID)
	if err != nil {
		return nil, err
	}
	texts := []json.RawMessage{}
	for _, p := range users {
		text, err := hidden(r, p.JSON)
		if err != nil {
			return nil, err
		}
		texts = append(texts, text)
	}
	out := map[string]any{"@odata.context": odataRoot + "microsoft.graph.authenticationStrengthUsage", "mfa": []json.RawMessage{}, "none": []json.RawMessage{}}
	satisfied := "mfa"
	if textMember(x.JSON, "requirementsSatisfied") == "none" {
		satisfied = "none"
	}
	out[satisfied] = texts
	return out, nil
}

// usersOf are the policies that ask for a strength.
func (d documents) usersOf(r *http.Request, id string) (users []store.Document, err error) {
	all, err := d.Store.Policies(r.Context())
	if err != nil {
		return nil, err
	}
	for _, x := range all {
		if p, err := graph.Policy(x.JSON); err == nil && p.Grant != nil && p.Grant.Strength != nil && p.Grant.Strength.ID == id {
			users = append(users, x)
		}
	}
	return users, nil
}
