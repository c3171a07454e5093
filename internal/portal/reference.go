package portal

import (
	"net/http"

	"github.com/portreeve/portreeve/internal/signin"
	"github.com/portreeve/portreeve/internal/store"
	"github.com/portreeve/portreeve/internal/web"
)

type referencePage struct {
	web.Page
	Reference signin.Reference
	Row       signInRow
	Code      signin.Code
	Request   string // a waiting request of this program
	Steps     []string
}

// referencePage tells the reason to the person whose sign-in it was, and to
// everybody else what anybody may read. Whose it was it tells to nobody.
func (c *call) referencePage() {
	ref, err := signin.ParseReference(c.r.PathValue("reference"))
	if c.visit == nil || err != nil {
		c.Public.Reference(c.w, c.r)
		return
	}
	e, err := c.Log.EventByReference(c.ctx(), ref)
	if err != nil || e.Facts.Person != c.visit.person() {
		c.showAnyReference(ref)
		return
	}
	d := referencePage{Page: c.framed(""), Reference: ref, Row: c.signInRow(&e), Code: e.Code, Steps: c.page.Steps(e.Facts.Program)[1:]}
	waiting, err := c.waitingRequests()
	if err != nil {
		c.trouble("reading requests", err)
		return
	}
	for i := range waiting {
		if waiting[i].Protocol == e.Facts.Protocol && waiting[i].Program == e.Facts.Program && waiting[i].Addr == e.Facts.Addr && waiting[i].State == store.RequestWaiting {
			d.Request = waiting[i].ID
		}
	}
	c.show(http.StatusOK, "why", d)
}

// showAnyReference is what anybody may read of a reference, in the frame of
// somebody who is signed in.
func (c *call) showAnyReference(ref signin.Reference) {
	refused, _ := c.Public.Find(c.ctx(), ref)
	d := referencePage{Page: c.framed(""), Reference: ref, Steps: c.page.Steps(refused.Program)}
	c.show(http.StatusOK, "why", d)
}
