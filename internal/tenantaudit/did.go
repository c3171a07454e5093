package tenantaudit

import (
	"slices"
	"strings"

	"github.com/portreeve/portreeve/internal/policy/exchange"
	"github.com/portreeve/portreeve/internal/tenant"
)

// signers are all that the log names, in the order of their names.
func (a *audit) signers() []*person {
	seen := map[*person]bool{}
	var all []*person
	for _, p := range a.people {
		seen[p] = true
		if p.log != nil {
			all = append(all, p)
		}
	}
	for _, upn := range sorted(a.byUPN) { // those that no other export has
		if p := a.byUPN[upn]; p != nil && p.log != nil && !seen[p] {
			seen[p] = true
			all = append(all, p)
		}
	}
	return all
}

// findInLog names what went through, and what would stop.
func (a *audit) findInLog() {
	for _, p := range a.signers() {
		l := p.log
		if l.single.count > 0 {
			f := a.fromLog(PassedWithoutMFA, p, &l.single)
			if l.old.count == 0 && p.class != nil && !p.noMFA && !p.passwordOnly {
				f.Severity = Medium // it is closed by now
			}
			f.Remedy = Remedy{Do: "Ask whether it was them; if not, end their sessions and change the password. Then close what let it through.",
				Command: "Revoke-MgUserSignInSession -UserId " + ps(p.upn)}
		}
		if l.unknown.count > 0 {
			f := a.fromLog(UnknownClient, p, &l.unknown)
			f.Remedy = Remedy{Do: "Find out which program it is before legacy authentication is blocked.", Command: logQuery(p.upn, "")}
		}
		if l.old.count > 0 {
			f := a.fromLog(BreaksLegacyBlock, p, &l.old)
			f.Protocols = sorted(l.old.clients)
			f.Remedy = Remedy{Do: "Move these programs to modern authentication before the block; until then leave the person out of it by group, with an end date.", Command: logQuery(p.upn, f.Protocols[0]), Harm: l.old.count}
		}
		if l.smtp.count > 0 {
			f := a.fromLog(BreaksSMTPEnd, p, &l.smtp)
			f.Protocols = []string{"smtp"}
			f.Remedy = Remedy{Do: "Move the sender to OAuth, or a device that cannot to a relay of your own or a connector.", Command: logQuery(p.upn, "Authenticated SMTP"), Harm: l.smtp.count}
		}
		if l.ews.count > 0 {
			f := a.fromLog(BreaksEWSEnd, p, &l.ews)
			f.Protocols = []string{"ews"}
			f.Remedy = Remedy{Do: "Have the program's maker move it to Microsoft Graph; until then put its application id on the organisation's list.", Command: "Set-OrganizationConfig -EwsAllowedAppIDs @{Add='<application id>'}", Harm: l.ews.count}
		}
	}
}

func (a *audit) fromLog(kind string, p *person, s *shown) *Finding {
	f := a.find(kind, p.upn, p.name)
	f.Evidence = s.evidence()
	f.SignIns, f.Programs = s.count, sorted(s.programs)
	newest := s.newest
	f.LastSeen = &newest
	program := "a program that says nothing of itself"
	if len(f.Programs) > 0 {
		program = f.Programs[0]
	}
	e := f.Evidence[0]
	f.Witness = &Witness{Person: p.upn, Name: p.name, Program: program, Place: "sign-in " + e.SignIn, LetBy: e.Says, Ladder: []Rung{{"sign-in log", "open", e.Says}}}
	return f
}

// findPhones names phones that ActiveSyncEnabled would cut off.
func (a *audit) findPhones() {
	if len(a.t.MobileDevices) == 0 {
		return
	}
	owner := a.owners()
	seen := map[*person]bool{}
	lost := 0
	for i := range a.t.MobileDevices {
		d := &a.t.MobileDevices[i]
		if !strings.EqualFold(d.ClientType, "EAS") || !strings.EqualFold(d.AccessState, "Allowed") {
			continue
		}
		p := owner(d)
		if p == nil {
			lost++
			continue
		}
		if seen[p] || p.log == nil || p.log.token.count == 0 || p.log.eas.count > 0 || p.setting("ActiveSyncEnabled") == exchange.Off {
			continue
		}
		seen[p] = true
		f := a.fromLog(ActiveSyncPhone, p, &p.log.token)
		f.Protocols = []string{"activesync"}
		f.Evidence = append(f.Evidence, source(d.Source, "the device "+first(d.FriendlyName, d.Model, d.Type, d.DeviceID)+" syncs by ActiveSync"))
		f.Remedy = Remedy{Do: "Refuse passwords on ActiveSync by an authentication policy, and leave the mailbox's switch on.", Command: "Set-User -Identity " + ps(p.upn) + " -AuthenticationPolicy 'No passwords'"}
	}
	if lost > 0 {
		a.note("MobileDevice", counted(lost, "device belongs", "devices belong")+" to nobody of the export", tenant.Source{})
	}
}

// owners finds whose a device is: by UPN, by the mailbox its identity begins
// with, and last by a display name that only one person has.
func (a *audit) owners() func(*tenant.MobileDevice) *person {
	byName, byShown := map[string]*person{}, map[string]*person{}
	for _, p := range a.people {
		once(byShown, lower(p.name), p)
		if p.mailbox != nil {
			for _, word := range uniqueWords(p.mailbox.Name, p.mailbox.Identity, p.mailbox.Address, p.mailbox.GUID) {
				once(byName, word, p)
			}
		}
		if p.exchange != nil {
			for _, word := range uniqueWords(p.exchange.Name, p.exchange.Identity) {
				once(byName, word, p)
			}
		}
	}
	return func(d *tenant.MobileDevice) *person {
		if p := a.byUPN[lower(d.UPN)]; p != nil && d.UPN != "" {
			return p
		}
		own := lower(d.Owner)
		for _, word := range []string{own, own[strings.LastIndexAny(own, `/\`)+1:]} {
			if p := a.byUPN[word]; p != nil && word != "" {
				return p
			}
			if p := byName[word]; p != nil {
				return p
			}
			if p := byShown[word]; p != nil && word != "" {
				return p
			}
		}
		if p := byShown[lower(d.UserDisplayName)]; p != nil && d.UserDisplayName != "" {
			return p
		}
		return nil
	}
}

func uniqueWords(all ...string) []string {
	var out []string
	for _, s := range all {
		if s = lower(s); s != "" && !slices.Contains(out, s) {
			out = append(out, s)
		}
	}
	return out
}
