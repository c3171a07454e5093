package tenantaudit

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/portreeve/portreeve/internal/policy"
	"github.com/portreeve/portreeve/internal/tenant"
)

// groupView is mailboxes that are alike.
type groupView struct {
	count   int
	example string
	doors   map[string]*Door
}

// report puts everything in order.
func (a *audit) report() *Report {
	r := &Report{Findings: a.findings, Notes: []Note{}, Mailboxes: []*Mailbox{}, Plan: []Step{}}
	order := map[string]int{}
	for i := range kinds {
		order[kinds[i].kind] = i
	}
	slices.SortStableFunc(r.Findings, func(x, y *Finding) int {
		return cmp.Or(order[x.Kind]-order[y.Kind], rank(x.Severity)-rank(y.Severity), x.Remedy.Harm-y.Remedy.Harm, cmp.Compare(x.Subject, y.Subject))
	})
	if r.Findings == nil {
		r.Findings = []*Finding{}
	}
	a.mailboxes(r)
	a.summarise(r)
	a.plan(r)
	a.charts(r)
	a.noteRest()
	r.Notes = append(r.Notes, a.notes...)
	for i := range a.t.Notes {
		n := &a.t.Notes[i]
		r.Notes = append(r.Notes, Note{n.File, n.Line, n.Object, n.Text})
	}
	return r
}

func rank(s Severity) int { return slices.Index([]Severity{High, Medium, Low}, s) }

func (a *audit) mailboxes(r *Report) {
	seen := map[*doors]bool{}
	for _, p := range a.people {
		if p.doors == nil {
			continue
		}
		r.Mailboxes = append(r.Mailboxes, &Mailbox{p.upn, p.doors.view})
		if !seen[p.doors] {
			seen[p.doors] = true
			r.views = append(r.views, groupView{p.doors.mailbox, p.upn, p.doors.view})
		}
	}
	slices.SortFunc(r.Mailboxes, func(x, y *Mailbox) int { return cmp.Compare(x.User, y.User) })
	slices.SortStableFunc(r.views, func(x, y groupView) int { return cmp.Or(y.count-x.count, cmp.Compare(x.example, y.example)) })
}

// wanted are the kinds of export the audit makes use of, in the order in which
// they are asked for.
var wanted = []tenant.Kind{tenant.ConditionalAccessPolicies, tenant.NamedLocations, tenant.AuthenticationStrengths, tenant.Users, tenant.Groups, tenant.DirectoryRoles,
	tenant.RegistrationDetails, tenant.SecurityDefaults, tenant.SignIns, tenant.CASMailboxes, tenant.AuthenticationPolicies, tenant.ExchangeUsers,
	tenant.OrganizationConfig, tenant.TransportConfig, tenant.ClientAccessRules, tenant.DeviceAccessRules, tenant.DeviceSettings, tenant.MobileDevices}

func (a *audit) summarise(r *Report) {
	s := &r.Tenant
	s.ByKind, s.BySeverity, s.Missing, s.Read = map[string]int{}, map[string]int{}, []string{}, []FileRead{}
	open := 0
	for _, p := range a.people {
		s.People++
		if !p.disabled {
			s.Enabled++
		}
		if p.doors != nil {
			s.Mailboxes++
		}
		if p.noMFA || p.passwordOnly {
			open++
		}
		if p.passwordOnly {
			s.PasswordOnly++
		}
	}
	s.PeopleOpen = open
	if s.Enabled > 0 {
		s.PeopleOpenShare = float64(open) / float64(s.Enabled)
	}
	s.Policies, s.Locations, s.SignIns, s.SignInsCounted, s.ExchangeOnline = len(a.t.Policies), len(a.t.Locations), a.t.SignIns.Len(), a.log.counted, a.online
	for i := range a.t.Policies {
		if a.t.Policies[i].State == policy.Enabled {
			s.PoliciesOn++
		}
	}
	if a.log.counted > 0 {
		first, last := a.log.first, a.log.last
		s.From, s.To = &first, &last
	}
	for i := range a.t.Files {
		f := &a.t.Files[i]
		s.Read = append(s.Read, FileRead{f.Path, string(f.Kind), f.Form, f.Count, f.Failed})
	}
	for _, k := range wanted {
		if !a.t.Exported(k) {
			s.Missing = append(s.Missing, string(k))
		}
	}
	for _, f := range r.Findings {
		s.ByKind[f.Kind]++
		s.BySeverity[string(f.Severity)]++
	}
}

// plan is what to do, what harms nobody first.
func (a *audit) plan(r *Report) {
	type key struct {
		kind  string
		harms bool
	}
	at := map[key]int{}
	for _, f := range r.Findings {
		k := key{f.Kind, f.Remedy.Harm > 0}
		i, ok := at[k]
		if !ok {
			i = len(r.Plan)
			at[k] = i
			r.Plan = append(r.Plan, Step{Do: kindOf(f.Kind).mend, Kind: f.Kind, Severity: f.Severity, Example: f.Remedy.Command})
		}
		s := &r.Plan[i]
		s.Findings++
		s.Harm += f.Remedy.Harm
		if k.harms {
			s.Harmed++
		}
		if rank(f.Severity) < rank(s.Severity) {
			s.Severity = f.Severity
		}
	}
	slices.SortStableFunc(r.Plan, func(x, y Step) int {
		return cmp.Or(min(x.Harmed, 1)-min(y.Harmed, 1), rank(x.Severity)-rank(y.Severity), x.Harmed-y.Harmed)
	})
}

func (a *audit) charts(r *Report) {
	c := &r.Charts
	c.PerDay = []Day{}
	for i := range waysIn {
		n := 0
		for _, p := range a.people {
			if p.doors != nil && p.doors.password[i] {
				n++
			}
		}
		c.ByProtocol = append(c.ByProtocol, Bar{waysIn[i].name, n})
	}
	days := sorted(a.log.days)
	for i, name := range days {
		if i > 0 { // days without a sign-in are days too
			before, _ := time.Parse(time.DateOnly, days[i-1])
			for next := before.AddDate(0, 0, 1); next.Format(time.DateOnly) < name; next = next.AddDate(0, 0, 1) {
				c.PerDay = append(c.PerDay, Day{Day: next.Format(time.DateOnly)})
			}
		}
		c.PerDay = append(c.PerDay, *a.log.days[name])
	}
	a.coverage(c)
}

// coverage sorts everybody into one of five: the first that holds.
func (a *audit) coverage(c *Charts) {
	var n [5]int
	for _, p := range a.people {
		mail := p.doors != nil
		switch {
		case p.disabled || !mail && (p.account == nil || p.guest):
		case p.passwordOnly:
			n[0]++
		case p.noMFA:
			n[1]++
		case !a.policiesRead():
			n[4]++
		case p.class.asksForMFA && p.class.registerable && p.registration != nil && p.registration.Registered != nil && !*p.registration.Registered:
			n[2]++
		default:
			n[3]++
		}
	}
	for i, name := range []string{"a password alone opens the mailbox", "nobody asks for a second factor", "asked, but a thief would register", "protected", "not known"} {
		c.Coverage = append(c.Coverage, Bar{name, n[i]})
	}
}

// Kinds lists the kinds of finding in the order of the report.
func Kinds() []string {
	var all []string
	for i := range kinds {
		all = append(all, kinds[i].kind)
	}
	return all
}

// TitleOf is what a table of a kind's findings is called.
func TitleOf(kind string) string { return kindOf(kind).title }

// Only leaves the findings of some kinds.
func (r *Report) Only(kinds []string) {
	r.Findings = slices.DeleteFunc(r.Findings, func(f *Finding) bool { return !slices.Contains(kinds, f.Kind) })
	r.Plan = slices.DeleteFunc(r.Plan, func(s Step) bool { return !slices.Contains(kinds, s.Kind) })
	r.Tenant.ByKind, r.Tenant.BySeverity = map[string]int{}, map[string]int{}
	for _, f := range r.Findings {
		r.Tenant.ByKind[f.Kind]++
		r.Tenant.BySeverity[string(f.Severity)]++
	}
}

// Headline says the most important in one sentence.
func (r *Report) Headline() string {
	t := &r.Tenant
	if t.PeopleOpen == 0 {
		return "Nobody is open to a password alone, as far as the export tells: " + counted(len(r.Findings), "finding", "findings") + "."
	}
	return fmt.Sprintf("A password alone is enough for %s of %s enabled accounts, for %s of them on a protocol that cannot ask for more: %s.",
		thousands(t.PeopleOpen), thousands(t.Enabled), thousands(t.PasswordOnly), counted(len(r.Findings), "finding", "findings"))
}
