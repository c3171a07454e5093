package admin

import (
	"net/http"
	"slices"

	"github.com/portreeve/portreeve/internal/store"
)

// directories lists the sources of people, with how many of them there are.
func (a *api) directories(r *http.Request) (any, error) {
	people, err := a.Store.People(r.Context())
	if err != nil {
		return nil, err
	}
	rows := a.Directories()
	for i := range rows {
		for _, p := range people {
			if rows[i].Kind != "ldap" && p.Source == "" && (p.Origin == store.OriginBackend) == (rows[i].Kind == "backend") {
				rows[i].People++
			}
		}
	}
	return list(rows), nil
}

// testDirectories tries one directory, or all of them.
func (a *api) testDirectories(r *http.Request) (any, error) {
	var q struct {
		Name     string `json:"name"`
		User     string `json:"user"`
		Password string `json:"password"`
	}
	if err := decode(r, &q); err != nil {
		return nil, err
	}
	if q.Password != "" && q.User == "" {
		return nil, bad("user", "say whose password it is")
	}
	var names []string
	for _, d := range a.Directories() {
		if d.Kind == "ldap" {
			names = append(names, d.Name)
		}
	}
	if len(names) == 0 {
		return nil, bad("", "no directory of kind ldap is configured: docs/ldap.md has one to paste")
	}
	if q.Name != "" && !slices.Contains(names, q.Name) {
		return nil, notFound("directory", q.Name, names...)
	}
	reports, err := a.TestDirectory(r.Context(), q.Name, q.User, []byte(q.Password))
	if err != nil {
		return nil, bad("user", "%v", err)
	}
	if q.Password != "" {
		err = a.note(r, "test", "password", "", q.User, nil)
	}
	return list(reports), err
}
