package portal

import (
	"net/http"
	"strings"
	"time"

	"github.com/portreeve/portreeve/internal/gate"
	"github.com/portreeve/portreeve/internal/policy"
	"github.com/portreeve/portreeve/internal/program"
	"github.com/portreeve/portreeve/internal/protocol"
	"github.com/portreeve/portreeve/internal/signin"
	"github.com/portreeve/portreeve/internal/store"
	"github.com/portreeve/portreeve/internal/web"
)

// signInsShown is how many sign-ins are on a page.
const signInsShown = 30

type signInsPage struct {
	web.Page
	Rows []signInRow
	More string // the place where the next page begins
}

// signInRow is one sign-in in plain words.
type signInRow struct {
	Reference signin.Reference
	At        time.Time
	Sentence  string
	Place     string
	What      string // how it ended
	Why       string
	Good      bool
	Asked     bool // not a refusal: a second factor was asked for
	Times     int64
	Disown    bool // whoever it was had what it takes: it can be "not me"
	Here      bool // this browser
}

func (c *call) signInsPage() {
	from, err := store.ParseCursor(c.r.URL.Query().Get("from"))
	if err != nil {
		c.problem(http.StatusNotFound, "notfound")
		return
	}
	events, next, err := c.Log.Events(c.ctx(), store.EventFilter{User: c.visit.person()}, from, signInsShown)
	if err != nil {
		c.trouble("reading sign-ins", err)
		return
	}
	d := signInsPage{Page: c.framed("signins"), Rows: c.signInRows(events)}
	if next != (store.Cursor{}) {
		d.More = next.String()
	}
	c.show(http.StatusOK, "signins", d)
}

func (c *call) signInRows(events []signin.Event) []signInRow {
	rows := make([]signInRow, 0, len(events))
	for i := range events {
		rows = append(rows, c.signInRow(&events[i]))
	}
	return rows
}

func (c *call) signInRow(e *signin.Event) signInRow {
	p := &c.page
	did := "signins." + doing(e.Facts.Protocol)
	if forTokens(e) {
		did = "signins.connect"
	}
	if !e.Succeeded() {
		did += ".tried"
	}
	by := p.Program(e.Facts.Program)
	if name, ok := e.ForClient(); ok && (forTokens(e) || !program.Telling(e.Facts.ProgramConfidence)) { // it came by way of a browser, or said nothing of itself
		by = name
	}
	r := signInRow{Reference: e.ID.Reference(), At: e.Last, Sentence: p.T(did, by),
		Place: c.place(e), Good: e.Succeeded(), Times: e.Count, Disown: e.Facts.Proven && e.Facts.Person == c.visit.person(), Here: e.ID == c.visit.outcome.Attempt.ID}
	switch {
	case r.Good:
		r.What = p.T("signins.in", p.T("credential."+credentialOf(e)))
	case e.Interrupted():
		r.What, r.Asked = p.T("signins.asked"), true
	default:
		r.What, r.Why = p.T("signins.refused"), p.Why(e.Code)
	}
	return r
}

// forTokens says that a program was given tokens, or was not: it used none yet.
func forTokens(e *signin.Event) bool {
	switch e.Mechanism {
	case gate.AuthorizationCode, gate.DeviceCode, gate.RefreshToken, gate.ClientCredentials:
		return true
	}
	return false
}

// doing says for what a program signs in.
func doing(p protocol.Protocol) string {
	switch p {
	case protocol.Portal, protocol.Webmail:
		return "browse"
	case protocol.Submission:
		return "send"
	case protocol.IMAP, protocol.POP3:
		return "read"
	}
	return "use"
}

func credentialOf(e *signin.Event) string {
	switch m := e.Facts.Methods; {
	case m&policy.MethodApprovalWindow != 0:
		return "window"
	case m&policy.MethodKnownProgram != 0:
		return "known"
	case e.Facts.Credential == policy.CredentialPassword && policy.MultiFactor(m):
		return "twofactors"
	}
	return e.Facts.Credential.String()
}

// place is where a sign-in came from, as far as anybody knows.
func (c *call) place(e *signin.Event) string {
	return c.placeOf(e.Facts.Country, e.NetOwner, e.Facts.Addr.String())
}

func (c *call) placeOf(country, owner, addr string) string {
	var parts []string
	if country != "" {
		parts = append(parts, c.page.T("place.country", country))
	}
	if owner != "" {
		parts = append(parts, owner)
	}
	return strings.Join(append(parts, addr), ", ")
}
