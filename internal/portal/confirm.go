package portal

import (
	"net/http"

	"github.com/portreeve/portreeve/internal/policy"
	"github.com/portreeve/portreeve/internal/signin"
	"github.com/portreeve/portreeve/internal/web"
)

func (c *call) confirmPage() { c.askConfirm(http.StatusOK, "", c.r.URL.Query().Get("next")) }

// askConfirm asks somebody who is signed in to show once more that it is them:
// by a second factor if they have one, else by their password.
func (c *call) askConfirm(status int, fault, next string) {
	f := c.facts()
	d := factorPage{Page: c.framed(""), Address: f.Address, Action: "/confirm", Next: web.LocalPath(next, "/"), Error: fault}
	if q := c.waitingProgram(d.Next); q != nil {
		d.Program, d.Path = q.name, withNext("/confirm", d.Next)
	}
	if err := d.has(c, f); err != nil {
		c.trouble("asking to confirm", err)
		return
	}
	d.Password = !d.App && !d.Keys
	d.Codes = d.Codes && !d.Password
	if from := c.visit.outcome.Principal.Issuer; c.Upstream != nil && from != "" {
		d.Elsewhere, d.Label = from, c.labelOf(from)
	}
	c.show(status, "confirm", d)
}

// confirm judges the person again, with what they show now, and gives their
// browser a new session in place of the one it has.
func (c *call) confirm() {
	next := c.value("next")
	out, ok := c.confirmed()
	switch {
	case !ok:
		c.askConfirm(http.StatusUnprocessableEntity, c.page.T("factor.incomplete"), next)
	case out.Allowed() && out.Facts.Person == c.visit.person():
		e := entry{next: next, instead: true, stay: c.visit.stay}
		if c.waitingProgram(next) == nil {
			e.flash = c.page.T("confirm.done")
		}
		c.enterAs(out, e)
	case out.Reply.Tone == signin.Trouble && !out.Allowed():
		c.askConfirm(http.StatusServiceUnavailable, c.page.Told(out.Reply.Code), next)
	case c.visit.failed() >= triesEach:
		c.signOut()
	default:
		c.askConfirm(http.StatusForbidden, c.page.T("factor.wrong"), next)
	}
}

func (c *call) confirmed() (signin.Outcome, bool) {
	f := c.facts()
	if c.value("kind") == "password" {
		password := c.value("password")
		if password == "" || len(password) > maxPassword || c.Factors.Has(f.Person) {
			return signin.Outcome{}, false
		}
		cred := signin.NewCredential(policy.CredentialPassword, "portal", f.Address, "", []byte(password))
		defer cred.Clear()
		return c.Gate.SignIn(c.ctx(), c.attempt(), cred), true
	}
	mechanism, secret, prove := c.proof(f)
	if prove == nil || c.value("kind") == "setup" {
		return signin.Outcome{}, false
	}
	first := c.visit.outcome
	first.Since = c.now // whatever was taken back before has ended the session, or was not meant for it
	return c.Gate.Continue(c.ctx(), first, c.attempt(), mechanism, secret, prove), true
}
