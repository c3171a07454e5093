package filter

import (
	"errors"
	"strings"
	"testing"
	"time"
)

func look(values map[string]Value) Lookup {
	return func(name string) Value { return values[name] }
}

var (
	unregistered = look(nil)
	printer      = look(map[string]Value{
		"deviceId":            String("0b1c6f3e-2a1d-4c5e-9d2f-aabbccddeeff"),
		"displayName":         String("MFP-3rd-Ä"),
		"profileType":         String("Printer"),
		"trustType":           String("Workplace"),
		"isCompliant":         Bool(false),
		"physicalIds":         Strings([]string{"[OrderId]:44", "[ZTDID]:9"}),
		"extensionAttribute2": String("Scanner"),
	})
)

func TestDeviceRules(t *testing.T) {
	for _, c := range []struct {
		rule          string
		printer, none bool
	}{
		{`(device.profileType -eq "Printer") -or (device.extensionAttribute2 -in ["Scanner","Kiosk"] -and device.displayName -startsWith "MFP-")`, true, false},
		{`device.trustType -ne "ServerAD"`, true, true},
		{`device.trustType -eq "workplace"`, true, false},
		{`DEVICE.TRUSTTYPE -EQ "WORKPLACE"`, true, false},
		{`device.trustType eq "Workplace"`, true, false},
		{`-not (device.trustType -eq "ServerAD")`, true, true},
		{`-not device.trustType -eq "Workplace" -or device.profileType -eq "Printer"`, true, true},
		{`device.trustType -eq "AzureAD" -or device.profileType -eq "Printer" -and device.isCompliant -eq True`, false, false},
		{`device.isCompliant -eq False`, true, false},
		{`device.isCompliant -eq "False"`, true, false},
		{`device.isCompliant -ne True`, true, true},
		{`device.displayName -endsWith "ä"`, true, false},
		{`device.displayName -notStartsWith "MFP"`, false, true},
		{`device.displayName -notEndsWith "x"`, true, true},
		{`device.displayName -contains "3RD"`, true, false},
		{`device.displayName -notContains "3rd"`, false, true},
		{`device.displayName -notIn ["a","b"]`, true, true},
		{`device.physicalIds -contains "[OrderId]:44"`, true, false},
		{`device.physicalIds -contains "[OrderId]"`, false, false},
		{`device.physicalIds -notContains "[OrderId]"`, true, true},
		{`device.deviceId -in ["0B1C6F3E-2A1D-4C5E-9D2F-AABBCCDDEEFF"]`, true, false},
		{`device.model -eq null`, false, false},
		{`device.model -ne null`, true, true},
		{`device.displayName -ne null`, true, true},
		{"device.displayName -eq \"a`\"b\"", false, false},
	} {
		e, err := ParseDevice(c.rule)
		if err != nil {
			t.Errorf("%s: %v", c.rule, err)
			continue
		}
		if got := e.Match(printer); got != c.printer {
			t.Errorf("%s: printer %v", c.rule, got)
		}
		if got := e.Match(unregistered); got != c.none {
			t.Errorf("%s: unregistered %v", c.rule, got)
		}
	}
}

// Positive operators never match an unregistered device, negative always do.
func TestNullRulesHoldForEveryAttributeAndOperator(t *testing.T) {
	for _, name := range DeviceAttributes() {
		prop := deviceSchema.index[strings.ToLower(name)]
		for word, k := range deviceOps {
			op, value := k.op, `"x"`
			if prop.Kind == KindList && op == Contains {
				op = Has
			}
			if len(prop.Values) > 0 {
				value = `"` + prop.Values[0] + `"`
			}
			if prop.Kind == KindBool {
				value = "True"
			}
			if op == In {
				value = "[" + value + "]"
			}
			e, err := ParseDevice("device." + name + " -" + word + " " + value)
			allowed := false
			for _, o := range prop.Ops {
				allowed = allowed || o == op
			}
			if allowed != (err == nil) {
				t.Errorf("%s -%s: allowed %v, error %v", name, word, allowed, err)
			}
			if err == nil && e.Match(unregistered) != k.negated {
				t.Errorf("%s -%s on an unregistered device: %v", name, word, !k.negated)
			}
		}
	}
}

func TestDeviceRulesAreJudgedWithoutAllocating(t *testing.T) {
	e, err := ParseDevice(`device.physicalIds -contains "[ZTDID]:9" -and device.displayName -contains "ä" -and -not device.trustType -eq "ServerAD" -and device.deviceId -in ["a","0b1c6f3e-2a1d-4c5e-9d2f-aabbccddeeff"]`)
	if err != nil || !e.Match(printer) {
		t.Fatal(err)
	}
	if n := testing.AllocsPerRun(100, func() { e.Match(printer) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

var testSchema = NewSchema([]Property{
	{Name: "DisplayName", Kind: KindString},
	{Name: "PrimarySmtpAddress", Kind: KindString},
	{Name: "ImapEnabled", Kind: KindBool},
	{Name: "MapiHttpEnabled", Kind: KindBool},
	{Name: "EwsEnabled", Kind: KindBool},
	{Name: "EmailAddresses", Kind: KindList},
	{Name: "Size", Kind: KindNumber},
	{Name: "WhenChangedUTC", Kind: KindTime},
	{Name: "imap", Kind: KindBool, Stored: "ImapEnabled"},
	{Name: "outcome", Kind: KindString, Values: []string{"allowed", "refused"}},
	{Name: "protocol", Kind: KindString, Values: []string{"imap", "pop3"}},
	{Name: "address", Kind: KindString},
	{Name: "groups", Kind: KindList},
	{Name: "policies", Kind: KindList},
	{Name: "location/countryOrRegion", Kind: KindString},
}, "DisplayName", "PrimarySmtpAddress")

var ana = look(map[string]Value{
	"DisplayName":              String(`Silva, Ana "Nita"`),
	"PrimarySmtpAddress":       String("ana.silva@example.org"),
	"ImapEnabled":              Null,
	"imap":                     Bool(false),
	"EwsEnabled":               Number(1),
	"EmailAddresses":           Strings([]string{"SMTP:ana.silva@example.org", "smtp:nita@example.org"}),
	"Size":                     Number(12),
	"WhenChangedUTC":           Time(time.Date(2026, 9, 14, 6, 30, 2, 0, time.UTC)),
	"outcome":                  String("refused"),
	"protocol":                 String("pop3"),
	"address":                  String("2001:db8::7"),
	"groups":                   Strings([]string{"sales", "iberia"}),
	"location/countryOrRegion": String("PT"),
	"secret":                   NotKnown,
	"policies": Objects([]Lookup{
		look(map[string]Value{"id": String("p1"), "result": String("success")}),
		look(map[string]Value{"id": String("p2"), "result": String("failure")}),
	}),
})

func TestGrammars(t *testing.T) {
	for _, c := range []struct {
		g    Grammar
		text string
		want bool
	}{
		{OPATH, `MapiHttpEnabled -ne $null`, false},
		{OPATH, `MapiHttpEnabled -eq $null`, true},
		{OPATH, `{MapiHttpEnabled -eq $null -and EwsEnabled -eq $true}`, true},
		{OPATH, `"ewsenabled -eq 1"`, true},
		{OPATH, `'Size -gt 11 -and Size -le 12'`, true},
		{OPATH, `Size -lt '13'`, true},
		{OPATH, `$_.MapiHttpEnabled -ne $null`, false},
		{OPATH, `{$_.Size -eq 12}`, true},
		{OPATH, `$PSItem.DisplayName -like 'silva*'`, true},
		{OPATH, `DisplayName -like "*""nita""*"`, true},
		{OPATH, `DisplayName -notlike 'b*'`, true},
		{OPATH, `DisplayName -eq 'O''Hara'`, false},
		{OPATH, `$_.DisplayName -match '^silva.*nita'`, true},
		{OPATH, `$_.DisplayName -notmatch 'x{2}'`, true},
		{OPATH, `$_.EmailAddresses -contains 'smtp:nita@example.org'`, true},
		{OPATH, `$_.EmailAddresses -contains 'nita'`, false},
		{OPATH, `$_.PrimarySmtpAddress -in 'b@example.org','ana.silva@example.org'`, true},
		{OPATH, `$_.PrimarySmtpAddress -in @('b@example.org')`, false},
		{OPATH, `-not ($_.ImapEnabled)`, true},
		{OPATH, `!$_.EwsEnabled`, false},
		{OPATH, `$_.EwsEnabled -and $_.Size -ieq 12`, true},
		{OPATH, `WhenChangedUTC -gt '2026-09-14'`, true},
		{OPATH, `ImapEnabled -ne $true`, true},
		{OPATH, `ImapEnabled -eq $false`, false},
		{MailboxSearch, `MapiHttpEnabled -ne $null`, false},
		{MailboxSearch, `"MapiHttpEnabled -eq $null"`, true},
		{MailboxSearch, `imap off`, true},
		{MailboxSearch, `imap on`, false},
		{MailboxSearch, `imap inherits`, true},
		{MailboxSearch, `imap off ana`, true},
		{MailboxSearch, `imap off and not bjorn`, true},
		{MailboxSearch, `bjorn or (nita imap:off)`, true},
		{MailboxSearch, `ana.silva@EXAMPLE.org`, true},
		{MailboxSearch, `"Silva, Ana"`, true},
		{MailboxSearch, `protocol:pop3 outcome=refused`, true},
		{MailboxSearch, `ImapEnabled set`, false},
		{LogSearch, `outcome eq "refused" and protocol eq "pop3"`, true},
		{LogSearch, `outcome eq "allowed" or not (protocol eq "pop3")`, false},
		{LogSearch, `protocol:pop3 ana`, true},
		{LogSearch, `ana`, true},
		{SCIM, `DisplayName co "nita" and PrimarySmtpAddress sw "ANA" and PrimarySmtpAddress ew ".org"`, true},
		{SCIM, `MapiHttpEnabled pr`, false},
		{SCIM, `Size ge 12 and WhenChangedUTC lt "2026-09-15T00:00:00Z"`, true},
		{SCIM, `policies[result eq "failure" and id eq "p2"]`, true},
		{SCIM, `policies[result eq "failure" and id eq "p1"]`, false},
		{SCIM, `groups[value eq "Sales"]`, true},
		{SCIM, `DisplayName eq "Silva, Ana \"Nita\""`, true},
		{OData, `startswith(PrimarySmtpAddress,'ana') and WhenChangedUTC ge 2026-09-14T00:00:00Z`, true},
		{OData, `not startswith(DisplayName, 'x')`, true},
		{OData, `not endswith(PrimarySmtpAddress,'.org')`, false},
		{OData, `contains(DisplayName,'nita') and Size ne 3`, true},
		{OData, `location/countryOrRegion in ('ES','PT')`, true},
		{OData, `groups/any(g:g eq 'iberia')`, true},
		{OData, `groups/any(g:startswith(g,'x'))`, false},
		{OData, `groups/any()`, true},
		{OData, `policies/any(p:p/result eq 'failure' and p/id eq 'p2')`, true},
		{OData, `MapiHttpEnabled eq null`, true},
		{OData, `ImapEnabled ne false`, true},
	} {
		e, err := Parse(c.g, c.text, testSchema)
		if err != nil {
			t.Errorf("%s: %v", c.text, err)
			continue
		}
		if got := e.Match(ana); got != c.want {
			t.Errorf("%s: %v", c.text, got)
		}
	}
}

func TestUnknownIsANo(t *testing.T) {
	for text, want := range map[string]Truth{
		`secret eq "x"`:                        Unknown,
		`secret ne "x"`:                        Unknown,
		`not (secret eq "x")`:                  Unknown,
		`secret eq "x" or protocol eq "pop3"`:  True,
		`secret eq "x" and protocol eq "imap"`: False,
		`secret pr and protocol eq "pop3"`:     Unknown,
	} {
		e, err := Parse(SCIM, text, nil)
		if err != nil {
			t.Fatal(err)
		}
		if got := e.Eval(ana); got != want || e.Match(ana) != (want == True) {
			t.Errorf("%s: %v", text, got)
		}
	}
}

func TestErrorsSayWhereAndWhatWasMeant(t *testing.T) {
	for _, c := range []struct {
		g          Grammar
		text, at   string // at: what stands where the error points
		suggestion string
	}{
		{Device, `device.trustTipe -eq "x"`, `trustTipe`, "trustType"},
		{Device, `trustType -eq "ServerAD"`, `trustType`, "device.trustType"},
		{Device, `device.trustType -eq "SererAD"`, `"SererAD"`, "ServerAD"},
		{Device, `device.trustType -startsWith "A"`, `-startsWith`, ""},
		{Device, `device.trustType -eq ServerAD`, `ServerAD`, ""},
		{Device, `device.isCompliant -eq "yes"`, `"yes"`, ""},
		{Device, `(device.isCompliant -eq True`, `(`, ""},
		{Device, `device.isCompliant -eq True)`, `)`, ""},
		{Device, `device.model -in "a"`, `"a"`, ""},
		{Device, `device.model -eq "a`, `"a`, ""},
		{Device, `device.model -startsWith null`, `null`, ""},
		{Device, ``, ``, ""},
		{Device, `device.model`, ``, ""},
		{OPATH, `ImapEnable -eq $true`, `ImapEnable`, "ImapEnabled"},
		{OPATH, `ImapEnabled -equ $true`, `-equ`, "-eq"},
		{OPATH, `ImapEnabled -eq 'maybe'`, `'maybe'`, ""},
		{OPATH, `DisplayName -eq ana`, `ana`, ""},
		{OPATH, `$_.DisplayName -match '('`, `'('`, ""},
		{OPATH, `Size -gt $null`, `$null`, ""},
		{SCIM, `outcom eq "refused"`, `outcom`, "outcome"},
		{SCIM, `outcome eq "refuse"`, `"refuse"`, "refused"},
		{OData, `startwith(DisplayName,'a')`, `startwith`, "startswith"},
		{OData, `groups/any(g:h eq 'a')`, `h eq`, ""},
		{MailboxSearch, `imapp off`, `imapp`, "imap"},
		{MailboxSearch, `imap`, `imap`, ""},
		{MailboxSearch, `protocl:pop3`, `protocl`, "protocol"},
	} {
		_, err := Parse(c.g, c.text, schemaFor(c.g))
		var syntax *SyntaxError
		if !errors.As(err, &syntax) {
			t.Errorf("%s: %v is no syntax error", c.text, err)
			continue
		}
		if !strings.HasPrefix(c.text[syntax.Offset:], c.at) || c.at == "" && syntax.Offset != len(c.text) {
			t.Errorf("%s: points at %q (%v)", c.text, c.text[syntax.Offset:], err)
		}
		if syntax.Suggestion != c.suggestion {
			t.Errorf("%s: suggests %q (%v)", c.text, syntax.Suggestion, err)
		}
	}
}

func schemaFor(g Grammar) *Schema {
	if g == Device {
		return deviceSchema
	}
	return testSchema
}

func TestCaretStandsUnderTheFault(t *testing.T) {
	err := &SyntaxError{Text: "Bjö\u202ern -eq x", Offset: len("Bjö\u202ern "), Message: "m"}
	if got, want := err.Caret(), "Bjö·rn -eq x\n       ^"; got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if err.Character() != 8 {
		t.Errorf("character %d", err.Character())
	}
}

func TestBounds(t *testing.T) {
	for name, rule := range map[string]string{
		"long":   `device.model -eq "` + strings.Repeat("x", maxDeviceRule) + `"`,
		"deep":   strings.Repeat("(", maxDepth+1) + `device.model -eq "x"` + strings.Repeat(")", maxDepth+1),
		"nested": strings.Repeat("-not ", maxDepth+1) + `device.model -eq "x"`,
	} {
		if _, err := ParseDevice(rule); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
	exact := `device.model -eq "` + strings.Repeat("ä", maxDeviceRule-len(`device.model -eq ""`)) + `"`
	if _, err := ParseDevice(exact); err != nil {
		t.Errorf("a rule of exactly %d characters: %v", maxDeviceRule, err)
	}
	if _, err := Parse(SCIM, strings.Repeat("a pr or ", maxLeaves)+"a pr", nil); err == nil {
		t.Error("too many comparisons: taken")
	}
	if _, err := Parse(SCIM, strings.Repeat("a", maxText+1), nil); err == nil {
		t.Error("too long: taken")
	}
}

func TestLikeTakesNoExponentialTime(t *testing.T) {
	if like(strings.Repeat("a", 5000), strings.Repeat("*a", 500)+"b") {
		t.Error("matched")
	}
	if !like("abcde", "a*c?e") || like("abcde", "a*c?") || !like("", "*") || !like("ÄB", "ä?") {
		t.Error("wildcards")
	}
}

// Whatever parses can be asked, and its negation answers the opposite.
func FuzzParse(f *testing.F) {
	for _, s := range []string{
		`device.trustType -ne "ServerAD" -and -not (device.isCompliant -eq True)`,
		`device.extensionAttribute2 -in ["Scanner","Kiosk"]`,
		`{$_.MapiHttpEnabled -ne $null -or $_.DisplayName -match 'a+'}`,
		`startswith(DisplayName,'a') and groups/any(g:g eq 'x') or Size in (1,2)`,
		`outcome eq "refused" and policies[result eq "failure"]`,
		`imap off "ana b" protocol:pop3`,
	} {
		for g := Device; g <= LogSearch; g++ {
			f.Add(uint8(g), s)
		}
	}
	f.Fuzz(func(t *testing.T, g uint8, text string) {
		grammar := Grammar(g % uint8(LogSearch+1))
		e, err := Parse(grammar, text, schemaFor(grammar))
		if err != nil {
			var syntax *SyntaxError
			if !errors.As(err, &syntax) || syntax.Offset < 0 || syntax.Offset > len(text) {
				t.Fatalf("%v", err)
			}
			_ = syntax.Caret()
			return
		}
		for _, l := range []Lookup{ana, printer, unregistered} {
			not := Expr{Op: Not, Kids: []*Expr{e}}
			if e.Eval(l)+not.Eval(l) != True {
				t.Fatalf("%q and its negation agree", text)
			}
		}
		for _, name := range e.Names() {
			if schemaFor(grammar).index[strings.ToLower(name)] == nil {
				t.Fatalf("%q asks for %q", text, name)
			}
		}
	})
}
