package admin

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
)

func TestGraphsTemplatesAreListedAndFound(t *testing.T) {
	a := &api{}
	ask := func(h handler, target, id string) (string, error) {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, target, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.SetPathValue("id", id)
		got, err := h(r)
		if one, ok := got.(raw); ok {
			return string(one.body), err
		}
		text, _ := json.Marshal(got)
		return string(text), err
	}
	const path, legacy = "/v1.0/identity/conditionalAccess/templates", "0b2282f9-2862-4178-88b5-d79340b36cb8"
	all, err := ask(a.graphTemplates, path+"?$filter=name%20eq%20'Block%20legacy%20authentication'&$select=id,name", "")
	if err != nil || !strings.Contains(all, legacy) || strings.Contains(all, "details") || strings.Count(all, `"id"`) != 1 {
		t.Errorf("%s, %v", all, err)
	}
	one, err := ask(a.graphTemplate, path+"/"+legacy, legacy)
	if err != nil || !strings.Contains(one, `"scenarios":"secureFoundation,zeroTrust,remoteWork,protectAdmins"`) || !strings.Contains(one, "$entity") {
		t.Errorf("%s, %v", one, err)
	}
	if _, err := ask(a.graphTemplate, path+"/nothing", "nothing"); err == nil {
		t.Error("a template that is not there was found")
	}
	if _, err := ask(a.graphTemplates, path+"?$apply=x", ""); err == nil {
		t.Error("an option that is not understood was taken")
	}
}
