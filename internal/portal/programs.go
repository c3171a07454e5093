package portal

import (
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/portreeve/portreeve/internal/approval"
	"github.com/portreeve/portreeve/internal/protocol"
	"github.com/portreeve/portreeve/internal/session"
	"github.com/portreeve/portreeve/internal/signin"
	"github.com/portreeve/portreeve/internal/store"
	"github.com/portreeve/portreeve/internal/web"
)

type programsPage struct {
	web.Page
	Connected []connectedRow
	Allowed   []allowedRow
	Open      []openRow
	Windows   []windowRow
	Denials   []denialRow
	Fresh     bool
	Error     string
}

type openRow struct {
	ID, Program, Protocol, Place string
	Since                        time.Time
	Here                         bool
}

type windowRow struct {
	ID, Program, Protocols, Place string
	Known                         bool // found in the log, not approved
	LastUsed, Expires             time.Time
}

type denialRow struct {
	ID, Network string
	Until       time.Time
}

func (c *call) programsPage() { c.showPrograms(http.StatusOK, "") }

func (c *call) showPrograms(status int, fault string) {
	d := programsPage{Page: c.framed("programs"), Allowed: c.allowedRows(), Open: c.openRows(), Fresh: c.recent(), Error: fault}
	var err error
	if d.Connected, err = c.connectedRows(); err != nil {
		c.trouble("reading connected programs", err)
		return
	}
	if c.Approvals != nil {
		windows, err := c.Approvals.Windows(c.ctx(), c.visit.person())
		if err != nil {
			c.trouble("reading windows", err)
			return
		}
		for i := range windows {
			d.Windows = append(d.Windows, c.windowRow(&windows[i]))
		}
		denials, err := c.Approvals.Denials(c.ctx(), c.visit.person())
		if err != nil {
			c.trouble("reading denied places", err)
			return
		}
		for _, n := range denials {
			d.Denials = append(d.Denials, denialRow{n.ID, n.Network.String(), n.Until})
		}
	}
	c.show(status, "programs", d)
}

// openRows are the person's open connections, the newest first.
func (c *call) openRows() (rows []openRow) {
	for _, s := range c.Sessions.List() {
		f := s.Facts()
		if f.Person != c.visit.person() {
			continue
		}
		rows = append(rows, openRow{ID: s.ID.String(), Program: c.page.Program(f.Program), Protocol: protocolLabel(&c.page, f.Protocol),
			Place: c.placeOf(f.Country, "", f.Addr.String()), Since: s.Opened, Here: s == c.visit.session})
	}
	slices.SortFunc(rows, func(a, b openRow) int { return b.Since.Compare(a.Since) })
	return rows
}

// protocolLabel is what a protocol is for, in a word.
func protocolLabel(p *web.Page, q protocol.Protocol) string {
	if p.Has("protocol." + q.String()) {
		return p.T("protocol." + q.String())
	}
	return q.Row().Label
}

func (c *call) windowRow(w *approval.Window) windowRow {
	var doors []string
	for _, p := range w.Protocols {
		doors = append(doors, protocolLabel(&c.page, p))
	}
	place := w.Owner
	if w.Network.IsValid() {
		place = c.placeOf(w.Country, w.Owner, w.Network.String())
	} else if w.Country != "" {
		place = c.placeOf("", w.Owner, c.page.T("place.country", w.Country))
	}
	return windowRow{ID: w.ID, Program: c.page.Program(w.Program), Protocols: strings.Join(doors, ", "), Place: place,
		Known: w.Kind == store.AdoptedWindow, LastUsed: w.LastUsed, Expires: w.Expires}
}

// withdraw takes back a window, or the mark of a denied place.
func (c *call) withdraw() {
	if c.Approvals == nil {
		c.problem(http.StatusNotFound, "notfound")
		return
	}
	switch err := c.Approvals.WithdrawOf(c.ctx(), c.actor(), c.visit.person(), c.value("id")); {
	case errors.Is(err, approval.ErrNoWindow):
		c.showPrograms(http.StatusNotFound, c.page.T("programs.gone"))
	case err != nil:
		c.trouble("withdrawing a window", err)
	default:
		c.done("/programs", "programs.withdrawn")
	}
}

// endSession ends one of the person's own connections.
func (c *call) endSession() {
	id := c.value("id")
	n := c.Sessions.Matching(func(s *session.Session) bool {
		return s.ID.String() == id && s.Facts().Person == c.visit.person() && s != c.visit.session
	}, signin.SessionEnded, "ended by the person")
	if n == 0 {
		c.showPrograms(http.StatusNotFound, c.page.T("programs.gone"))
		return
	}
	c.done("/programs", "programs.ended")
}
