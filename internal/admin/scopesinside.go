package admin

import (
	"net/http"

	"github.com/portreeve/portreeve/internal/admintoken"
	"github.com/portreeve/portreeve/internal/policycheck"
	"github.com/portreeve/portreeve/internal/store"
)

// A route names one scope (resources). What a request brings along may be
// another's: a folder has strengths and switches of mailboxes, and tests that
// ask the log. A token that was narrowed is held to the scopes of these too.

// needs refuses whoever shows a token without a scope.
func needs(r *http.Request, scope admintoken.Scope) error {
	h, ok := r.Context().Value(holderKey{}).(*admintoken.Holder)
	if !ok || h.May(scope) {
		return nil
	}
	return lacks(h, scope)
}

func lacks(h *admintoken.Holder, scope admintoken.Scope) *Error {
	return &Error{Status: http.StatusForbidden, Code: "Authorization_RequestDenied", Target: string(scope),
		Message: "Insufficient privileges to complete the operation: it needs the scope " + string(scope) + ", and the token " + h.Token.Name + " (" + h.Token.Role + ") does not have it."}
}

// needsForKind is needs for changing an object of a kind.
func needsForKind(r *http.Request, kind store.DocumentKind) error {
	if kind == store.Strength {
		return needs(r, admintoken.StrengthWrite)
	}
	return nil
}

// needsForTests is needs for running tests, of which those tell of recorded
// sign-ins that replay them.
func needsForTests(r *http.Request, suites []*policycheck.Suite) error {
	for _, s := range suites {
		for i := range s.Cases {
			if s.Cases[i].Replay != nil {
				return needs(r, admintoken.AuditRead)
			}
		}
	}
	return nil
}

// permitted refuses a folder that changes what the token's scopes leave out.
func (p *planner) permitted(r *http.Request) error {
	for _, s := range p.steps() {
		err := needsForKind(r, store.DocumentKind(s.Kind))
		if s.Kind == store.ValueSwitch && err == nil {
			if _, notAMailbox := p.tx.Person(s.ID); notAMailbox == nil {
				err = needs(r, admintoken.MailboxWrite)
			}
		}
		if err != nil {
			return err
		}
	}
	return nil
}
