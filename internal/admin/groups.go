package admin

import (
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/portreeve/portreeve/internal/store"
)

// group is how groups look here.
type group struct {
	store.Group
	Members []member `json:"members"`
}

type member struct {
	ID      string `json:"id"`
	Name    string `json:"name"`
	IsGroup bool   `json:"isGroup"`
}

func (a *api) groups(r *http.Request) (any, error) {
	rows, err := a.Store.Groups(r.Context())
	return list(rows), err
}

func (a *api) findGroup(r *http.Request, name string) (store.Group, error) {
	g, err := a.Store.Group(r.Context(), name)
	if !errors.Is(err, store.ErrNotFound) {
		return g, err
	}
	var names []string
	if all, err := a.Store.Groups(r.Context()); err == nil && len(all) <= suggested {
		for _, x := range all {
			names = append(names, x.Name)
		}
	}
	return g, notFound("group", name, names...)
}

func (a *api) group(r *http.Request) (any, error) {
	g, err := a.findGroup(r, r.PathValue("id"))
	if err != nil {
		return nil, err
	}
	members, err := a.Store.MembersOf(r.Context(), g.ID)
	if err != nil {
		return nil, err
	}
	out := group{Group: g, Members: []member{}}
	for _, m := range members {
		one := member{ID: m.Member, Name: m.Member, IsGroup: m.IsGroup}
		if m.IsGroup {
			if inner, err := a.Store.Group(r.Context(), m.Member); err == nil {
				one.Name = inner.Name
			}
		} else if p, err := a.Store.Person(r.Context(), m.Member); err == nil {
			one.Name = p.Address
		}
		out.Members = append(out.Members, one)
	}
	return out, nil
}

func (a *api) addGroup(r *http.Request) (any, error) {
	var c struct {
		Name string `json:"name"`
	}
	if err := decode(r, &c); err != nil {
		return nil, err
	}
	if c.Name == "" {
		return nil, bad("name", "a group needs a name")
	}
	if err := nameFits("name", c.Name); err != nil {
		return nil, err
	}
	g := store.Group{Name: c.Name}
	if _, err := a.change(r, func(tx *store.Tx) error { return tx.AddGroup(&g) }); err != nil {
		if errors.Is(err, store.ErrExists) {
			return nil, conflict("there is a group %q already", c.Name).then("`portreeve group show %s` shows its members", shellWord(c.Name))
		}
		return nil, err
	}
	return created{g}, nil
}

func (a *api) deleteGroup(r *http.Request) (any, error) {
	g, err := a.findGroup(r, r.PathValue("id"))
	if err != nil {
		return nil, err
	}
	if err := a.spareMembers(r, g.ID); err != nil {
		return nil, err
	}
	_, err = a.change(r, func(tx *store.Tx) error { return tx.DeleteGroup(g.ID) })
	return nil, err
}

// memberOf finds what a membership names: a person by any spelling, else a group.
func (a *api) memberOf(r *http.Request) (store.Member, error) {
	g, err := a.findGroup(r, r.PathValue("id"))
	if err != nil {
		return store.Member{}, err
	}
	name := r.PathValue("member")
	if p, err := a.findPerson(r, name); err == nil {
		return store.Member{Group: g.ID, Member: p.ID}, a.spareAdministrator(r, p)
	}
	inner, err := a.Store.Group(r.Context(), name)
	if err != nil {
		none := a.nobody(r, name)
		none.Message = strings.Replace(none.Message, "no person", "no person or group", 1)
		return store.Member{}, none
	}
	if inner.ID == g.ID {
		return store.Member{}, bad("", "%s is that group itself", inner.Name)
	}
	return store.Member{Group: g.ID, Member: inner.ID, IsGroup: true}, a.spareMembers(r, inner.ID)
}

func (a *api) addMember(r *http.Request) (any, error) {
	m, err := a.memberOf(r)
	if err != nil {
		return nil, err
	}
	_, err = a.change(r, func(tx *store.Tx) error { return tx.AddMember(m) })
	return nil, err
}

func (a *api) deleteMember(r *http.Request) (any, error) {
	m, err := a.memberOf(r)
	if err != nil {
		return nil, err
	}
	_, err = a.change(r, func(tx *store.Tx) error { return tx.DeleteMember(m) })
	if errors.Is(err, store.ErrNotFound) {
		e := &Error{Status: http.StatusNotFound, Code: "ResourceNotFound", Message: fmt.Sprintf("%s is not in %s itself", r.PathValue("member"), r.PathValue("id"))}
		return nil, e.then("`portreeve group show %s` shows its members", shellWord(r.PathValue("id")))
	}
	return nil, err
}
