package admin_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/portreeve/portreeve/internal/protocol"
)

// TestWhatIfAgreesWithTheWrittenRules asks about every protocol, kind of
// credential, place and person under two of Microsoft's example policies and
// its named locations, and holds the answers to the rules as Microsoft
// describes them, written here once more as plain conditions.
func TestWhatIfAgreesWithTheWrittenRules(t *testing.T) {
	o := open(t, "")
	for _, name := range []string{"plain", "spared", "scanner", "staff"} {
		o.want(201, "POST", "/portreeve/v1/people", `{"address":"`+name+`"}`)
	}
	for group, member := range map[string]string{"unblocked": "scanner", "mfa-people": "staff"} {
		o.want(201, "POST", "/portreeve/v1/groups", `{"name":"`+group+`"}`)
		o.want(204, "PUT", "/portreeve/v1/groups/"+group+"/members/"+member, "")
	}
	for _, l := range collection(t, example(t, "05-named-locations.json")) {
		o.want(201, "POST", "/v1.0/identity/conditionalAccess/namedLocations", l)
	}
	names := strings.NewReplacer(`"11f7c0de-0001-4a00-9b00-0000000000b1"`, `"spared@example.org"`, `"22f7c0de-0002-4a00-9b00-000000000001"`, `"unblocked"`,
		`"22f7c0de-0002-4a00-9b00-000000000003"`, `"mfa-people"`)
	for _, file := range []string{"01-policy-block-legacy-auth.json", "02-policy-mfa-outside-trusted.json"} {
		o.want(201, "POST", policies, names.Replace(example(t, file)))
	}
	places := []struct {
		ip, country string
		spared      bool // trusted, or one of the countries
	}{
		{"192.0.2.7", "", true}, {"198.51.100.77", "", true}, {"2001:db8:a0::1", "", true},
		{"203.0.113.10", "", false}, // named, and not trusted
		{"198.51.100.201", "FR", true}, {"198.51.100.201", "US", false}, {"198.51.100.201", "", false}, {"10.0.0.1", "", false},
	}
	asked := 0
	for _, p := range protocol.All() {
		for _, credential := range []string{"password", "appPassword", "bearer", "certificate"} {
			for _, place := range places {
				for _, who := range []string{"plain", "spared", "scanner", "staff", "stranger"} {
					for _, mfa := range []bool{false, true} {
						if mfa && who != "staff" { // nobody else is asked for it
							continue
						}
						asked++
						q := map[string]any{"user": who, "protocol": p.String(), "credential": credential, "ip": place.ip, "country": place.country, "authTime": "2026-11-20T09:00:00Z", "at": "2026-11-20T10:00:00Z"}
						if mfa {
							q["methods"] = []string{"fido2"}
						}
						allowed, code := written(p, credential, place.spared, who, mfa)
						body, err := json.Marshal(q)
						if err != nil {
							t.Fatal(err)
						}
						got := o.want(200, "POST", "/portreeve/v1/whatIf", string(body))
						if is := got["meaning"].(map[string]any)["code"]; got["allowed"] != allowed || is != code {
							t.Errorf("%s: allowed %v with %v, the rules say %v with %s", body, got["allowed"], is, allowed, code)
						}
						if !mfa {
							o.agrees(got, who, p, credential, place.ip, place.country)
						}
					}
				}
			}
		}
	}
	if want := 13 * 4 * len(places) * 6; asked != want {
		t.Errorf("asked %d times, not %d", asked, want)
	}
}

// written are the rules: legacy authentication is blocked but for the spared;
// staff with modern authentication outside need a second factor. The kind of
// client follows the credential, not the protocol's name.
func written(p protocol.Protocol, credential string, sparedPlace bool, who string, mfa bool) (allowed bool, code string) {
	browser := p == protocol.Webmail || p == protocol.Portal
	legacy := !browser && credential != "bearer"
	switch {
	case legacy && who != "spared" && who != "scanner":
		return false, "PR53003"
	case who == "stranger":
		return false, "PR50034"
	case !legacy && who == "staff" && !sparedPlace && !mfa && p != protocol.Portal: // which is no part of Exchange Online
		return false, "PR50076"
	}
	return true, "PR0"
}

// collection takes a Graph collection apart.
func collection(t *testing.T, text string) []string {
	t.Helper()
	var c struct {
		Value []json.RawMessage `json:"value"`
	}
	if err := json.Unmarshal([]byte(text), &c); err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, raw := range c.Value {
		all = append(all, string(raw))
	}
	return all
}

// TestWhatHoldsForAMailbox tries every combination of what organisation,
// domain, group and mailbox say, and holds switches to Exchange's rules.
func TestWhatHoldsForAMailbox(t *testing.T) {
	o := open(t, "")
	o.want(201, "POST", "/portreeve/v1/people", `{"address":"ana"}`)
	o.want(201, "POST", "/portreeve/v1/groups", `{"name":"staff"}`)
	o.want(204, "PUT", "/portreeve/v1/groups/staff/members/ana", "")
	holders := []string{`"organization","subject":""`, `"domain","subject":"example.org"`, `"group","subject":"staff"`, `"mailbox","subject":"ana"`}
	kinds := []string{"organization", "domain", "group", "mailbox"}
	for _, w := range []struct {
		name, protocol string
		reversed       bool
	}{{"ImapEnabled", "imap", false}, {"SmtpClientAuthenticationDisabled", "submission", true}, {"EwsEnabled", "ews", false}} {
		said := [4]string{"null", "null", "null", "null"}
		for n := range 81 {
			for i, x := 0, n; i < 4; i, x = i+1, x/3 {
				now := []string{"null", "true", "false"}[x%3]
				if now == said[i] {
					continue
				}
				said[i] = now
				o.want(200, "PATCH", "/portreeve/v1/switches", fmt.Sprintf(`{"scope":%s,"switches":{%q:%s}}`, holders[i], w.name, said[i]))
			}
			open, by := true, "default"
			for i := range said { // the nearest that says something, and the mailbox is the nearest
				if said[i] != "null" {
					open, by = (said[i] == "true") != w.reversed, kinds[i]
				}
			}
			if w.name == "EwsEnabled" && said[0] == "false" { // Exchange's exception
				open, by = false, "organization"
			}
			m := o.want(200, "GET", "/portreeve/v1/mailboxes/ana", "")
			for _, e := range m["effective"].([]any) {
				e := e.(map[string]any)
				if e["name"] == w.name && (e["on"] != open || e["from"].(map[string]any)["kind"] != by) {
					t.Errorf("%s %v: %v by %v, the rules say %v by %s", w.name, said, e["on"], e["from"], open, by)
				}
			}
			q := o.want(200, "POST", "/portreeve/v1/whatIf", `{"user":"ana","protocol":"`+w.protocol+`","credential":"password"}`)
			if q["allowed"] != open || !open && q["meaning"].(map[string]any)["code"] != "PR1001" {
				t.Errorf("%s %v: What-If says %v, %v", w.name, said, q["allowed"], q["meaning"])
			}
			filter := map[bool]string{true: "on", false: "off"}[open]
			if n := len(values(o.want(200, "GET", "/portreeve/v1/mailboxes?filter="+w.protocol+"%20"+filter, ""))); n != 1 {
				t.Errorf("%s %v: %d mailboxes are %s", w.name, said, n, filter)
			}
		}
	}
}
