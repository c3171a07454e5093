package portal

import (
	"html/template"
	"net/http"
	"net/url"
	"strings"

	"github.com/portreeve/portreeve/internal/network"
	"github.com/portreeve/portreeve/internal/signin"
	"github.com/portreeve/portreeve/internal/web"
)

type accountPage struct {
	web.Page
	Program, Hint, Address, Sealed string
}

// askAccount asks whose mailbox is meant: a browser may be signed in as somebody
// else than the program has in mind.
func (c *call) askAccount(q *connecting) {
	d := accountPage{Page: c.framed(""), Program: q.name, Address: c.visit.address(), Sealed: q.sealed}
	if !c.visit.means(q.LoginHint) {
		d.Hint = typed(q.LoginHint, maxAddress)
	}
	c.show(http.StatusOK, "account", d)
}

// keepAccount goes on as whoever is signed in.
func (c *call) keepAccount() {
	if q := c.request(c.value("request")); q != nil {
		c.visit.mu.Lock()
		c.visit.chosen = q.mark()
		c.visit.mu.Unlock()
		c.redirect(q.path())
	}
}

// otherAccount signs out, and in as somebody else.
func (c *call) otherAccount() {
	if q := c.request(c.value("request")); q != nil {
		c.leaveSession()
		c.redirect(withNext("/signin", q.path()))
	}
}

type consentPage struct {
	web.Page
	Program, Called, Sealed string
	Verified, Imitates      bool
	Where                   string // the answer goes
	May                     []string
	Lasting                 bool
}

// askConsent names the program and what it wants. That a program runs on this
// device proves nothing of what it is (RFC 8252, section 8.6), so every one is
// asked about once.
func (c *call) askConsent(q *connecting) {
	d := consentPage{Page: c.framed(""), Program: q.name, Sealed: q.sealed, Verified: q.program.Verified(), Imitates: q.program.Imitates(),
		Where: c.whereTo(q.Redirect), May: c.abilities(q.Scope), Lasting: q.program.Stays(q.Scope)}
	c.show(http.StatusOK, "consent", d)
}

// whereTo is where an answer goes, in words.
func (c *call) whereTo(redirect string) string {
	u, err := url.Parse(redirect)
	switch {
	case err != nil:
		return ""
	case u.Scheme != "https" && u.Scheme != "http":
		return c.page.T("connect.to.program", u.Scheme)
	case network.Here(u.Hostname()):
		return c.page.T("connect.to.here")
	}
	return c.page.T("connect.to.site", u.Host)
}

// allowProgram is the person's yes.
func (c *call) allowProgram() {
	q := c.request(c.value("request"))
	if q == nil {
		return
	}
	c.visit.mu.Lock()
	c.visit.agreed = q.mark()
	c.visit.mu.Unlock()
	c.connect(q)
}

// denyProgram is their no.
func (c *call) denyProgram() {
	if q := c.request(c.value("request")); q != nil {
		c.visit.done(q.mark())
		c.leave(q, "", "access_denied", "the person said no")
	}
}

type refusedPage struct {
	web.Page
	Program, Why string
	Code         signin.Code
	Reference    signin.Reference
	Back         template.URL // to the program, with the refusal; empty: there is no such way
}

// refuseProgram says why a program gets nothing, to the person whose it is.
func (c *call) refuseProgram(out *signin.Outcome, program, back string) {
	d := refusedPage{Page: c.framed(""), Program: program, Why: c.page.Why(out.Reply.Code), Code: out.Reply.Code, Reference: out.Reference}
	if back != "" && leads(back) {
		d.Back = template.URL(back)
	}
	status := http.StatusForbidden
	if out.Reply.Tone == signin.Trouble {
		status = http.StatusServiceUnavailable
	}
	c.show(status, "refused", d)
}

// never are schemes that a browser does things with instead of going somewhere.
var never = []string{"", "javascript", "data", "vbscript", "blob", "file", "filesystem", "about", "view-source"}

// leads says that a browser may be sent to an address: whatever is registered,
// this is no script.
func leads(address string) bool {
	u, err := url.Parse(address)
	if err != nil {
		return false
	}
	for _, s := range never {
		if strings.EqualFold(u.Scheme, s) {
			return false
		}
	}
	return true
}
