package tenantaudit_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/portreeve/portreeve/internal/tenantaudit"
)

func folder(files ...string) fstest.MapFS {
	all := fstest.MapFS{}
	for i := 0; i+1 < len(files); i += 2 {
		all[files[i]] = &fstest.MapFile{Data: []byte(files[i+1])}
	}
	return all
}

const open = `"PrimarySmtpAddress","ImapEnabled"` + "\r\n" + `"ann@x.example","True"` + "\r\n"

// Without policies nobody can say who is asked for a second factor; that is a
// note, and no finding.
func TestWhatWasNotExportedIsNotJudged(t *testing.T) {
	r := tenantaudit.Audit(read(t, folder("CASMailbox.csv", open)), tenantaudit.Options{})
	for _, f := range r.Findings {
		if f.Kind != tenantaudit.PasswordOnly {
			t.Errorf("%s of %s", f.Kind, f.Subject)
		}
	}
	if len(r.Findings) != 1 || !strings.Contains(fmt.Sprint(r.Notes), "neither policies nor security defaults were exported") {
		t.Errorf("%v %v", r.Findings, r.Notes)
	}
	if len(r.Tenant.Missing) < 10 {
		t.Errorf("%v", r.Tenant.Missing)
	}
}

// The same files make the same report, byte for byte.
func TestTheReportIsTheSameEveryTime(t *testing.T) {
	files := folder("CASMailbox.csv", open, "conditionalAccessPolicies.json", `{"value":[{"id":"p","displayName":"P","state":"enabled","conditions":{"users":{"includeUsers":["a","b"],"excludeUsers":["c"],"excludeGroups":["d"]},"applications":{"includeApplications":["All"]},"clientAppTypes":["all"]},"grantControls":{"operator":"OR","builtInControls":["mfa"]}}]}`,
		"users.json", `[{"id":"z","userPrincipalName":"z@x.example","accountEnabled":true,"userType":"Member"}]`, "groups.json", `{"value":[{"id":"g","displayName":"G","members":[{"id":"g"}]}]}`)
	var before []byte
	for range 5 {
		raw, err := json.Marshal(tenantaudit.Audit(read(t, files), tenantaudit.Options{}))
		if err != nil {
			t.Fatal(err)
		}
		if before != nil && !bytes.Equal(raw, before) {
			t.Fatalf("%s\n%s", before, raw)
		}
		before = raw
	}
}

// TestHostileNames puts what would break out into every text a stranger can
// choose, and looks at the page and the commands.
func TestHostileNames(t *testing.T) {
	const bad = `</td><script src=http://evil.example/x></script><img src=x onerror=alert(1)>"'; Remove-Mailbox x; '‘’`
	quoted, err := json.Marshal(bad)
	if err != nil {
		t.Fatal(err)
	}
	text := string(quoted)
	r := tenantaudit.Audit(read(t, folder(
		"users.json", `[{"id":"u'1","userPrincipalName":`+text+`,"displayName":`+text+`,"accountEnabled":true,"userType":"Member","mail":"a@x.example"}]`,
		"CASMailbox.json", `[{"PrimarySmtpAddress":"a@x.example","DisplayName":`+text+`,"ImapEnabled":true}]`,
		"namedLocations.json", `{"value":[{"@odata.type":"#microsoft.graph.ipNamedLocation","id":"L","displayName":`+text+`,"ipRanges":[{"cidrAddress":"198.51.100.0/24"}]}]}`,
		"conditionalAccessPolicies.json", `{"value":[{"id":`+text+`,"displayName":`+text+`,"state":"enabledForReportingButNotEnforced","conditions":{"users":{"includeUsers":["All"],"excludeUsers":[`+text+`]},"applications":{"includeApplications":["All"]},"clientAppTypes":["all"]},"grantControls":{"operator":"OR","builtInControls":["mfa"]}}]}`,
		"signIns.json", `{"value":[{"id":`+text+`,"createdDateTime":"2026-09-10T08:00:00Z","userPrincipalName":"b@x.example","clientAppUsed":"POP3","userAgent":`+text+`,"appDisplayName":`+text+`,"ipAddress":"203.0.113.9","status":{"errorCode":0}}]}`,
	)), tenantaudit.Options{})
	if len(r.Findings) < 5 {
		t.Fatalf("%d findings", len(r.Findings))
	}
	var page bytes.Buffer
	if err := tenantaudit.WritePage(&page, r); err != nil {
		t.Fatal(err)
	}
	if tag := regexp.MustCompile(`(?i)<(script|img|iframe|object|embed|form|a\s[^>]*href="[^#])`).FindString(page.String()); tag != "" {
		t.Errorf("the page has %s", tag)
	}
	if m := regexp.MustCompile(`(?i)(src|href|action|url)\s*[=(]\s*["']?https?:`).FindString(regexp.MustCompile(`&[#a-z0-9]+;`).ReplaceAllString(page.String(), "")); m != "" && !strings.Contains(m, "src=http") {
		t.Errorf("the page names an address: %s", m)
	}
	for _, f := range r.Findings {
		if outside := outsideQuotes(f.Remedy.Command); strings.Contains(outside, "Remove-Mailbox") {
			t.Errorf("%s: the command lets a name out of its quotes: %s", f.Kind, f.Remedy.Command)
		}
	}
}

// outsideQuotes is what PowerShell reads of a command outside single quotes,
// of which it knows five kinds.
func outsideQuotes(command string) string {
	var out strings.Builder
	in := false
	for _, r := range command {
		if r == '\'' || r >= '\u2018' && r <= '\u201b' {
			in = !in
			continue
		}
		if !in {
			out.WriteRune(r)
		}
	}
	text, _, _ := strings.Cut(out.String(), "#") // the rest is a comment
	return text
}

// A window that ends before the log counts nothing of it.
func TestTheWindow(t *testing.T) {
	rows := ""
	for day := 1; day <= 20; day++ {
		rows += fmt.Sprintf(`{"id":"s%d","createdDateTime":"2026-09-%02dT08:00:00Z","userPrincipalName":"ann@x.example","clientAppUsed":"POP3","status":{"errorCode":0}},`, day, day)
	}
	files := folder("signIns.json", `{"value":[`+strings.TrimSuffix(rows, ",")+`]}`)
	at := time.Date(2026, 9, 10, 12, 0, 0, 0, time.UTC)
	for _, one := range []struct {
		options tenantaudit.Options
		counted int
	}{{tenantaudit.Options{}, 20}, {tenantaudit.Options{At: at}, 10}, {tenantaudit.Options{At: at, Last: 72 * time.Hour}, 3}, {tenantaudit.Options{At: at.AddDate(-1, 0, 0)}, 0}} {
		r := tenantaudit.Audit(read(t, files), one.options)
		if r.Tenant.SignInsCounted != one.counted || (len(r.Findings) > 0) != (one.counted > 0) {
			t.Errorf("%+v: %d counted, %d findings", one.options, r.Tenant.SignInsCounted, len(r.Findings))
		}
		for _, f := range r.Findings {
			if f.SignIns != one.counted || len(f.Evidence) != min(5, one.counted) {
				t.Errorf("%s: %d sign-ins, %d shown", f.Kind, f.SignIns, len(f.Evidence))
			}
		}
	}
}

// What harms nobody comes first.
func TestThePlanBeginsWithWhatHarmsNobody(t *testing.T) {
	r := tenantaudit.Audit(read(t, folder("CASMailbox.csv", `"PrimarySmtpAddress","ImapEnabled"`+"\r\n"+`"ann@x.example","True"`+"\r\n"+`"bob@x.example","True"`+"\r\n",
		"signIns.json", `{"value":[{"id":"s","createdDateTime":"2026-09-10T08:00:00Z","userPrincipalName":"ann@x.example","clientAppUsed":"imap","status":{"errorCode":0}}]}`)), tenantaudit.Options{})
	harmed := false
	for _, s := range r.Plan {
		if harmed && s.Harmed == 0 {
			t.Errorf("%+v comes late", s)
		}
		harmed = harmed || s.Harmed > 0
	}
	if !harmed || len(r.Plan) < 3 {
		t.Errorf("%+v", r.Plan)
	}
}

// No page without findings fails, nor one without anything.
func TestAnEmptyReportIsAPage(t *testing.T) {
	var page bytes.Buffer
	if err := tenantaudit.WritePage(&page, tenantaudit.Audit(read(t, folder("users.json", `{"value":[]}`)), tenantaudit.Options{})); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(page.String(), "Nothing was found") {
		t.Error(page.String())
	}
}

// A broken export does not drown the report in one note.
func TestNotesAlikeAreCounted(t *testing.T) {
	rows := `"PrimarySmtpAddress","ImapEnabled"` + "\r\n"
	for i := range 200 {
		rows += fmt.Sprintf("\"m%d@x.example\",\"True\"\r\n", i)
	}
	r := tenantaudit.Audit(read(t, folder("CASMailbox.csv", rows, "users.json", `[{"id":"u","userPrincipalName":"u@y.example","accountEnabled":true,"userType":"Member"}]`)), tenantaudit.Options{})
	if len(r.Notes) > 40 || !strings.Contains(fmt.Sprint(r.Notes), "and 180 more") {
		t.Errorf("%d notes: %v", len(r.Notes), r.Notes)
	}
}

// The remedy is the one that touches the fewest.
func TestRemediesTouchTheFewest(t *testing.T) {
	const mfa = `"applications":{"includeApplications":["All"]},"clientAppTypes":["all"]},"grantControls":{"operator":"OR","builtInControls":["mfa"]}}`
	people := `[{"id":"u","userPrincipalName":"u@x.example","accountEnabled":true,"userType":"Member"},{"id":"m","userPrincipalName":"other@x.example","accountEnabled":true,"userType":"Member"}]`
	groups := `{"value":[{"id":"g","displayName":"Outer","members":[{"id":"g2"}]},{"id":"g2","displayName":"Inner","members":[{"id":"u"},{"id":"m"}]}]}`
	for _, one := range []struct{ name, policies, command string }{
		{"nobody asks", `{"value":[]}`, "-Method POST"},
		{"their own exclusion", `{"value":[{"id":"p","displayName":"P","state":"enabled","conditions":{"users":{"includeUsers":["All"],"excludeUsers":["m","u"]},` + mfa + `]}`, `-Body '{"conditions":{"users":{"excludeUsers":["m"]}}}'`},
		{"a group in a group", `{"value":[{"id":"p","displayName":"P","state":"enabled","conditions":{"users":{"includeUsers":["All"],"excludeGroups":["g"]},` + mfa + `]}`, "Remove-MgGroupMemberByRef -GroupId 'g2' -DirectoryObjectId 'u'"},
		{"a policy that is off", `{"value":[{"id":"p","displayName":"P","state":"enabledForReportingButNotEnforced","conditions":{"users":{"includeUsers":["All"]},` + mfa + `]}`, `-Method PATCH -Uri '/v1.0/identity/conditionalAccess/policies/p' -Body '{"state":"enabled"}'`},
	} {
		found := false
		for _, f := range tenantaudit.Audit(read(t, folder("users.json", people, "groups.json", groups, "conditionalAccessPolicies.json", one.policies)), tenantaudit.Options{}).Findings {
			if f.Kind == tenantaudit.NoMFA && f.Subject == "u@x.example" {
				found = true
				if !strings.Contains(f.Remedy.Command, one.command) {
					t.Errorf("%s: %s", one.name, f.Remedy.Command)
				}
			}
		}
		if !found {
			t.Errorf("%s: not found", one.name)
		}
	}
}
