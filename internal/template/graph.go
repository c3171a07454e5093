package template

import "encoding/json"

// Graph is the template as Graph's conditionalAccessTemplate. What the site
// fills in stands in details as a word, as Microsoft's excluded administrator
// does; a template of several policies shows its first one there, and all of
// them in its member portreeve.
func (t *Template) Graph() map[string]any {
	parameters := t.Parameters
	if parameters == nil {
		parameters = []Parameter{}
	}
	own := map[string]any{"name": t.Name, "origin": t.Origin, "parameters": parameters, "policies": t.Policies}
	if t.Strength != nil {
		own["authenticationStrength"] = t.Strength
	}
	if t.Location != nil {
		own["namedLocation"] = t.Location
	}
	return map[string]any{"id": t.ID, "name": t.DisplayName, "description": t.Description, "scenarios": t.Scenarios, "details": details(t.Policies[0]), "portreeve": own}
}

// details are Graph's conditionalAccessPolicyDetail.
func details(raw json.RawMessage) map[string]any {
	var p struct {
		Conditions json.RawMessage `json:"conditions"`
		Grant      json.RawMessage `json:"grantControls"`
		Session    json.RawMessage `json:"sessionControls"`
	}
	if json.Unmarshal(raw, &p) != nil {
		return nil
	}
	out := map[string]any{"conditions": p.Conditions, "grantControls": p.Grant, "sessionControls": nil}
	if p.Session != nil {
		out["sessionControls"] = p.Session
	}
	return out
}
