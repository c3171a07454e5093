package selfaudit

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/portreeve/portreeve/internal/policy"
	"github.com/portreeve/portreeve/internal/protocol"
	"github.com/portreeve/portreeve/internal/scope"
)

// ago is a number of days before now.
func ago(days int) time.Time { return now.Add(-time.Duration(days) * 24 * time.Hour) }

func scopes(t *testing.T, text string) scope.Set {
	t.Helper()
	s, err := scope.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// looked are the findings about the issuer, by kind.
func looked(s *policy.Snapshot, i Issuer) map[string]Finding {
	found := map[string]Finding{}
	for _, f := range Look(Input{Rules: s, Now: now, Last: last, People: []Person{mary, anna}, Doors: doors, Issuer: &i}) {
		if !slices.Contains([]string{PasswordOnly, PasswordOnlyFrom, ExemptUnused}, f.Kind) {
			found[f.Kind] = f
		}
	}
	return found
}

// Each thing that stands open at the issuer is found alone, with what to do.
func TestWhatStandsOpenAtTheIssuer(t *testing.T) {
	good := Issuer{URL: "https://mail.example.org", Opens: true, DeviceCode: true, KeysDue: now.Add(time.Hour), Hosts: []string{"example.org"}}
	program := func(change func(*Program)) Issuer {
		i, p := good, Program{ID: "app-1", Name: "Webmail", Vouched: true, SignsIn: true, Created: ago(400), Used: ago(1), SecretMade: ago(300), Hosts: []string{"webmail.example.org", "example.org"}}
		change(&p)
		i.Programs = []Program{p}
		return i
	}
	changed := func(change func(*Issuer)) Issuer {
		i := good
		change(&i)
		return i
	}
	for name, c := range map[string]struct {
		issuer Issuer
		kind   string // empty: nothing
		says   string
		fix    string
	}{
		"nothing":                  {good, "", "", ""},
		"a good program":           {program(func(*Program) {}), "", "", ""},
		"tokens as passwords":      {changed(func(i *Issuer) { i.TokenAsPassword = true }), TokenAsPassword, "where a password is expected", "token_as_password: false"},
		"registration":             {changed(func(i *Issuer) { i.AnyRegisters = true }), RegistrationOpen, "Any program of anybody's", "registration: verified"},
		"old keys":                 {changed(func(i *Issuer) { i.KeysDue = ago(2) }), KeysOverdue, "on 2026-11-18", "`portreeve key rotate programs`"},
		"no TLS":                   {changed(func(i *Issuer) { i.URL = "http://localhost:8080" }), IssuerPlain, "http://localhost:8080", "public_url"},
		"no certificate":           {changed(func(i *Issuer) { i.Uncovered = "mail.example.org" }), IssuerUncovered, "name mail.example.org", "`portreeve config check`"},
		"never used":               {program(func(p *Program) { p.Used = time.Time{} }), ProgramUnused, "Webmail\" since it was made on 2025-10-16", "`portreeve client rm app-1`"},
		"not used for long":        {program(func(p *Program) { p.Used = ago(91) }), ProgramUnused, "Webmail\" for 90 days", "`portreeve client rm app-1`"},
		"one that signs nobody in": {program(func(p *Program) { p.SignsIn, p.Used = false, time.Time{} }), "", "", ""},
		"just made":                {program(func(p *Program) { p.Created, p.Used = ago(2), time.Time{} }), "", "", ""},
		"a stranger's":             {program(func(p *Program) { p.Vouched, p.Consent, p.Used, p.SecretMade = false, true, time.Time{}, time.Time{} }), "", "", ""},
		"an old secret":            {program(func(p *Program) { p.SecretMade = ago(366) }), SecretOld, "made on 2025-11-19", "`portreeve client secret app-1 --overlap 7d`"},
		"no consent abroad":        {program(func(p *Program) { p.Hosts = append(p.Hosts, "evilexample.org", "192.0.2.1") }), ConsentSkipped, "192.0.2.1 and evilexample.org", "`portreeve client limit app-1 openid email profile`"},
		"no mail abroad":           {program(func(p *Program) { p.Hosts, p.Limit = []string{"wiki.example.com"}, scopes(t, "openid email") }), "", "", ""},
		"consent abroad":           {program(func(p *Program) { p.Hosts, p.Consent = []string{"wiki.example.com"}, true }), "", "", ""},
		"idle scopes": {program(func(p *Program) {
			p.Granted, p.Idle = scopes(t, "imap pop offline_access"), []protocol.Protocol{protocol.POP3}
		}), ScopeUnused, `"Webmail" pop3, and nobody`, "`portreeve client limit app-1 imap offline_access`"},
		"an idle part of a scope": {program(func(p *Program) {
			p.Granted, p.Idle = scopes(t, "mail openid"), []protocol.Protocol{protocol.POP3, protocol.Sieve}
		}), ScopeUnused, "pop3 and sieve", "`portreeve client limit app-1 imap smtp openid`"},
		"nothing but idle": {program(func(p *Program) { p.Granted, p.Idle = scopes(t, "smtp"), []protocol.Protocol{protocol.Submission} }), ScopeUnused, "submission", "`portreeve client limit app-1 openid`"},
	} {
		found := looked(rules(t), c.issuer)
		if f, there := found[c.kind]; len(found) > 1 || there != (c.kind != "") || !strings.Contains(f.Sentence, c.says) || !strings.Contains(f.Fix, c.fix) {
			t.Errorf("%s: %+v", name, found)
		}
	}
}

// A program that signs in as a mailbox by itself is found where no policy holds
// that mailbox to a place, over the doors that it may open.
func TestServiceAccountsThatNothingHoldsToAPlace(t *testing.T) {
	robot := Issuer{URL: "https://x", Opens: true, Programs: []Program{{ID: "app-1", Name: "Robot", Vouched: true, Used: now, Account: anna.ID, Limit: scopes(t, "smtp")}}}
	const scanners = `"users": {"includeGroups": ["scanners"]}, "applications": {"includeApplications": ["All"]}, "clientAppTypes": ["all"]`
	for name, c := range map[string]struct {
		policies []string
		open     bool
	}{
		"no policy":   {nil, true},
		"one network": {[]string{`"conditions": {` + scanners + `, "locations": {"includeLocations": ["All"], "excludeLocations": ["Office"]}}, ` + block}, false},
		"but at one time of day": {[]string{`"conditions": {` + scanners + `, "locations": {"includeLocations": ["All"], "excludeLocations": ["Office"]},
			"portreeve": {"hours": {"include": [{"days": ["monday"], "from": "08:00", "to": "18:00"}], "timeZone": "UTC"}}}, ` + block}, true},
		"a second factor, which it has not": {[]string{`"conditions": {` + scanners + `}, "grantControls": {"operator": "OR", "builtInControls": ["mfa"]}`}, false},
	} {
		f, open := looked(rules(t, c.policies...), robot)[ServiceAnywhere]
		if open != c.open || open && (!slices.Equal(f.Protocols, []string{"submission"}) || !slices.Equal(f.Subjects, []string{anna.Address}) || !strings.Contains(f.Fix, "--template scanners-one-network")) {
			t.Errorf("%s: %+v", name, f)
		}
	}
	robot.Opens = false
	if _, open := looked(rules(t), robot)[ServiceAnywhere]; open {
		t.Error("a token that no mail server takes opens a mailbox")
	}
	robot.Opens, robot.Programs[0].Account = true, "gone"
	if _, open := looked(rules(t), robot)[ServiceAnywhere]; open {
		t.Error("nobody's mailbox is open")
	}
}

// A policy that names the device flow and lets it pass widens it, for whom it
// is; one that blocks it, or holds it to a place, does not.
func TestCodesThatCountFarAway(t *testing.T) {
	const flow = `"users": {"includeUsers": ["All"]}, "applications": {"includeApplications": ["All"]}, "clientAppTypes": ["all"], "authenticationFlows": {"transferMethods": "deviceCodeFlow"}`
	const mfa = `"grantControls": {"operator": "OR", "builtInControls": ["mfa"]}`
	for name, c := range map[string]struct {
		policies []string
		on       bool
		severity Severity // empty: not found
		who      []string
	}{
		"no policy":     {nil, true, "", nil},
		"for everybody": {[]string{`"conditions": {` + flow + `}, ` + mfa}, true, Danger, []string{anna.Address, mary.Address}},
		"for a group":   {[]string{`"conditions": {` + strings.Replace(flow, `"includeUsers": ["All"]`, `"includeGroups": ["scanners"]`, 1) + `}, ` + mfa}, true, Warning, []string{anna.Address}},
		"switched off":  {[]string{`"conditions": {` + flow + `}, ` + mfa}, false, "", nil},
		"blocked":       {[]string{`"conditions": {` + flow + `}, ` + block}, true, "", nil},
		"blocked by another": {[]string{`"conditions": {` + flow + `}, ` + mfa,
			`"conditions": {"users": {"includeUsers": ["All"]}, "applications": {"includeApplications": ["All"]}, "locations": {"includeLocations": ["All"], "excludeLocations": ["Office"]}}, ` + block}, true, "", nil},
		"from one place": {[]string{`"conditions": {` + flow + `, "locations": {"includeLocations": ["Office"]}}, ` + mfa}, true, "", nil},
	} {
		f, found := looked(rules(t, c.policies...), Issuer{URL: "https://x", Opens: true, DeviceCode: c.on})[DeviceCodeFar]
		if found != (c.severity != "") || f.Severity != c.severity || !slices.Equal(f.Subjects, c.who) || found && (!strings.Contains(f.Fix, "`portreeve policy show P0`") || !strings.Contains(f.Sentence, `"P0"`)) {
			t.Errorf("%s: %+v", name, f)
		}
	}
}
