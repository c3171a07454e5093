package admin

import (
	"fmt"
	"net/http"
	"path/filepath"
	"strconv"
	"time"

	"github.com/portreeve/portreeve/internal/backend"
	"github.com/portreeve/portreeve/internal/signin"
	"github.com/portreeve/portreeve/internal/span"
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

// note audits something that changes no row.
func (a *api) note(r *http.Request, action, kind, id, name string, detail any) error {
	return a.Store.Change(r.Context(), actor(r), r.Header.Get("X-Reason"), func(tx *store.Tx) error {
		return tx.Note(action, kind, id, name, detail)
	})
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

// since and until read the ends of what is looked at; a day that it goes up to
// is still part of it.
func since(s string) (time.Time, error) {
	if s == "" {
		return time.Time{}, nil
	}
	return span.Ago(s, time.Now().UTC())
}

func until(s string) (time.Time, error) {
	if s == "" {
		return time.Time{}, nil
	}
	return span.UpTo(s, time.Now().UTC())
}

// inOrder refuses a time of which nothing can be found.
func inOrder(from, to time.Time) error {
	if to.IsZero() || from.Before(to) {
		return nil
	}
	return bad("until", "nothing lies between %s and %s: since is not before until", from.UTC().Format(time.RFC3339), to.UTC().Format(time.RFC3339))
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
