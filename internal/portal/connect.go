package portal

import (
	"crypto/sha256"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/portreeve/portreeve/internal/client"
	"github.com/portreeve/portreeve/internal/gate"
	"github.com/portreeve/portreeve/internal/grant"
	"github.com/portreeve/portreeve/internal/policy"
	"github.com/portreeve/portreeve/internal/scope"
	"github.com/portreeve/portreeve/internal/signin"
	"github.com/portreeve/portreeve/internal/store"
	"github.com/portreeve/portreeve/internal/web"
)

// connecting is a program's request, as its browser brought it.
type connecting struct {
	grant.Request
	sealed  string
	program client.Client
	name    string // of the program, for people
}

// path is the page of the request.
func (q *connecting) path() string { return "/connect?request=" + url.QueryEscape(q.sealed) }

// mark tells requests apart.
func (q *connecting) mark() [sha256.Size]byte { return sha256.Sum256([]byte(q.sealed)) }

func (q *connecting) wants(prompt string) bool { return slices.Contains(q.Prompt, prompt) }

// opened is what a program sent, opened; without it, what is wrong with it.
func (c *call) opened(sealed string) (q *connecting, problem string) {
	asked, err := c.OAuth.Grants.Unseal(sealed)
	if err != nil {
		return nil, "connect"
	}
	q = &connecting{Request: asked, sealed: sealed}
	var ok bool
	if q.program, ok = c.OAuth.Clients.Find(asked.Client); !ok || c.OAuth.Clients.Admit(q.program) != nil {
		return nil, "program"
	}
	q.name = c.named(&q.program)
	return q, ""
}

// request opens what a program sent. What was not sealed here, or has waited too
// long, is begun again in the program: we do not know who to answer.
func (c *call) request(sealed string) *connecting {
	q, problem := c.opened(sealed)
	switch problem {
	case "connect":
		c.problem(http.StatusBadRequest, "connect")
	case "program":
		c.problem(http.StatusForbidden, "program")
	default:
		c.page.Path = q.path() // in another language, the same request
	}
	return q
}

// waitingProgram is the program's request that a path goes on with; nil if it is none.
func (c *call) waitingProgram(path string) *connecting {
	u, err := url.Parse(path)
	if err != nil || c.OAuth == nil || u.Path != "/connect" {
		return nil
	}
	q, _ := c.opened(u.Query().Get("request"))
	return q
}

// connectPage is where a program's browser arrives.
func (c *call) connectPage() {
	if q := c.request(c.r.URL.Query().Get("request")); q != nil {
		c.connect(q)
	}
}

// connect takes a program's request as far as it comes: somebody is signed in,
// is whom the program means, has proven it lately enough, and as well as the
// program wishes if they can, agrees, and is judged.
// A program that wants no page shown is told what is missing instead.
func (c *call) connect(q *connecting) {
	silent := q.wants("none")
	var missing string
	switch {
	case c.visit == nil:
		missing = "login_required"
	case c.undecided(q):
		missing = "account_selection_required"
	case c.stale(q):
		missing = "login_required"
	case !silent && c.provesLess(q):
		missing = "interaction_required"
	case !c.agreed(q):
		missing = "consent_required"
	default:
		c.handOut(q)
		return
	}
	switch {
	case silent:
		c.leave(q, "", missing, "")
	case c.visit == nil:
		c.redirect(withNext("/signin", q.path()))
	case missing == "account_selection_required":
		c.askAccount(q)
	case missing == "consent_required":
		c.askConsent(q)
	default:
		c.redirect(withNext("/confirm", q.path()))
	}
}

// undecided says that it must be asked whose mailbox is meant: the program means
// somebody else's, or wants it to be asked.
func (c *call) undecided(q *connecting) bool {
	v := c.visit
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.chosen == q.mark() {
		return false
	}
	return q.wants("select_account") && !v.opened.After(q.At) || !v.means(q.LoginHint)
}

// means says that a program's hint may mean whoever is signed in here.
func (v *visit) means(hint string) bool {
	hint = strings.TrimSpace(hint)
	local, _, _ := strings.Cut(v.address(), "@")
	return hint == "" || strings.EqualFold(hint, v.address()) || strings.EqualFold(hint, v.outcome.Typed) || !strings.Contains(hint, "@") && strings.EqualFold(hint, local)
}

// stale says that a newer proof is wanted than there is: by the program, or
// because what it had was ended since, which a browser that is signed in still
// would undo without anybody seeing it. One that was shown since the program asked
// is new enough for anything.
func (c *call) stale(q *connecting) bool {
	c.visit.mu.Lock()
	proven := c.visit.proven
	c.visit.mu.Unlock()
	if !proven.Before(q.At) {
		return false
	}
	dismissed, err := c.OAuth.Grants.Dismissed(c.ctx(), c.visit.person(), q.Client)
	if err != nil {
		c.Fault.Error("cannot read when a program's grant was ended: a new proof is asked for", "client", q.Client, "err", err)
	}
	return err != nil || proven.Before(dismissed) || q.wants("login") || q.MaxAge != nil && c.now.Sub(proven) > time.Duration(*q.MaxAge)*time.Second
}

// agreed says that the person need not be asked (again) whether they want this.
// Anything on this device can call itself by a public program's name, and have a
// browser that is signed in sent here: a yes of before counts for one only where
// the person has just proven who they are for this very request, and so knows what
// was asked (RFC 8252, section 8.6). A sign-in for something else tells them nothing
// of a request that waited for it unseen, nor does a provider that let them come for
// it without asking them anything.
func (c *call) agreed(q *connecting) bool {
	c.visit.mu.Lock()
	now, sought := c.visit.agreed == q.mark(), c.visit.sought == q.mark() && !c.visit.proven.Before(q.At)
	c.visit.mu.Unlock()
	switch {
	case now:
		return true
	case q.wants("consent"), q.program.Public && !sought:
		return false
	case q.program.Verified() && !q.program.Consent:
		return true
	}
	return c.OAuth.Grants.Consented(c.visit.person(), q.Client, q.Scope)
}

// handOut has the gate judge what is asked for, and answers the program.
func (c *call) handOut(q *connecting) {
	id := store.NewID().String()
	out := c.Gate.Grant(c.ctx(), c.attempt(), c.granting(q.Scope, id, gate.AuthorizationCode, q.program.Name))
	interrupted := out.Verdict.Effect == policy.Interrupt && factorHelps(out.Code)
	switch {
	case out.Allowed():
		c.issue(q, id)
	case q.wants("none") && interrupted:
		c.leave(q, "", "interaction_required", out.Reply.Text)
	case q.wants("none"):
		c.leave(q, "", "access_denied", out.Reply.Text)
	case interrupted:
		c.proveMore(&out, onward{Path: q.path(), Program: q.name, At: q.At})
	default:
		c.refuseProgram(&out, q.name, c.OAuth.Grants.Answer(q.Request, "", errorOf(&out), out.Reply.Text))
	}
}

// errorOf is a refusal in OAuth's words.
func errorOf(out *signin.Outcome) string {
	if out.Reply.Tone == signin.Trouble {
		return "temporarily_unavailable"
	}
	return "access_denied"
}

// granting is the question to the gate, for whoever is signed in here.
func (c *call) granting(s scope.Set, id, mechanism, program string) gate.Asked {
	o := &c.visit.outcome
	since := o.Since
	if since.IsZero() {
		since = o.Attempt.At
	}
	p := o.Principal
	p.Held, p.Sending, p.Grant = false, nil, grant.Prefix+id
	return gate.Asked{Principal: p, Key: o.Facts.Key, Protocols: s.Protocols(), Mechanism: mechanism, Client: program, Since: since, Correlation: o.Correlation}
}

// granted is what a program gets from whoever is signed in here.
func (c *call) granted(p *client.Client, s scope.Set, id string) grant.Grant {
	v := c.visit
	o := &v.outcome
	return grant.Grant{ID: id, Client: p.ID, Person: v.person(), Address: v.address(), Scope: s, Methods: o.Principal.Methods, Key: o.Facts.Key, AuthTime: o.Principal.AuthTime,
		Flow: o.Principal.Flow, Session: v.sid, Correlation: o.Correlation, Offline: p.Stays(s), Created: c.now}
}

// issue answers a program with a code.
func (c *call) issue(q *connecting, id string) {
	v := c.visit
	v.mu.Lock()
	asked := v.agreed == q.mark()
	v.mu.Unlock()
	if asked {
		if err := c.OAuth.Grants.Consent(c.ctx(), v.person(), q.Client, q.Scope); err != nil {
			c.trouble("keeping a consent", err)
			return
		}
	}
	g := c.granted(&q.program, q.Scope, id)
	g.Resource, g.Nonce, g.Kind = q.Resource, q.Nonce, grant.KindCode
	code, err := c.OAuth.Grants.IssueCode(c.ctx(), q.Request, g)
	if err != nil {
		c.trouble("making an authorization code", err)
		return
	}
	v.done(q.mark())
	c.leave(q, code, "", "")
}

// onward is where somebody goes on when they have shown more.
type onward struct {
	Path, Program string
	At            time.Time // when the program asked
}

// onwardFor is how long a program waits for an answer.
const onwardFor = 10 * time.Minute

type morePage struct {
	web.Page
	Program   string
	Forbidden string // why no factor can be set up from here
	Next      string
}

// proveMore asks for a second factor or a newer proof, after which the program's
// request is judged again. Who has no factor is led to setting one up.
func (c *call) proveMore(out *signin.Outcome, to onward) {
	v := c.visit
	v.mu.Lock()
	v.onward = to
	shown := !v.proven.Before(to.At) && v.factor.After(to.At)
	v.mu.Unlock()
	has := c.Factors.Has(v.person())
	switch {
	case shown: // just now, and it is of no use
		c.askConfirm(http.StatusForbidden, c.page.T("factor.other"), to.Path)
	case has, out.Code == signin.SignInTooOld:
		c.redirect(withNext("/confirm", to.Path))
	default:
		d := morePage{Page: c.framed(""), Program: to.Program, Next: to.Path}
		switch err := c.mayEnrol(); {
		case refused(err) != signin.OK:
			d.Forbidden = c.page.Why(refused(err))
		case err != nil:
			c.trouble("asking who may set up a factor", err)
			return
		}
		c.show(http.StatusForbidden, "more", d)
	}
}

// resume is where somebody goes on who set up a factor meanwhile; its path is
// empty if nothing waits.
func (c *call) resume() onward {
	c.visit.mu.Lock()
	defer c.visit.mu.Unlock()
	if c.now.Sub(c.visit.onward.At) > onwardFor {
		return onward{}
	}
	return c.visit.onward
}
