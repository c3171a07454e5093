package admin_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/portreeve/portreeve/internal/admin"
)

// Every route of ours is in the document, and nothing else; each has a form,
// unless it answers with nothing.
func TestTheDocumentIsWhatServes(t *testing.T) {
	o := open(t, "")
	doc := o.want(200, "GET", "/portreeve/v1/openapi.json", "")
	if doc["openapi"] != "3.1.0" {
		t.Errorf("it is %v", doc["openapi"])
	}
	var told []string
	ids := map[string]string{}
	for path, operations := range doc["paths"].(map[string]any) {
		for method, x := range operations.(map[string]any) {
			op := x.(map[string]any)
			route := strings.ToUpper(method) + " " + path
			if other, taken := ids[op["operationId"].(string)]; taken {
				t.Errorf("%s and %s are both called %s", route, other, op["operationId"])
			}
			ids[op["operationId"].(string)] = route
			told = append(told, route)
			if op["summary"] == "" || len(op["responses"].(map[string]any)) < 2 {
				t.Errorf("%s says too little: %v", route, op)
			}
		}
	}
	var routes []string
	for _, r := range admin.Routes() {
		if strings.Contains(r, " /portreeve/v1/") {
			routes = append(routes, r)
		}
	}
	for _, r := range routes {
		if !slices.Contains(told, r) {
			t.Errorf("%s is not in the document", r)
		}
		if method, _, _ := strings.Cut(r, " "); !admin.Formed()[r] && (method == "GET" || method == "POST" || method == "PATCH") {
			t.Errorf("%s has no form", r)
		}
	}
	for _, r := range told {
		if !slices.Contains(routes, r) && r != "POST /{tenant}/oauth2/v2.0/token" {
			t.Errorf("the document tells of %s, which is not served", r)
		}
	}
	for r := range admin.Formed() {
		if !slices.Contains(routes, r) {
			t.Errorf("%s has a form and is no route", r)
		}
	}
	// Each reference leads somewhere.
	schemas := doc["components"].(map[string]any)["schemas"].(map[string]any)
	var walk func(any)
	walk = func(v any) {
		switch v := v.(type) {
		case map[string]any:
			if ref, is := v["$ref"].(string); is {
				name, ours := strings.CutPrefix(ref, "#/components/schemas/")
				if ours && schemas[name] == nil {
					t.Errorf("%s leads nowhere", ref)
				}
			}
			for _, x := range v {
				walk(x)
			}
		case []any:
			for _, x := range v {
				walk(x)
			}
		}
	}
	walk(doc)
}
