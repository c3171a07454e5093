package admin

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"time"

	"github.com/portreeve/portreeve/internal/grant"
	"github.com/portreeve/portreeve/internal/store"
)

// Grants is what the interface needs of the grants that programs' tokens hang on.
type Grants interface {
	List() []grant.Grant
	Of(person string) []grant.Grant
	Connection(id string) (grant.Connection, bool)
	Disconnect(ctx context.Context, who store.Actor, id, reason string) error
}

// shownGrant is how a grant looks here. Those that one session of a browser gave a
// program, one after the other, are shown and ended as one.
type shownGrant struct {
	ID         string    `json:"id"`               // of the last one
	Grants     []string  `json:"grants,omitempty"` // the ids of all, if they are several
	User       string    `json:"user"`
	Client     string    `json:"client"`
	ClientName string    `json:"clientName"`
	Kind       string    `json:"kind"`
	Scopes     []string  `json:"scopes"`
	Methods    []string  `json:"methods"`
	Offline    bool      `json:"offline"`           // has a refresh token
	Network    string    `json:"network,omitempty"` // the only one it is good from
	SignedIn   time.Time `json:"signedIn,omitzero"`
	Created    time.Time `json:"created"`
	Used       time.Time `json:"used,omitzero"`
	Until      time.Time `json:"until,omitzero"`
}

func (a *api) showGrant(g *grant.Connection) shownGrant {
	row := shownGrant{ID: g.ID, User: g.Address, Client: g.Client, ClientName: g.Client, Kind: g.Kind, Scopes: never(g.Scope.Words()), Methods: never(g.Methods.Names()),
		Offline: g.Offline, SignedIn: g.AuthTime, Created: g.Created, Used: g.Used, Until: g.Until}
	if len(g.IDs) > 1 {
		row.Grants = g.IDs
	}
	if g.Network.IsValid() {
		row.Network = g.Network.String()
	}
	if a.Clients != nil {
		if c, there := a.Clients.Find(g.Client); there {
			row.ClientName = c.Name
		}
	}
	return row
}

// grants lists those that live, the oldest first.
func (a *api) grants(r *http.Request) (any, error) {
	if a.Grants == nil {
		return nil, errNoIssuer
	}
	q := r.URL.Query()
	var all []grant.Grant
	if name := q.Get("user"); name == "" {
		all = a.Grants.List()
	} else {
		p, err := a.findPerson(r, name)
		if err != nil {
			return nil, err
		}
		all = a.Grants.Of(p.ID)
	}
	of := q.Get("client")
	rows := []shownGrant{}
	for _, c := range grant.Connections(all) {
		if of == "" || c.Client == of {
			rows = append(rows, a.showGrant(&c))
		}
	}
	slices.SortStableFunc(rows, func(x, y shownGrant) int { return x.Created.Compare(y.Created) })
	return list(rows), nil
}

func (a *api) findGrant(r *http.Request) (grant.Connection, error) {
	if a.Grants == nil {
		return grant.Connection{}, errNoIssuer
	}
	g, there := a.Grants.Connection(r.PathValue("id"))
	if !there {
		return g, noGrant(r)
	}
	return g, nil
}

func noGrant(r *http.Request) error {
	return notFound("grant", r.PathValue("id"))
}

func (a *api) grant(r *http.Request) (any, error) {
	g, err := a.findGrant(r)
	if err != nil {
		return nil, err
	}
	return a.showGrant(&g), nil
}

// endGrant ends a grant and what was opened with it.
func (a *api) endGrant(r *http.Request) (any, error) {
	g, err := a.findGrant(r)
	if err != nil {
		return nil, err
	}
	row := a.showGrant(&g)
	reason := r.Header.Get("X-Reason")
	if reason == "" {
		reason = "ended by " + actor(r).Name
	}
	if err := a.Grants.Disconnect(r.Context(), actor(r), g.ID, reason); errors.Is(err, grant.ErrUnknown) {
		return nil, noGrant(r)
	} else if err != nil {
		return nil, err
	}
	return row, a.inForce(r)
}
