package admin

import (
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/portreeve/portreeve/internal/factor"
)

// What a link of the last resort is: long enough not to be guessed, and gone
// before it is found in a history.
const (
	recoverFor    = 15 * time.Minute
	recoverLength = 40 // characters of its pass
)

// recoverLink is shown once.
type recoverLink struct {
	User  string    `json:"user"`
	Link  string    `json:"link"`
	Until time.Time `json:"until"`
}

// recoverPerson makes a link that signs a person in to the portal once, without
// password or second factor. It holds a temporary access pass and is kept,
// audited, used up and announced as one. It is root's alone: root can change
// the database anyway, and nobody else should be able to become anybody.
func (a *api) recoverPerson(r *http.Request) (any, error) {
	who := actor(r)
	if who.UID != 0 {
		return nil, &Error{Status: http.StatusForbidden, Code: "Forbidden", Message: "only root may make such a link; `portreeve pass issue` gives somebody a pass"}
	}
	if a.PublicURL == "" {
		return nil, conflict("there is no portal that the link could lead to: give public_url and public in the configuration")
	}
	p, err := a.findPerson(r, r.PathValue("id"))
	if err != nil {
		return nil, err
	}
	if p.Disabled {
		return nil, conflict("%s is disabled; `portreeve user enable` first", p.Address)
	}
	pass, f, err := a.Factors.IssuePass(reasoned(r), who, p.ID, factor.PassOptions{Lifetime: recoverFor, OneTime: true, Length: recoverLength})
	if err != nil {
		return nil, factorError(err)
	}
	link := strings.TrimSuffix(a.PublicURL, "/") + "/recover/" + url.PathEscape(p.Address) + "/" + url.PathEscape(pass)
	return recoverLink{p.Address, link, f.Ends.UTC()}, a.inForce(r)
}
