package portal

import (
	"net/http"

	"github.com/portreeve/portreeve/internal/signin"
	"github.com/portreeve/portreeve/internal/web"
)

// maxContinue bounds what an issuer sealed for after signing out, in bytes.
const maxContinue = 6 << 10

type signOutPage struct {
	web.Page
	Continue string
}

// signOutPage asks whether to sign out: a program that sends people here may not
// do it by itself.
func (c *call) signOutPage() {
	sealed := typed(c.r.URL.Query().Get("continue"), maxContinue)
	if c.visit == nil {
		c.afterSignOut(sealed)
		return
	}
	d := signOutPage{Page: c.framed(""), Continue: sealed}
	if sealed != "" {
		d.Path = c.r.URL.RequestURI()
	}
	c.show(http.StatusOK, "signout", d)
}

func (c *call) signOut() {
	c.leaveSession()
	c.afterSignOut(typed(c.value("continue"), maxContinue))
}

// leaveSession ends the session of this browser, and gives up what was under way.
func (c *call) leaveSession() {
	if c.visit != nil {
		c.visits.end(c.visit, signin.OK, "signed out")
	}
	c.forget()
	c.cookies.Clear(c.w, sessionCookie)
}

// afterSignOut goes on where the program that had somebody sign out wants, as
// far as it may.
func (c *call) afterSignOut(sealed string) {
	if c.OAuth != nil && sealed != "" {
		if address, ok := c.OAuth.Issuer.AfterSignOut(sealed); ok {
			c.leaveTo(address, "", c.afterForm(nil))
			return
		}
	}
	c.redirect("/signin?left=yes")
}
