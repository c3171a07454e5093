package admin_test

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
)

// ten makes policies P0 … P9, of which every second is on.
func ten(o *abroad, token string) {
	for i := range 10 {
		state := []string{"enabled", "disabled"}[i%2]
		o.expect(201, "POST", policies, token, fmt.Sprintf(`{"displayName":"P%d","state":%q,"conditions":{"users":{"includeUsers":["All"]},"applications":{"includeApplications":["All"]},"clientAppTypes":[%q]},"grantControls":{"operator":"OR","builtInControls":["mfa"]}}`,
			i, state, []string{"all", "browser"}[i/5]))
	}
}

func TestCollectionsArePagedAsGraphs(t *testing.T) {
	o := openAbroad(t)
	token := o.token(`{"name":"ci","role":"administrator"}`)
	ten(o, token)
	for query, want := range map[string]string{
		"$orderby=displayName desc&$top=3":                                            "P9 P8 P7 | P6 P5 P4 | P3 P2 P1 | P0",
		"$filter=state eq 'disabled'&$top=3":                                          "P1 P3 P5 | P7 P9",
		"$filter=conditions/clientAppTypes/any(c:c eq 'browser')":                     "P5 P6 P7 P8 P9",
		"$filter=startswith(displayName,'P') and not (state eq 'enabled')":            "P1 P3 P5 P7 P9",
		"$filter=displayName in ('P1','P2','none')":                                   "P1 P2",
		"$orderby=state,displayName desc&$skip=8":                                     "P2 P0",
		"$filter=createdDateTime ge 2020-01-01T00:00:00Z&$skip=9&$select=displayName": "P9",
		"$filter=displayName eq 'x'' or state eq ''enabled'":                          "",
	} {
		var pages []string
		path := policies + "?" + strings.NewReplacer(" ", "%20", "'", "%27").Replace(query)
		for range 20 {
			m := o.expect(200, "GET", path, token, "")
			var names []string
			for _, v := range values(m) {
				names = append(names, v["displayName"].(string))
			}
			pages = append(pages, strings.Join(names, " "))
			next, more := m["@odata.nextLink"].(string)
			if !more {
				break
			}
			if !strings.HasPrefix(next, o.base+policies) {
				t.Fatalf("%s leads to %s", query, next)
			}
			path = strings.TrimPrefix(next, o.base)
		}
		if got := strings.Join(pages, " | "); got != want {
			t.Errorf("%s: %s\ninstead of %s", query, got, want)
		}
	}
	m := o.expect(200, "GET", policies+"?$count=true&$top=1&$select=id", token, "")
	if m["@odata.count"] != 10.0 || values(m)[0]["displayName"] != nil || !strings.HasSuffix(m["@odata.context"].(string), "(id)") {
		t.Errorf("counted %v", m)
	}
}

// Hostile and mistaken queries are refused in words, soon, and change nothing.
func TestHostileQueriesAreRefused(t *testing.T) {
	o := openAbroad(t)
	token := o.token(`{"name":"ci","role":"administrator"}`)
	ten(o, token)
	for name, query := range map[string]string{
		"depth":            "$filter=" + strings.Repeat("(", 500) + "state eq 'enabled'" + strings.Repeat(")", 500),
		"negations":        "$filter=" + strings.Repeat("not ", 500) + "state eq 'enabled'",
		"length":           "$filter=displayName eq '" + strings.Repeat("x", 9000) + "'",
		"leaves":           "$filter=state eq 'a'" + strings.Repeat(" or state eq 'a'", 600),
		"injection":        "$filter=displayName eq 'x'; DROP TABLE documents;--",
		"injection 2":      "$filter=displayName eq 'x') OR 1=1--",
		"unclosed":         "$filter=displayName eq 'x",
		"unknown property": "$filter=json eq 'x'",
		"nested any":       "$filter=conditions/clientAppTypes/any(c:c/any(d:d eq 'x'))",
		"a regular one":    "$filter=matchesPattern(displayName,'(a%2B)%2B$')",
		"order":            "$orderby=" + strings.Repeat("displayName,", 200) + "id",
		"order by nothing": "$orderby=json",
		"order sideways":   "$orderby=displayName sideways",
		"top":              "$top=1000000000",
		"negative":         "$skip=-1",
		"skip token":       "$skiptoken=';--",
		"select":           "$select=" + strings.Repeat("a,", 500) + "b",
		"count":            "$count=perhaps",
		"unknown option":   "$expand=everything",
		"search":           "$search=\"x\"",
		"zero byte":        "$filter=displayName eq '%00",
		"overlong escape":  "$filter=%C0%AE",
	} {
		resp, m := o.ask("GET", policies+"?"+strings.NewReplacer(" ", "%20", "'", "%27", "\"", "%22", ";", "%3B").Replace(query), token, "")
		e, _ := m["error"].(map[string]any)
		if resp.StatusCode != http.StatusBadRequest && resp.StatusCode != http.StatusRequestURITooLong && resp.StatusCode != http.StatusRequestHeaderFieldsTooLarge || e != nil && e["code"] != "BadRequest" {
			t.Errorf("%s: %d %v", name, resp.StatusCode, m)
		}
	}
	for _, path := range []string{"/v1.0/auditLogs/signIns", "/v1.0/auditLogs/directoryAudits"} {
		for _, q := range []string{"$filter=" + url.QueryEscape(strings.Repeat("(", 500)), "$orderby=userId", "$skiptoken=asc.x", "$expand=x", "$count=true", "$select=,"} {
			if resp, m := o.ask("GET", path+"?"+q, token, ""); resp.StatusCode != http.StatusBadRequest {
				t.Errorf("%s?%s: %d %v", path, q, resp.StatusCode, m)
			}
		}
	}
	if _, m := o.ask("GET", policies+"/$count", token, ""); m != nil {
		t.Errorf("the count is %v", m)
	}
	if status, b := o.do("GET", policies+"/$count", ""); status != 200 || string(b) != "10" {
		t.Errorf("afterwards there are %s", b)
	}
}

func TestVersionsHaveTags(t *testing.T) {
	o := openAbroad(t)
	token := o.token(`{"name":"ci","role":"administrator"}`)
	ten(o, token)
	resp, m := o.ask("GET", policies+"/P1", token, "")
	first := resp.Header.Get("ETag")
	path := policies + "/" + m["id"].(string)
	if first == "" {
		t.Fatal("there is no tag")
	}
	if resp, _ := o.ask("GET", path, token, "", "If-None-Match", first); resp.StatusCode != http.StatusNotModified || resp.Header.Get("ETag") != first {
		t.Errorf("unchanged: %d", resp.StatusCode)
	}
	resp, _ = o.ask("PATCH", path, token, `{"state":"enabled"}`, "If-Match", first)
	second := resp.Header.Get("ETag")
	if resp.StatusCode != 200 || second == first || second == "" {
		t.Errorf("changed: %d, %s to %s", resp.StatusCode, first, second)
	}
	for _, method := range []string{"PATCH", "DELETE"} {
		m := o.expect(412, method, path, token, `{"state":"disabled"}`, "If-Match", first)
		if e := m["error"].(map[string]any); e["code"] != "PreconditionFailed" {
			t.Errorf("%s of an old version: %v", method, m)
		}
	}
	o.expect(200, "GET", path, token, "", "If-None-Match", first)
	o.expect(412, "PUT", path, token, `{"displayName":"P1"}`, "If-None-Match", "*")
	o.expect(412, "PUT", policies+"/44f7c0de-0004-4a00-9b00-0000000000ff", token, `{"displayName":"new"}`, "If-Match", "*")
	o.expect(204, "DELETE", path, token, "", "If-Match", `"nonsense", `+second)
}

func TestWhatIsDeletedComesBack(t *testing.T) {
	o := openAbroad(t)
	token := o.token(`{"name":"ci","role":"administrator"}`)
	ten(o, token)
	const deleted = "/beta/identity/conditionalAccess/deletedItems/policies"
	before := o.expect(200, "GET", policies+"/P3", token, "")
	path := "/" + before["id"].(string)
	if m := o.expect(200, "GET", deleted, token, ""); len(values(m)) != 0 {
		t.Errorf("deleted at first: %v", m)
	}
	o.expect(204, "DELETE", policies+path, token, "")
	o.expect(404, "GET", policies+path, token, "")
	rows := values(o.expect(200, "GET", deleted+"?$filter=displayName%20eq%20%27P3%27", token, ""))
	if len(rows) != 1 || rows[0]["deletedDateTime"] == nil || rows[0]["state"] != "disabled" {
		t.Fatalf("deleted: %v", rows)
	}
	o.expect(200, "GET", deleted+path, token, "")
	o.expect(200, "POST", deleted+path+"/restore", token, "")
	after := o.expect(200, "GET", policies+path, token, "")
	if fmt.Sprint(before) != fmt.Sprint(after) {
		t.Errorf("came back as %v\ninstead of %v", after, before)
	}
	o.expect(404, "POST", deleted+path+"/restore", token, "")
}

func TestStrengthsSayWhoUsesThem(t *testing.T) {
	o := openAbroad(t)
	token := o.token(`{"name":"ci","role":"administrator"}`)
	const strengths = "/v1.0/policies/authenticationStrengthPolicies"
	const builtIn = "00000000-0000-0000-0000-000000000004"
	made := o.expect(201, "POST", strengths, token, `{"displayName":"Keys","allowedCombinations":["fido2"]}`)["id"].(string)
	o.expect(201, "POST", policies, token, `{"displayName":"P","state":"enabledForReportingButNotEnforced","conditions":{"users":{"includeUsers":["All"]},"applications":{"includeApplications":["All"]},"clientAppTypes":["all"]},"grantControls":{"operator":"OR","authenticationStrength":{"id":"`+made+`"}}}`)
	if m := o.expect(200, "GET", strengths+"/"+made+"/usage", token, ""); len(m["mfa"].([]any)) != 1 || len(m["none"].([]any)) != 0 {
		t.Errorf("used by %v", m)
	}
	m := o.expect(200, "POST", strengths+"/"+made+"/updateAllowedCombinations", token, `{"allowedCombinations":["fido2","password,softwareOath"]}`)
	if fmt.Sprint(m["previousCombinations"], m["currentCombinations"]) != "[fido2] [fido2 password,softwareOath]" || len(m["conditionalAccessReferences"].([]any)) != 1 {
		t.Errorf("changed: %v", m)
	}
	if m := o.expect(200, "GET", strengths+"/"+builtIn, token, ""); m["policyType"] != "builtIn" {
		t.Errorf("built in: %v", m)
	}
	for _, method := range []string{"PATCH", "PUT", "DELETE"} {
		o.expect(403, method, strengths+"/"+builtIn, token, `{"displayName":"mine","allowedCombinations":["password"]}`)
	}
	o.expect(403, "POST", strengths+"/"+builtIn+"/updateAllowedCombinations", token, `{"allowedCombinations":["password"]}`)
	o.expect(400, "POST", strengths+"/"+made+"/updateAllowedCombinations", token, `{"allowedCombinations":[]}`)
}

func TestUnknownWordsAreHiddenUnlessAskedFor(t *testing.T) {
	o := openAbroad(t)
	token := o.token(`{"name":"ci","role":"administrator"}`)
	o.expect(201, "POST", policies, token, `{"displayName":"P","state":"enabled","conditions":{"users":{"includeUsers":["All"]},"applications":{"includeApplications":["All"]},"clientAppTypes":["all"],"userRiskLevels":["high"]},"grantControls":{"operator":"AND","builtInControls":["mfa","riskRemediation"]}}`)
	controls := func(header ...string) string {
		return fmt.Sprint(o.expect(200, "GET", policies+"/P", token, "", header...)["grantControls"].(map[string]any)["builtInControls"])
	}
	if plain, asked := controls(), controls("Prefer", "include-unknown-enum-members"); strings.Contains(plain, "riskRemediation") || !strings.Contains(asked, "riskRemediation") {
		t.Errorf("without being asked %s, asked %s", plain, asked)
	}
}
