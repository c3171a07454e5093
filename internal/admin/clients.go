package admin

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/portreeve/portreeve/internal/client"
	"github.com/portreeve/portreeve/internal/lint"
	"github.com/portreeve/portreeve/internal/scope"
	"github.com/portreeve/portreeve/internal/span"
	"github.com/portreeve/portreeve/internal/store"
)

// errNoIssuer is what administrators are told where no tokens are issued.
var errNoIssuer = &Error{Status: http.StatusConflict, Code: "Conflict", Message: "this server issues no tokens itself, so no program signs in to it with a browser",
	Next: "it does once public has an address, public_url is an https address, and oauth.enabled is not false"}

// shownClient is how a program looks here; its secret is in the answer that made
// it and nowhere else.
type shownClient struct {
	client.Client
	Limit          string `json:"limit"` // scopes; empty: none
	AccountAddress string `json:"accountAddress,omitempty"`
	Verified       bool   `json:"verified"`
	// Imitates says that it is called like a verified one, and is none.
	Imitates bool `json:"imitates"`
	// MayAsk says that it may ask for tokens as things stand.
	MayAsk bool `json:"mayAsk"`
	Grants int  `json:"grants"` // that live
}

// issuedClient is a program with its secret, which is shown this once.
type issuedClient struct {
	shownClient
	Secret string `json:"secret,omitempty"`
}

// showClients shows programs with what is known of them elsewhere.
func (a *api) showClients(ctx context.Context, all ...client.Client) ([]shownClient, error) {
	grants := map[string]int{}
	if a.Grants != nil {
		for _, g := range a.Grants.List() {
			grants[g.Client]++
		}
	}
	rows, now := make([]shownClient, 0, len(all)), time.Now()
	for _, c := range all {
		row := shownClient{Client: c, Limit: c.Limit.String(), Verified: c.Verified(), Imitates: c.Imitates(), MayAsk: a.Clients.Admit(c) == nil, Grants: grants[c.ID]}
		if !c.OldSecretGood(now) {
			row.OldSecretMade, row.OldSecretUntil = time.Time{}, time.Time{}
		}
		row.Redirects, row.PostLogout, row.Client.Grants = never(c.Redirects), never(c.PostLogout), never(c.Grants)
		if c.Account != "" {
			p, err := a.Store.Person(ctx, c.Account)
			if err != nil && !errors.Is(err, store.ErrNotFound) {
				return nil, err
			}
			row.AccountAddress = p.Address
		}
		rows = append(rows, row)
	}
	return rows, nil
}

// never is a list that is never null.
func never(list []string) []string { return append([]string{}, list...) }

func (a *api) clients(r *http.Request) (any, error) {
	if a.Clients == nil {
		return nil, errNoIssuer
	}
	state := r.URL.Query().Get("state")
	if state != "" && !slices.Contains([]client.State{client.Unjudged, client.Allowed, client.Forbidden}, client.State(state)) {
		return nil, bad("state", "a program is open, allowed or forbidden, not %q", state)
	}
	all := slices.DeleteFunc(a.Clients.List(), func(c client.Client) bool { return state != "" && string(c.State) != state })
	rows, err := a.showClients(r.Context(), all...)
	if err != nil {
		return nil, err
	}
	return list(rows), nil
}

// findClient takes an id, or a name that only one program has. A stranger can
// call a program whatever they like, so that a name which several have is none.
func (a *api) findClient(r *http.Request) (client.Client, error) {
	if a.Clients == nil {
		return client.Client{}, errNoIssuer
	}
	name := r.PathValue("id")
	if c, there := a.Clients.Find(name); there {
		return c, nil
	}
	var found []client.Client
	var names []string
	for _, c := range a.Clients.List() {
		names = append(names, c.ID, c.Name)
		if strings.EqualFold(c.Name, name) {
			found = append(found, c)
		}
	}
	switch len(found) {
	case 0:
		return client.Client{}, notFound("program", name, names...)
	case 1:
		return found[0], nil
	}
	return client.Client{}, bad("id", "%d programs are called %q: say the id of one", len(found), name).then("`portreeve client list` lists them with their ids")
}

func (a *api) client(r *http.Request) (any, error) {
	c, err := a.findClient(r)
	if err != nil {
		return nil, err
	}
	return a.oneClient(r.Context(), c)
}

func (a *api) oneClient(ctx context.Context, c client.Client) (shownClient, error) {
	rows, err := a.showClients(ctx, c)
	if err != nil {
		return shownClient{}, err
	}
	return rows[0], nil
}

// wantedClient is a program that an administrator makes.
type wantedClient struct {
	Name              string   `json:"name"`
	Redirects         []string `json:"redirects"`
	PostLogout        []string `json:"postLogoutRedirects"`
	BackChannelLogout string   `json:"backChannelLogout"`
	Confidential      bool     `json:"confidential"`
	ServiceAccount    string   `json:"serviceAccount"` // address
	Limit             string   `json:"limit"`
	IDTokenAlg        string   `json:"idTokenAlg"`
}

func (a *api) addClient(r *http.Request) (any, error) {
	if a.Clients == nil {
		return nil, errNoIssuer
	}
	var w wantedClient
	if err := decode(r, &w); err != nil {
		return nil, err
	}
	n := client.New{Name: w.Name, Redirects: w.Redirects, PostLogout: w.PostLogout, BackChannelLogout: w.BackChannelLogout, Confidential: w.Confidential, IDTokenAlg: w.IDTokenAlg}
	var err error
	if n.Limit, err = readLimit(w.Limit); err != nil {
		return nil, err
	}
	if w.ServiceAccount != "" {
		p, err := a.findPerson(r, w.ServiceAccount)
		if err != nil {
			return nil, err
		}
		n.Account = p.ID
	}
	c, shown, err := a.Clients.Add(r.Context(), actor(r), r.Header.Get("X-Reason"), n)
	if err != nil {
		return nil, clientError(err)
	}
	out, err := a.oneClient(r.Context(), c)
	return created{issuedClient{out, shown}}, err
}

// readLimit reads scopes that a program is limited to. What is not understood is
// refused, where a program that asks for it is just not given it: a limit with a
// mistyped word would be another one than was meant.
func readLimit(typed string) (scope.Set, error) {
	limit, err := scope.Parse(typed)
	if err != nil {
		return limit, bad("limit", "%v", err)
	}
	for w := range strings.FieldsSeq(typed) {
		if scope.KindOf(w) == scope.Unknown {
			return limit, bad("limit", "there is no scope %q", w).then("there are mail, imap, pop, smtp, sieve, contacts, calendars, ews, openid, email, profile, offline_access, and the names that programs have for these")
		}
	}
	return limit, nil
}

// clientError turns the registry's errors into answers.
func clientError(err error) error {
	var fault *client.Fault
	switch {
	case errors.As(err, &fault) && fault.Member == "":
		return conflict("%s", fault.Text)
	case errors.As(err, &fault):
		return bad(fault.Member, "%s", fault.Text)
	case errors.Is(err, store.ErrNotFound): // it ran out since it was found
		return (&Error{Status: http.StatusNotFound, Code: "ResourceNotFound", Message: "the program is not there any more"}).then("`portreeve client list` lists what there is")
	}
	return err
}

// clientChange is what can be changed of a program; what is absent stays.
type clientChange struct {
	Name  *string `json:"name"`
	Limit *string `json:"limit"`
}

func (a *api) changeClient(r *http.Request) (any, error) {
	var c clientChange
	if err := decode(r, &c); err != nil {
		return nil, err
	}
	var limit scope.Set
	if c.Limit != nil {
		var err error
		if limit, err = readLimit(*c.Limit); err != nil {
			return nil, err
		}
	}
	return a.onClient(r, func(ctx context.Context, who store.Actor, reason, id string) (out client.Client, ended int, err error) {
		if out, _ = a.Clients.Find(id); c.Name != nil {
			out, err = a.Clients.Rename(ctx, who, reason, id, *c.Name)
		}
		if c.Limit != nil && err == nil {
			out, ended, err = a.Clients.Restrict(ctx, who, reason, id, limit)
		}
		return out, ended, err
	})
}

func (a *api) allowClient(r *http.Request) (any, error) {
	return a.onClient(r, func(ctx context.Context, who store.Actor, reason, id string) (client.Client, int, error) {
		c, err := a.Clients.Allow(ctx, who, reason, id)
		return c, 0, err
	})
}

func (a *api) forbidClient(r *http.Request) (any, error) {
	return a.onClient(r, func(ctx context.Context, who store.Actor, reason, id string) (client.Client, int, error) {
		return a.Clients.Forbid(ctx, who, reason, id)
	})
}

func (a *api) deleteClient(r *http.Request) (any, error) {
	return a.onClient(r, func(ctx context.Context, who store.Actor, reason, id string) (client.Client, int, error) {
		return a.Clients.Remove(ctx, who, reason, id)
	})
}

// endedClient is a program as it is now, and how many grants the change ended.
type endedClient struct {
	shownClient
	Ended int `json:"ended"` // grants
}

// onClient changes a program, which may end some of what it was granted. What was
// opened with that is closed before the answer leaves.
func (a *api) onClient(r *http.Request, do func(ctx context.Context, who store.Actor, reason, id string) (client.Client, int, error)) (any, error) {
	c, err := a.findClient(r)
	if err != nil {
		return nil, err
	}
	c, ended, err := do(r.Context(), actor(r), r.Header.Get("X-Reason"), c.ID)
	if err != nil {
		return nil, clientError(err)
	}
	if err := a.inForce(r); err != nil {
		return nil, err
	}
	after, err := a.oneClient(r.Context(), c)
	return endedClient{after, ended}, err
}

// usualOverlap is how long the old secret is good unless it is said: whoever
// rotates in time has a day to give the program its new one.
const usualOverlap = 24 * time.Hour

// wantedSecret is another secret of a program.
type wantedSecret struct {
	Overlap string `json:"overlap"` // how long the present one is good beside it, such as 24h; 0: no longer
}

func (a *api) newClientSecret(r *http.Request) (any, error) {
	c, err := a.findClient(r)
	if err != nil {
		return nil, err
	}
	var w wantedSecret
	if err := decode(r, &w); err != nil {
		return nil, err
	}
	overlap := usualOverlap
	switch w.Overlap {
	case "":
	case "0":
		overlap = 0
	default:
		if overlap, err = span.Parse(w.Overlap); err != nil {
			return nil, bad("overlap", "%v", err)
		}
	}
	two := c.OldSecretGood(time.Now())
	c, shown, err := a.Clients.NewSecret(r.Context(), actor(r), r.Header.Get("X-Reason"), c.ID, overlap)
	var said *Error
	switch err = clientError(err); {
	case errors.As(err, &said) && said.Status == http.StatusConflict && two:
		return nil, said.then("`portreeve client secret %[1]s --end-old` ends it; `portreeve client secret %[1]s --overlap 0` ends both and gives a new one", lint.ShellWord(r.PathValue("id")))
	case err != nil:
		return nil, err
	}
	out, err := a.oneClient(r.Context(), c)
	return issuedClient{out, shown}, err
}

func (a *api) endOldClientSecret(r *http.Request) (any, error) {
	c, err := a.findClient(r)
	if err != nil {
		return nil, err
	}
	if c, err = a.Clients.EndOldSecret(r.Context(), actor(r), r.Header.Get("X-Reason"), c.ID); err != nil {
		return nil, clientError(err)
	}
	return a.oneClient(r.Context(), c)
}
