package portal

import (
	"errors"
	"net/http"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/portreeve/portreeve/internal/apppassword"
	"github.com/portreeve/portreeve/internal/policy"
	"github.com/portreeve/portreeve/internal/secret"
	"github.com/portreeve/portreeve/internal/session"
	"github.com/portreeve/portreeve/internal/signin"
	"github.com/portreeve/portreeve/internal/store"
	"github.com/portreeve/portreeve/internal/web"
)

// passwordAt is where people change a password that is kept here.
const passwordAt = "/password"

// shortestPassword is how many characters a password that people choose has at
// least: NIST SP 800-63B-4, section 3.1.1.2, beside a second factor.
const shortestPassword = 8

type passwordPage struct {
	web.Page
	Address  string
	Here     bool   // it is kept here
	Fresh    bool   // changes may be made now
	At       string // what people call the provider that keeps it
	Password string // where else it is changed, if the site says so
	Shortest int
	Field    string // what is wrong
	Error    string
}

// Backends says how mail servers are signed in to.
type Backends interface {
	// OwnPasswordOnly says that an address's mail server takes nothing but the
	// person's own password.
	OwnPasswordOnly(address, backend string) (name string, only bool)
}

// keptHere says that a person's password is ours to check, and so to change;
// not where the mail server is shown it too, and would not take a new one.
func (c *call) keptHere(p *store.Person) bool {
	if p.Source != "" || p.SecretKind != store.SecretArgon2id && p.SecretKind != store.SecretImported {
		return false
	}
	if c.Backends == nil {
		return true
	}
	_, only := c.Backends.OwnPasswordOnly(p.Address, p.Backend)
	return !only
}

// passwordURL is where the person changes their password: here if it is kept
// here, else where the site says; empty if it says nothing.
func (c *call) passwordURL() string {
	p, err := c.People.Person(c.ctx(), c.visit.person())
	if err == nil && c.keptHere(&p) {
		return passwordAt
	}
	return c.Password
}

func (c *call) passwordPage() { c.showPassword(http.StatusOK, "", "") }

// showPassword shows the form, with what was wrong; or where the password is.
func (c *call) showPassword(status int, field, fault string, args ...any) {
	p, err := c.People.Person(c.ctx(), c.visit.person())
	if err != nil {
		c.trouble("finding where a password is kept", err)
		return
	}
	d := passwordPage{Page: c.framed("security"), Address: p.Address, Here: c.keptHere(&p), Fresh: c.recent(), Password: c.Password, Shortest: shortestPassword, Field: field}
	if fault != "" {
		d.Error = c.page.T(fault, args...)
	}
	if c.Upstream != nil && !d.Here {
		if name, ok := c.Upstream.For(p.Address); ok {
			d.At = c.labelOf(name)
		}
	}
	c.show(status, "password", d)
}

// changePassword changes a password that is kept here, for whoever shows the
// one until now: at the gate, as at a sign-in, so that guesses count as such.
func (c *call) changePassword() {
	p, err := c.People.Person(c.ctx(), c.visit.person())
	if err != nil {
		c.trouble("changing a password", err)
		return
	}
	if !c.keptHere(&p) {
		c.showPassword(http.StatusForbidden, "", "")
		return
	}
	next := c.value("new")
	if field, fault := c.unfit(&p, next); fault != "" {
		c.showPassword(http.StatusUnprocessableEntity, field, fault, shortestPassword, secret.MaxPassword)
		return
	}
	if !c.showsOld() {
		return
	}
	fresh := store.Hash(secret.Hash([]byte(next)))
	err = c.People.Change(c.ctx(), c.actor(), "by themselves, in the portal", func(tx *store.Tx) error {
		now, err := tx.Person(p.ID)
		if err != nil {
			return err
		}
		if now.Hash != p.Hash || !c.keptHere(&now) { // the one that was shown is not theirs any more
			return store.ErrConflict
		}
		now.SecretKind, now.Hash = store.SecretArgon2id, fresh
		return tx.PutPerson(&now)
	})
	switch {
	case errors.Is(err, store.ErrConflict):
		c.showPassword(http.StatusConflict, "", "password.meanwhile")
	case err != nil:
		c.trouble("changing a password", err)
	default:
		c.passwordChanged(fresh)
	}
}

// unfit says what is wrong with a form before anybody looks at the password in
// it: which field, and the words.
func (c *call) unfit(p *store.Person, next string) (field, fault string) {
	old := c.value("old")
	local, _, _ := strings.Cut(p.Address, "@")
	switch {
	case old == "" || len(old) > maxPassword:
		return "old", "password.incomplete"
	case utf8.RuneCountInString(next) < shortestPassword:
		return "new", "password.short"
	case len(next) > secret.MaxPassword:
		return "new", "password.long"
	case !utf8.ValidString(next) || strings.ContainsFunc(next, unicode.IsControl): // no mail program can show it
		return "new", "password.characters"
	case apppassword.Form([]byte(next)): // would never be looked up as a password
		return "new", "password.apppassword"
	case strings.EqualFold(next, p.Address) || strings.EqualFold(next, local):
		return "new", "password.name"
	case next == old:
		return "new", "password.same"
	case next != c.value("again"):
		return "again", "password.differ"
	}
	return "", ""
}

// showsOld says that the person has shown their password until now, and tells
// them if not. A second factor that policy asks for beside it was confirmed.
func (c *call) showsOld() bool {
	cred := signin.NewCredential(policy.CredentialPassword, "portal", c.visit.address(), "", []byte(c.value("old")))
	out := c.Gate.SignIn(c.ctx(), c.attempt(), cred)
	cred.Clear()
	f := &out.Facts
	passed := out.Allowed() || out.Verdict.Effect == policy.Interrupt && factorHelps(out.Code)
	switch {
	case passed && f.Proven && f.Credential == policy.CredentialPassword && f.Person == c.visit.person() && f.Mailbox == "":
		return true
	case out.Reply.Tone == signin.Trouble && !out.Allowed():
		c.showPassword(http.StatusServiceUnavailable, "", "password.trouble")
	case c.visit.failed() >= triesEach:
		c.signOut()
	default:
		c.showPassword(http.StatusForbidden, "old", "password.wrong")
	}
	return false
}

// passwordChanged ends whatever is open of the person, tells them, and gives
// this browser a session of its own, judged anew.
func (c *call) passwordChanged(fresh store.Hash) {
	own := c.visit
	if c.Settle != nil {
		if err := c.Settle(c.ctx()); err != nil {
			c.Fault.Error("a changed password is not in force everywhere yet", "user", own.address(), "err", err)
		}
	}
	c.Sessions.Matching(func(s *session.Session) bool { return s.Facts().Person == own.person() && s != own.session },
		signin.SessionPolicyChanged, "the password was changed")
	if c.Tell != nil {
		c.Tell(own.person(), "notice.password", c.from().Addr().String())
	}
	out, stays := c.goesOn(fresh)
	own.mu.Lock()
	remembered := own.factor.IsZero()
	own.mu.Unlock()
	c.visits.end(own, signin.SessionPolicyChanged, "the password was changed")
	if stays {
		c.enterAs(out, entry{next: "/security", remembered: remembered, stay: own.stay, flash: c.page.T("password.changed")})
		return
	}
	c.visit, c.page.Who, c.page.Flash = nil, "", c.page.T("password.changed")
	c.page.Token = c.forms.Token(c.tied())
	c.showSignIn(http.StatusOK, signInPage{Address: own.address()})
}

// goesOn says whether this browser's person may stay signed in, and with what:
// what was shown before their own change counts once more, but not if anybody
// else has taken something back by now. What is taken back from now on ends the
// new session as any other.
func (c *call) goesOn(fresh store.Hash) (signin.Outcome, bool) {
	first := c.visit.outcome
	first.Since = time.Now() // before it is looked, so that nothing falls in between
	err := c.People.Write(c.ctx(), func(tx *store.Tx) error {
		p, err := tx.Person(first.Facts.Person)
		if err == nil && p.Hash != fresh {
			err = store.ErrConflict
		}
		return err
	})
	if err != nil {
		return first, false
	}
	out := c.Gate.Rejudge(c.r.Context(), first)
	return out, out.Allowed()
}
