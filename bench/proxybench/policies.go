package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"log"
	"math/rand/v2"
	"strings"
)

// policiesMain makes conditional access policies in Microsoft Graph's JSON,
// report-only so that nobody is refused by them, and gives them to Portreeve's
// admin socket, or prints them: proxybench policies -n 1000 [-socket PATH].
func policiesMain(args []string) {
	fs := flag.NewFlagSet("policies", flag.ExitOnError)
	n := fs.Int("n", 1000, "how many")
	socket := fs.String("socket", "", "Portreeve's admin socket; without it they are printed")
	fs.Parse(args)
	var all []map[string]any
	r := rand.New(rand.NewPCG(1, 1))
	for i := range *n {
		all = append(all, randomPolicy(r, i))
	}
	if *socket == "" {
		b, _ := json.MarshalIndent(map[string]any{"value": all}, "", " ")
		fmt.Printf("%s\n", b)
		return
	}
	if err := putPolicies(*socket, all); err != nil {
		log.Fatal(err)
	}
}

// putPolicies gives all of them in one change.
func putPolicies(socket string, all []map[string]any) error {
	return adminAt(socket).ask("POST", policies+"/import", all, nil)
}

// randomPolicy is one of the kinds of policy that sites have: half of them are
// about everybody.
func randomPolicy(r *rand.Rand, i int) map[string]any {
	some := func(words ...string) []string { return []string{words[r.IntN(len(words))]} }
	id := func(kind, n int) string { return fmt.Sprintf("%08x-0000-4000-8000-%012x", kind, r.IntN(n)) }
	users := map[string]any{"includeUsers": []string{"All"}, "excludeUsers": []string{id(1, 1000)}}
	switch r.IntN(4) {
	case 0:
		users = map[string]any{"includeGroups": []string{id(2, 200), id(2, 200)}, "excludeGroups": []string{id(2, 200)}}
	case 1:
		users = map[string]any{"includeUsers": []string{id(1, 1000), id(1, 1000), id(1, 1000)}}
	}
	conditions := map[string]any{
		"users":          users,
		"applications":   map[string]any{"includeApplications": some("All", "Office365", "00000002-0000-0ff1-ce00-000000000000")},
		"clientAppTypes": some("all", "other", "exchangeActiveSync", "browser", "mobileAppsAndDesktopClients"),
	}
	if r.IntN(3) == 0 {
		conditions["platforms"] = map[string]any{"includePlatforms": some("all", "iOS", "android", "windows"), "excludePlatforms": some("macOS", "linux")}
	}
	if r.IntN(3) == 0 {
		conditions["locations"] = map[string]any{"includeLocations": []string{"All"}, "excludeLocations": []string{"AllTrusted"}}
	}
	if r.IntN(8) == 0 {
		conditions["devices"] = map[string]any{"deviceFilter": map[string]any{"mode": "include", "rule": `device.isCompliant -ne True -and device.trustType -ne "ServerAD"`}}
	}
	p := map[string]any{
		"displayName": fmt.Sprintf("Bench %04d", i), "state": "enabledForReportingButNotEnforced", "conditions": conditions,
		"grantControls": map[string]any{"operator": "OR", "builtInControls": some("block", "mfa", "compliantDevice")},
	}
	if strings.HasSuffix(p["displayName"].(string), "7") {
		p["sessionControls"] = map[string]any{"signInFrequency": map[string]any{"isEnabled": true, "type": "hours", "value": 12, "authenticationType": "primaryAndSecondaryAuthentication", "frequencyInterval": "timeBased"}}
	}
	return p
}
