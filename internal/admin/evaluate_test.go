package admin_test

import (
	"fmt"
	"testing"

	"github.com/portreeve/portreeve/internal/protocol"
)

const evaluate = "/v1.0/identity/conditionalAccess/evaluate"

// clientType is the client type of a protocol and a credential, in Graph's words.
func clientType(p protocol.Protocol, credential string) string {
	switch {
	case p == protocol.Webmail || p == protocol.Portal:
		return "browser"
	case credential == "bearer":
		return "mobileAppsAndDesktopClients"
	case p == protocol.ActiveSync:
		return "exchangeActiveSync"
	}
	return "other"
}

func (o *office) evaluate(user, app, client, ip, country string) map[string]map[string]any {
	o.t.Helper()
	got := o.want(200, "POST", evaluate, fmt.Sprintf(`{"signInIdentity":{"@odata.type":"#microsoft.graph.userSignIn","userId":%q},
		"signInContext":{"@odata.type":"#microsoft.graph.applicationContext","includeApplications":[%q]},
		"signInConditions":{"clientAppType":%q,"ipAddress":%q,"country":%q,"signInRiskLevel":"none"},"appliedPoliciesOnly":false}`, user, app, client, ip, country))
	byName := map[string]map[string]any{}
	for _, v := range values(got) {
		byName[v["displayName"].(string)] = v
	}
	return byName
}

// agrees holds Graph's What-If to ours: a policy applies where all its conditions hold.
func (o *office) agrees(ours map[string]any, who string, p protocol.Protocol, credential, ip, country string) {
	o.t.Helper()
	graphs := o.evaluate(who, p.AppID(), clientType(p, credential), ip, country)
	all := ours["explanation"].(map[string]any)["policies"].([]any)
	if len(all) != len(graphs) {
		o.t.Errorf("%d policies, Graph's What-If has %d", len(all), len(graphs))
	}
	for _, x := range all {
		x := x.(map[string]any)
		holds := true
		for _, c := range x["conditions"].([]any) {
			holds = holds && c.(map[string]any)["result"] == "satisfied"
		}
		g := graphs[x["displayName"].(string)]
		if g["policyApplies"] != holds || holds != (g["analysisReasons"] == "notSet") {
			o.t.Errorf("%s on %s with %s from %s %s: %s applies %v (%v), ours says %v", who, p, credential, ip, country, x["displayName"], g["policyApplies"], g["analysisReasons"], holds)
		}
	}
}

// TestTheFourSurprises are those that Microsoft's own What-If is known for.
func TestTheFourSurprises(t *testing.T) {
	o := open(t, "")
	for _, name := range []string{"ana", "spared"} {
		o.want(201, "POST", "/portreeve/v1/people", `{"address":"`+name+`"}`)
	}
	o.want(201, "POST", "/portreeve/v1/groups", `{"name":"outer"}`)
	o.want(201, "POST", "/portreeve/v1/groups", `{"name":"inner"}`)
	o.want(204, "PUT", "/portreeve/v1/groups/inner/members/spared", "")
	o.want(201, "POST", "/v1.0/identity/conditionalAccess/namedLocations", `{"@odata.type":"#microsoft.graph.countryNamedLocation","displayName":"Work","countriesAndRegions":["DE"],"includeUnknownCountriesAndRegions":true}`)
	add := func(name, conditions string) {
		o.want(201, "POST", policies, `{"displayName":"`+name+`","state":"enabled","conditions":{`+conditions+`},"grantControls":{"operator":"OR","builtInControls":["mfa"]}}`)
	}
	const all, apps = `"users":{"includeUsers":["All"]}`, `"applications":{"includeApplications":["All"]}`
	add("group", `"users":{"includeUsers":["All"],"excludeGroups":["inner"]},"clientAppTypes":["all"],`+apps)
	add("apps", all+`,"clientAppTypes":["all"],"applications":{"includeApplications":["Office365"]}`)
	add("imap only", all+`,"clientAppTypes":["all"],"applications":{"includeApplications":["imap"]}`)
	add("other", all+`,"clientAppTypes":["other"],`+apps)
	add("eas", all+`,"clientAppTypes":["exchangeActiveSync"],`+apps)
	add("country", all+`,"clientAppTypes":["all"],"locations":{"includeLocations":["Work"]},`+apps)
	for _, w := range []struct{ policy, user, app, client, country, applies, reason string }{
		{"group", "ana", "Office365", "other", "", "true", "notSet"},
		{"group", "spared", "Office365", "other", "", "false", "users"},
		{"apps", "ana", "Office365", "other", "", "true", "notSet"},
		{"apps", "ana", "00000002-0000-0ff1-ce00-000000000000", "other", "", "true", "notSet"},
		{"apps", "ana", protocol.IMAP.AppID(), "other", "", "true", "notSet"},
		{"apps", "ana", protocol.Portal.AppID(), "browser", "", "false", "application"},
		{"imap only", "ana", protocol.IMAP.AppID(), "other", "", "true", "notSet"},
		{"imap only", "ana", "Office365", "other", "", "false", "notEnoughInformation"},
		{"other", "ana", "Office365", "other", "", "true", "notSet"},
		{"other", "ana", "Office365", "exchangeActiveSync", "", "false", "clientApps"},
		{"eas", "ana", "Office365", "exchangeActiveSync", "", "true", "notSet"},
		{"eas", "ana", "Office365", "other", "", "false", "clientApps"},
		{"country", "ana", "Office365", "other", "", "true", "notSet"},
		{"country", "ana", "Office365", "other", "DE", "true", "notSet"},
		{"country", "ana", "Office365", "other", "FR", "false", "location"},
	} {
		g := o.evaluate(w.user, w.app, w.client, "198.51.100.7", w.country)[w.policy]
		if fmt.Sprint(g["policyApplies"]) != w.applies || g["analysisReasons"] != w.reason {
			t.Errorf("%+v: %v, %v", w, g["policyApplies"], g["analysisReasons"])
		}
	}
}

// TestWhatAnImaginedSignInHangsOn asks for the facts that were not stated, and
// for single changes that turn the answer round; each is asked for again, stated.
func TestWhatAnImaginedSignInHangsOn(t *testing.T) {
	o := open(t, "")
	o.want(201, "POST", "/portreeve/v1/people", `{"address":"ana"}`)
	o.want(201, "POST", "/portreeve/v1/groups", `{"name":"spared"}`)
	o.want(201, "POST", "/v1.0/identity/conditionalAccess/namedLocations", `{"@odata.type":"#microsoft.graph.ipNamedLocation","displayName":"Office","isTrusted":true,"ipRanges":[{"cidrAddress":"192.0.2.0/24"}]}`)
	o.want(201, "POST", policies, `{"displayName":"Passwords from the office only","state":"enabled","conditions":{"users":{"includeUsers":["All"],"excludeGroups":["spared"]},
		"applications":{"includeApplications":["All"]},"clientAppTypes":["other"],"locations":{"includeLocations":["All"],"excludeLocations":["AllTrusted"]}},"grantControls":{"operator":"OR","builtInControls":["block"]}}`)
	got := o.want(200, "POST", "/portreeve/v1/whatIf", `{"user":"ana","protocol":"imap","credential":"password","more":true}`)
	if got["verdict"] != "depends" || fmt.Sprint(got["dependsOn"]) == "[]" {
		t.Fatalf("%v on %v", got["verdict"], got["dependsOn"])
	}
	if d := got["dependsOn"].([]any); len(d) != 1 || d[0].(map[string]any)["fact"] != "address" {
		t.Errorf("it hangs on the address alone, not on %v", d)
	}
	got = o.want(200, "POST", "/portreeve/v1/whatIf", `{"user":"ana","protocol":"imap","credential":"password","ip":"203.0.113.9","more":true}`)
	if got["verdict"] != "refused" || got["allowed"] != false {
		t.Errorf("from elsewhere: %v", got["verdict"])
	}
	kinds := map[string]bool{}
	for _, f := range got["flips"].([]any) {
		kinds[f.(map[string]any)["kind"].(string)] = true
	}
	for _, k := range []string{"group", "credential", "place", "rule"} {
		if !kinds[k] {
			t.Errorf("no change of %s would let it in: %v", k, got["flips"])
		}
	}
	o.want(204, "PUT", "/portreeve/v1/groups/spared/members/ana", "")
	if got := o.want(200, "POST", "/portreeve/v1/whatIf", `{"user":"ana","protocol":"imap","credential":"password","ip":"203.0.113.9"}`); got["allowed"] != true {
		t.Error("the change that was told does not turn it round")
	}
	m := o.want(200, "POST", "/portreeve/v1/whatIf/matrix", `{"users":["ana"],"protocols":["imap","pop3"],"credentials":["password","bearer"],"places":["192.0.2.7","FR"]}`)
	if n := len(values(m)); n != 8 {
		t.Errorf("%d cells", n)
	}
	// A change that nobody made yet, over an empty log and with faults.
	o.want(200, "POST", "/portreeve/v1/replay", `{"states":{"Passwords from the office only":"disabled"},"join":[{"group":"spared","member":"ana"}],"switches":[{"name":"ImapEnabled","value":false}]}`)
	o.want(400, "POST", "/portreeve/v1/replay", `{}`)
	o.want(404, "POST", "/portreeve/v1/replay", `{"remove":["nothing"]}`)
	o.want(400, "POST", "/portreeve/v1/replay", `{"policies":[{"displayName":"x","state":"perhaps"}]}`)
}
