package admintoken

import (
	"fmt"
	"slices"
	"strings"

	"github.com/portreeve/portreeve/internal/spelling"
)

// Scope is a permission: Microsoft Graph's name where Graph has one for the
// same thing, ours (Portreeve.…) otherwise.
type Scope string

// The scopes.
const (
	PolicyRead        Scope = "Policy.Read.All"
	PolicyWrite       Scope = "Policy.ReadWrite.ConditionalAccess"
	StrengthWrite     Scope = "Policy.ReadWrite.AuthenticationMethod"
	AuditRead         Scope = "AuditLog.Read.All"
	UserRead          Scope = "User.Read.All"
	UserWrite         Scope = "User.ReadWrite.All"
	UserRevoke        Scope = "User.RevokeSessions.All"
	GroupRead         Scope = "Group.Read.All"
	GroupWrite        Scope = "Group.ReadWrite.All"
	ApplicationRead   Scope = "Application.Read.All"
	ApplicationWrite  Scope = "Application.ReadWrite.All"
	FactorRead        Scope = "UserAuthenticationMethod.Read.All"
	FactorWrite       Scope = "UserAuthenticationMethod.ReadWrite.All"
	ServerRead        Scope = "Portreeve.Server.Read"
	ServerWrite       Scope = "Portreeve.Server.ReadWrite"
	SessionRead       Scope = "Portreeve.Session.Read"
	SessionWrite      Scope = "Portreeve.Session.ReadWrite"
	MailboxRead       Scope = "Portreeve.Mailbox.Read"
	MailboxWrite      Scope = "Portreeve.Mailbox.ReadWrite"
	AppPasswordRead   Scope = "Portreeve.AppPassword.Read"
	AppPasswordWrite  Scope = "Portreeve.AppPassword.ReadWrite"
	ApprovalRead      Scope = "Portreeve.Approval.Read"
	ApprovalWrite     Scope = "Portreeve.Approval.ReadWrite"
	AdministratorRead Scope = "Portreeve.Administrator.Read"
)

// Role is a set of scopes by what people do.
type Role string

// The roles, each with all of those before it.
const (
	// Reader sees everything and changes nothing.
	Reader Role = "reader"
	// HelpDesk also helps people in: second factors, app passwords, approvals, sessions.
	HelpDesk Role = "helpdesk"
	// Operator also looks after people, groups and mailboxes.
	Operator Role = "operator"
	// Administrator also decides: policies, locations, strengths, settings.
	Administrator Role = "administrator"
)

var (
	reads = []Scope{PolicyRead, AuditRead, UserRead, GroupRead, ApplicationRead, FactorRead, ServerRead, SessionRead, MailboxRead, AppPasswordRead, ApprovalRead,
		AdministratorRead}
	helps   = []Scope{UserRevoke, FactorWrite, SessionWrite, AppPasswordWrite, ApprovalWrite}
	runs    = []Scope{UserWrite, GroupWrite, MailboxWrite}
	decides = []Scope{PolicyWrite, StrengthWrite, ApplicationWrite, ServerWrite}
)

// scopesOf are the scopes of each role.
var scopesOf = map[Role][]Scope{
	Reader:        reads,
	HelpDesk:      slices.Concat(reads, helps),
	Operator:      slices.Concat(reads, helps, runs),
	Administrator: slices.Concat(reads, helps, runs, decides),
}

// within says which scopes hold another.
var within = map[Scope][]Scope{
	PolicyWrite: {PolicyRead}, StrengthWrite: {PolicyRead}, UserWrite: {UserRead, UserRevoke}, GroupWrite: {GroupRead}, ApplicationWrite: {ApplicationRead}, FactorWrite: {FactorRead},
	ServerWrite: {ServerRead}, SessionWrite: {SessionRead}, MailboxWrite: {MailboxRead}, AppPasswordWrite: {AppPasswordRead}, ApprovalWrite: {ApprovalRead},
}

// Roles lists the roles, the least first.
func Roles() []Role { return []Role{Reader, HelpDesk, Operator, Administrator} }

// Scopes lists every scope, those of the least role first.
func Scopes() []Scope { return slices.Clone(scopesOf[Administrator]) }

// Scopes are the role's; none of a role that there is not.
func (r Role) Scopes() []Scope { return slices.Clone(scopesOf[r]) }

// permits says that what is held suffices for what is needed. Every unknown is a no.
func permits(held []Scope, needed Scope) bool {
	return slices.ContainsFunc(held, func(h Scope) bool { return h == needed || slices.Contains(within[h], needed) })
}

// parseRole reads a role.
func parseRole(typed string) (Role, error) {
	r := Role(strings.ToLower(typed))
	if scopesOf[r] == nil {
		return "", &Fault{"role", fmt.Sprintf("there is no role %q; there are reader, helpdesk, operator and administrator", typed)}
	}
	return r, nil
}

// parseScopes reads scopes, each of which the role must have.
func parseScopes(typed []string, r Role) ([]string, error) {
	all := []string{}
	var names []string
	for _, s := range Scopes() {
		names = append(names, string(s))
	}
	for _, t := range typed {
		i := slices.IndexFunc(names, func(n string) bool { return strings.EqualFold(n, t) })
		switch {
		case i < 0:
			return nil, &Fault{"scopes", fmt.Sprintf("there is no scope %q%s", t, spelling.DidYouMean(t, names))}
		case !permits(scopesOf[r], Scope(names[i])):
			return nil, &Fault{"scopes", fmt.Sprintf("the role %s does not have %s", r, names[i])}
		case !slices.Contains(all, names[i]):
			all = append(all, names[i])
		}
	}
	return all, nil
}
