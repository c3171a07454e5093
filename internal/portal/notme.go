package portal

import (
	"errors"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"github.com/portreeve/portreeve/internal/approval"
	"github.com/portreeve/portreeve/internal/network"
	"github.com/portreeve/portreeve/internal/policy"
	"github.com/portreeve/portreeve/internal/session"
	"github.com/portreeve/portreeve/internal/signin"
	"github.com/portreeve/portreeve/internal/store"
	"github.com/portreeve/portreeve/internal/web"
)

// denyFor is how long passwords are not looked at from a place of which the
// person has said that it was not them.
const denyFor = 90 * 24 * time.Hour

// appPasswordGrant begins what a session with an app password hangs on.
const appPasswordGrant = "apppw:"

type notMePage struct {
	web.Page
	Ended      int
	Credential string // what was taken back
	Denied     string // the network whose passwords are no longer looked at
	Password   string
	ByPassword bool
}

// disowned is the row that a report leaves in the audit.
type disowned struct {
	Credential string `json:"credential"`
	Address    string `json:"ipAddress"`
	Grant      string `json:"grant,omitempty"`
	Denied     string `json:"denied,omitempty"`
}

// notMe is one step for somebody who sees a sign-in that was not theirs: what
// was shown there is taken back, every session but this one ends, and
// administrators are told.
func (c *call) notMe() {
	ref, err := signin.ParseReference(c.value("reference"))
	if err != nil {
		c.problem(http.StatusNotFound, "notfound")
		return
	}
	e, err := c.Log.EventByReference(c.ctx(), ref)
	switch {
	case errors.Is(err, store.ErrNotFound) || err == nil && e.Facts.Person != c.visit.person():
		c.problem(http.StatusNotFound, "notfound")
		return
	case err != nil:
		c.trouble("finding a sign-in", err)
		return
	}
	d := notMePage{Page: c.framed("signins"), Password: c.passwordURL(), ByPassword: e.Facts.Credential == policy.CredentialPassword}
	if err := c.takeBack(&e, &d); err != nil {
		c.trouble("taking back what a sign-in hung on", err)
		return
	}
	d.Ended = c.Sessions.Matching(func(s *session.Session) bool {
		return s.Facts().Person == c.visit.person() && s != c.visit.session
	}, signin.SessionEnded, "the person says that a sign-in was not theirs")
	c.Fault.Warn("a person says that a sign-in was not theirs", "user", c.visit.address(), "reference", string(ref), "address", e.Facts.Addr.String())
	c.show(http.StatusOK, "notme", d)
}

// takeBack takes back what was shown at a sign-in, as far as it can be taken
// back, and leaves a row in the audit.
func (c *call) takeBack(e *signin.Event, d *notMePage) error {
	row := disowned{Credential: e.Facts.Credential.String(), Address: e.Facts.Addr.String(), Grant: e.Grant}
	if err := c.revokeGrant(e, d); err != nil {
		return err
	}
	if err := c.endConnected(e); err != nil {
		return err
	}
	site := network.Of(e.Facts.Addr)
	deny, err := c.deniable(site)
	if err != nil {
		return err
	}
	if deny = deny && d.ByPassword; deny {
		row.Denied, d.Denied = site.String(), site.String()
	}
	// Whatever it may have taken back by now, this session included: it must be written.
	return c.People.Change(c.r.Context(), c.actor(), "the person says that this sign-in was not theirs", func(tx *store.Tx) error {
		if deny {
			if err := tx.PutDenial(&store.Denial{Person: c.visit.person(), Network: site, Until: time.Now().Add(denyFor), By: c.visit.address()}); err != nil {
				return err
			}
		}
		return tx.Note("report", Disowned, e.ID.String(), c.visit.address(), row)
	})
}

// deniable says that passwords need not be looked at from a network any more:
// neither this browser is in it, nor a program that the person approved there.
func (c *call) deniable(site netip.Prefix) (bool, error) {
	if !site.IsValid() || site == network.Of(c.from().Addr()) || c.Approvals == nil {
		return false, nil
	}
	windows, err := c.Approvals.Windows(c.ctx(), c.visit.person())
	for _, w := range windows {
		if w.Network.IsValid() && w.Network.Overlaps(site) {
			return false, err
		}
	}
	return true, err
}

// Disowned is the kind of the audit's row of a sign-in that its person says was
// not theirs; the row's object is the sign-in, its name the person.
const Disowned = "disowned sign-in"

// revokeGrant takes back an app password, a window, or what a token was issued for.
func (c *call) revokeGrant(e *signin.Event, d *notMePage) error {
	person := c.visit.person()
	id, appPassword := strings.CutPrefix(e.Grant, appPasswordGrant)
	switch {
	case appPassword && c.AppPasswords != nil:
		d.Credential = c.page.T("notme.apppassword")
		return gone(c.AppPasswords.Revoke(c.ctx(), c.actor(), person, id))
	case e.Facts.Methods&(policy.MethodApprovalWindow|policy.MethodKnownProgram) != 0 && c.Approvals != nil:
		d.Credential = c.page.T("notme.window")
		return gone(c.Approvals.WithdrawOf(c.ctx(), c.actor(), person, strings.TrimPrefix(e.Grant, store.GrantOfWindow(""))))
	case e.Facts.Credential == policy.CredentialBearer && c.Revoke != nil:
		d.Credential = c.page.T("notme.token")
		return c.Revoke(c.ctx(), c.actor(), person, e.Grant)
	}
	return nil
}

// gone is no fault: what is to be taken back is not there any more.
func gone(err error) error {
	if errors.Is(err, store.ErrNotFound) || errors.Is(err, approval.ErrNoWindow) {
		return nil
	}
	return err
}
