package admin

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/portreeve/portreeve/internal/factor"
	"github.com/portreeve/portreeve/internal/span"
	"github.com/portreeve/portreeve/internal/store"
)

// shownPass is how a temporary access pass looks here: Graph's
// temporaryAccessPassAuthenticationMethod, and whose it is. Its text is in the
// answer that issued it and nowhere else.
type shownPass struct {
	ID       string    `json:"id"`
	Text     string    `json:"temporaryAccessPass,omitempty"`
	Created  time.Time `json:"createdDateTime"`
	Starts   time.Time `json:"startDateTime"`
	Minutes  int       `json:"lifetimeInMinutes"`
	OneTime  bool      `json:"isUsableOnce"`
	Usable   bool      `json:"isUsable"`
	Reason   string    `json:"methodUsabilityReason"`
	User     string    `json:"user"`
	Issuer   string    `json:"issuer"`
	LastUsed time.Time `json:"lastUsed,omitzero"`
}

func showPass(p *store.Pass, user string, now time.Time) shownPass {
	out := shownPass{ID: p.ID, Created: p.Created, Starts: p.Starts, Minutes: int(p.Ends.Sub(p.Starts).Minutes()), OneTime: p.OneTime,
		User: user, Issuer: p.Issuer, LastUsed: p.Used, Reason: "enabledByPolicy"}
	switch {
	case p.OneTime && p.Uses > 0:
		out.Reason = "oneTimeUsed"
	case !now.Before(p.Ends):
		out.Reason = "expired"
	case now.Before(p.Starts):
		out.Reason = "notYetValid"
	default:
		out.Usable = true
	}
	return out
}

func (a *api) factors(r *http.Request) (any, error) {
	p, err := a.findPerson(r, r.PathValue("id"))
	if err != nil {
		return nil, err
	}
	rows, err := a.Factors.List(r.Context(), p.ID)
	return list(rows), err
}

// factorError turns the service's errors into answers.
func factorError(err error) error {
	switch {
	case errors.Is(err, factor.ErrPassLimits):
		return bad("", "%v", err)
	case errors.Is(err, factor.ErrLast):
		return &Error{Status: http.StatusConflict, Code: "Conflict", Message: err.Error() + ", or force it (--force)", Target: "force"}
	}
	return err
}

// removeFactor takes a factor by its id, or by a name that only one has.
func (a *api) removeFactor(r *http.Request) (any, error) {
	p, err := a.findPerson(r, r.PathValue("id"))
	if err != nil {
		return nil, err
	}
	f, err := a.findFactor(r, p.ID, r.PathValue("factor"))
	if err != nil {
		return nil, err
	}
	remove := a.Factors.Remove
	if r.URL.Query().Get("force") == "true" {
		remove = a.Factors.RemoveLast
	}
	if err := remove(reasoned(r), actor(r), p.ID, f.ID); err != nil {
		return nil, factorError(err)
	}
	return f, a.inForce(r)
}

func (a *api) findFactor(r *http.Request, person, name string) (factor.Factor, error) {
	all, err := a.Factors.List(r.Context(), person)
	if err != nil {
		return factor.Factor{}, err
	}
	var found []factor.Factor
	var names []string
	for _, f := range all {
		if f.ID == name {
			return f, nil
		}
		names = append(names, f.Name)
		if strings.EqualFold(f.Name, name) {
			found = append(found, f)
		}
	}
	switch len(found) {
	case 0:
		return factor.Factor{}, notFound("second factor", name, names...).then("`portreeve user mfa list %s` lists what there is", shellWord(r.PathValue("id")))
	case 1:
		return found[0], nil
	}
	return factor.Factor{}, bad("factor", "%d second factors are named %q: say the id", len(found), name).then("`portreeve user mfa list %s` lists the ids", shellWord(r.PathValue("id")))
}

// resetFactors is what a help desk does for somebody who has lost theirs.
func (a *api) resetFactors(r *http.Request) (any, error) {
	p, err := a.findPerson(r, r.PathValue("id"))
	if err != nil {
		return nil, err
	}
	text, err := a.Factors.Reset(reasoned(r), actor(r), p.ID)
	if err != nil {
		return nil, err
	}
	return a.issued(r, p, text)
}

func (a *api) issuePass(r *http.Request) (any, error) {
	p, err := a.findPerson(r, r.PathValue("id"))
	if err != nil {
		return nil, err
	}
	var c struct {
		Minutes int       `json:"lifetimeInMinutes"`
		Starts  time.Time `json:"startDateTime"`
		OneTime bool      `json:"isUsableOnce"`
		Length  int       `json:"length"`
	}
	if err := decode(r, &c); err != nil {
		return nil, err
	}
	if c.Minutes < 0 || c.Minutes > int(factor.MaxPassLife.Minutes()) {
		return nil, bad("", "a pass lives %s to %s, not %s", span.Words(factor.MinPassLife), span.Words(factor.MaxPassLife), span.Words(time.Duration(c.Minutes)*time.Minute))
	}
	text, _, err := a.Factors.IssuePass(reasoned(r), actor(r), p.ID,
		factor.PassOptions{Lifetime: time.Duration(c.Minutes) * time.Minute, StartsAt: c.Starts, OneTime: c.OneTime, Length: c.Length})
	if err != nil {
		return nil, factorError(err)
	}
	return a.issued(r, p, text)
}

// issued shows a fresh pass with its text, once what went before it has ended.
func (a *api) issued(r *http.Request, p store.Person, text string) (any, error) {
	if err := a.inForce(r); err != nil {
		return nil, err
	}
	row, err := a.Store.Pass(r.Context(), p.ID)
	if err != nil {
		return nil, err
	}
	out := showPass(&row, p.Address, time.Now())
	out.Text = text
	return created{out}, nil
}

func (a *api) revokePass(r *http.Request) (any, error) {
	p, err := a.findPerson(r, r.PathValue("id"))
	if err != nil {
		return nil, err
	}
	switch err := a.Factors.RevokePass(reasoned(r), actor(r), p.ID); {
	case errors.Is(err, store.ErrNotFound):
		return nil, (&Error{Status: http.StatusNotFound, Code: "ResourceNotFound", Message: fmt.Sprintf("%s has no pass", p.Address)}).
			then("`portreeve pass list` lists those that there are, `portreeve pass issue %s` issues one", shellWord(p.Address))
	case err != nil:
		return nil, err
	}
	return nil, a.inForce(r)
}

func (a *api) passes(r *http.Request) (any, error) {
	only := ""
	if name := r.URL.Query().Get("user"); name != "" {
		p, err := a.findPerson(r, name)
		if err != nil {
			return nil, err
		}
		only = p.ID
	}
	all, err := a.Store.Passes(r.Context())
	if err != nil {
		return nil, err
	}
	rows := []shownPass{}
	for i := range all {
		if only != "" && all[i].Person != only {
			continue
		}
		p, err := a.Store.Person(r.Context(), all[i].Person)
		if err != nil {
			return nil, err
		}
		rows = append(rows, showPass(&all[i], p.Address, time.Now()))
	}
	return list(rows), nil
}
