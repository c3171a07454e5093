package admin

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/portreeve/portreeve/internal/apppassword"
	"github.com/portreeve/portreeve/internal/directory"
	"github.com/portreeve/portreeve/internal/store"
)

// AppPasswords is what the interface needs of the app passwords.
type AppPasswords interface {
	Issue(ctx context.Context, who store.Actor, p directory.Person, name string, sc apppassword.Scope) (text string, _ apppassword.Password, err error)
	List(ctx context.Context, person string) ([]apppassword.Password, error)
	Revoke(ctx context.Context, who store.Actor, person, id string) error
	Approve(ctx context.Context, who store.Actor, person, id, mark string) error
}

// shownAppPassword is how an app password looks here; its text is in the answer
// that made it and nowhere else.
type shownAppPassword struct {
	apppassword.Password
	User  string `json:"user"`
	State string `json:"state"`
	Text  string `json:"password,omitempty"`
}

func (a *api) appPasswords(r *http.Request) (any, error) {
	person, err := a.appPasswordOwner(r)
	if err != nil {
		return nil, err
	}
	all, err := a.AppPasswords.List(r.Context(), person)
	if err != nil {
		return nil, err
	}
	names := map[string]string{}
	rows := []shownAppPassword{}
	for _, p := range all {
		if names[p.Person] == "" {
			owner, err := a.Store.Person(r.Context(), p.Person)
			if err != nil && !errors.Is(err, store.ErrNotFound) {
				return nil, err
			}
			names[p.Person] = owner.Address
		}
		rows = append(rows, shownAppPassword{Password: p, User: names[p.Person], State: p.State(time.Now())})
	}
	return list(rows), nil
}

// appPasswordOwner is the id of the person that the query names, if it does.
func (a *api) appPasswordOwner(r *http.Request) (string, error) {
	name := r.URL.Query().Get("user")
	if name == "" {
		return "", nil
	}
	p, err := a.findPerson(r, name)
	return p.ID, err
}

func (a *api) issueAppPassword(r *http.Request) (any, error) {
	var c struct {
		User string `json:"user"`
		Name string `json:"name"`
		apppassword.Scope
	}
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
	text, made, err := a.AppPasswords.Issue(reasoned(r), actor(r), directory.Person{ID: p.ID, Address: p.Address, Backend: p.Backend}, c.Name, c.Scope)
	if err != nil {
		return nil, appPasswordError(err)
	}
	return created{shownAppPassword{made, p.Address, made.State(time.Now()), text}}, nil
}

// appPasswordError turns the service's errors into answers.
func appPasswordError(err error) error {
	var wrong *apppassword.Invalid
	var none *apppassword.NoWayIn
	var taken *apppassword.NameTaken
	switch {
	case errors.As(err, &wrong):
		return bad(wrong.Member, "%v", err)
	case errors.As(err, &none):
		return &Error{Status: http.StatusConflict, Code: "Conflict", Message: none.Error(), Target: "backends." + none.Backend + ".login"}
	case errors.As(err, &taken):
		return conflict("%v", err).then("`portreeve apppw revoke %s` ends that one, --name gives this one another name", shellWord(taken.Name))
	case errors.Is(err, apppassword.ErrTooMany):
		return conflict("%v", err).then("`portreeve apppw list` tells which are used no more, `portreeve apppw revoke ID` ends one")
	}
	return err
}

// findAppPassword takes an id, or the name of a living one that nobody else's
// has; where none lives, the one of that name that was revoked last.
func (a *api) findAppPassword(r *http.Request) (apppassword.Password, error) {
	name := r.PathValue("id")
	person, err := a.appPasswordOwner(r)
	if err != nil {
		return apppassword.Password{}, err
	}
	all, err := a.AppPasswords.List(r.Context(), person)
	if err != nil {
		return apppassword.Password{}, err
	}
	var found []apppassword.Password
	var dead apppassword.Password
	var names []string
	for _, p := range all {
		same := strings.EqualFold(p.Name, name)
		switch {
		case p.ID == name:
			return p, nil
		case !p.Revoked.IsZero():
			if same && p.Revoked.After(dead.Revoked) {
				dead = p
			}
		default:
			names = append(names, p.Name)
			if same {
				found = append(found, p)
			}
		}
	}
	switch len(found) {
	case 0:
		if !dead.Revoked.IsZero() {
			return dead, nil
		}
		return apppassword.Password{}, notFound("app password", name, names...)
	case 1:
		return found[0], nil
	}
	return apppassword.Password{}, bad("id", "%d people have an app password %q: say its id, or whose it is with --user", len(found), name).then("`portreeve apppw list` lists them with their ids")
}

func (a *api) appPassword(r *http.Request) (any, error) {
	p, err := a.findAppPassword(r)
	if err != nil {
		return nil, err
	}
	owner, err := a.Store.Person(r.Context(), p.Person)
	if err != nil {
		return nil, err
	}
	return shownAppPassword{Password: p, User: owner.Address, State: p.State(time.Now())}, nil
}

func (a *api) revokeAppPassword(r *http.Request) (any, error) {
	return a.onAppPassword(r, func(ctx context.Context, who store.Actor, p *apppassword.Password) error {
		return a.AppPasswords.Revoke(ctx, who, p.Person, p.ID)
	})
}

// approveAppPassword lets in what the administrator was shown, by its mark, and
// not whatever has shown the app password since.
func (a *api) approveAppPassword(r *http.Request) (any, error) {
	var c struct {
		PendingMark string `json:"pendingMark"`
	}
	if err := decode(r, &c); err != nil {
		return nil, err
	}
	if c.PendingMark == "" {
		return nil, bad("pendingMark", "say which program and network is approved: pendingMark, as it stands beside them")
	}
	return a.onAppPassword(r, func(ctx context.Context, who store.Actor, p *apppassword.Password) error {
		if err := a.sparePerson(r, p.Person); err != nil {
			return err
		}
		if p.Pending && p.PendingMark != c.PendingMark {
			return &Error{Status: http.StatusConflict, Code: "Conflict", Target: "pendingMark",
				Message: "another program or network waits now than was approved: look again before you let it in"}
		}
		return a.AppPasswords.Approve(ctx, who, p.Person, p.ID, c.PendingMark)
	})
}

func (a *api) onAppPassword(r *http.Request, do func(ctx context.Context, who store.Actor, p *apppassword.Password) error) (any, error) {
	p, err := a.findAppPassword(r)
	if err != nil {
		return nil, err
	}
	if !p.Revoked.IsZero() {
		return nil, a.revokedAlready(r, &p)
	}
	if err := do(reasoned(r), actor(r), &p); err != nil {
		return nil, a.onError(&p, err)
	}
	return p, a.inForce(r)
}

// onError is appPasswordError for one that is there.
func (a *api) onError(p *apppassword.Password, err error) error {
	if errors.Is(err, apppassword.ErrNothingPending) {
		return conflict("nothing waits for approval: %s (%s) has been refused to no further program or network", p.ID, p.Name).
			then("`portreeve apppw show %s` tells what it is bound to", p.ID)
	}
	return appPasswordError(err)
}

// revokedAlready says when it was; `apppw new` makes another.
func (a *api) revokedAlready(r *http.Request, p *apppassword.Password) error {
	owner := a.naming(r.Context()).text(p.Person)
	return conflict("the app password %s (%s) of %s was revoked already, at %s", p.ID, p.Name, owner, p.Revoked.UTC().Format(time.RFC3339)).
		then("`portreeve apppw new %s` makes another, `portreeve apppw list %[1]s` lists them all", shellWord(owner))
}
