package admin

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"time"

	"github.com/portreeve/portreeve/internal/signin"
	"github.com/portreeve/portreeve/internal/store"
)

// administrator is one of the people who are administrators: whose sign-ins
// confirm changes, and whom no change should keep out.
type administrator struct {
	ID   string     `json:"id"`
	User string     `json:"user"`
	Last *time.Time `json:"lastSignIn"` // that was allowed
	// BreakGlass accounts are for the last resort: their every use is an alarm.
	BreakGlass bool   `json:"breakGlass,omitempty"`
	Ref        string `json:"reference,omitempty"`
}

func (a *api) administrators(r *http.Request) (any, error) {
	people, err := a.Store.Administrators(r.Context())
	if err != nil {
		return nil, err
	}
	last, err := a.Store.BreakGlass(r.Context())
	if err != nil {
		return nil, err
	}
	rows := []administrator{}
	for _, p := range people {
		row, err := a.administrator(r.Context(), p)
		if err != nil {
			return nil, err
		}
		row.BreakGlass = slices.ContainsFunc(last, func(x store.Person) bool { return x.ID == p.ID })
		rows = append(rows, row)
	}
	return list(rows), nil
}

func (a *api) administrator(ctx context.Context, p store.Person) (administrator, error) {
	row := administrator{ID: p.ID, User: p.Address}
	last, _, err := a.Store.Events(ctx, store.EventFilter{User: p.ID, Outcome: signin.EndAllowed}, store.Cursor{}, 1)
	if err != nil {
		return row, err
	}
	if len(last) == 1 {
		at := last[0].Last.UTC()
		row.Last, row.Ref = &at, string(last[0].ID.Reference())
	}
	return row, nil
}

func (a *api) addAdministrator(r *http.Request) (any, error) {
	p, err := a.findPerson(r, r.PathValue("id"))
	if err != nil {
		return nil, err
	}
	err = a.Store.Change(r.Context(), actor(r), r.Header.Get("X-Reason"), func(tx *store.Tx) error { return tx.AddAdministrator(p, r.URL.Query().Get("breakGlass") == "true") })
	if errors.Is(err, store.ErrExists) {
		return nil, conflict("%s is an administrator already", p.Address)
	}
	if err != nil {
		return nil, err
	}
	return a.administrator(r.Context(), p)
}

func (a *api) deleteAdministrator(r *http.Request) (any, error) {
	p, err := a.findPerson(r, r.PathValue("id"))
	if err != nil {
		return nil, err
	}
	err = a.Store.Change(r.Context(), actor(r), r.Header.Get("X-Reason"), func(tx *store.Tx) error { return tx.DeleteAdministrator(p) })
	if errors.Is(err, store.ErrNotFound) {
		return nil, &Error{Status: http.StatusNotFound, Code: "ResourceNotFound", Message: p.Address + " is no administrator", Next: "`portreeve admin list` lists them"}
	}
	return nil, err
}
