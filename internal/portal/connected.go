package portal

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/portreeve/portreeve/internal/gate"
	"github.com/portreeve/portreeve/internal/grant"
	"github.com/portreeve/portreeve/internal/policy"
	"github.com/portreeve/portreeve/internal/signin"
	"github.com/portreeve/portreeve/internal/store"
)

// connectedRow is a program that has tokens of ours.
type connectedRow struct {
	ID, Program, How, Place string
	From                    string // where it was used last
	May                     []string
	Since, Used             time.Time
}

// allowedRow is a program that the person is not asked about again.
type allowedRow struct {
	Client, Program string
	May             []string
	At              time.Time
}

// connectedRows are the programs that a person has connected, what was used
// last first.
func (c *call) connectedRows() (rows []connectedRow, err error) {
	if c.OAuth == nil {
		return nil, nil
	}
	places, err := c.lastPlaces()
	if err != nil {
		return nil, err
	}
	for _, g := range grant.Connections(c.OAuth.Grants.Of(c.visit.person())) {
		r := connectedRow{ID: g.ID, Program: c.namedID(g.Client), How: c.page.T("programs.how." + howOf(&g.Grant)), May: c.abilities(g.Scope), Since: g.Created, Used: g.Used}
		for _, id := range g.IDs {
			r.From = cmp.Or(r.From, places[grant.Prefix+id])
		}
		if g.Network.IsValid() {
			r.Place = c.page.T("programs.only", g.Network)
		}
		rows = append(rows, r)
	}
	slices.SortFunc(rows, func(a, b connectedRow) int { return later(b).Compare(later(a)) })
	return rows, nil
}

// lookedThrough is how many of a person's last sign-ins with tokens are looked
// through for where their programs are.
const lookedThrough = 200

// lastPlaces is where each grant was used last, as far as the last sign-ins tell.
func (c *call) lastPlaces() (map[string]string, error) {
	f := store.EventFilter{User: c.visit.person(), Credentials: []policy.CredentialKind{policy.CredentialBearer}, Outcome: signin.EndAllowed}
	events, _, err := c.Log.Events(c.ctx(), f, store.Cursor{}, lookedThrough)
	if err != nil {
		return nil, fmt.Errorf("looking for where programs are: %w", err)
	}
	places := map[string]string{}
	for i := range events {
		e := &events[i]
		if _, known := places[e.Grant]; !known && e.Grant != "" && e.Mechanism != gate.AuthorizationCode && e.Mechanism != gate.DeviceCode { // which a browser was shown
			places[e.Grant] = c.place(e)
		}
	}
	return places, nil
}

func later(r connectedRow) time.Time {
	if r.Used.After(r.Since) {
		return r.Used
	}
	return r.Since
}

// howOf is how a person signed in when they connected a program.
func howOf(g *grant.Grant) string {
	switch {
	case g.Kind == grant.KindDevice:
		return "device"
	case g.Methods&policy.MethodFIDO2 != 0:
		return "passkey"
	case policy.MultiFactor(g.Methods):
		return "twofactors"
	case g.Methods&policy.MethodPassword != 0:
		return "password"
	}
	return "other"
}

// allowedRows are the programs that a person said yes to.
func (c *call) allowedRows() (rows []allowedRow) {
	if c.OAuth == nil {
		return nil
	}
	for _, a := range c.OAuth.Grants.Consents(c.visit.person()) {
		rows = append(rows, allowedRow{Client: a.Client, Program: c.namedID(a.Client), May: c.abilities(a.Scope), At: a.At})
	}
	slices.SortFunc(rows, func(a, b allowedRow) int { return b.At.Compare(a.At) })
	return rows
}

// disconnect ends what one program has, as it is shown, and its open connections
// with it.
func (c *call) disconnect() {
	id := c.value("id")
	mine := slices.ContainsFunc(c.OAuth.Grants.Of(c.visit.person()), func(g grant.Grant) bool { return g.ID == id })
	if !mine {
		c.showPrograms(http.StatusNotFound, c.page.T("programs.gone"))
		return
	}
	if err := c.OAuth.Grants.Disconnect(c.ctx(), c.actor(), id, "disconnected by the person"); err != nil && !errors.Is(err, grant.ErrUnknown) {
		c.trouble("disconnecting a program", err)
		return
	}
	c.done("/programs", "programs.disconnected")
}

// endConnected ends what programs were given in the course of a sign-in that was
// not the person's.
func (c *call) endConnected(e *signin.Event) error {
	if c.OAuth == nil {
		return nil
	}
	for _, g := range c.OAuth.Grants.Of(c.visit.person()) {
		if g.Correlation != e.Correlation && grant.Prefix+g.ID != e.Grant {
			continue
		}
		if err := c.OAuth.Grants.End(c.ctx(), c.actor(), g.ID, "the person says that a sign-in was not theirs"); err != nil && !errors.Is(err, grant.ErrUnknown) {
			return fmt.Errorf("ending what a program was given: %w", err)
		}
	}
	return nil
}

// forgetProgram takes back a yes, and all that the program has by it.
func (c *call) forgetProgram() {
	id := c.value("client")
	if !slices.ContainsFunc(c.OAuth.Grants.Consents(c.visit.person()), func(a grant.Consent) bool { return a.Client == id }) {
		c.showPrograms(http.StatusNotFound, c.page.T("programs.gone"))
		return
	}
	if err := c.OAuth.Grants.Withdraw(c.ctx(), c.actor(), c.visit.person(), id); err != nil {
		c.trouble("withdrawing a consent", err)
		return
	}
	c.done("/programs", "programs.forgotten")
}
