package portal

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/portreeve/portreeve/internal/factor"
	"github.com/portreeve/portreeve/internal/gate"
	"github.com/portreeve/portreeve/internal/policy"
	"github.com/portreeve/portreeve/internal/signin"
	"github.com/portreeve/portreeve/internal/store"
	"github.com/portreeve/portreeve/internal/web"
)

// rememberFor is how long a browser is not asked again, if its user wants that.
const rememberFor = 30 * 24 * time.Hour

// factorPage asks for a second factor: to come in, or to confirm.
type factorPage struct {
	web.Page
	Address   string
	Action    string
	Next      string
	Error     string
	Left      int
	App       bool   // has an authenticator app
	Keys      bool   // has passkeys
	Codes     bool   // has recovery codes left
	Elsewhere string // the provider where they signed in
	Label     string // what people call it
	Password  bool   // has none of these, and confirms with the password
	Remember  bool   // may ask not to be asked again in this browser
	Ask       asking
	Program   string     // that waits for it; empty if none does
	Setup     *setupView // none yet, but may set one up now
	Forbidden string     // none yet, and why none can be set up
}

// setupView is an authenticator app while it is being set up.
type setupView struct {
	ID, Secret, URI string
	Picture         picture
}

// has fills in what a person can show.
func (d *factorPage) has(c *call, f policy.Facts) error {
	list, err := c.Factors.List(c.ctx(), f.Person)
	if err != nil {
		return err
	}
	for i := range list {
		switch list[i].Kind {
		case factor.KindTOTP:
			d.App = true
		case factor.KindPasskey:
			d.Keys = true
		case factor.KindRecovery:
			d.Codes = list[i].Left > 0
		}
	}
	if !d.Keys {
		return nil
	}
	state, options, err := c.Factors.BeginAssertion(factor.From(c.ctx(), f), f.Person)
	d.Ask, d.Script = asking{Action: d.Action, Silent: c.silent(), Kind: "get", State: state, Options: string(options)}, true
	return err
}

func (c *call) factorPage() { c.askFactor(http.StatusOK, "") }

// askFactor shows what a sign-in under way waits for.
func (c *call) askFactor(status int, fault string) {
	f := c.wait.outcome.Facts
	d := factorPage{Page: c.framed(""), Address: f.Address, Action: "/signin/factor", Error: fault, Left: c.wait.left(), Remember: true}
	if err := d.has(c, f); err != nil {
		c.trouble("asking for a second factor", err)
		return
	}
	if from := c.wait.outcome.Principal.Issuer; c.Upstream != nil && from != "" { // may show more there
		d.Elsewhere, d.Label, d.Next = from, c.labelOf(from), c.wait.next
	}
	if !d.App && !d.Keys {
		if err := d.first(c, f); err != nil {
			c.trouble("setting up a first factor", err)
			return
		}
	}
	c.show(status, "factor", d)
}

// first lets somebody who has no factor yet set one up on the way in, if that
// may be from here.
func (d *factorPage) first(c *call, f policy.Facts) error {
	d.Remember = false
	err := c.MayEnrol(c.ctx(), f)
	if code := refused(err); code != signin.OK {
		d.Forbidden, d.Next = c.page.Why(code), c.wait.next
		return nil
	}
	if err != nil {
		return err
	}
	s, err := c.Factors.BeginTOTP(factor.From(c.ctx(), f), f.Person, f.Address)
	if err != nil {
		return err
	}
	d.Setup = &setupView{ID: s.ID, Secret: s.Secret, URI: s.URI, Picture: pictureOf(s.PNG)}
	return nil
}

// factor takes the second factor of a sign-in under way.
func (c *call) factor() {
	q := c.wait
	mechanism, secret, prove := c.proof(q.outcome.Facts)
	if prove == nil {
		c.askFactor(http.StatusUnprocessableEntity, c.page.T("factor.incomplete"))
		return
	}
	if !q.try() {
		c.tooOften()
		return
	}
	out := c.Gate.Continue(c.ctx(), q.outcome, c.attempt(), mechanism, secret, prove)
	switch {
	case out.Allowed():
		if !q.finish() {
			c.redirect("/")
			return
		}
		c.remember(out.Facts)
		c.enterAs(out, entry{next: q.next, stay: q.stay})
	case out.Facts.Proven && out.Verdict.Effect == policy.Interrupt && factorHelps(out.Code):
		c.askFactor(http.StatusForbidden, c.page.T("factor.other"))
	case out.Reply.Tone == signin.Trouble:
		c.askFactor(http.StatusServiceUnavailable, c.page.Told(out.Reply.Code))
	case q.left() == 0:
		c.tooOften()
	case out.Code == signin.FactorFailed, out.Code == signin.Throttled, out.Code == signin.WrongCredentials:
		c.askFactor(http.StatusForbidden, c.page.T("factor.wrong"))
	case out.Code == signin.EnrolNotHere:
		c.askFactor(http.StatusForbidden, "")
	default: // no other code would help
		c.refuse(out, "signin", q.next, "")
	}
}

func (c *call) tooOften() {
	next := c.wait.next
	c.showSignIn(http.StatusForbidden, signInPage{Next: next, Error: c.page.T("factor.toooften")})
}

// remember has this browser not asked again, if that was ticked and a factor was shown.
func (c *call) remember(f policy.Facts) {
	if c.value("remember") == "" {
		return
	}
	cookie, err := c.Factors.Remember(factor.From(c.ctx(), f), f.Person, c.now.Add(rememberFor))
	if err != nil {
		c.Fault.Warn("a browser cannot be remembered", "user", f.Address, "err", err)
		return
	}
	c.cookies.Set(c.w, rememberCookie, cookie, rememberFor)
}

// proof is what a form shows as a second factor, and how it is verified; nil if
// it shows nothing.
func (c *call) proof(f policy.Facts) (mechanism string, secret []byte, prove gate.Proof) {
	person, code := f.Person, typed(c.value("code"), maxPassword)
	from := func(ctx context.Context) context.Context { return factor.From(ctx, f) }
	switch kind := c.value("kind"); {
	case kind == "passkey":
		state, response, ok := c.answer()
		if !ok {
			return "", nil, nil
		}
		secret = shown(state, response)
		return "webauthn", secret, func(ctx context.Context) (policy.Methods, error) {
			return c.shows(c.Factors.Passkey(from(ctx), person, secret))
		}
	case code == "":
		return "", nil, nil
	case kind == "code":
		return gate.TOTP, []byte(code), func(ctx context.Context) (policy.Methods, error) {
			return c.shows(c.Factors.TOTP(from(ctx), person, code))
		}
	case kind == "recovery":
		return "recovery code", []byte(code), func(ctx context.Context) (policy.Methods, error) {
			return c.shows(c.Factors.Recovery(from(ctx), person, code))
		}
	case kind == "setup":
		setup := c.value("setup")
		who := store.Actor{UID: -1, Name: f.Address}
		return gate.TOTP, []byte(code), func(ctx context.Context) (policy.Methods, error) {
			if err := c.MayEnrol(ctx, f); err != nil {
				return 0, err
			}
			if _, err := c.Factors.ConfirmTOTP(from(ctx), who, person, setup, "", code); err != nil {
				return 0, asRefusal(err)
			}
			return policy.MethodSoftwareOath, nil
		}
	}
	return "", nil, nil
}

// shows is what a proof came to.
func (c *call) shows(m policy.Methods, err error) (policy.Methods, error) { return m, asRefusal(err) }

// asRefusal makes a refusal of what is no trouble of ours.
func asRefusal(err error) error {
	if errors.Is(err, factor.ErrSetupOld) || errors.Is(err, factor.ErrTooMany) {
		return signin.Refuse(signin.FactorFailed, "%v", err)
	}
	if errors.Is(err, store.ErrTakenBack) {
		return signin.Refuse(signin.SessionPolicyChanged, "%v", err)
	}
	return err
}
