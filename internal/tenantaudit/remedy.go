package tenantaudit

import (
	"encoding/json"
	"slices"
	"strings"
	"unicode"

	"github.com/portreeve/portreeve/internal/policy/exchange"
	"github.com/portreeve/portreeve/internal/tenant"
)

// ps is a text as PowerShell reads it: in single quotes, every kind of single
// quote doubled, without characters that steer a terminal.
func ps(s string) string {
	var b strings.Builder
	b.WriteByte('\'')
	for _, r := range s {
		switch {
		case unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) || r == '\u2028' || r == '\u2029':
			b.WriteByte('?')
		case r == '\'' || r >= '\u2018' && r <= '\u201b':
			b.WriteRune(r)
			b.WriteRune(r)
		default:
			b.WriteRune(r)
		}
	}
	b.WriteByte('\'')
	return b.String()
}

// closePasswords refuses passwords where they are open and leaves tokens alone.
// A mailbox's switch is used only for SMTP AUTH, which has no tokens to lose
// where nobody uses it, and which no policy of Exchange 2019 covers.
func (a *audit) closePasswords(p *person, protocols []string) Remedy {
	harm := protocolsUsed(p.log, protocols)
	r := Remedy{Harm: harm}
	rest := slices.DeleteFunc(slices.Clone(protocols), func(s string) bool { return s == "smtp" })
	var commands []string
	if len(rest) > 0 {
		commands = append(commands, "Set-User -Identity "+ps(p.upn)+" -AuthenticationPolicy 'No passwords'")
	}
	if len(rest) < len(protocols) {
		if a.online && len(rest) > 0 || !a.online && p.setting("SmtpClientAuthenticationDisabled") == exchange.Absent && len(rest) > 0 {
			rest = protocols
		} else {
			commands = append(commands, "Set-CASMailbox -Identity "+ps(p.upn)+" -SmtpClientAuthenticationDisabled $true")
		}
	}
	r.Command = strings.Join(commands, "; ")
	switch {
	case len(rest) > 0:
		r.Do = "Refuse passwords by an authentication policy (New-AuthenticationPolicy -Name 'No passwords'" + a.blocking() + "); tokens go on working."
	default:
		r.Do = "Switch SMTP AUTH off for the mailbox."
	}
	if harm > 0 {
		r.Do += " " + counted(harm, "sign-in", "sign-ins") + " of the log used it: move those programs first."
	}
	return r
}

// blocking is what a new policy needs to refuse passwords: nothing in Exchange
// Online, where it is born so.
func (a *audit) blocking() string {
	if a.online {
		return ""
	}
	s := ""
	for i := range waysIn {
		if suffix := waysIn[i].suffix; suffix != "Smtp" {
			s += " -BlockLegacyAuth" + suffix
		}
	}
	return s
}

const mfaForAll = `{"displayName":"Require a second factor","state":"enabledForReportingButNotEnforced","conditions":{"users":{"includeUsers":["All"]},"applications":{"includeApplications":["All"]},"clientAppTypes":["all"]},"grantControls":{"operator":"OR","builtInControls":["mfa"]}}`

// askForMFA begins with what touches the fewest: an exclusion that is theirs,
// then a policy that is there and off, and last one for everybody, which at
// first only reports.
func (a *audit) askForMFA(p *person, nearest reason) Remedy {
	r := Remedy{Do: "Ask for a second factor in a policy for everybody: report-only first, then on.",
		Command: "Invoke-MgGraphRequest -Method POST -Uri /v1.0/identity/conditionalAccess/policies -Body " + ps(mfaForAll)}
	switch x := nearest.of; {
	case x != nil && nearest.near == reportsOnly:
		r.Do, r.Command = "See in the sign-in log whom "+quoted(x.DisplayName)+" would have hit, then turn it on.", patch(x, `{"state":"enabled"}`)
	case x != nil && nearest.near == excludesThem:
		if do, command := a.endExclusion(p, x); do != "" {
			r.Do, r.Command = do, command
		}
	}
	if p.registration != nil && p.registration.Registered != nil && !*p.registration.Registered {
		if p.log != nil {
			r.Harm = p.log.successes
		}
		r.Do += " They have no factor yet: have them register before that."
	}
	return r
}

// endExclusion takes one person out of what a policy excludes: the policy's own
// list, or the group they are in, be it a group in the group.
func (a *audit) endExclusion(p *person, x *tenant.Policy) (do, command string) {
	if slices.Contains(lowerAll(x.Conditions.Users.Exclude.Users), p.id) {
		return "Take them out of what " + quoted(x.DisplayName) + " excludes.", patchUsers(x, "excludeUsers", p.id)
	}
	for _, id := range lowerAll(x.Conditions.Users.Exclude.Groups) {
		for _, inner := range append([]string{id}, a.membersOf(id)...) {
			if g := a.groups[inner]; g != nil && slices.Contains(lowerAll(g.Members), p.id) {
				return "Take them out of the group " + quoted(g.DisplayName) + ", which " + quoted(x.DisplayName) + " excludes.",
					"Remove-MgGroupMemberByRef -GroupId " + ps(g.ID) + " -DirectoryObjectId " + ps(p.id)
			}
		}
	}
	return "", ""
}

// patch is a call that changes a policy.
func patch(p *tenant.Policy, body string) string {
	return "Invoke-MgGraphRequest -Method PATCH -Uri " + ps("/v1.0/identity/conditionalAccess/policies/"+p.ID) + " -Body " + ps(body)
}

// patchUsers takes one excluded id out of a policy.
func patchUsers(p *tenant.Policy, side, id string) string {
	list := p.Conditions.Users.Exclude.Users
	if side == "excludeGroups" {
		list = p.Conditions.Users.Exclude.Groups
	}
	left := slices.DeleteFunc(slices.Clone(list), func(s string) bool { return lower(s) == id })
	if left == nil {
		left = []string{}
	}
	body, err := json.Marshal(map[string]any{"conditions": map[string]any{"users": map[string]any{side: left}}})
	if err != nil {
		return ""
	}
	return patch(p, string(body))
}

// patchHint shows the object; what to put in its place only its owner knows.
func patchHint(p *tenant.Policy, pointer, id string) string {
	return "Invoke-MgGraphRequest -Method GET -Uri " + ps("/v1.0/identity/conditionalAccess/policies/"+p.ID) + " # " + pointer + " names " + strings.Map(printable, id)
}

func printable(r rune) rune {
	if unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) || r == '\u2028' || r == '\u2029' {
		return '?'
	}
	return r
}

// logQuery lists somebody's sign-ins, of one client if it is named.
func logQuery(upn, client string) string {
	filter := "userPrincipalName eq '" + strings.ReplaceAll(upn, "'", "''") + "' and status/errorCode eq 0"
	if client != "" {
		filter += " and clientAppUsed eq '" + strings.ReplaceAll(client, "'", "''") + "'"
	}
	return "Get-MgAuditLogSignIn -Filter " + ps(filter)
}
