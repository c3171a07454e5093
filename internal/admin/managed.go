package admin

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/portreeve/portreeve/internal/store"
)

// What is managed from files is read-only by every other way: the answer names
// the file to edit. An administrator may insist (override), or let go of it
// (release), and both are audited.

// managedMember tells in an object's answer from which file it is managed.
const managedMember = "@portreeve.managed"

// overriding lets a request change what is managed from files, if it says so.
func overriding(r *http.Request) *http.Request {
	if r.URL.Query().Get("override") != "true" {
		return r
	}
	return r.WithContext(store.WithOverride(r.Context()))
}

// readOnly refuses a change of what is managed from files.
func (a *api) readOnly(r *http.Request, m *store.ManagedError) *Error {
	what := "the " + m.Kind + " " + m.Name
	if word, document := words[store.DocumentKind(m.Kind)]; document {
		what = "the " + word.name
		if d, err := a.Store.KnownDocument(r.Context(), store.DocumentKind(m.Kind), m.Object); err == nil {
			what += fmt.Sprintf(" %q", d.Name)
		}
	}
	e := &Error{Status: http.StatusConflict, Code: "ManagedFromFiles", Target: m.Place(), Message: what + " is managed from files and not changed here: it stands in " + m.Place()}
	if m.Commit != "" {
		e.Message += " (commit " + m.Commit + ")"
	}
	return e.then("edit %s and `portreeve apply` the folder; --override changes it here until the folder is applied again, `portreeve apply --release` lets go of it", m.File)
}

// managedDocuments are what is managed of the objects of a kind, by id.
func (a *api) managedDocuments(r *http.Request, kind store.DocumentKind) (map[string]store.Managed, error) {
	mine := map[string]store.Managed{}
	if r.URL.Query().Get("plain") == "true" { // as it is kept, for files
		return mine, nil
	}
	all, err := a.Store.ManagedDocuments(r.Context(), kind)
	if err != nil {
		return nil, err
	}
	for _, m := range all {
		mine[m.Object] = m
	}
	return mine, nil
}

// withManaged tells in an object's text from which file it is managed, if it is.
func withManaged(text json.RawMessage, id string, managed map[string]store.Managed) (json.RawMessage, error) {
	m, ok := managed[id]
	if !ok {
		return text, nil
	}
	raw, err := json.Marshal(m)
	if err != nil {
		return nil, err
	}
	return setMember(text, managedMember, raw)
}

// managed lists what is managed from files.
func (a *api) managed(r *http.Request) (any, error) {
	all, err := a.Store.AllManaged(r.Context())
	if err != nil {
		return nil, err
	}
	type row struct {
		store.Managed
		Object string `json:"displayName"`
	}
	rows := []row{}
	for _, m := range all {
		rows = append(rows, row{m, a.managedName(r, &m)})
	}
	return list(rows), nil
}

func (a *api) managedName(r *http.Request, m *store.Managed) string {
	if _, document := words[store.DocumentKind(m.Kind)]; document {
		if d, err := a.Store.KnownDocument(r.Context(), store.DocumentKind(m.Kind), m.Object); err == nil {
			return d.Name
		}
	}
	return m.Word
}

// letting says what is to be managed from files no longer: by name, id or the
// folder's word for it; or all.
type letting struct {
	Names []string `json:"names"`
	All   bool     `json:"all"`
}

// release lets go of what is managed from files; it stays as it is.
func (a *api) release(r *http.Request) (any, error) {
	var c letting
	if err := decode(r, &c); err != nil {
		return nil, err
	}
	if len(c.Names) == 0 && !c.All {
		return nil, bad("names", "say what is to be managed from files no longer: names, or all")
	}
	all, err := a.Store.AllManaged(r.Context())
	if err != nil {
		return nil, err
	}
	chosen := all
	if !c.All {
		chosen = nil
		for _, name := range c.Names {
			n := len(chosen)
			for _, m := range all {
				if m.Object == name || strings.EqualFold(m.Word, name) || strings.EqualFold(a.managedName(r, &m), name) {
					chosen = append(chosen, m)
				}
			}
			if len(chosen) == n {
				return nil, &Error{Status: http.StatusNotFound, Code: "ResourceNotFound", Message: fmt.Sprintf("nothing named %q is managed from files", name)}
			}
		}
	}
	rows := []map[string]any{}
	err = a.Store.Change(r.Context(), actor(r), r.Header.Get("X-Reason"), func(tx *store.Tx) error {
		for _, m := range chosen {
			if err := tx.Release(m.Kind, m.Object, m.Name); err != nil && !errors.Is(err, store.ErrNotFound) {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	for _, m := range chosen {
		rows = append(rows, map[string]any{"kind": m.Kind, "id": m.Object, "displayName": a.managedName(r, &m), "file": m.File})
	}
	return list(rows), nil
}
