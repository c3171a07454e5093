package admin

import (
	"fmt"
	"net/http"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/portreeve/portreeve/internal/backend"
	"github.com/portreeve/portreeve/internal/signin"
	"github.com/portreeve/portreeve/internal/store"
)

func (a *api) status(r *http.Request) (any, error) { return a.Status(r.Context()), nil }

func (a *api) warnings(*http.Request) (any, error) { return list(a.Warnings()), nil }

func (a *api) guard(*http.Request) (any, error) { return list(a.Guard()), nil }

// finding is a backend's finding as JSON.
type finding struct {
	ID       string   `json:"id"`
	Backend  string   `json:"backend"`
	Address  string   `json:"address"`
	Sentence string   `json:"sentence"`
	Fix      []string `json:"fix"`
}

func (a *api) checkBackends(r *http.Request) (any, error) {
	found, err := a.CheckBackends(r.Context(), r.URL.Query().Get("from"))
	if err != nil {
		return nil, err
	}
	rows := []finding{}
	findings, ok := found.([]backend.Finding)
	if !ok {
		return found, nil
	}
	for _, f := range findings {
		rows = append(rows, finding{f.ID, f.Backend, f.Address, f.Sentence, append([]string{}, f.Fix...)})
	}
	return list(rows), nil
}

func (a *api) exportKeys(r *http.Request) (any, error) {
	var c struct {
		Dir string `json:"dir"`
	}
	if err := decode(r, &c); err != nil {
		return nil, err
	}
	if !filepath.IsAbs(c.Dir) {
		return nil, bad("dir", "name a folder from the root: the server writes it, not you")
	}
	if err := a.ExportKeys(c.Dir); err != nil {
		return nil, err
	}
	return nil, a.note(r, "export", "key", "", c.Dir, nil)
}

func (a *api) rotateKeys(r *http.Request) (any, error) {
	rotated, err := a.RotateKeys()
	if err != nil {
		return nil, err
	}
	return rotated, a.note(r, "rotate", "key", "", "", rotated)
}

// note audits something that changes no row.
func (a *api) note(r *http.Request, action, kind, id, name string, detail any) error {
	return a.Store.Change(r.Context(), actor(r), r.Header.Get("X-Reason"), func(tx *store.Tx) error {
		return tx.Note(action, kind, id, name, detail)
	})
}

// auditRow is an administrative change as JSON.
type auditRow struct {
	N      int64     `json:"n"`
	At     time.Time `json:"at"`
	UID    int64     `json:"uid"`
	Actor  string    `json:"actor"`
	Action string    `json:"action"`
	Kind   string    `json:"kind"`
	ID     string    `json:"id"`
	Name   string    `json:"name"`
	Reason string    `json:"reason,omitempty"`
	Before any       `json:"before"`
	After  any       `json:"after"`
}

const maxAudits = 1000 // rows of one page

func (a *api) audits(r *http.Request) (any, error) {
	q := r.URL.Query()
	f := store.AuditFilter{Kind: q.Get("kind"), Object: q.Get("id"), Limit: 100}
	var err error
	if f.Limit, err = number(q.Get("top"), f.Limit, 1, maxAudits); err != nil {
		return nil, bad("top", "%v", err)
	}
	if f.From, err = moment(q.Get("since")); err != nil {
		return nil, bad("since", "%v", err)
	}
	if f.To, err = moment(q.Get("until")); err != nil {
		return nil, bad("until", "%v", err)
	}
	if s := q.Get("before"); s != "" {
		if f.Before, err = strconv.ParseInt(s, 10, 64); err != nil {
			return nil, bad("before", "before is a row's number")
		}
	}
	found, err := a.Store.Audits(r.Context(), f)
	if err != nil {
		return nil, err
	}
	rows := []auditRow{}
	for _, x := range found {
		row := auditRow{N: x.N, At: x.At.UTC(), UID: x.Actor.UID, Actor: x.Actor.Name, Action: x.Action, Kind: x.Kind, ID: x.Object, Name: x.Name, Reason: x.Reason}
		if len(x.Before) > 0 {
			row.Before = x.Before
		}
		if len(x.After) > 0 {
			row.After = x.After
		}
		rows = append(rows, row)
	}
	out := list(rows)
	if len(rows) == f.Limit {
		q.Set("before", strconv.FormatInt(rows[len(rows)-1].N, 10))
		out["@odata.nextLink"] = link(r, q)
	}
	return out, nil
}

// meaning is a code's meaning as JSON.
type meaning struct {
	Code   string `json:"code"`
	Number int    `json:"number"`
	Title  string `json:"title"`
	User   string `json:"user"`
	Admin  string `json:"admin"`
}

func meaningOf(c signin.Code) meaning {
	m := c.Meaning()
	return meaning{c.String(), int(c), m.Title, m.User, m.Admin}
}

// explain tells what a code means, or what happened under a reference.
func (a *api) explain(r *http.Request) (any, error) {
	what := r.PathValue("what")
	if code, ok := signin.ParseCode(what); ok {
		return map[string]any{"meaning": meaningOf(code)}, nil
	}
	e, err := a.findEvent(r.Context(), what)
	if err != nil {
		return nil, &Error{Status: http.StatusNotFound, Code: "ResourceNotFound",
			Message: fmt.Sprintf("%q is neither a code such as PR53003 nor the reference of a sign-in in the log", what)}
	}
	story, err := a.story(r, e)
	if err != nil {
		return nil, err
	}
	return map[string]any{"meaning": meaningOf(e.Code), "signIn": story}, nil
}

// moment reads a time: RFC 3339, a day, or how long ago (90m, 24h, 7d).
func moment(s string) (time.Time, error) {
	if s == "" {
		return time.Time{}, nil
	}
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05", "2006-01-02T15:04", time.DateOnly} {
		if t, err := time.Parse(layout, s); err == nil {
			return t, nil
		}
	}
	if days, ok := strings.CutSuffix(s, "d"); ok {
		if n, err := strconv.ParseUint(days, 10, 16); err == nil {
			return time.Now().AddDate(0, 0, -int(n)), nil
		}
	}
	if d, err := time.ParseDuration(s); err == nil && d >= 0 {
		return time.Now().Add(-d), nil
	}
	return time.Time{}, fmt.Errorf("%q is no time: write 2026-11-20, 2026-11-20T09:00:00Z, or how long ago, such as 24h or 7d", s)
}

// number reads a number of the query within limits.
func number(s string, preset, low, high int) (int, error) {
	if s == "" {
		return preset, nil
	}
	n, err := strconv.Atoi(s)
	if err != nil || n < low || n > high {
		return 0, fmt.Errorf("a number from %d to %d is expected, not %q", low, high, s)
	}
	return n, nil
}
