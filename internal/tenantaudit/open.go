package tenantaudit

import (
	"fmt"
	"slices"
	"strings"

	"github.com/portreeve/portreeve/internal/policy"
	"github.com/portreeve/portreeve/internal/policy/exchange"
	"github.com/portreeve/portreeve/internal/tenant"
)

// policiesRead says that the export tells what conditional access there is.
func (a *audit) policiesRead() bool {
	return len(a.t.Policies) > 0 || a.t.Exported(tenant.ConditionalAccessPolicies) || a.t.SecurityDefaults != nil
}

// find begins a finding.
func (a *audit) find(kind, subject, name string) *Finding {
	k := kindOf(kind)
	f := &Finding{Kind: kind, Subject: subject, Name: name, Severity: k.severity, Title: k.title, Evidence: []Evidence{}, Protocols: []string{}, Where: []string{}}
	a.findings = append(a.findings, f)
	return f
}

// findOpen names who is open today.
func (a *audit) findOpen() {
	if !a.policiesRead() {
		a.note("conditional access", "neither policies nor security defaults were exported: who is asked for a second factor is not said, and no policy is counted to refuse passwords", tenant.Source{})
	}
	unsaid := 0
	for _, p := range a.people {
		mail := a.hasMailbox(p)
		if mail {
			p.doors = a.gates.judge(p)
			a.findPassword(p)
		}
		if p.disabled || !mail && (p.account == nil || p.guest) || !a.policiesRead() {
			continue
		}
		switch c := p.class; {
		case c.browser.open || c.modern.open:
			a.findNoMFA(p)
		case !c.asksForMFA || !c.registerable:
		case p.registration == nil || p.registration.Registered == nil:
			unsaid++
		case !*p.registration.Registered:
			a.findUnregistered(p)
		}
	}
	if unsaid > 0 {
		a.note("userRegistrationDetails", counted(unsaid, "person is", "people are")+" asked for a second factor, and the export does not say whether they have one", tenant.Source{})
	}
}

func (a *audit) findPassword(p *person) {
	d := p.doors
	if opens(d.password) {
		p.passwordOnly = true
		f := a.find(PasswordOnly, p.upn, p.name)
		first := -1
		for i := range waysIn {
			if !d.password[i] {
				continue
			}
			f.Protocols = append(f.Protocols, waysIn[i].name)
			if first < 0 {
				first = i
			}
			if waysIn[i].eas {
				p.class.easOpen = true
			} else {
				p.class.oldOpen = true
			}
		}
		f.Where = []string{"anywhere"}
		a.passwordWitness(f, p, first, d.way[first], d.ladder[first])
		return
	}
	if len(d.places) == 0 {
		return
	}
	f := a.find(PasswordOnlyFrom, p.upn, p.name)
	for i := range waysIn {
		if d.from[i] {
			f.Protocols = append(f.Protocols, waysIn[i].name)
		}
	}
	names := map[string]bool{}
	for _, at := range d.places {
		names[a.t.Locations[at].DisplayName] = true
	}
	f.Where = sorted(names)
	w := &waysIn[d.fromBy]
	got := a.thief.old(p.class, w.eas, d.fromAt)
	auth, how := a.gates.authPolicy(p)
	ladder, _ := a.gates.fixed(p, w, auth, how)
	a.passwordWitness(f, p, d.fromBy, got, ladder)
}

// passwordWitness tells one concrete way in.
func (a *audit) passwordWitness(f *Finding, p *person, by int, got way, ladder []Rung) {
	w := &waysIn[by]
	f.Witness = a.witness(p, w.program, got)
	door := doorOther
	if w.eas {
		door = doorEAS
	}
	facts := door.facts()
	facts.Platform, facts.Country, facts.Addr = got.platform, got.country, got.address
	rungs, let, nearest := a.reasons(p, facts, false)
	for i := range ladder {
		if ladder[i].Gate != "conditional access" {
			f.Witness.Ladder = append(f.Witness.Ladder, ladder[i])
		}
	}
	f.Witness.Ladder = append(f.Witness.Ladder, a.accessRungs(rungs)...)
	f.Witness.LetBy = let
	if let == "" {
		f.Witness.LetBy = letBy(f.Witness.Ladder)
	}
	f.Evidence = append(f.Evidence, a.evidenceOf(nearest))
	if p.mailbox != nil {
		f.Evidence = append(f.Evidence, source(p.mailbox.Source, "the mailbox's switches"))
	}
	if p.account != nil {
		f.Evidence = append(f.Evidence, source(p.account.Source, "the account"))
	}
	f.Remedy = a.closePasswords(p, f.Protocols)
	if f.Kind == PasswordOnlyFrom && f.Remedy.Harm == 0 {
		f.Severity = Low
	}
}

// accessRungs is conditional access's part of the ladder.
func (a *audit) accessRungs(rungs []Rung) []Rung {
	switch {
	case len(rungs) > 0:
		return rungs
	case !a.thief.asked:
		return []Rung{{"conditional access", "not read", "no policies were exported"}}
	}
	return []Rung{{"conditional access", "open", "no policy is about signing in to mail this way"}}
}

// letBy names the object that lets a password through where no policy does.
func letBy(ladder []Rung) string {
	for _, r := range ladder {
		if r.Gate == "authentication policy" {
			return r.Object
		}
	}
	return "no gate closes it"
}

func source(s tenant.Source, says string) Evidence {
	return Evidence{File: s.File, Line: s.Line, Says: says}
}

func (a *audit) findNoMFA(p *person) {
	p.noMFA, p.class.noMFA = true, true
	f := a.find(NoMFA, p.upn, p.name)
	got, door, program := p.class.browser, doorBrowser, "a browser"
	if !got.open {
		got, door, program = p.class.modern, doorModern, "any mail program with modern authentication"
	} else {
		f.Protocols = append(f.Protocols, "browser")
	}
	if p.class.modern.open {
		f.Protocols = append(f.Protocols, "modern")
	}
	f.Where = []string{"anywhere"}
	f.Witness = a.witness(p, program, got)
	facts := door.facts()
	facts.Platform, facts.Country, facts.Addr = got.platform, got.country, got.address
	rungs, let, nearest := a.reasons(p, facts, true)
	f.Witness.Ladder = append([]Rung{{"account", "open", "the account is enabled"}}, a.accessRungs(rungs)...)
	f.Witness.LetBy = let
	if let == "" {
		f.Witness.LetBy = "no policy in force asks for more"
	}
	f.Evidence = append(f.Evidence, a.evidenceOf(nearest))
	if p.account != nil {
		f.Evidence = append(f.Evidence, source(p.account.Source, "the account"))
	}
	f.Remedy = a.askForMFA(p, nearest)
}

func (a *audit) findUnregistered(p *person) {
	f := a.find(Unregistered, p.upn, p.name)
	f.Where = []string{"anywhere"}
	got := p.class.browserEnrol
	if !got.open {
		got = p.class.modernEnrol
	}
	f.Witness = a.witness(p, "a browser, at the page where second factors are registered", got)
	f.Witness.LetBy = "no policy in force limits registering security information"
	for i := range a.t.Policies {
		x := &a.t.Policies[i]
		if x.State == policy.Disabled || !registers(x.Conditions.Applications) {
			continue
		}
		facts := doorBrowser.facts()
		facts.Platform, facts.Country, facts.Addr = got.platform, got.country, got.address
		if _, why := a.whyNot(p, &facts, x, true, a.forceOf(&x.Policy)); why != "" {
			f.Witness.LetBy = "policy " + quoted(x.DisplayName) + " " + why
			f.Witness.Ladder = append(f.Witness.Ladder, Rung{"registration", "open", quoted(x.DisplayName) + " " + why})
		}
	}
	asks := "security defaults ask for a second factor"
	if !a.thief.defaults {
		asks = a.policyName(first(p.class.browser.by, p.class.modern.by)) + " asks for a second factor"
	}
	f.Witness.Ladder = append([]Rung{{"conditional access", "asks", asks}, {"registration", "open", "the export says isMfaRegistered is false"}}, f.Witness.Ladder...)
	f.Evidence = append(f.Evidence, source(p.registration.Source, "isMfaRegistered is false"))
	f.Remedy = Remedy{Do: "Have them register with a temporary access pass, and limit registration to trusted networks.",
		Command: "New-MgUserAuthenticationTemporaryAccessPassMethod -UserId " + ps(p.upn) + " -LifetimeInMinutes 60 -IsUsableOnce"}
}

func first(all ...string) string {
	for _, s := range all {
		if s != "" {
			return s
		}
	}
	return ""
}

// findReportOnly names report-only policies that would cover somebody who is open.
func (a *audit) findReportOnly() {
	th := a.thief
	hit := map[int]*class{}
	for _, key := range sorted(a.classes) {
		c := a.classes[key]
		note := func(report, now *policy.Snapshot, d door, of []int) {
			if len(of) == 0 {
				return
			}
			found := make([]bool, len(of))
			th.covers(report, now, &c.who, d, found)
			for i, yes := range found {
				if yes && hit[of[i]] == nil {
					hit[of[i]] = c
				}
			}
		}
		if c.noMFA {
			note(th.reportOn, th.modern, doorBrowser, th.reports)
			note(th.reportOn, th.modern, doorModern, th.reports)
		}
		if c.oldOpen {
			note(th.reportOld, th.legacy, doorOther, th.reportsOld)
		}
		if c.easOpen {
			note(th.reportOld, th.legacy, doorEAS, th.reportsOld)
		}
	}
	for i := range a.t.Policies {
		if c := hit[i]; c != nil {
			a.reportOnly(i, c)
		}
	}
}

func (a *audit) reportOnly(i int, c *class) {
	x := &a.t.Policies[i]
	f := a.find(ReportOnly, lower(x.ID), x.DisplayName)
	f.Title = quoted(x.DisplayName) + " is report-only: it enforces nothing"
	for _, p := range a.people {
		if p.class == c && (p.noMFA || p.passwordOnly) {
			f.Witness = &Witness{Person: p.upn, Name: p.name, Program: "any", Place: "anywhere", LetBy: "policy " + quoted(x.DisplayName) + " is report-only",
				Ladder: []Rung{{"conditional access", "open", quoted(x.DisplayName) + " would stop them, were it on"}}}
			break
		}
	}
	f.Evidence = append(f.Evidence, source(x.Source, "state is enabledForReportingButNotEnforced"))
	f.Remedy = Remedy{Do: "See in the sign-in log whom it would have hit, then turn it on.", Command: patch(x, `{"state":"enabled"}`)}
}

// findDeletedReferences names what policies name and the export does not have.
func (a *audit) findDeletedReferences() {
	locations, strengths := map[string]bool{"all": true, "alltrusted": true, "00000000-0000-0000-0000-000000000000": true}, map[string]bool{}
	for i := range a.t.Locations {
		locations[lower(a.t.Locations[i].ID)] = true
	}
	for _, s := range policy.BuiltInStrengths() {
		strengths[lower(s.ID)] = true
	}
	for i := range a.t.Strengths {
		strengths[lower(a.t.Strengths[i].ID)] = true
	}
	for i := range a.t.Policies {
		p := &a.t.Policies[i]
		if p.State == policy.Disabled {
			continue
		}
		seen := map[string]bool{}
		tell := func(what, pointer string, list []string, there func(id string) bool) {
			for _, id := range lowerAll(list) {
				if id != "" && !seen[id] && !there(id) {
					seen[id] = true
					a.deleted(p, what, pointer, id)
				}
			}
		}
		if u := p.Conditions.Users; u != nil {
			user := func(id string) bool { return a.byID[id] != nil && a.byID[id].account != nil }
			group := func(id string) bool { return a.groups[id] != nil }
			for i, people := range []*policy.People{&u.Include, &u.Exclude} {
				side := []string{"include", "exclude"}[i]
				if a.complete(tenant.Users) {
					tell("user", "conditions.users."+side+"Users", people.Users, user)
				}
				if a.complete(tenant.Groups) {
					tell("group", "conditions.users."+side+"Groups", people.Groups, group)
				}
			}
		}
		if l := p.Conditions.Locations; l != nil && a.complete(tenant.NamedLocations) {
			there := func(id string) bool { return locations[id] }
			tell("location", "conditions.locations.includeLocations", l.Include, there)
			tell("location", "conditions.locations.excludeLocations", l.Exclude, there)
		}
		if g := p.Grant; g != nil && g.Strength != nil && a.complete(tenant.AuthenticationStrengths) {
			tell("authentication strength", "grantControls.authenticationStrength", []string{g.Strength.ID}, func(id string) bool { return strengths[id] })
		}
	}
}

// complete says that a kind of object was exported and read to the end: only
// then does absence mean that there is none.
func (a *audit) complete(k tenant.Kind) bool {
	for i := range a.t.Files {
		if a.t.Files[i].Kind == k && a.t.Files[i].Failed {
			return false
		}
	}
	return a.t.Exported(k)
}

func (a *audit) deleted(p *tenant.Policy, what, pointer, id string) {
	f := a.find(DeletedReference, lower(p.ID)+"/"+id, p.DisplayName)
	f.Title = fmt.Sprintf("%s names a %s that does not exist", quoted(p.DisplayName), what)
	f.Evidence = append(f.Evidence, source(p.Source, pointer+" names "+id))
	f.Remedy = Remedy{Do: "Take the id out, or put the object that was meant in its place.", Command: patchHint(p, pointer, id)}
}

// findRPC names Outlooks on RPC over HTTP.
func (a *audit) findRPC() {
	if a.t.Organization.Get("MapiHttpEnabled") != exchange.Off {
		return
	}
	unknown := 0
	for _, p := range a.people {
		if p.mailbox == nil || p.setting("MAPIEnabled") == exchange.Off || p.setting("MAPIBlockOutlookRpcHttp") == exchange.On {
			continue
		}
		switch p.setting("MapiHttpEnabled") {
		case exchange.Hidden, exchange.Absent:
			unknown++
		case exchange.Null, exchange.Inherit:
			a.rpc(p)
		}
	}
	if unknown > 0 {
		a.note("MapiHttpEnabled", "the export does not tell null from empty, or has no such column, for "+counted(unknown, "mailbox", "mailboxes")+": whether Outlook is on RPC over HTTP there is not said", tenant.Source{})
	}
}

func (a *audit) rpc(p *person) {
	f := a.find(RPCOverHTTP, p.upn, p.name)
	f.Protocols = []string{"rpc"}
	f.Evidence = append(f.Evidence, source(p.mailbox.Source, "MapiHttpEnabled is null"), source(a.t.Organization.Source, "the organisation's MapiHttpEnabled is False"))
	f.Witness = &Witness{Person: p.upn, Name: p.name, Program: "Outlook for Windows", Place: "anywhere", LetBy: "OrganizationConfig.MapiHttpEnabled", Ladder: []Rung{
		{"mailbox", "open", "MapiHttpEnabled is null and asks the organisation"}, {"organisation", "closed", "MapiHttpEnabled is False: no MAPI over HTTP"}, {"mailbox", "open", "MAPIBlockOutlookRpcHttp is False: RPC over HTTP is left"}}}
	f.Remedy = Remedy{Do: "Switch the mailbox to MAPI over HTTP before it is moved; Outlook follows at its next start.", Command: "Set-CASMailbox -Identity " + ps(p.upn) + " -MapiHttpEnabled $true"}
}

// protocolsUsed are the ways in that a person's sign-ins with a password used.
func protocolsUsed(l *personLog, protocols []string) (n int) {
	if l == nil {
		return 0
	}
	for c, name := range map[client]string{clientEAS: "activesync", clientSMTP: "smtp", clientEWS: "ews", clientIMAP: "imap", clientPOP: "pop", clientMAPI: "mapi"} {
		if slices.Contains(protocols, name) {
			n += l.passwords[c]
		}
	}
	if slices.ContainsFunc(protocols, func(s string) bool { return strings.HasPrefix(s, "rpc") }) {
		n += l.passwords[clientLegacy]
	}
	return n
}
