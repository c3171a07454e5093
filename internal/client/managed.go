package client

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/portreeve/portreeve/internal/scope"
	"github.com/portreeve/portreeve/internal/secret"
	"github.com/portreeve/portreeve/internal/store"
)

// maxManaged is how many clients administrators can make.
const maxManaged = 1000

// New is a client that an administrator makes.
type New struct {
	Name              string
	Redirects         []string
	PostLogout        []string
	BackChannelLogout string
	Confidential      bool   // has a secret
	Account           string // person's id: the client signs in as a service account
	Limit             scope.Set
	IDTokenAlg        string
}

// Fault is what is wrong with something that an administrator asked for.
type Fault struct{ Member, Text string }

func (f *Fault) Error() string { return f.Text }

// Add makes a managed client. The secret of a confidential one is shown here
// and nowhere else: what is kept is a keyed fingerprint.
func (r *Registry) Add(ctx context.Context, who store.Actor, reason string, n New) (c Client, shown string, err error) {
	if c, err = n.client(); err != nil {
		return c, "", err
	}
	c.ID = newID("app-")
	row := c.row()
	if n.Confidential {
		shown = secret.NewMarked(secretMark)
		row.Print = r.printOf(c.ID, shown)
	}
	c, err = r.change(ctx, who, reason, c.ID, func(tx *store.Tx, _ *Client) error {
		if same := r.named(c.Name, ""); same != "" {
			return &Fault{"name", fmt.Sprintf("%s is called that already", same)}
		}
		if r.count(Managed) >= maxManaged {
			return &Fault{"", fmt.Sprintf("there are %d programs already: remove some", maxManaged)}
		}
		return tx.AddClient(row)
	})
	if err != nil {
		return c, "", err
	}
	return c, shown, nil
}

// client checks what an administrator asks for.
func (n *New) client() (Client, error) {
	c := Client{Kind: Managed, State: Unjudged, Public: !n.Confidential, Consent: !n.Confidential, Redirects: distinct(n.Redirects), PostLogout: distinct(n.PostLogout),
		BackChannelLogout: n.BackChannelLogout, Grants: []string{}, Limit: n.Limit, IDTokenAlg: n.IDTokenAlg, Account: n.Account}
	name, fault := readName(n.Name)
	if fault != "" {
		return c, &Fault{"name", "the name " + fault}
	}
	c.Name = name
	switch {
	case len(c.Redirects) == 0 && n.Account == "" && !n.Confidential: // one with a secret can ask what tokens are worth, as mail servers do
		return c, &Fault{"redirects", "a program needs an address to be answered at, or a service account to sign in as"}
	case n.Account != "" && !n.Confidential:
		return c, &Fault{"serviceAccount", "a program that signs in as a service account has a secret: make it confidential"}
	case n.IDTokenAlg != "" && !slices.Contains(idTokenAlgs, n.IDTokenAlg):
		return c, &Fault{"idTokenAlg", "tokens are signed with ES256 or RS256"}
	}
	if len(c.Redirects) > 0 {
		c.Grants = append(c.Grants, GrantCode, GrantRefresh)
	}
	if n.Account != "" {
		c.Grants = append(c.Grants, GrantCredentials)
	}
	for member, list := range map[string][]string{"redirects": c.Redirects, "postLogoutRedirects": c.PostLogout} {
		if len(list) > maxRedirects {
			return c, &Fault{member, fmt.Sprintf("there are more than %d addresses", maxRedirects)}
		}
		for _, g := range list {
			if _, fault := parseAddress(g); fault != "" {
				return c, &Fault{member, fmt.Sprintf("no program is answered at %q: %s", g, fault)}
			}
		}
	}
	if c.BackChannelLogout == "" {
		return c, nil
	}
	switch a, fault := parseAddress(c.BackChannelLogout); {
	case fault != "":
		return c, &Fault{"backChannelLogout", fmt.Sprintf("nobody is told of a sign-out at %q: %s", c.BackChannelLogout, fault)}
	case a.sort == private:
		return c, &Fault{"backChannelLogout", "the server tells of a sign-out over https"}
	}
	return c, nil
}

// Allow makes a client one that is known to be what it calls itself, and lets
// one that was forbidden in again.
func (r *Registry) Allow(ctx context.Context, who store.Actor, reason, id string) (Client, error) {
	return r.judge(ctx, who, reason, id, "allow", func(_ *store.Tx, c *Client) error { c.State = Allowed; return nil })
}

// Forbid refuses a client from now on, ends what it was granted, and says how
// many grants that were.
func (r *Registry) Forbid(ctx context.Context, who store.Actor, reason, id string) (c Client, ended int, err error) {
	c, err = r.judge(ctx, who, reason, id, "forbid", func(tx *store.Tx, c *Client) (err error) {
		c.State = Forbidden
		ended, err = endGrants(tx, id, forbiddenReason, all)
		return err
	})
	if err == nil {
		ended, err = r.endLate(ctx, who, id, forbiddenReason, ended)
	}
	return c, ended, err
}

// Why grants ended, as their rows say it.
const (
	forbiddenReason = "the program was forbidden"
	removedReason   = "the program was removed"
)

func all(*store.Grant) bool { return true }

// endLate ends what was granted by a request that was let in before the client
// was forbidden or gone here, and written down after its grants were ended.
// Whoever is later still finds out when they ask, once more, before they hand
// anything out.
func (r *Registry) endLate(ctx context.Context, who store.Actor, id, reason string, ended int) (int, error) {
	err := r.Store.Change(ctx, who, reason, func(tx *store.Tx) error {
		late, err := endGrants(tx, id, reason, all)
		ended += late
		return err
	})
	return ended, err
}

// Restrict lets a client have no more than some scopes; none lifts the limit.
// Grants of more than that end, so that the program asks for others.
func (r *Registry) Restrict(ctx context.Context, who store.Actor, reason, id string, limit scope.Set) (c Client, ended int, err error) {
	c, err = r.judge(ctx, who, reason, id, "limit", func(tx *store.Tx, c *Client) (err error) {
		if c.Limit = limit; limit.Empty() {
			return nil
		}
		ended, err = endGrants(tx, id, "the program was limited to "+limit.String(), func(g *store.Grant) bool { return !within(g, limit) })
		return err
	})
	return c, ended, err
}

// within says that a grant is of no more than a limit. One that cannot be read is not.
func within(g *store.Grant, limit scope.Set) bool {
	var facts struct {
		Scope string `json:"scope"`
	}
	if json.Unmarshal(g.Facts, &facts) != nil {
		return false
	}
	granted, err := scope.Parse(facts.Scope)
	return err == nil && granted.Within(limit)
}

// endGrants ends some of what a client was granted, and the sessions that hang on it.
func endGrants(tx *store.Tx, client, reason string, which func(*store.Grant) bool) (int, error) {
	ids, err := tx.OpenGrants("", client)
	if err != nil {
		return 0, err
	}
	var ending []string
	for _, id := range ids {
		g, err := tx.Grant(id)
		if err != nil {
			return 0, err
		}
		if which(&g) {
			ending = append(ending, id)
		}
	}
	ended, err := tx.EndGrants(ending, time.Now(), reason)
	return len(ended), err
}

// Rename gives a client another name, which people read from then on.
func (r *Registry) Rename(ctx context.Context, who store.Actor, reason, id, name string) (Client, error) {
	name, fault := readName(name)
	if fault != "" {
		return Client{}, &Fault{"name", "the name " + fault}
	}
	return r.judge(ctx, who, reason, id, "rename", func(_ *store.Tx, c *Client) error {
		switch same := r.named(name, id); {
		case c.Kind == Builtin:
			return &Fault{"name", "a program that comes with the server keeps its name"}
		case same != "":
			return &Fault{"name", fmt.Sprintf("%s is called that already", same)}
		}
		c.Name = name
		return nil
	})
}

// Remove forgets a client, ends what it was granted, and says how many grants
// that were.
func (r *Registry) Remove(ctx context.Context, who store.Actor, reason, id string) (was Client, ended int, err error) {
	was, _ = r.Find(id)
	_, err = r.change(ctx, who, reason, id, func(tx *store.Tx, c *Client) (err error) {
		if c.Kind == Builtin {
			return &Fault{"", "a program that comes with the server cannot be removed; it can be forbidden"}
		}
		if err := tx.DeleteClient(id); err != nil {
			return err
		}
		ended, err = endGrants(tx, id, removedReason, all)
		return err
	})
	if err == nil {
		ended, err = r.endLate(ctx, who, id, removedReason, ended)
	}
	return was, ended, err
}

// judge changes what can be changed of a client.
func (r *Registry) judge(ctx context.Context, who store.Actor, reason, id, action string, do func(*store.Tx, *Client) error) (Client, error) {
	return r.change(ctx, who, reason, id, func(tx *store.Tx, c *Client) error {
		if c.ID == "" {
			return store.ErrNotFound
		}
		if err := do(tx, c); err != nil {
			return err
		}
		return tx.JudgeClient(action, c.row())
	})
}

// change carries out a change of one client, gives do a copy of it as it is,
// and has it in the table before it returns.
func (r *Registry) change(ctx context.Context, who store.Actor, reason, id string, do func(*store.Tx, *Client) error) (Client, error) {
	r.writing.Lock()
	defer r.writing.Unlock()
	err := r.Store.Change(ctx, who, reason, func(tx *store.Tx) error {
		c, _ := r.Find(id)
		return do(tx, &c)
	})
	if err != nil {
		return Client{}, err
	}
	if err := r.read(ctx); err != nil {
		return Client{}, err
	}
	c, _ := r.Find(id)
	return c, nil
}

// named is the name of a verified client, other than one, that is called the same.
func (r *Registry) named(name, except string) string {
	like := likeness(name)
	r.mu.RLock()
	defer r.mu.RUnlock()
	for id, e := range r.table {
		if id != except && e.Kind != Registered && e.likeness == like {
			return e.Name
		}
	}
	return ""
}

func (r *Registry) count(k Kind) (n int) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	for _, e := range r.table {
		if e.Kind == k {
			n++
		}
	}
	return n
}
