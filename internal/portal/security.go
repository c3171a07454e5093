package portal

import (
	"context"
	"encoding/base64"
	"errors"
	"html/template"
	"net/http"

	"github.com/portreeve/portreeve/internal/factor"
	"github.com/portreeve/portreeve/internal/policy"
	"github.com/portreeve/portreeve/internal/signin"
	"github.com/portreeve/portreeve/internal/store"
	"github.com/portreeve/portreeve/internal/web"
)

// picture is a PNG that we drew, within a page.
type picture = template.URL

func pictureOf(png []byte) picture {
	return picture("data:image/png;base64," + base64.StdEncoding.EncodeToString(png))
}

type securityPage struct {
	web.Page
	Factors   []factor.Factor // apps and passkeys
	Codes     *factor.Factor  // recovery codes
	Fresh     bool            // changes may be made now
	Has       bool
	Forbidden string // why no factor can be set up from here
	Error     string
	Setup     *setupView
	Again     string   // the id of a setup whose first code was wrong
	Ask       asking   // a passkey is being made
	New       []string // recovery codes, shown once
	Name      string
	Resume    onward // with a program that waits for a factor
}

func (c *call) securityPage() { c.showSecurity(http.StatusOK, securityPage{}) }

func (c *call) showSecurity(status int, d securityPage) {
	person := c.visit.person()
	list, err := c.Factors.List(c.ctx(), person)
	if err != nil {
		c.trouble("listing second factors", err)
		return
	}
	for i, f := range list {
		switch f.Kind {
		case factor.KindTOTP, factor.KindPasskey:
			d.Factors = append(d.Factors, f)
		case factor.KindRecovery:
			d.Codes = &list[i]
		}
	}
	d.Page, d.Fresh, d.Has = c.framed("security"), c.recent(), c.Factors.Has(person)
	d.Resume = c.resume()
	d.Script = d.Ask.Kind != ""
	switch err := c.mayEnrol(); {
	case refused(err) != signin.OK:
		d.Forbidden = c.page.Why(refused(err))
	case err != nil:
		c.trouble("asking who may set up a factor", err)
		return
	}
	c.show(status, "security", d)
}

// mayEnrol says whether this session may set up a factor.
func (c *call) mayEnrol() error { return c.MayEnrol(c.ctx(), c.facts()) }

// enrols goes on only where this session may set up a factor.
func (c *call) enrols() bool {
	err := c.mayEnrol()
	if err != nil {
		c.factorFault(err)
	}
	return err == nil
}

// factorFault tells what went wrong with a factor.
func (c *call) factorFault(err error) {
	switch {
	case refused(err) != signin.OK:
		c.showSecurity(http.StatusForbidden, securityPage{Error: c.page.Why(refused(err))})
	case errors.Is(err, factor.ErrLast), errors.Is(err, factor.ErrTooMany), errors.Is(err, factor.ErrSetupOld), errors.Is(err, factor.ErrNoFactor), errors.Is(err, factor.ErrNoPasskeys):
		c.showSecurity(http.StatusConflict, securityPage{Error: c.page.T(factorFaults[root(err)])})
	case errors.Is(err, store.ErrNotFound):
		c.showSecurity(http.StatusNotFound, securityPage{Error: c.page.T("security.gone")})
	default:
		c.trouble("changing a second factor", err)
	}
}

// factorFaults are the words for what the service says no to.
var factorFaults = map[error]string{
	factor.ErrLast:       "security.last",
	factor.ErrTooMany:    "security.toomany",
	factor.ErrSetupOld:   "security.old",
	factor.ErrNoFactor:   "security.nofactor",
	factor.ErrNoPasskeys: "security.nopasskeys",
}

func root(err error) error {
	for e := range factorFaults {
		if errors.Is(err, e) {
			return e
		}
	}
	return nil
}

// beginApp shows what an authenticator app is set up with.
func (c *call) beginApp() {
	if !c.enrols() {
		return
	}
	s, err := c.Factors.BeginTOTP(factor.From(c.ctx(), c.facts()), c.visit.person(), c.visit.address())
	if err != nil {
		c.factorFault(err)
		return
	}
	c.showSecurity(http.StatusOK, securityPage{Setup: &setupView{ID: s.ID, Secret: s.Secret, URI: s.URI, Picture: pictureOf(s.PNG)}})
}

// maxFactorName bounds what people call a factor, in bytes.
const maxFactorName = 200

// confirmApp keeps the app once it has shown a right code.
func (c *call) confirmApp() {
	if !c.enrols() {
		return
	}
	setup, name := c.value("setup"), typed(c.value("name"), maxFactorName)
	f, err := c.Factors.ConfirmTOTP(factor.From(c.ctx(), c.facts()), c.actor(), c.visit.person(), setup, name, typed(c.value("code"), maxPassword))
	switch {
	case refused(err) == signin.FactorFailed:
		c.showSecurity(http.StatusForbidden, securityPage{Error: c.page.T("security.wrongcode"), Again: setup, Name: name})
	case err != nil:
		c.factorFault(err)
	default:
		c.enrolled(policy.MethodSoftwareOath, "totp", f.ID, "security.app.added")
	}
}

// enrolled says that a factor was added. Whoever has set one up has shown it:
// the gate judges them again as somebody with a second factor, and their
// browser gets a new session.
func (c *call) enrolled(m policy.Methods, mechanism, id, key string) {
	out := c.Gate.Continue(c.ctx(), c.visit.outcome, c.attempt(), mechanism, []byte(id), func(context.Context) (policy.Methods, error) { return m, nil })
	if out.Allowed() {
		c.enterAs(out, entry{next: "/security", instead: true, stay: c.visit.stay, flash: c.page.T(key)})
		return
	}
	c.done("/security", key)
}

// beginPasskey asks the browser to make a passkey.
func (c *call) beginPasskey() {
	if !c.enrols() {
		return
	}
	p, err := c.People.Person(c.ctx(), c.visit.person())
	if err != nil {
		c.trouble("making a passkey", err)
		return
	}
	state, options, err := c.Factors.BeginPasskey(factor.From(c.ctx(), c.facts()), p.ID, p.Address, p.DisplayName)
	if err != nil {
		c.factorFault(err)
		return
	}
	c.showSecurity(http.StatusOK, securityPage{Name: typed(c.value("name"), maxFactorName),
		Ask: asking{Action: "/security/passkey/answer", Kind: "create", State: state, Options: string(options), At: "now"}})
}

// confirmPasskey keeps the passkey that the browser made.
func (c *call) confirmPasskey() {
	if !c.enrols() {
		return
	}
	state, response, ok := c.answer()
	if !ok {
		c.showSecurity(http.StatusUnprocessableEntity, securityPage{Error: c.page.T("security.passkey.failed")})
		return
	}
	f, err := c.Factors.FinishPasskey(factor.From(c.ctx(), c.facts()), c.actor(), c.visit.person(), state, typed(c.value("name"), maxFactorName), response)
	switch {
	case refused(err) == signin.FactorFailed:
		c.showSecurity(http.StatusForbidden, securityPage{Error: c.page.T("security.passkey.failed")})
	case err != nil:
		c.factorFault(err)
	default:
		c.enrolled(policy.MethodFIDO2, "webauthn", f.ID, "security.passkey.added")
	}
}

// recoveryCodes makes new ones and shows them, this once.
func (c *call) recoveryCodes() {
	codes, err := c.Factors.NewRecoveryCodes(factor.From(c.ctx(), c.facts()), c.actor(), c.visit.person())
	if err != nil {
		c.factorFault(err)
		return
	}
	c.showSecurity(http.StatusOK, securityPage{New: codes})
}

func (c *call) removeFactor() {
	if err := c.Factors.Remove(factor.From(c.ctx(), c.facts()), c.actor(), c.visit.person(), c.value("id")); err != nil {
		c.factorFault(err)
		return
	}
	c.done("/security", "security.removed")
}

// forgetBrowsers has every browser asked again.
func (c *call) forgetBrowsers() {
	if err := c.Factors.ForgetBrowsers(c.ctx(), c.visit.person()); err != nil {
		c.factorFault(err)
		return
	}
	c.cookies.Clear(c.w, rememberCookie)
	c.done("/security", "security.browsers.forgotten")
}
