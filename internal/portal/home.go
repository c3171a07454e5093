package portal

import (
	"net/http"

	"github.com/portreeve/portreeve/internal/approval"
	"github.com/portreeve/portreeve/internal/grant"
	"github.com/portreeve/portreeve/internal/store"
	"github.com/portreeve/portreeve/internal/web"
)

// recentShown is how many sign-ins the first page shows.
const recentShown = 3

type homePage struct {
	web.Page
	Waiting   int  // programs that wait to be approved
	Factor    bool // has a second factor
	Connected int  // programs that have tokens of ours
	Signins   []signInRow
}

func (c *call) homePage() {
	person := c.visit.person()
	if c.Speaks != nil && c.twoFactors() { // who only knows the password does not choose the language of the mails about it
		c.Speaks(c.ctx(), person, c.Public.Languages.Chosen(c.r).Lang)
	}
	d := homePage{Page: c.framed("home"), Factor: c.Factors.Has(person)}
	if c.OAuth != nil {
		d.Connected = len(grant.Connections(c.OAuth.Grants.Of(person)))
	}
	waiting, err := c.waitingRequests()
	if err != nil {
		c.trouble("reading requests", err)
		return
	}
	d.Waiting = len(waiting)
	events, _, err := c.Log.Events(c.ctx(), store.EventFilter{User: person}, store.Cursor{}, recentShown)
	if err != nil {
		c.trouble("reading sign-ins", err)
		return
	}
	d.Signins = c.signInRows(events)
	c.show(http.StatusOK, "home", d)
}

// waitingRequests are a person's programs that wait to be approved.
func (c *call) waitingRequests() (list []approval.Request, err error) {
	if c.Approvals == nil {
		return nil, nil
	}
	all, err := c.Approvals.Requests(c.ctx(), c.visit.person())
	for _, r := range all {
		if r.State == store.RequestWaiting {
			list = append(list, r)
		}
	}
	return list, err
}
