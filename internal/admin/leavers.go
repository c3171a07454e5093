package admin

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/portreeve/portreeve/internal/authn"
	"github.com/portreeve/portreeve/internal/session"
	"github.com/portreeve/portreeve/internal/signin"
	"github.com/portreeve/portreeve/internal/store"
)

// cutReport says what was taken from somebody who leaves, and when.
type cutReport struct {
	Address string    `json:"address"`
	Steps   []cutStep `json:"value"`
}

// cutStep is one thing that ended.
type cutStep struct {
	At     time.Time `json:"at"`
	What   string    `json:"what"` // disabled, session, grant, appPassword, window, delegation, pass, browser
	Detail string    `json:"detail"`
}

func (c *cutReport) add(at time.Time, what, format string, args ...any) {
	c.Steps = append(c.Steps, cutStep{at.UTC(), what, fmt.Sprintf(format, args...)})
}

// cutPerson shuts somebody out in one change, and closes what they have open
// before the answer leaves.
func (a *api) cutPerson(r *http.Request) (any, error) {
	p, err := a.findPerson(r, r.PathValue("id"))
	if err != nil {
		return nil, err
	}
	open := a.openOf(p.ID)
	began := time.Now()
	var cut store.Cut
	if _, err := a.change(r, func(tx *store.Tx) (err error) {
		cut, err = tx.CutPerson(p.ID, authn.Everything(p.ID, began))
		return err
	}); err != nil {
		return nil, err
	}
	// The change has ended them; whoever was just about to open one is met here.
	a.Sessions.Matching(func(s *session.Session) bool { return s.Facts().Person == p.ID }, signin.UserDisabled, "cut off")
	out := &cutReport{Address: p.Address, Steps: []cutStep{}}
	a.tellCut(r.Context(), out, &cut, began)
	closed := time.Now()
	for _, s := range open {
		out.add(closed, "session", "closed %s from %s, open since %s", cmp.Or(s.Protocol.String(), "a session"), s.Client, s.Opened.UTC().Format(time.RFC3339))
	}
	return out, nil
}

// openOf lists what a person has open, the oldest first.
func (a *api) openOf(person string) []*session.Session {
	open := slices.DeleteFunc(a.Sessions.List(), func(s *session.Session) bool { return s.Facts().Person != person })
	slices.SortFunc(open, func(x, y *session.Session) int { return x.Opened.Compare(y.Opened) })
	return open
}

func (a *api) tellCut(ctx context.Context, out *cutReport, cut *store.Cut, at time.Time) {
	out.add(at, "disabled", "%s: every sign-in is refused", cut.Person.Address)
	out.add(at, "grant", "every token and grant issued until now")
	for _, p := range cut.AppPasswords {
		out.add(at, "appPassword", "revoked %q%s", p.Name, lastUse(p.Last))
	}
	for _, w := range cut.Windows {
		out.add(at, "window", "took back %s%s", windowWords(&w), lastUse(w.LastUsed))
	}
	name := a.naming(ctx)
	for _, d := range cut.Delegations {
		out.add(at, "delegation", "took back the right to %s", cmp.Or(name.text(d.Subject), "every mailbox"))
	}
	if cut.Pass {
		out.add(at, "pass", "revoked the temporary access pass")
	}
	if cut.Browsers > 0 {
		out.add(at, "browser", "forgot %d remembered browsers", cut.Browsers)
	}
}

// windowWords is a window in a few words: the program, and the place it is pinned to.
func windowWords(w *store.Window) string {
	place := w.Country
	switch {
	case w.Network.IsValid():
		place = w.Network.String()
	case w.ASN != 0:
		place = fmt.Sprintf("AS%d, %s", w.ASN, w.Country)
	}
	return cmp.Or(w.Program, "any program") + " from " + place
}

func lastUse(t time.Time) string {
	if t.IsZero() {
		return ", never used"
	}
	return ", last used " + t.UTC().Format(time.RFC3339)
}
