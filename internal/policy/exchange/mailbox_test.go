package exchange

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/portreeve/portreeve/internal/filter"
	"github.com/portreeve/portreeve/internal/protocol"
)

func mailboxes(t *testing.T, raw string) []CASMailbox {
	t.Helper()
	c, err := ReadCSV(strings.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	all, faults := c.Mailboxes()
	if len(faults) > 0 {
		t.Fatal(faults)
	}
	return all
}

func word(b *bool) string {
	if b == nil {
		return "-"
	}
	return map[bool]string{true: "yes", false: "no"}[*b]
}

func TestRowsBecomeTriStateSwitches(t *testing.T) {
	all := mailboxes(t, string(sample(t, "casmailbox.csv")))
	for i, want := range []string{
		// imap, pop3, submission, activesync, ews, mapi, webmail, sieve
		"yes no - yes - - yes -",
		"no no - no - - yes -",
		"no no yes no no no no -",
		"yes yes - yes yes yes yes -",
		"yes yes no yes - no yes -",
	} {
		var got []string
		for _, p := range []protocol.Protocol{protocol.IMAP, protocol.POP3, protocol.Submission, protocol.ActiveSync, protocol.EWS, protocol.MAPI, protocol.Webmail, protocol.Sieve} {
			got = append(got, word(all[i].Open(p)))
		}
		if s := strings.Join(got, " "); s != want {
			t.Errorf("%s: %s, want %s", all[i].Name, s, want)
		}
	}
	ana := all[0]
	if ana.Line != 2 || ana.Address != "ana.silva@example.org" || ana.GUID == "" {
		t.Errorf("%+v", ana)
	}
	if c, _ := ana.Row.Cell("ActiveSyncAllowedDeviceIDs"); !c.Unknown() {
		t.Error("a list that became a type name reads as known")
	}
	if c, _ := ana.Row.Cell("ActiveSyncBlockedDeviceIDs"); c.Unknown() || c.Null {
		t.Error("an empty list reads as unknown or null")
	}
	if _, there := ana.Settings["SieveEnabled"]; there {
		t.Error("a column that is not there has a setting")
	}
}

func TestMAPINeedsBothItsSwitches(t *testing.T) {
	for _, c := range [][3]string{
		{"False", "True", "no"}, {"True", "False", "no"}, {"True", "True", "yes"},
		{"True", "", "-"}, {"", "", "-"}, {"", "True", "yes"}, {"", "False", "no"}, {"False", "", "no"},
	} {
		m := mailboxes(t, "Name,MAPIEnabled,MapiHttpEnabled\nx,"+c[0]+","+c[1]+"\n")[0]
		if got := word(m.Open(protocol.MAPI)); got != c[2] {
			t.Errorf("%v: %s", c, got)
		}
	}
}

func TestTypeNamesAreUnknown(t *testing.T) {
	for text, want := range map[string]bool{
		"System.Collections.ArrayList": true,
		"System.String[]":              true,
		"Microsoft.Exchange.Data.MultiValuedProperty`1[System.String]":                                           true,
		"System.Collections.Generic.List`1[System.Object]":                                                       true,
		"Deserialized.Microsoft.Exchange.Data.MultiValuedProperty`1[[System.String, mscorlib, Version=4.0.0.0]]": true,
		"":                  false,
		"Microsoft":         false,
		"MyBackup/* System": false,
		"System.x, y":       false,
	} {
		if got := (Cell{Text: text}).Unknown(); got != want {
			t.Errorf("%q: %v", text, got)
		}
	}
}

func TestFaultyRowsAreReportedAndTheOthersRead(t *testing.T) {
	c, err := ReadCSV(strings.NewReader("Name;ImapEnabled;PopEnabled\r\nana;perhaps;True\r\nbjorn;$false;1\r\n;True;True\r\nBJORN;True;\r\nleela;inherit;System.String[]\r\n"))
	if err != nil {
		t.Fatal(err)
	}
	all, faults := c.Mailboxes()
	if len(all) != 2 || all[0].Name != "bjorn" || all[1].Name != "leela" {
		t.Fatalf("%+v", all)
	}
	if word(all[0].Switch("imapenabled")) != "no" || word(all[0].Switch("PopEnabled")) != "yes" {
		t.Error("$false and 1")
	}
	if all[1].Settings["ImapEnabled"] != Inherit || all[1].Settings["PopEnabled"] != Hidden {
		t.Errorf("%v", all[1].Settings)
	}
	want := []Error{{Line: 2, Column: 5, Field: "ImapEnabled"}, {Line: 4}, {Line: 5, Column: 1, Field: "Name"}}
	if len(faults) != len(want) {
		t.Fatal(faults)
	}
	for i, f := range faults {
		var e *Error
		if !errors.As(f, &e) || e.Line != want[i].Line || e.Column != want[i].Column || e.Field != want[i].Field {
			t.Errorf("%v, want %v", f, want[i])
		}
	}
}

func TestRowsForUnknownMailboxesAreReported(t *testing.T) {
	all := mailboxes(t, "PrimarySmtpAddress,ImapEnabled\nana@example.org,True\nnobody@example.org,False\nnita@example.org,False\n")
	known, faults := Resolve(all, func(m *CASMailbox) (string, bool) {
		return "p1", m.Address != "nobody@example.org" // nita is an alias of ana
	})
	if len(known) != 1 || known["p1"].Address != "ana@example.org" || len(faults) != 2 {
		t.Fatalf("%v %v", known, faults)
	}
	if !strings.Contains(faults[0].Error(), "line 3, column 1 (PrimarySmtpAddress): there is no mailbox \"nobody@example.org\"") {
		t.Error(faults[0])
	}
}

func TestAnEmptyCellLeavesThingsAsTheyAre(t *testing.T) {
	yes, no := true, false
	now := func(name string) *bool {
		return map[string]*bool{"ImapEnabled": &yes, "PopEnabled": &no, "EwsEnabled": &yes}[name]
	}
	m := mailboxes(t, "Name,ImapEnabled,PopEnabled,EwsEnabled,MapiHttpEnabled,MacOutlookEnabled,ActiveSyncEnabled\nana,,True,inherit,False,False,System.String[]\n")[0]
	for nullInherits, want := range map[bool]string{
		false: "PopEnabled no>yes EwsEnabled yes>- MapiHttpEnabled ->no",
		true:  "ImapEnabled yes>- PopEnabled no>yes EwsEnabled yes>- MapiHttpEnabled ->no",
	} {
		var got []string
		for _, c := range m.Changes(now, nullInherits) {
			got = append(got, c.Name+" "+word(c.From)+">"+word(c.To))
		}
		if s := strings.Join(got, " "); s != want {
			t.Errorf("null inherits %v: %s", nullInherits, s)
		}
	}
}

func TestExportReadsBack(t *testing.T) {
	c := NewCSV(Columns())
	yes := true
	if err := errors.Join(c.Append().Set("PrimarySmtpAddress", "ana@example.org"), c.Rows[0].SetSwitch("ImapEnabled", &yes), c.Rows[0].SetSwitch("PopEnabled", nil)); err != nil {
		t.Fatal(err)
	}
	m := mailboxes(t, string(c.Bytes()))[0]
	if m.Settings["ImapEnabled"] != On || m.Settings["PopEnabled"] != Null || m.Settings["MapiHttpEnabled"] != Null {
		t.Errorf("%v", m.Settings)
	}
}

func TestMailboxFilters(t *testing.T) {
	all := mailboxes(t, string(sample(t, "casmailbox.csv")))
	for text, want := range map[string]string{
		`MapiHttpEnabled -ne $null`:      "leela shared-sales",
		`{$_.MapiHttpEnabled -ne $null}`: "leela shared-sales",
		`imap off`:                       "bjorn.ek mfp-scan",
		`pop on and not mapi inherits`:   "leela shared-sales",
		`submission inherits`:            "ana.silva bjorn.ek leela",
		`smtp off`:                       "shared-sales",
		`sales`:                          "shared-sales",
		`OWAEnabled -eq $true -and DisplayName -like 'S*'`: "ana.silva shared-sales",
		`ActiveSyncAllowedDeviceIDs -eq ''`:                "bjorn.ek mfp-scan leela shared-sales", // ana's are unknown
		`MAPIBlockOutlookVersions -eq $null`:               "ana.silva bjorn.ek mfp-scan leela",
	} {
		e, err := filter.Parse(filter.MailboxSearch, text, MailboxSchema)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		var got []string
		for i := range all {
			if e.Match(all[i].Lookup) {
				got = append(got, all[i].Name)
			}
		}
		if s := strings.Join(got, " "); s != want {
			t.Errorf("%s: %s", text, s)
		}
	}
	var syntax *filter.SyntaxError
	if _, err := filter.Parse(filter.MailboxSearch, `ImapEnable -eq $true`, MailboxSchema); !errors.As(err, &syntax) || syntax.Suggestion != "ImapEnabled" {
		t.Error(err)
	}
}

// Every protocol's switch in the table of protocols has a row here, and the
// other way round.
func TestSwitchesAgreeWithTheProtocols(t *testing.T) {
	seen := map[string]bool{}
	for _, s := range Switches() {
		if seen[s.Name] || s.Label == "" || s.Help == "" {
			t.Errorf("%s stands twice or says nothing", s.Name)
		}
		seen[s.Name] = true
	}
	for _, p := range protocol.All() {
		name := p.Row().Switch
		if name == "" {
			continue
		}
		if s, ok := FindSwitch(strings.ToUpper(name)); !ok || s.Protocol != p || !s.TriState {
			t.Errorf("%s: %s", p, name)
		}
	}
	for _, column := range bytes.Split(bytes.Split(sample(t, "casmailbox.csv"), []byte("\r\n"))[0], []byte(",")) {
		name := strings.Trim(strings.TrimPrefix(string(column), bomUTF8), `"`)
		switch name {
		case "Name", "DisplayName", "PrimarySmtpAddress", "Guid", "ExternalDirectoryObjectId", "WhenChangedUTC":
			continue
		}
		if _, ok := FindSwitch(name); !ok {
			t.Errorf("column %s has no row", name)
		}
	}
}
