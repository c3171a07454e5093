package oauth

import (
	"errors"
	"net/http"
	"strings"

	"github.com/portreeve/portreeve/internal/grant"
	"github.com/portreeve/portreeve/internal/scope"
	"github.com/portreeve/portreeve/internal/store"
)

// person is what a program may know of somebody (OpenID Connect Core, section 5.1).
type person struct {
	Subject   string `json:"sub"`
	Email     string `json:"email,omitempty"`
	Verified  bool   `json:"email_verified,omitempty"` // it is a mailbox of ours
	Name      string `json:"name,omitempty"`
	Preferred string `json:"preferred_username,omitempty"`
}

// userinfo tells a program who somebody is, by an access token with openid.
func (s *Server) userinfo(w http.ResponseWriter, r *http.Request) {
	text, fault := bearer(r)
	if fault != "" {
		challengeBearer(w, http.StatusBadRequest, invalidRequest, fault)
		return
	}
	if text == "" {
		challengeBearer(w, http.StatusUnauthorized, "", "")
		return
	}
	o, err := s.access(r.Context(), text)
	if err == nil {
		if _, stands := s.Grants.ByID(o.Grant); !stands {
			err = grant.ErrUnknown
		}
	}
	var p store.Person
	if err == nil {
		if p, err = s.People.Person(r.Context(), o.Subject); errors.Is(err, store.ErrNotFound) || err == nil && p.Disabled {
			err = grant.ErrUnknown
		}
	}
	had, _ := scope.Parse(o.Scope) // ours
	switch {
	case errors.Is(err, grant.ErrUnknown):
		s.slow.wrong(r.Context(), knock(r.Context()).Client.Addr())
		challengeBearer(w, http.StatusUnauthorized, invalidToken, goneText)
	case err != nil:
		s.Fault.Error("cannot say who somebody is", "err", err)
		tell(w, http.StatusServiceUnavailable, temporarilyAway, awayText)
	case !had.Has(scope.OpenID):
		challengeBearer(w, http.StatusForbidden, insufficientScope, "The token lacks the scope openid.")
	default:
		send(w, http.StatusOK, told(p, had))
	}
}

func told(p store.Person, had scope.Set) person {
	out := person{Subject: p.ID}
	if had.Has(scope.Email) {
		out.Email, out.Verified = p.Address, true
	}
	if had.Has(scope.Profile) {
		out.Name, out.Preferred = p.DisplayName, p.Address
	}
	return out
}

// bearer is the token that a request shows, in its header or in its body
// (RFC 6750, sections 2.1 and 2.2).
func bearer(r *http.Request) (text, fault string) {
	scheme, shown, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if strings.EqualFold(scheme, "Bearer") {
		text = strings.TrimSpace(shown)
	}
	inBody := r.PostForm.Get("access_token")
	if text != "" && inBody != "" {
		return "", "The token stands there more than once."
	}
	return text + inBody, ""
}

// challengeBearer refuses as RFC 6750, section 3, has it.
func challengeBearer(w http.ResponseWriter, status int, code, description string) {
	how := `Bearer realm="oauth"`
	if code != "" {
		how += `, error="` + code + `", error_description="` + printable(description) + `"`
	}
	w.Header().Set("WWW-Authenticate", how)
	if code == "" {
		w.WriteHeader(status)
		return
	}
	tell(w, status, code, description)
}
