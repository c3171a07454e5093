package admin

import (
	"net/http"
	"slices"
	"strings"

	"github.com/portreeve/portreeve/internal/secret"
	"github.com/portreeve/portreeve/internal/spelling"
	"github.com/portreeve/portreeve/internal/store"
)

// person is how people look here.
type person struct {
	store.Person
	Aliases []string `json:"aliases"`
	Groups  []string `json:"groups"` // names, direct and nested
}

// personChange is what can be changed of a person; what is absent stays.
type personChange struct {
	Address     *string  `json:"address"`
	DisplayName *string  `json:"displayName"`
	Password    *string  `json:"password"`     // becomes an argon2id hash; empty takes it away
	Hash        *string  `json:"passwordHash"` // imported, verified and replaced at the next sign-in
	Disabled    *bool    `json:"disabled"`
	Guest       *uint8   `json:"guest"`
	Backend     *string  `json:"backend"`
	Aliases     []string `json:"addAliases"`
	DropAliases []string `json:"removeAliases"`
}

func (a *api) people(r *http.Request) (any, error) {
	all, err := a.Store.People(r.Context())
	if err != nil {
		return nil, err
	}
	want := strings.ToLower(r.URL.Query().Get("filter"))
	rows := []store.Person{}
	for _, p := range all {
		if want == "" || strings.Contains(p.Address, want) || strings.Contains(strings.ToLower(p.DisplayName), want) {
			rows = append(rows, p)
		}
	}
	return list(rows), nil
}

func (a *api) person(r *http.Request) (any, error) {
	p, err := a.findPerson(r, r.PathValue("id"))
	if err != nil {
		return nil, err
	}
	return a.showPerson(r, p)
}

// findPerson takes an id, or any spelling of an address.
func (a *api) findPerson(r *http.Request, name string) (store.Person, error) {
	p, err := a.Store.Person(r.Context(), name)
	if err == nil {
		return p, nil
	}
	if address, cerr := a.Canonical(name); cerr == nil {
		if p, err = a.Store.Person(r.Context(), address); err == nil {
			return p, nil
		}
	}
	return p, a.nobody(r, name)
}

// nobody says that no person has a name, and how one is added.
func (a *api) nobody(r *http.Request, name string) *Error {
	e := notFound("person", name, a.addresses(r, name)...)
	if address, err := a.Canonical(name); err == nil {
		return e.then("`portreeve user list` lists people, `portreeve user add %s` adds this one", shellWord(address))
	}
	return e
}

// addresses are the names that a mistyped one may have meant.
func (a *api) addresses(r *http.Request, typed string) []string {
	all, err := a.Store.People(r.Context())
	if err != nil || len(all) > suggested {
		return nil
	}
	var names []string
	for _, p := range all {
		local, _, _ := strings.Cut(p.Address, "@")
		if strings.Contains(typed, "@") {
			local = p.Address
		}
		names = append(names, local)
	}
	return names
}

func (a *api) showPerson(r *http.Request, p store.Person) (any, error) {
	out := person{Person: p, Aliases: []string{}, Groups: []string{}}
	aliases, err := a.Store.Aliases(r.Context())
	if err != nil {
		return nil, err
	}
	for _, al := range aliases {
		if al.Person == p.ID {
			out.Aliases = append(out.Aliases, al.Address)
		}
	}
	ids, err := a.Store.GroupsOf(r.Context(), p.ID)
	if err != nil {
		return nil, err
	}
	for _, id := range ids {
		g, err := a.Store.Group(r.Context(), id)
		if err != nil {
			return nil, err
		}
		out.Groups = append(out.Groups, g.Name)
	}
	slices.Sort(out.Groups)
	return out, nil
}

func (a *api) addPerson(r *http.Request) (any, error) {
	var c personChange
	if err := decode(r, &c); err != nil {
		return nil, err
	}
	if c.Address == nil || *c.Address == "" {
		return nil, bad("address", "a person needs an address")
	}
	p := store.Person{Origin: "local", SecretKind: store.SecretBackend}
	if err := a.applyPerson(&p, &c); err != nil {
		return nil, err
	}
	if _, err := a.change(r, func(tx *store.Tx) error {
		if err := tx.AddPerson(&p); err != nil {
			return err
		}
		return a.changeAliases(r, tx, p.ID, &c)
	}); err != nil {
		return nil, err
	}
	shown, err := a.showPerson(r, p)
	return created{shown}, err
}

func (a *api) changePerson(r *http.Request) (any, error) {
	p, err := a.findPerson(r, r.PathValue("id"))
	if err != nil {
		return nil, err
	}
	var c personChange
	if err := decode(r, &c); err != nil {
		return nil, err
	}
	if err := a.applyPerson(&p, &c); err != nil {
		return nil, err
	}
	if _, err := a.change(r, func(tx *store.Tx) error {
		if err := tx.PutPerson(&p); err != nil {
			return err
		}
		return a.changeAliases(r, tx, p.ID, &c)
	}); err != nil {
		return nil, err
	}
	return a.showPerson(r, p)
}

func (a *api) applyPerson(p *store.Person, c *personChange) (err error) {
	if p.Source != "" && (c.Address != nil || c.Password != nil || c.Hash != nil) {
		return conflict("address and password of %s are mirrored from the directory %s: change them there", p.Address, p.Source)
	}
	if c.Address != nil {
		if p.Address, err = a.Canonical(*c.Address); err != nil {
			return bad("address", "%v", err)
		}
	}
	set(&p.DisplayName, c.DisplayName)
	if err := nameFits("displayName", p.DisplayName); c.DisplayName != nil && err != nil {
		return err
	}
	set(&p.Disabled, c.Disabled)
	set(&p.Guest, c.Guest)
	if c.Backend != nil && *c.Backend != "" && !slices.Contains(a.Backends, *c.Backend) {
		none := bad("backend", "there is no backend %q%s", *c.Backend, spelling.DidYouMean(*c.Backend, a.Backends))
		if len(a.Backends) == 0 {
			return none.then("the configuration names none under `backends`")
		}
		return none.then("there are %s", strings.Join(a.Backends, ", "))
	}
	set(&p.Backend, c.Backend)
	switch {
	case c.Password != nil && c.Hash != nil:
		return bad("passwordHash", "give a password or its hash, not both")
	case c.Password != nil && *c.Password == "", c.Hash != nil && *c.Hash == "":
		p.SecretKind, p.Hash = store.SecretBackend, ""
	case c.Password != nil && len(*c.Password) > secret.MaxPassword: // it would never be looked at
		return bad("password", "a password has at most %d bytes", secret.MaxPassword)
	case c.Password != nil:
		h, err := a.HashPassword([]byte(*c.Password))
		if err != nil {
			return err
		}
		p.SecretKind, p.Hash = store.SecretArgon2id, store.Hash(h)
	case c.Hash != nil:
		if err := a.CheckHash(*c.Hash); err != nil {
			return bad("passwordHash", "%v", err)
		}
		p.SecretKind, p.Hash = store.SecretImported, store.Hash(*c.Hash)
	}
	return nil
}

func (a *api) changeAliases(r *http.Request, tx *store.Tx, id string, c *personChange) error {
	for _, typed := range c.Aliases {
		address, err := a.Canonical(typed)
		if err != nil {
			return bad("addAliases", "%v", err)
		}
		if err := tx.AddAlias(store.Alias{Address: address, Person: id}); err != nil {
			return err
		}
	}
	if len(c.DropAliases) == 0 {
		return nil
	}
	all, err := a.Store.Aliases(r.Context())
	if err != nil {
		return err
	}
	for _, typed := range c.DropAliases {
		rules := a.Names
		rules.Aliases = nil // or it would be followed to whom it belongs
		alias, err := rules.Canonical(typed)
		if err != nil {
			return bad("removeAliases", "%v", err)
		}
		if !slices.ContainsFunc(all, func(x store.Alias) bool { return x.Address == alias.Full && x.Person == id }) {
			return notFound("alias", alias.Full).then("`portreeve user show` shows a person's aliases")
		}
		if err := tx.DeleteAlias(alias.Full); err != nil {
			return err
		}
	}
	return nil
}

func set[T any](field *T, value *T) {
	if value != nil {
		*field = *value
	}
}

func (a *api) deletePerson(r *http.Request) (any, error) {
	p, err := a.findPerson(r, r.PathValue("id"))
	if err != nil {
		return nil, err
	}
	_, err = a.change(r, func(tx *store.Tx) error { return tx.DeletePerson(p.ID) })
	return nil, err
}
