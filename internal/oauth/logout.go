package oauth

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"time"

	"github.com/portreeve/portreeve/internal/client"
	"github.com/portreeve/portreeve/internal/network"
	"github.com/portreeve/portreeve/internal/token"
)

const (
	leavePurpose = "addresses after signing out"
	leaveKept    = 10 * time.Minute // what a person takes to say yes
	maxSealed    = 6 << 10          // bytes
)

// leave is where the browser goes after signing out, sealed so that nobody makes
// us send people elsewhere.
type leave struct {
	To string    `json:"to"`
	At time.Time `json:"at"`
}

// logout takes a person whom a program wants signed out here, too (OpenID Connect
// RP-Initiated Logout). The portal asks them: a page elsewhere that could sign
// people out by itself would be a nuisance, and an ID token is no secret. Where
// they go afterwards is checked first, and where something is wrong with it they
// are sent nowhere.
func (s *Server) logout(w http.ResponseWriter, r *http.Request) {
	form := r.Form
	if repeated(form) != "" {
		s.stays(w, r, "The program that sent you here asked in a way that cannot be understood.")
		return
	}
	to, text := s.afterwards(form)
	if text != "" {
		s.stays(w, r, text)
		return
	}
	page := s.Issuer + pathSignOut
	if to != "" {
		sealed, err := s.sealLeave(to)
		if err != nil {
			s.stays(w, r, "The program that sent you here asked for too much.")
			return
		}
		page += "?continue=" + sealed
	}
	http.Redirect(w, r, page, http.StatusFound)
}

// stays tells a person why they were not signed out.
func (s *Server) stays(w http.ResponseWriter, r *http.Request, text string) {
	if s.NotSignedOut != nil {
		s.NotSignedOut(w, r, text)
		return
	}
	s.problem(w, r, text)
}

// afterwards is the address that a program wants people sent to; empty: none.
func (s *Server) afterwards(form url.Values) (to, problem string) {
	id := form.Get("client_id")
	if hint := form.Get("id_token_hint"); hint != "" {
		said, ok := s.hinted(hint)
		if !ok {
			return "", "The program that sent you here did not prove that you were signed in to it."
		}
		if id != "" && id != said.Audience {
			return "", "The program that sent you here is not the one that you were signed in to."
		}
		id = said.Audience
	}
	asked := form.Get("post_logout_redirect_uri")
	if asked == "" {
		return "", ""
	}
	c, known := s.Clients.Find(id)
	if !known || s.Clients.Admit(c) != nil || !c.LogoutRedirect(asked) {
		return "", "The program that sent you here asks for you to be sent on to an address that is not its own."
	}
	if len(form.Get("state")) > maxState {
		return "", "The program that sent you here asked for too much."
	}
	return withState(asked, form.Get("state")), ""
}

func withState(to, state string) string {
	u, err := url.Parse(to)
	if err != nil || state == "" {
		return to
	}
	if u.RawQuery != "" {
		u.RawQuery += "&"
	}
	u.RawQuery += "state=" + url.QueryEscape(state)
	return u.String()
}

// idToken is what is read of an ID token that comes back.
type idToken struct {
	Issuer   string `json:"iss"`
	Audience string `json:"aud"`
	Subject  string `json:"sub"`
}

// hinted reads an ID token of ours. One that has run out is as good: it says who
// asks and about whom, and proves nothing else.
func (s *Server) hinted(compact string) (said idToken, ok bool) {
	payload, err := s.Keyring.Verify(compact, token.TypeID)
	if err != nil || json.Unmarshal(payload, &said) != nil || said.Issuer != s.Issuer || said.Audience == "" {
		return idToken{}, false
	}
	return said, true
}

func (s *Server) sealLeave(to string) (string, error) {
	raw, err := json.Marshal(leave{to, time.Now()})
	if err != nil {
		return "", err
	}
	return base64.RawURLEncoding.EncodeToString(s.Box.Seal(leavePurpose, raw)), nil
}

// AfterSignOut opens where somebody goes after signing out, for the portal.
func (s *Server) AfterSignOut(sealed string) (address string, ok bool) {
	if len(sealed) > maxSealed {
		return "", false
	}
	raw, err := base64.RawURLEncoding.Strict().DecodeString(sealed)
	if err != nil {
		return "", false
	}
	plain, err := s.Box.Open(leavePurpose, raw)
	var l leave
	if err != nil || json.Unmarshal(plain, &l) != nil {
		return "", false
	}
	if age := time.Since(l.At); age > leaveKept || age < -time.Minute {
		return "", false
	}
	return l.To, true
}

// backChannel says where a program wants to hear that somebody left.
func backChannel(c *client.Client) string {
	u, err := url.Parse(c.BackChannelLogout)
	if err != nil || u.Host == "" || u.User != nil {
		return ""
	}
	if network.Safe(u) {
		return c.BackChannelLogout
	}
	return ""
}
