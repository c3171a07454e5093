package admin

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"

	"github.com/portreeve/portreeve/internal/approval"
	"github.com/portreeve/portreeve/internal/lint"
	"github.com/portreeve/portreeve/internal/network"
	"github.com/portreeve/portreeve/internal/span"
	"github.com/portreeve/portreeve/internal/store"
)

// shownWindow, shownRequest and shownDenial say whose they are as people read it.
type shownWindow struct {
	store.Window
	User     string         `json:"user"`
	Findings []lint.Finding `json:"@portreeve.findings,omitempty"`
}

type shownRequest struct {
	store.Request
	User string `json:"user"`
	Why  string `json:"why"` // what is not known of it
}

type shownDenial struct {
	store.Denial
	User string `json:"user"`
}

// approvals is everything that waits, is granted and was denied.
func (a *api) approvals(r *http.Request) (any, error) {
	out := map[string]any{}
	for name, list := range map[string]handler{"requests": a.approvalRequests, "windows": a.approvalWindows, "denials": a.approvalDenials} {
		rows, err := list(r)
		if err != nil {
			return nil, err
		}
		out[name] = rows.(map[string]any)["value"]
	}
	return out, nil
}

func (a *api) approvalRequests(r *http.Request) (any, error) {
	who, name, err := a.whose(r)
	if err != nil {
		return nil, err
	}
	all, err := a.Approvals.Requests(r.Context(), who)
	rows := []shownRequest{}
	for _, q := range all {
		row := shownRequest{Request: q, User: name(q.Person)}
		if q.State == store.RequestWaiting {
			row.Why, _ = a.Approvals.Advice(approval.Knock{Person: q.Person, Protocol: q.Protocol, Program: q.Program, JA4: q.JA4, Addr: q.Addr, Country: q.Country, ASN: q.ASN})
		}
		rows = append(rows, row)
	}
	return list(rows), err
}

func (a *api) approvalWindows(r *http.Request) (any, error) {
	who, name, err := a.whose(r)
	if err != nil {
		return nil, err
	}
	all, err := a.Approvals.Windows(r.Context(), who)
	rows := []shownWindow{}
	for _, w := range all {
		rows = append(rows, shownWindow{Window: w, User: name(w.Person)})
	}
	return list(rows), err
}

func (a *api) approvalDenials(r *http.Request) (any, error) {
	who, name, err := a.whose(r)
	if err != nil {
		return nil, err
	}
	all, err := a.Approvals.Denials(r.Context(), who)
	rows := []shownDenial{}
	for _, d := range all {
		rows = append(rows, shownDenial{d, name(d.Person)})
	}
	return list(rows), err
}

// whose is the id of the person that the query names, if it does, and what
// gives people their addresses.
func (a *api) whose(r *http.Request) (id string, name func(id string) string, err error) {
	if user := r.URL.Query().Get("user"); user != "" {
		p, err := a.findPerson(r, user)
		return p.ID, func(string) string { return p.Address }, err
	}
	known := map[string]string{}
	return "", func(id string) string {
		if _, asked := known[id]; !asked {
			p, err := a.Store.Person(r.Context(), id)
			if known[id] = p.Address; err != nil {
				known[id] = id
			}
		}
		return known[id]
	}, nil
}

// answer carries out an administrator's answer and puts it in force.
func (a *api) answer(r *http.Request, do func(ctx context.Context, who store.Actor) (any, error)) (any, error) {
	out, err := do(reasoned(r), actor(r))
	if err != nil {
		return nil, approvalError(r.PathValue("id"), err)
	}
	return out, a.inForce(r)
}

// approvalError turns the service's errors into answers about a request or window.
func approvalError(id string, err error) error {
	switch {
	case errors.Is(err, approval.ErrNoRequest):
		return notFound("request", id).then("`portreeve approval list --requests` lists those that wait; a window needs none: `portreeve approval allow --help`")
	case errors.Is(err, approval.ErrNoWindow):
		return notFound("window or denied source", id).then("`portreeve approval list` lists them with their ids")
	case errors.Is(err, approval.ErrAnswered), errors.Is(err, approval.ErrExpired):
		return conflict("%v", err).then("`portreeve approval list` tells what became of it")
	case errors.Is(err, approval.ErrSource), errors.Is(err, approval.ErrRoom), errors.Is(err, approval.ErrOwnNetwork):
		return conflict("%v", err)
	case errors.Is(err, approval.ErrPlaceless):
		return bad("cidr", "%v", err)
	case errors.Is(err, approval.ErrOptions):
		return bad("", "%v", err).then("`portreeve approval adopt --help` tells what can be said; `portreeve group list` lists groups")
	}
	return err
}

// allowRequest is an administrator's yes: for somebody who has no second factor
// yet, or calls on the telephone.
func (a *api) allowRequest(r *http.Request) (any, error) {
	var c struct {
		Days int `json:"days"`
	}
	if err := decode(r, &c); err != nil {
		return nil, err
	}
	if err := checkDays(c.Days); err != nil {
		return nil, err
	}
	return a.answer(r, func(ctx context.Context, who store.Actor) (any, error) {
		w, err := a.Approvals.Approve(ctx, who, "", r.PathValue("id"), approval.Approver{Administrator: true, Days: c.Days,
			Spares: func(person string) error { return a.sparePerson(r, person) }})
		_, name, _ := a.whose(r)
		return created{shownWindow{Window: w, User: name(w.Person)}}, err
	})
}

func (a *api) denyRequest(r *http.Request) (any, error) {
	return a.answer(r, func(ctx context.Context, who store.Actor) (any, error) {
		return nil, a.Approvals.Deny(ctx, who, "", r.PathValue("id"))
	})
}

func (a *api) withdrawWindow(r *http.Request) (any, error) {
	return a.answer(r, func(ctx context.Context, who store.Actor) (any, error) {
		return nil, a.Approvals.Withdraw(ctx, who, r.PathValue("id"))
	})
}

// allowed is a window as an administrator describes it.
type allowed struct {
	User      string   `json:"user"`
	Protocols []string `json:"protocols"`
	CIDR      string   `json:"cidr"`
	Program   string   `json:"program"`
	JA4       string   `json:"ja4"`
	ASN       uint32   `json:"asn"`
	Country   string   `json:"country"`
	Days      int      `json:"days"`
}

func (a *api) allowWindow(r *http.Request) (any, error) {
	var c allowed
	if err := decode(r, &c); err != nil {
		return nil, err
	}
	p, err := a.findPerson(r, c.User)
	if err == nil {
		err = a.spareAdministrator(r, p)
	}
	if err != nil {
		return nil, err
	}
	w := store.Window{Person: p.ID, Program: c.Program, JA4: c.JA4, ASN: c.ASN, Country: strings.ToUpper(c.Country)}
	if w.Country != "" && !isCountry(w.Country) {
		return nil, bad("country", "%q is no country: write two letters, such as DE", c.Country)
	}
	if err := checkDays(c.Days); err != nil {
		return nil, err
	}
	for _, name := range c.Protocols {
		proto, err := readProtocol("protocols", name)
		if err != nil {
			return nil, err
		}
		w.Protocols = append(w.Protocols, proto)
	}
	if c.CIDR != "" {
		var ok bool
		if w.Network, ok = network.Parse(c.CIDR); !ok {
			return nil, bad("cidr", "%q is no network such as 192.0.2.0/24", c.CIDR)
		}
	}
	return a.answer(r, func(ctx context.Context, who store.Actor) (any, error) {
		w, err := a.Approvals.Allow(ctx, who, w, c.Days)
		shown := shownWindow{Window: w, User: p.Address}
		if f, found := lint.Window(w.ID, p.Address, w.Network); found && w.ASN == 0 && err == nil {
			shown.Findings = append(shown.Findings, f)
		}
		return created{shown}, err
	})
}

// isCountry says that a word has the form of ISO 3166-1 alpha-2.
func isCountry(s string) bool {
	return len(s) == 2 && s[0] >= 'A' && s[0] <= 'Z' && s[1] >= 'A' && s[1] <= 'Z'
}

// maxWindowDays is the longest that a window lasts: who uses it for so long can
// be asked again.
const maxWindowDays = 3660

func checkDays(days int) error {
	if days < 0 || days > maxWindowDays {
		return bad("days", "a window lasts 1 to %d days, not %d", maxWindowDays, days)
	}
	return nil
}

// adopting is what of the log is to be adopted.
type adopting struct {
	Seen     string   `json:"seen"` // such as 30d
	Group    string   `json:"group"`
	Days     int      `json:"days"`
	DryRun   bool     `json:"dryRun"`
	Exclude  []string `json:"exclude"`
	Include  []string `json:"include"`
	Widen    string   `json:"widen"`
	Complete bool     `json:"complete"` // every window is in the answer, not only their number
}

// adopted is what came of it.
type adopted struct {
	approval.Report
	Made    int     `json:"windowCount"`
	Share   float64 `json:"share"` // of the sign-ins looked at that pass, 0 to 1
	Windows any     `json:"windows,omitempty"`
}

func (a *api) adopt(r *http.Request) (any, error) {
	var c adopting
	if err := decode(r, &c); err != nil {
		return nil, err
	}
	seen, err := span.Parse(cmp.Or(c.Seen, "30d"))
	if err != nil {
		return nil, bad("seen", "%v", err)
	}
	return a.answer(r, func(ctx context.Context, who store.Actor) (any, error) {
		o := approval.AdoptOptions{Seen: seen, Group: c.Group, Days: c.Days, DryRun: c.DryRun, Exclude: c.Exclude, Include: c.Include, Widen: c.Widen}
		if err := a.spareAdopted(ctx, r, who, o); err != nil {
			return nil, err
		}
		rep, err := a.Approvals.Adopt(ctx, who, o)
		out := adopted{Report: rep, Made: len(rep.Windows)}
		if rep.SignIns > 0 {
			out.Share = float64(rep.Pass) / float64(rep.SignIns)
		}
		if c.Complete {
			out.Windows = rep.Windows
		}
		return out, err
	})
}

// spareAdopted refuses who may not change policy to adopt an administrator's.
func (a *api) spareAdopted(ctx context.Context, r *http.Request, who store.Actor, o approval.AdoptOptions) error {
	if o.DryRun || mayDecide(r) {
		return nil
	}
	o.DryRun = true
	rep, err := a.Approvals.Adopt(ctx, who, o)
	if err != nil {
		return err
	}
	return a.spareThose(r, func(p store.Person) (bool, error) {
		return slices.ContainsFunc(rep.Windows, func(w approval.Window) bool { return w.Person == p.ID }), nil
	})
}
