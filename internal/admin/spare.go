package admin

import (
	"errors"
	"net/http"
	"slices"

	"github.com/portreeve/portreeve/internal/admintoken"
	"github.com/portreeve/portreeve/internal/store"
)

// mayDecide says that whoever asks may change policy. Over the socket everybody may.
func mayDecide(r *http.Request) bool {
	h, ok := r.Context().Value(holderKey{}).(*admintoken.Holder)
	return !ok || h.May(admintoken.PolicyWrite)
}

// spareAdministrators keeps whoever may only help people from helping
// themselves to an administrator's account: a pass or an app password of one is
// worth what an administrator is.
func (a *api) spareAdministrators(r *http.Request, h *admintoken.Holder, scope admintoken.Scope) error {
	if r.Method == http.MethodGet || r.PathValue("id") == "" || h.May(admintoken.PolicyWrite) || !slices.Contains([]admintoken.Scope{admintoken.FactorWrite, admintoken.UserWrite, admintoken.UserRevoke}, scope) {
		return nil
	}
	spellings := []string{r.PathValue("id")} // as the handler finds them
	if address, err := a.Canonical(spellings[0]); err == nil {
		spellings = append(spellings, address)
	}
	for _, name := range spellings {
		p, err := a.Store.Person(r.Context(), name)
		if errors.Is(err, store.ErrNotFound) {
			continue
		}
		if err == nil {
			err = a.spareAdministrator(r, p)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// spareAdministrator is the same for one person, for handlers that find out
// whom a request is about. Over the socket everybody administers.
func (a *api) spareAdministrator(r *http.Request, p store.Person) error {
	if mayDecide(r) {
		return nil
	}
	is, err := a.Store.IsAdministrator(r.Context(), p.ID)
	if err == nil && is {
		return &Error{Status: http.StatusForbidden, Code: "Authorization_RequestDenied", Target: string(admintoken.PolicyWrite),
			Message: p.Address + " is an administrator: only a token of the role administrator does this to them"}
	}
	return err
}

// sparePerson is spareAdministrator for somebody by id.
func (a *api) sparePerson(r *http.Request, id string) error {
	return a.spareThose(r, func(p store.Person) (bool, error) { return p.ID == id, nil })
}

// spareMembers is the same for everybody in a group, by id, through groups within
// it; "" is everybody there is.
func (a *api) spareMembers(r *http.Request, group string) error {
	return a.spareThose(r, func(p store.Person) (bool, error) {
		of, err := a.Store.GroupsOf(r.Context(), p.ID)
		return group == "" || slices.Contains(of, group), err
	})
}

// spareThose is the same for several.
func (a *api) spareThose(r *http.Request, is func(store.Person) (bool, error)) error {
	if mayDecide(r) {
		return nil
	}
	all, err := a.Store.Administrators(r.Context())
	if err != nil {
		return err
	}
	for _, p := range all {
		concerned, err := is(p)
		if err == nil && concerned {
			err = a.spareAdministrator(r, p)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
