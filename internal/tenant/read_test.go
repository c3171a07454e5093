package tenant

import (
	"archive/zip"
	"bytes"
	"fmt"
	"os"
	"strings"
	"testing"
	"testing/fstest"
	"time"
	"unicode/utf16"

	"github.com/portreeve/portreeve/internal/policy"
	"github.com/portreeve/portreeve/internal/policy/exchange"
	"github.com/portreeve/portreeve/internal/protocol"
)

// read reads a folder given as names and contents.
func read(t *testing.T, files map[string]string) *Tenant {
	t.Helper()
	fsys := fstest.MapFS{}
	for name, content := range files {
		fsys[name] = &fstest.MapFile{Data: []byte(content)}
	}
	got, err := Read(fsys)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// noted finds a note by its file, its line and a part of its text.
func noted(t *testing.T, got *Tenant, file string, line int, part string) {
	t.Helper()
	for _, n := range got.Notes {
		if n.File == file && n.Line == line && strings.Contains(n.Text, part) {
			return
		}
	}
	t.Errorf("no note of %s:%d says %q; there are %+v", file, line, part, got.Notes)
}

func silent(t *testing.T, got *Tenant) {
	t.Helper()
	for _, n := range got.Notes {
		t.Errorf("a note that nobody expected: %+v", n)
	}
}

func TestReadsTheExamples(t *testing.T) {
	got, err := Read(os.DirFS("testdata/examples"))
	if err != nil {
		t.Fatal(err)
	}
	counts := fmt.Sprint(len(got.Policies), len(got.Locations), got.SignIns.Len(), len(got.Mailboxes))
	if counts != "4 3 10 5" {
		t.Errorf("policies, locations, sign-ins and mailboxes: %s", counts)
	}
	if p := got.Policies[0]; p.State != policy.Enabled || p.Grant == nil || p.Grant.Controls&policy.ControlBlock == 0 || len(p.Conditions.Users.Exclude.Users) != 2 {
		t.Errorf("the policy that blocks: %+v", p.Policy)
	}
	noted(t, got, "09-evaluate-request.json", 1, "not recognised")
	noted(t, got, "10-evaluate-response.json", 4, "not recognised")
	noted(t, got, "02-policy-mfa-outside-trusted.json", 1, "persistentBrowser")
	var first, scanner SignIn
	for s := range got.SignIns.All() {
		switch s.ID {
		case "88f7c0de-0008-4a00-9b00-000000000011":
			first = s
		case "88f7c0de-0008-4a00-9b00-000000000035":
			scanner = s
		}
	}
	if first.ClientApp != "IMAP4" || first.ErrorCode != 53003 || first.Succeeded() || first.Country != "FR" || first.Address.String() != "198.51.100.201" || first.Time.Format(time.RFC3339) != "2026-09-14T06:41:12Z" {
		t.Errorf("the first sign-in: %+v", first)
	}
	if !scanner.Succeeded() || scanner.UPN != "mfp-scan@example.org" || scanner.ClientApp != "Authenticated SMTP" || scanner.CorrelationID == "" {
		t.Errorf("the scanner's sign-in: %+v", scanner)
	}
	// Three files speak of five mailboxes: one in full, one of MapiHttpEnabled
	// alone in ASCII with a #TYPE line, one with semicolons.
	for _, m := range got.Mailboxes {
		want := map[string]exchange.Setting{"ana.silva": exchange.Null, "bjorn.ek": exchange.Null, "mfp-scan": exchange.Null, "leela": exchange.On, "shared-sales": exchange.Off}[m.Name]
		if got := m.Settings.Get("MapiHttpEnabled"); got != want {
			t.Errorf("%s: MapiHttpEnabled is %v, want %v", m.Name, got, want)
		}
		if m.ObjectID == "" {
			t.Errorf("%s has lost its account's id", m.Name)
		}
	}
	if s := got.Mailboxes[2].Settings; s.Get("SmtpClientAuthenticationDisabled") != exchange.Off || s.Get("ImapEnabled") != exchange.Off || s.Get("SieveEnabled") != exchange.Absent {
		t.Errorf("the scanner's switches: %v", s)
	}
}

const person = `{"id":"1","userPrincipalName":"ana@example.org","accountEnabled":true,"userType":"Member"}`

func TestFormsOfJSON(t *testing.T) {
	second := strings.NewReplacer(`"1"`, `"2"`, "ana", "bjorn").Replace(person)
	for name, content := range map[string]string{
		"a list":           "[" + person + ",\n" + second + "]",
		"a collection":     `{"@odata.context":"x","value":[` + person + "," + second + `]}`,
		"PowerShell's":     `{"value":[` + person + "," + second + `],"Count":2}`,
		"lines":            person + "\n" + second + "\r\n",
		"pages in a row":   `{"value":[` + person + `],"@odata.nextLink":"https://x"}` + "\n" + `{"value":[` + second + `]}`,
		"a list of pages":  `[{"@odata.nextLink":"https://x","value":[` + person + `]},{"value":[` + second + `]}]`,
		"with a mark":      "\ufeff[" + person + "," + second + "]",
		"UTF-16":           utf16Text("["+person+","+second+"]", false, true),
		"big-endian":       utf16Text("["+person+","+second+"]", true, true),
		"bare UTF-16":      utf16Text("["+person+","+second+"]", false, false),
		"capital letters":  strings.NewReplacer("userPrincipalName", "UserPrincipalName", `"id"`, `"Id"`, "accountEnabled", "AccountEnabled").Replace("[" + person + "," + second + "]"),
		"more white space": "\r\n [ \t" + person + " , " + second + " ]\n\n",
	} {
		t.Run(name, func(t *testing.T) {
			got := read(t, map[string]string{"export/x.json": content})
			silent(t, got)
			if len(got.People) != 2 || got.People[0].UPN != "ana@example.org" || got.People[1].UPN != "bjorn@example.org" || got.People[0].Disabled || got.People[0].Guest {
				t.Fatalf("read %+v from %q", got.People, content)
			}
			if !got.Exported(Users) || got.Exported(Groups) {
				t.Error("what was exported is told wrongly")
			}
		})
	}
}

func utf16Text(s string, big, mark bool) string {
	if mark {
		s = "\ufeff" + s
	}
	var b []byte
	for _, u := range utf16.Encode([]rune(s)) {
		if big {
			b = append(b, byte(u>>8), byte(u))
		} else {
			b = append(b, byte(u), byte(u>>8))
		}
	}
	return string(b)
}

func TestNothingIsLostInSilence(t *testing.T) {
	for _, c := range []struct {
		name, file, content string
		line                int
		says                string
		kept                int // people
	}{
		{"cut off", "users.json", "[" + person + ",\n{\"id\":\"2\",\"userPr", 2, "cut off", 1},
		{"cut off between", "users.json", "[" + person + ",", 1, "cut off", 1},
		{"no JSON within", "users.json", "[{\"id\":oops},\n" + person + "]", 1, "left out", 1},
		{"a line of it", "users.json", "[{\"id\":\n\"3\",\n \"x\":oops},\n" + person + "]", 3, "left out", 1},
		{"twice", "users.json", "[" + person + ",\n" + person + "]", 2, "already, in line 1", 1},
		{"no id", "users.json", "[" + person + ",\n{\"accountEnabled\":true}]", 2, "neither an id", 1},
		{"not said", "users.json", "[{\"id\":\"7\",\"userPrincipalName\":\"x\",\"userType\":\"Guest\"}]", 1, "taken as enabled", 1},
		{"something else", "diary.json", `{"dear":"diary"}`, 1, "it has dear", 0},
		{"a picture", "users.png", "\x89PNG", 0, "exports end in", 0},
		{"noise", "users.csv", "\x01\x02\x03", 0, "neither JSON", 0},
		{"a page short", "users.json", `{"value":[` + person + `],"@odata.nextLink":"https://x"}`, 0, "there is another", 1},
		{"an archive within", "users.csv", "PK\x03\x04....", 0, "archive", 0},
		{"a row short", "users.csv", "id,userPrincipalName,accountEnabled\r\n1,ana@example.org,True\r\n2,bj", 3, "2 cells, the header has 3", 1},
		{"an open quote", "users.csv", "\"id\",\"userPrincipalName\",\"accountEnabled\"\r\n\"1\",\"ana@example.org\",\"True\"\r\n\"2\",\"bj", 3, "cut off", 1},
		{"XML cut off", "users.xml", `<Objs xmlns="x"><Obj RefId="0"><Props><S N="id">1</S>`, 1, "cut off", 0},
		{"other XML", "users.xml", "<html></html>", 1, "Export-Clixml", 0},
		{"a bomb", "users.xml", "<?xml version=\"1.0\"?>\n<!DOCTYPE x [<!ENTITY a \"aaaa\">]><Objs>&a;</Objs>", 2, "DOCTYPE", 0},
		{"too deep", "users.json", strings.Repeat("[", 100) + strings.Repeat("]", 100), 1, "deeper", 0},
		{"too deep within", "users.json", `{"a":` + strings.Repeat("[", 100) + strings.Repeat("]", 100) + "}", 1, "deeper", 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := read(t, map[string]string{c.file: c.content})
			noted(t, got, c.file, c.line, c.says)
			if len(got.People) != c.kept {
				t.Errorf("%d people were kept, want %d", len(got.People), c.kept)
			}
		})
	}
}

func TestPowerShellsPolicies(t *testing.T) {
	// Get-MgIdentityConditionalAccessPolicy | ConvertTo-Json -Depth 10, and the
	// same of a location, whose members stand under AdditionalProperties.
	policies := `[{"Conditions":{"Applications":{"ApplicationFilter":{"Mode":null,"Rule":null},"ExcludeApplications":[],"IncludeApplications":["All"]},
 "ClientAppTypes":["exchangeActiveSync","other"],"Devices":{"DeviceFilter":{"Mode":null,"Rule":null}},"Locations":{"ExcludeLocations":null,"IncludeLocations":null},
 "Platforms":{"ExcludePlatforms":null,"IncludePlatforms":null},"Users":{"IncludeUsers":["All"],"ExcludeUsers":[],"ExcludeGroups":["g1"]},"AdditionalProperties":{}},
 "DisplayName":"Block","GrantControls":{"AuthenticationStrength":{"AllowedCombinations":null,"Id":null},"BuiltInControls":["block"],"Operator":"OR","AdditionalProperties":{}},
 "Id":"p1","State":"enabled","SessionControls":{"SignInFrequency":{"IsEnabled":null}},"AdditionalProperties":{}}]`
	got := read(t, map[string]string{
		"policies.json":  policies,
		"locations.json": `{"Id":"l1","DisplayName":"Office","AdditionalProperties":{"@odata.type":"#microsoft.graph.ipNamedLocation","isTrusted":true,"ipRanges":[{"@odata.type":"#microsoft.graph.iPv4CidrRange","cidrAddress":"192.0.2.0/24"}]}}`,
		"cut.json":       `[{"Id":"p2","DisplayName":"Cut","State":"enabled","Conditions":"Microsoft.Graph.PowerShell.Models.MicrosoftGraphConditionalAccessConditionSet","GrantControls":"x"}]`,
	})
	noted(t, got, "cut.json", 1, "-Depth 10")
	if len(got.Policies) != 1 || len(got.Locations) != 1 || len(got.Notes) != 1 {
		t.Fatalf("read %+v and %+v with %+v", got.Policies, got.Locations, got.Notes)
	}
	p := got.Policies[0].Policy
	if p.Conditions.Platforms != nil || p.Conditions.Locations != nil || p.Conditions.DeviceFilter != nil || p.Grant.Strength != nil ||
		p.Conditions.ClientAppTypes != policy.ClientAppExchangeActiveSync|policy.ClientAppOther || p.Conditions.Users.Exclude.Groups[0] != "g1" {
		t.Errorf("the policy is read as %+v", p)
	}
	if l := got.Locations[0]; !l.Trusted || len(l.Ranges) != 1 {
		t.Errorf("the location is read as %+v", l.Named)
	}
}

func TestCLIXML(t *testing.T) {
	got, err := Read(os.DirFS("testdata/clixml"))
	if err != nil {
		t.Fatal(err)
	}
	silent(t, got)
	if len(got.Mailboxes) != 2 || len(got.ClientRules) != 2 || len(got.AuthPolicies) != 1 || len(got.MobileDevices) != 1 {
		t.Fatalf("read %+v", got)
	}
	m := got.Mailboxes[0]
	if m.DisplayName != "Silva, Ana\n\"Nita\"" || m.Settings.Get("ImapEnabled") != exchange.On || m.Settings.Get("MapiHttpEnabled") != exchange.Null || m.Settings.Get("popenabled") != exchange.Off {
		t.Errorf("the mailbox: %+v", m)
	}
	c := got.ClientRules[0]
	if c.Name != "Outside" || !c.Deny || c.Priority != 1 || strings.Join(c.Protocols, " ") != "IMAP4 POP3" || strings.Join(c.ExceptAddresses, " ") != "192.0.2.0/24 198.51.100.7" || got.ClientRules[1].Priority != 2 {
		t.Errorf("the rules: %+v", got.ClientRules)
	}
	if open := got.AuthPolicies[0].Password(protocol.IMAP); open == nil || *open {
		t.Errorf("the policy: %+v", got.AuthPolicies[0])
	}
	if d := got.MobileDevices[0]; d.ClientType != "EAS" || d.AccessState != "Allowed" || d.Owner != "ana.silva" || d.FirstSync.Year() != 2026 {
		t.Errorf("the device: %+v", d)
	}
}

func TestWhatExchangeSays(t *testing.T) {
	got := read(t, map[string]string{
		"CASMailbox.csv": "\"Name\",\"PrimarySmtpAddress\",\"ImapEnabled\",\"PopEnabled\",\"MapiHttpEnabled\",\"MAPIEnabled\"\r\n" +
			"\"a\",\"a@example.org\",\"TRUE\",\"FALSCH\",,\"1\"\r\n\"b\",\"b@example.org\",\"\",\"System.Object[]\",\"\",\"$false\"\r\n\"c\",\"c@example.org\",\"perhaps\",\"null\",,\r\n",
		"AuthenticationPolicy.json":           `[{"Name":"Block basic","Guid":"g","DistinguishedName":"CN=Block basic,CN=x","AllowBasicAuthImap":false,"AllowBasicAuthPop":true,"AllowBasicAuthSmtp":0,"AllowBasicAuthNew":true},{"Name":"2019","BlockLegacyAuthImap":true,"BlockLegacyAuthMapi":false}]`,
		"User.csv":                            "UserPrincipalName;AuthenticationPolicy;RecipientTypeDetails\na@example.org;Block basic;UserMailbox\nb@example.org;;UserMailbox\n",
		"OrganizationConfig.json":             `{"Name":"example","MapiHttpEnabled":false,"EwsEnabled":null,"OAuth2ClientProfileEnabled":true,"DefaultAuthenticationPolicy":{"Name":"Block basic","DistinguishedName":"CN=Block basic,CN=x"},"AdminDisplayVersion":"0.20 (15.20.9000.1)"}`,
		"TransportConfig.csv":                 "\"Name\",\"SmtpClientAuthenticationDisabled\"\r\n\"Transport Settings\",\"True\"\r\n",
		"ClientAccessRule.csv":                "Name,Priority,Enabled,Action,AnyOfProtocols,AnyOfClientIPAddressesOrRanges\nOne,1,True,DenyAccess,IMAP4;POP3,Microsoft.Exchange.Data.MultiValuedProperty`1[Microsoft.Exchange.Data.IPRange]\n",
		"rules.json":                          `[{"Name":"iPhones","Characteristic":"DeviceModel","QueryString":"iPhone","AccessLevel":1}]`,
		"ActiveSyncOrganizationSettings.json": `{"DefaultAccessLevel":"Quarantine"}`,
	})
	settings := func(i int, names ...string) string {
		var all []string
		for _, n := range names {
			all = append(all, got.Mailboxes[i].Settings.Get(n).String())
		}
		return strings.Join(all, " ")
	}
	columns := []string{"ImapEnabled", "PopEnabled", "MapiHttpEnabled", "MAPIEnabled", "EwsEnabled"}
	for i, want := range []string{"True False null True absent", "unknown unknown unknown False absent", "unknown null null null absent"} {
		if s := settings(i, columns...); s != want {
			t.Errorf("row %d says %s, want %s", i, s, want)
		}
	}
	noted(t, got, "CASMailbox.csv", 3, `MapiHttpEnabled is ""`)
	noted(t, got, "CASMailbox.csv", 4, `ImapEnabled is "perhaps"`)
	noted(t, got, "AuthenticationPolicy.json", 1, "AllowBasicAuthNew")
	noted(t, got, "ClientAccessRule.csv", 2, "AnyOfClientIPAddressesOrRanges")
	if p := got.AuthPolicies; len(p) != 2 || p[0].DN != "CN=Block basic,CN=x" || *p[0].Password(protocol.IMAP) || !*p[0].Password(protocol.POP3) || *p[0].Password(protocol.Submission) || *p[1].Password(protocol.IMAP) || !*p[1].Password(protocol.MAPI) {
		t.Errorf("the authentication policies: %+v", p)
	}
	if u := got.ExchangeUsers; len(u) != 2 || u[0].AuthenticationPolicy != "Block basic" || !u[1].PolicySaid || u[1].AuthenticationPolicy != "" {
		t.Errorf("the users: %+v", u)
	}
	o := got.Organization
	if o.Get("MapiHttpEnabled") != exchange.Off || o.Get("EwsEnabled") != exchange.Null || o.DefaultAuthenticationPolicy != "CN=Block basic,CN=x" || got.Transport.Get("SmtpClientAuthenticationDisabled") != exchange.On {
		t.Errorf("the organisation: %+v and %+v", o, got.Transport)
	}
	if len(got.ClientRules) != 1 || len(got.ClientRules[0].Protocols) != 2 || len(got.ClientRules[0].Unknown) != 1 || got.DeviceRules[0].AccessLevel != "Block" || got.DeviceSettings.DefaultAccessLevel != "Quarantine" {
		t.Errorf("the rules: %+v %+v %+v", got.ClientRules, got.DeviceRules, got.DeviceSettings)
	}
}

func TestAnEmptyExportIsAnExport(t *testing.T) {
	got := read(t, map[string]string{"groups.json": "[]", "clientAccessRule.csv": "", "deep/conditionalAccessPolicies.json": `{"value":[]}`, "MobileDevice.csv": "Identity,DeviceId,DeviceAccessState\n"})
	silent(t, got)
	for _, k := range []Kind{Groups, ClientAccessRules, ConditionalAccessPolicies, MobileDevices} {
		if !got.Exported(k) {
			t.Errorf("%s is not told as exported", k)
		}
	}
}

func TestPortalsCSV(t *testing.T) {
	header := `"Date (UTC)","Request ID","User agent","Correlation ID","User ID","User","Username","User type","Incoming token type","Authentication Protocol","Application","Application ID ","Resource","Resource ID ","IP address","Location","Status","Sign-in error code","Failure reason","Client app","Device ID","Browser","Operating System","Authentication requirement","Incoming token type","Autonomous system  number","Conditional Access"`
	row := func(date, status, code, client string) string {
		return fmt.Sprintf(`"%s","r1","BAV2ROPC","c1","u1","Ana Silva","Ana.Silva@example.org","Member","none","ROPC","Office 365 Exchange Online","00000002-0000-0ff1-ce00-000000000000","Office 365 Exchange Online","00000002-0000-0ff1-ce00-000000000000","203.0.113.7","Paris, Ile-de-France, FR","%s","%s","","%s","","","","Single-factor authentication","none","64500","Not Applied"`, date, status, code, client)
	}
	got := read(t, map[string]string{
		"NonInteractiveSignIns_2026-09-14.csv": "\ufeff" + header + "\r\n" + row("2026-09-14T06:41:12Z", "Success", "", "IMAP4") + "\r\n" + row("2026-09-14T06:41:13Z", "Failure", "50126", "IMAP4") + "\r\n",
	})
	silent(t, got)
	var all []SignIn
	for s := range got.SignIns.All() {
		all = append(all, s)
	}
	if len(all) != 2 || !all[0].Succeeded() || all[1].Succeeded() || all[1].ErrorCode != 50126 {
		t.Fatalf("read %+v", all)
	}
	s := all[0]
	if s.UPN != "ana.silva@example.org" || s.Country != "FR" || s.Requirement != "singleFactorAuthentication" || s.Protocol != "ropc" || s.ConditionalAccess != "notApplied" || s.Event != "nonInteractiveUser" || s.AppID == "" || s.ResourceID == "" || s.ASN != 64500 || s.Line != 2 {
		t.Errorf("read %+v", s)
	}
}

func TestDatesOfCultures(t *testing.T) {
	for _, c := range []struct{ name, rows, want, note string }{
		{"the month first", "9/14/2026, 6:41:12 AM\n9/2/2026, 6:41:12 PM", "2026-09-14T06:41:12Z 2026-09-02T18:41:12Z", ""},
		{"the day first, told later", "2/9/2026 06:41:12\n14/9/2026 06:41:12", "2026-09-02T06:41:12Z 2026-09-14T06:41:12Z", ""},
		{"dots", "14.09.2026 06:41:12\n02.09.2026 06:41", "2026-09-14T06:41:12Z 2026-09-02T06:41:00Z", ""},
		{"nothing tells", "2/9/2026 06:41:12\n3/9/2026 06:41:12", "2026-02-09T06:41:12Z 2026-03-09T06:41:12Z", "the month was taken"},
		{"dots and nothing tells", "02.09.2026 06:41:12\n03.09.2026 06:41:12", "2026-09-02T06:41:12Z 2026-09-03T06:41:12Z", "the day was taken"},
		{"no-break", "9/14/2026 6:41:12\u202fAM\n2026-09-14 06:41:12", "2026-09-14T06:41:12Z 2026-09-14T06:41:12Z", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			content := "Date (UTC),Username,Client app,Status\n"
			for _, d := range strings.Split(c.rows, "\n") {
				content += `"` + d + `",ana@example.org,IMAP4,Success` + "\n"
			}
			got := read(t, map[string]string{"signins.csv": content})
			var all []string
			for s := range got.SignIns.All() {
				all = append(all, s.Time.Format(time.RFC3339))
			}
			if s := strings.Join(all, " "); s != c.want {
				t.Errorf("read %s, want %s", s, c.want)
			}
			if c.note != "" {
				noted(t, got, "signins.csv", 2, c.note)
			} else {
				silent(t, got)
			}
		})
	}
	if at := parseTime(`/Date(1789368072000)/`, monthFirst); at.Format(time.RFC3339) != "2026-09-14T06:41:12Z" {
		t.Errorf("a date of .NET is read as %v", at)
	}
}

func TestZip(t *testing.T) {
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	w, err := z.Create("export/users.json")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write([]byte("[" + person + "]")); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	whole := b.Bytes()
	archive, err := OpenZip(bytes.NewReader(whole), int64(len(whole)))
	if err != nil {
		t.Fatal(err)
	}
	got, err := Read(archive)
	if err != nil || len(got.People) != 1 {
		t.Fatalf("read %+v, %v", got, err)
	}
	silent(t, got)
	half := t.TempDir() + "/half.zip"
	if err := os.WriteFile(half, whole[:len(whole)/2], 0o600); err != nil {
		t.Fatal(err)
	}
	if _, _, err := Open(half); err == nil || !strings.Contains(err.Error(), "cut off") {
		t.Errorf("half an archive gives %v", err)
	}
	if _, _, err := Open(t.TempDir() + "/nothing"); err == nil {
		t.Error("a folder that is not there opens")
	}
}

func TestFormsOfCSVAndCLIXML(t *testing.T) {
	const row = "\"Name\",\"PrimarySmtpAddress\",\"ImapEnabled\",\"PopEnabled\"\r\n\"Björn, \"\"Ek\"\"\",\"b@example.org\",\"True\",\r\n"
	clixml, err := os.ReadFile("testdata/clixml/mailboxes.xml")
	if err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string]string{
		"plain":        row,
		"a mark":       "\ufeff" + row,
		"UTF-16":       utf16Text(row, false, true),
		"big-endian":   utf16Text(row, true, true),
		"bare UTF-16":  utf16Text(row, false, false),
		"semicolons":   strings.ReplaceAll(strings.ReplaceAll(row, `","`, `";"`), "\",\r", "\";\r"),
		"tabs":         strings.ReplaceAll(strings.ReplaceAll(row, `","`, "\"\t\""), "\",\r", "\"\t\r"),
		"a hint":       "sep=,\r\n" + row,
		"a type":       "#TYPE Microsoft.Exchange.Data.Directory.Management.CASMailbox\r\n" + row,
		"line feeds":   strings.ReplaceAll(row, "\r", ""),
		"no last end":  strings.TrimRight(row, "\r\n"),
		"code page":    strings.ReplaceAll(row, "ö", "\xf6"),
		"empty lines":  "\r\n" + strings.ReplaceAll(row, "\r\n\"B", "\r\n\r\n\"B") + "\r\n\r\n",
		"Excel's True": strings.ReplaceAll(row, "True", "WAHR"),
	} {
		t.Run(name, func(t *testing.T) {
			got := read(t, map[string]string{"x.csv": content})
			silent(t, got)
			if len(got.Mailboxes) != 1 {
				t.Fatalf("read %+v from %q", got.Mailboxes, content)
			}
			m := got.Mailboxes[0]
			if m.Name != `Björn, "Ek"` || m.Address != "b@example.org" || m.Settings.Get("ImapEnabled") != exchange.On || m.Settings.Get("PopEnabled") != exchange.Null {
				t.Errorf("read %+v from %q", m, content)
			}
		})
	}
	for name, content := range map[string]string{"plain": string(clixml), "UTF-16, as Windows PowerShell writes it": utf16Text(string(clixml), false, true),
		"declared": `<?xml version="1.0" encoding="utf-16"?>` + string(clixml)} {
		t.Run("CLIXML "+name, func(t *testing.T) {
			got := read(t, map[string]string{"x.xml": content})
			silent(t, got)
			if len(got.Mailboxes) != 2 || got.Mailboxes[1].DisplayName != "Björn Ek" {
				t.Errorf("read %+v", got.Mailboxes)
			}
		})
	}
}

// What is left of a list that an export broke must not pass for the whole: a
// rule without its conditions would hold for everybody.
func TestBrokenListsAreTold(t *testing.T) {
	for name, c := range map[string]struct {
		value string
		want  string
		lost  bool
	}{
		"a list":                 {`["192.0.2.0/24","198.51.100.7"]`, "192.0.2.0/24 198.51.100.7", false},
		"Windows PowerShell's":   {`{"value":["192.0.2.0/24"],"Count":1}`, "192.0.2.0/24", false},
		"ranges as objects":      {`[{"LowerBound":"192.0.2.0","UpperBound":"192.0.2.255","RangeFormat":2}]`, "192.0.2.0-192.0.2.255", false},
		"addresses as objects":   {`[{"LowerBound":{"Address":"192.0.2.0"},"UpperBound":{"Address":"192.0.2.255"}}]`, "192.0.2.0-192.0.2.255", false},
		"one text":               {`"192.0.2.0/24;192.0.2.7"`, "192.0.2.0/24 192.0.2.7", false},
		"nothing":                {`null`, "", false},
		"an empty list":          {`[]`, "", false},
		"a class name":           {`"System.Object[]"`, "", true},
		"a class name within":    {`["192.0.2.0/24","Microsoft.Exchange.Data.IPRange"]`, "192.0.2.0/24", true},
		"an object cut off":      {`["@{LowerBound=192.0.2.0}"]`, "", true},
		"an object of who knows": {`{"Capacity":4,"Count":1}`, "", true},
		"members of who knows":   {`[{"Size":4}]`, "", true},
		"true":                   {`true`, "", true},
	} {
		t.Run(name, func(t *testing.T) {
			got := read(t, map[string]string{"rules.json": `[{"Name":"One","Priority":1,"Enabled":true,"Action":"DenyAccess","AnyOfProtocols":[],"AnyOfClientIPAddressesOrRanges":` + c.value + `}]`})
			if len(got.ClientRules) != 1 {
				t.Fatalf("read %+v", got.ClientRules)
			}
			r := got.ClientRules[0]
			if s := strings.Join(r.Addresses, " "); s != c.want || len(r.Unknown) > 0 != c.lost {
				t.Errorf("read %q, lost %v", s, r.Unknown)
			}
		})
	}
	got := read(t, map[string]string{"groups.json": `[{"id":"g1","displayName":"All","groupTypes":[],"members":[{"id":"a"},{"displayName":"nobody"}]},{"id":"g2","displayName":"Cut","groupTypes":[],"members":"System.Object[]"}]`})
	if got.Groups[0].MembersSaid || got.Groups[1].MembersSaid || len(got.Groups[0].Members) != 1 {
		t.Errorf("groups of which members are lost: %+v", got.Groups)
	}
	noted(t, got, "groups.json", 1, "lost who is in this group")
}

func TestTwiceIsOnce(t *testing.T) {
	const policyText = `{"id":"44f7c0de-0004-4a00-9b00-000000000001","displayName":"P","state":"enabled","conditions":{"users":{"includeUsers":["All"]},"applications":{"includeApplications":["All"]}},"grantControls":{"operator":"OR","builtInControls":["mfa"]}}`
	got := read(t, map[string]string{"a.json": "[" + policyText + ",\n" + strings.Replace(policyText, `"mfa"`, `"block"`, 1) + "]", "b.json": policyText})
	if len(got.Policies) != 1 || got.Policies[0].Grant.Controls&policy.ControlBlock != 0 {
		t.Errorf("kept %+v", got.Policies)
	}
	noted(t, got, "a.json", 2, "stands in a.json already, in line 1")
	noted(t, got, "b.json", 1, "stands in a.json already, in line 1")
}

func TestASignInOfTwoFilesCountsOnce(t *testing.T) {
	b, err := os.ReadFile("testdata/examples/08-signins-spray-over-legacy.json")
	if err != nil {
		t.Fatal(err)
	}
	got := read(t, map[string]string{"signIns-1.json": string(b), "signIns-2.json": strings.ReplaceAll(string(b), "88f7c0de-0008-4a00-9b00-000000000036", "88F7C0DE-0008-4A00-9B00-0000000000FF")})
	if got.SignIns.Len() != 7 || got.SignIns.Twice() != 5 {
		t.Errorf("%d sign-ins, %d of them twice", got.SignIns.Len(), got.SignIns.Twice())
	}
	noted(t, got, "", 0, "5 sign-ins stand in the files more than once")
}

func TestTheLogKeepsWhatItWasGiven(t *testing.T) {
	l := NewSignInLog()
	given := []SignIn{
		{ID: "88f7c0de-0008-4a00-9b00-000000000011", CorrelationID: "88F7C0DE-0008-4A00-9B00-000000000011", Time: time.Date(2026, 11, 2, 3, 4, 5, 6, time.UTC), UPN: "a", ClientApp: "IMAP4", Line: 7, File: "x", Outcome: Success, ErrorCode: 0},
		{ID: "r1", CorrelationID: "00000000-0000-0000-0000-000000000000", Time: time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC), ServicePrincipal: true, Address: address("2001:db8::1"), ASN: 1 << 31, ErrorCode: 700082},
		{ID: "88f7c0de-0008-4a00-9b00-00000000001g", Time: time.Date(2026, 11, 3, 0, 0, 0, 0, time.UTC), Address: address("::ffff:192.0.2.1")},
	}
	for i := range given {
		l.Add(&given[i])
	}
	i := 0
	for s := range l.All() {
		if s != given[i] {
			t.Errorf("kept %+v of %+v", s, given[i])
		}
		i++
	}
	if first, last := l.Span(); i != 3 || first != given[1].Time || last != given[2].Time {
		t.Errorf("%d rows from %v to %v", i, first, last)
	}
	if given[2].Address.String() != "192.0.2.1" {
		t.Errorf("an address in another's clothes is kept as %v", given[2].Address)
	}
}
