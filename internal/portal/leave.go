package portal

import (
	"html/template"
	"net/http"
	"net/url"
	"time"

	"github.com/portreeve/portreeve/internal/grant"
	"github.com/portreeve/portreeve/internal/web"

	_ "embed"
)

//go:embed onward.js
var onwardScript []byte

// sender sends the one form of a page that leads elsewhere.
func sender(w http.ResponseWriter, _ *http.Request) { serveScript(w, onwardScript) }

type onwardPage struct {
	web.Page
	Program string
	To      template.URL
	Fields  []field // of the form; nil: To is a link
}

// leave sends the browser back to its program, with a code or an error.
func (c *call) leave(q *connecting, code, errorCode, description string) {
	if q.ResponseMode == "form_post" {
		c.leaveByForm(q, c.OAuth.Grants.Fields(q.Request, code, errorCode, description))
		return
	}
	c.leaveTo(c.OAuth.Grants.Answer(q.Request, code, errorCode, description), q.name, c.afterForm(&q.At))
}

// afterForm says that a form of ours led here, however many redirects ago. A
// browser that does not tell has shown one if somebody signed in or confirmed
// since the program asked; asked may be nil.
func (c *call) afterForm(asked *time.Time) bool {
	if c.r.Method != http.MethodGet {
		return true
	}
	switch c.r.Header.Get("Sec-Fetch-Site") {
	case "same-origin":
		return true
	case "":
		return asked != nil && c.visit != nil && c.visit.opened.After(*asked)
	}
	return false
}

// leaveTo sends the browser elsewhere. Chromium and WebKit hold a redirect to the
// form-action of the page whose form led here, so that after a form of ours a
// page goes on in place of a redirect.
func (c *call) leaveTo(address, program string, afterForm bool) {
	if !leads(address) {
		c.problem(http.StatusBadRequest, "connect")
		return
	}
	web.Away(c.w.Header())
	if !afterForm {
		c.redirect(address)
		return
	}
	d := onwardPage{Page: c.bare(), Program: program, To: template.URL(address)}
	d.Leads = d.To
	c.show(http.StatusOK, "onward", d)
}

// leaveByForm has the browser send the answer in a form (OAuth 2.0 Form Post
// Response Mode), by itself where there is script.
func (c *call) leaveByForm(q *connecting, fields url.Values) {
	to, ok := web.FormTarget(q.Redirect)
	if !ok {
		c.problem(http.StatusBadRequest, "connect")
		return
	}
	web.AwayByForm(c.w.Header(), to)
	d := onwardPage{Page: c.bare(), Program: q.name, To: template.URL(q.Redirect)}
	for _, name := range []string{"code", "error", "error_description", "state", "iss"} {
		if fields.Has(name) {
			d.Fields = append(d.Fields, field{name, fields.Get(name)})
		}
	}
	d.Sends = true
	c.show(http.StatusOK, "onward", d)
}

// Post answers a program by a form that was refused before its browser came here.
// The address was found to be the program's own.
func (p *Portal) Post(w http.ResponseWriter, r *http.Request, q grant.Request, fields url.Values) {
	p.elsewhere(w, r, func(c *call) { c.leaveByForm(&connecting{Request: q, name: c.namedID(q.Client)}, fields) })
}

// bare is a page without a menu and without forms of ours, for pages that tell
// their address to nobody: browsers then send no origin along with a form, and
// without one ours are not taken.
func (c *call) bare() web.Page {
	p := c.page
	p.Who, p.Token = "", ""
	return p
}
