package portal

import (
	"context"
	"net/http"
	"strings"
	"time"

	"github.com/portreeve/portreeve/internal/policy"
	"github.com/portreeve/portreeve/internal/signin"
	"github.com/portreeve/portreeve/internal/store"
	"github.com/portreeve/portreeve/internal/upstream"
	"github.com/portreeve/portreeve/internal/web"
)

// Lengths of what is typed, in bytes; longer ones are cut off unread.
const (
	maxAddress  = 320 // RFC 5321: 64 + 1 + 255
	maxPassword = 1024
)

type signInPage struct {
	web.Page
	Next     string
	Address  string
	Pass     string // of a link that holds one
	Error    string
	Help     string // what else is told of a refusal: its reference
	Upstream []upstream.Offer
	Program  string // that waits for somebody to sign in; empty if none does
}

func (c *call) signInPage() {
	if c.visit != nil {
		c.redirect(web.LocalPath(c.r.URL.Query().Get("next"), "/"))
		return
	}
	asked := c.r.URL.Query()
	if q := c.waitingProgram(asked.Get("next")); q != nil && q.LoginHint != "" && !asked.Has("other") && c.elsewhere(typed(q.LoginHint, maxAddress), asked.Get("next")) {
		return // there is nothing to type here
	}
	if asked.Has("left") { // whoever sees this page is, however they came by the link
		c.page.Flash = c.page.T("signout.done")
	}
	c.showSignIn(http.StatusOK, signInPage{Next: asked.Get("next")})
}

func (c *call) showSignIn(status int, d signInPage) {
	c.forget()
	c.tie()
	d.Page, d.Next = c.framed(""), web.LocalPath(d.Next, "/")
	if d.Next != "/" {
		d.Path = withNext("/signin", d.Next)
	}
	if q := c.waitingProgram(d.Next); q != nil {
		d.Program = q.name
		if d.Address == "" && d.Error == "" {
			d.Address = typed(q.LoginHint, maxAddress)
		}
	}
	if c.Upstream != nil {
		d.Upstream = c.Upstream.Offers()
	}
	c.show(status, "signin", d)
}

// forget gives up a sign-in that was under way.
func (c *call) forget() {
	if c.wait != nil {
		c.pending.drop(c.wait)
		c.cookies.Clear(c.w, pendingCookie)
		c.wait = nil
		c.page.Token = c.forms.Token(c.tied())
	}
}

// signIn shows the gate a password.
func (c *call) signIn() {
	address, password := typed(c.value("address"), maxAddress), c.value("password")
	if address == "" || password == "" || len(password) > maxPassword {
		c.showSignIn(http.StatusUnprocessableEntity, signInPage{Next: c.value("next"), Address: address, Error: c.page.T("signin.incomplete")})
		return
	}
	if c.elsewhere(address, c.value("next")) {
		return
	}
	c.knock(signin.NewCredential(policy.CredentialPassword, "portal", address, "", []byte(password)), "signin", c.value("next"))
}

// typed is what somebody typed into a line.
func typed(s string, most int) string {
	s = strings.TrimSpace(s)
	return s[:min(len(s), most)]
}

// knock shows the gate a credential, and goes on with what it comes to.
func (c *call) knock(cred signin.Credential, page, next string) {
	a := c.attempt()
	out := c.Gate.SignIn(c.r.Context(), a, cred) // whatever was shown before in this browser
	cred.Clear()
	switch {
	case out.Allowed():
		c.enter(out, next)
	case out.Facts.Proven && out.Verdict.Effect == policy.Interrupt && factorHelps(out.Code):
		c.interrupted(out, next)
	default:
		c.refuse(out, page, next, cred.Authcid)
	}
}

// factorHelps says that showing a second factor can mend a refusal.
func factorHelps(code signin.Code) bool {
	return code == signin.FactorNeeded || code == signin.MFARequired || code == signin.SignInTooOld
}

// refuse tells a refusal in the words that anybody would get.
func (c *call) refuse(out signin.Outcome, page, next, address string) {
	d := signInPage{Next: next, Address: address, Error: c.page.Told(out.Reply.Code), Help: c.page.T("signin.reference", out.Reference)}
	switch out.Reply.Code {
	case signin.WrongCredentials:
		d.Error = c.page.T(page + ".failed")
	case signin.BlockedByPolicy: // its own words send people to a browser
		d.Error = c.page.T("signin.blocked")
	case signin.OK: // let in, and taken back before the door was open
		d.Error, d.Help = c.page.T("signin.again"), ""
	}
	status := http.StatusForbidden
	if out.Reply.Tone == signin.Trouble {
		status = http.StatusServiceUnavailable
	}
	if page == "pass" {
		c.showPass(status, d)
		return
	}
	c.showSignIn(status, d)
}

// interrupted asks for a second factor, unless one was shown in this browser
// lately and policy is content with that.
func (c *call) interrupted(out signin.Outcome, next string) {
	person := out.Facts.Person
	if cookie := c.cookies.Get(c.r, rememberCookie); cookie != "" && c.Factors.Remembered(c.ctx(), person, cookie) {
		again := c.Gate.Continue(c.ctx(), out, c.attempt(), "remembered browser", []byte(cookie), func(context.Context) (policy.Methods, error) {
			return policy.MethodSoftwareOath, nil // a factor was shown here; the weakest one is all that can be said of it
		})
		if again.Allowed() {
			c.enterAs(again, entry{next: next, remembered: true, stay: c.stays()})
			return
		}
	}
	c.forget()
	id := c.pending.add(out, web.LocalPath(next, "/"), c.stays(), c.now)
	c.cookies.Set(c.w, pendingCookie, id, pendingLife)
	c.redirect("/signin/factor")
}

// entry is how somebody comes in.
type entry struct {
	next       string
	remembered bool // the second factor was shown earlier, in this browser
	instead    bool // of the session they have: they confirmed that it is them
	stay       bool // signed in, also when nothing is done for long and the browser is closed
	flash      string
}

// enter opens a session for somebody whom the gate let in.
func (c *call) enter(out signin.Outcome, next string) {
	c.enterAs(out, entry{next: next, stay: c.stays()})
}

// stays says that somebody wants to stay signed in.
func (c *call) stays() bool { return c.value("stay") != "" }

func (c *call) enterAs(out signin.Outcome, e entry) {
	if out.Facts.Mailbox != "" { // a right to somebody's mail is none to their portal
		c.showSignIn(http.StatusForbidden, signInPage{Next: e.next, Error: c.page.T("signin.failed")})
		return
	}
	if end := out.Attempt.At.Add(longestLife); out.Principal.Until.IsZero() || end.Before(out.Principal.Until) {
		out.Principal.Until = end
	}
	v, id := c.open(&out, e)
	if v == nil {
		c.refuse(out, "signin", e.next, out.Typed)
		return
	}
	if q := c.waitingProgram(web.LocalPath(e.next, "/")); q != nil {
		v.sought = q.mark()
	}
	if e.instead {
		// From here on an order to end sessions finds the new one. One that came
		// before may not have, since the person has just shown who they are anew.
		if err := c.People.Change(c.ctx(), c.actor(), "", func(*store.Tx) error { return nil }); err != nil {
			v.session.Done()
			c.trouble("opening a session in place of another", err)
			return
		}
	}
	if c.visit != nil { // whoever was signed in here before is no longer, even if it is the same person
		reason := "signed in again"
		switch {
		case e.instead:
			reason = "confirmed"
			v.succeed(c.visit)
		case c.visit.person() == v.person(): // as who comes back from a provider with what they can show there
			v.bettered = c.visit.wished()
		}
		c.visits.end(c.visit, signin.SessionEnded, reason)
	}
	if c.wait != nil {
		c.pending.drop(c.wait)
		c.cookies.Clear(c.w, pendingCookie)
	}
	c.cookies.Clear(c.w, formCookie)
	c.cookies.Set(c.w, sessionCookie, id, v.life())
	v.flash = e.flash
	c.visits.add(v)
	c.Journal.Session(signin.SessionEvent{ID: out.Attempt.ID, Opened: v.opened})
	c.redirect(web.LocalPath(e.next, "/"))
}

// maxRejudge bounds how often policy may change between verdict and registration.
const maxRejudge = 5

// open registers a session under an id that nobody has seen before.
func (c *call) open(out *signin.Outcome, e entry) (*visit, string) {
	id := web.NewID()
	now := time.Now()
	v := &visit{key: keyOf(id), form: "session:" + id, sid: web.NewID(), stay: e.stay, opened: now, last: now, proven: c.provenAt(out), byPass: out.Facts.Credential == policy.CredentialPass}
	if policy.MultiFactor(out.Facts.Methods) && !e.remembered {
		v.factor = v.proven
	}
	end := func(code signin.Code, note string) { c.visits.end(v, code, note) }
	for range maxRejudge {
		s, ok := c.Sessions.Open(out, "", end)
		if ok {
			v.outcome, v.session = *out, s
			return v, id
		}
		if c.Sessions.Outdated(out) {
			return nil, ""
		}
		if *out = c.Gate.Rejudge(c.ctx(), *out); !out.Allowed() {
			return nil, ""
		}
	}
	return nil, ""
}

// cancel lets somebody else sign in, for the program that waits if one does.
func (c *call) cancel() {
	to := "/signin"
	if c.wait != nil {
		to = withNext(to, c.wait.next)
	}
	c.forget()
	c.redirect(to)
}

// passPage asks for a pass, of whoever was asked for a factor in this browser if somebody was.
func (c *call) passPage() {
	d := signInPage{Next: c.r.URL.Query().Get("next")}
	if c.wait != nil {
		d.Address = c.wait.outcome.Facts.Address
	}
	c.showPass(http.StatusOK, d)
}

func (c *call) showPass(status int, d signInPage) {
	c.forget()
	c.tie()
	d.Page, d.Next = c.framed(""), web.LocalPath(d.Next, "/")
	c.show(status, "pass", d)
}

// pass shows the gate a temporary access pass.
func (c *call) pass() {
	address, pass := typed(c.value("address"), maxAddress), typed(c.value("pass"), maxPassword)
	if address == "" || pass == "" {
		c.showPass(http.StatusUnprocessableEntity, signInPage{Next: c.value("next"), Address: address, Error: c.page.T("pass.incomplete")})
		return
	}
	next := c.value("next")
	if web.LocalPath(next, "/") == "/" {
		next = "/security" // a pass is given to set up a factor
	}
	c.knock(signin.NewCredential(policy.CredentialPass, "portal", address, "", []byte(pass)), "pass", next)
}
