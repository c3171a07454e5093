package client

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/portreeve/portreeve/internal/scope"
	"github.com/portreeve/portreeve/internal/secret"
	"github.com/portreeve/portreeve/internal/signin"
	"github.com/portreeve/portreeve/internal/store"
)

// Registration is who may bring programs.
type Registration string

// The settings of registration.
const (
	AnyProgram   Registration = "open"     // any program registers and asks people for consent
	VerifiedOnly Registration = "verified" // any registers; it is refused until an administrator allows it
	NoneRegister Registration = "off"      // none registers, and those that did are refused unless allowed
)

// Options are what the registry needs.
type Options struct {
	Store        *store.Store
	Box          *secret.Box
	Issuer       string       // the issuer's address, whose host no stranger may have for a name
	Registration Registration // empty: off
	PerNetwork   int          // registrations an hour from one /24 or /48; 0: DefaultPerNetwork
	Log          *slog.Logger // nil: nowhere
}

// Registry is every client. It is safe for concurrent use.
type Registry struct {
	Options
	prints *secret.Prints // of confidential clients' secrets
	// writing is held from before a change of the store until it is in the
	// table, and by who reads all of it anew, so that nothing older comes last.
	writing sync.Mutex

	mu    sync.RWMutex
	table map[string]*entry
	known []string // likenesses of the names that are nobody else's
	came  arrivals // guarded by writing
}

// entry is one client in the table; it is replaced, never changed.
type entry struct {
	Client
	print secret.Print
	old   secret.Print // of the secret before, good until OldSecretUntil
	// likeness is that of its name.
	likeness string
}

// Open reads the clients.
func Open(ctx context.Context, o Options) (*Registry, error) {
	if o.PerNetwork == 0 {
		o.PerNetwork = DefaultPerNetwork
	}
	r := &Registry{Options: o, prints: o.Box.Prints("clients of the issuer"), came: arrivals{}}
	r.writing.Lock()
	defer r.writing.Unlock()
	return r, r.read(ctx)
}

// Apply brings the registry up to a change of the store.
func (r *Registry) Apply(ctx context.Context, c store.Change) error {
	if c.Families&store.Clients == 0 {
		return nil
	}
	r.writing.Lock()
	defer r.writing.Unlock()
	return r.read(ctx)
}

// read reads every client anew; writing is held.
func (r *Registry) read(ctx context.Context) error {
	rows, err := r.Store.Clients(ctx)
	if err != nil {
		return fmt.Errorf("reading the clients: %w", err)
	}
	table := make(map[string]*entry, len(rows)+len(builtin))
	for _, c := range builtin {
		table[c.ID] = &entry{Client: c, likeness: likeness(c.Name)}
	}
	r.came = arrivals{}
	for i := range rows {
		e, err := r.entryOf(&rows[i])
		if err != nil {
			return err
		}
		if e == nil { // said of a client that came with an older version
			continue
		}
		table[e.ID] = e
		if e.Kind == Registered {
			r.came.add(e.Network, e.Created)
		}
	}
	known := []string{likeness("portreeve"), likeness(hostOf(r.Issuer))}
	for _, e := range table {
		if e.Verified() {
			known = append(known, e.likeness)
		}
	}
	for _, e := range table {
		e.imitates = imitates(e, known)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.table, r.known = table, known
	return nil
}

func imitates(e *entry, known []string) bool {
	return !e.Verified() && slices.ContainsFunc(known, func(k string) bool { return k != "" && looksLike(e.likeness, k) })
}

// entryOf is a row as the table has it; nil for one of a client that there is no more.
func (r *Registry) entryOf(row *store.Client) (*entry, error) {
	limit, err := scope.Parse(row.Limit)
	if err != nil { // a limit that is not understood must not be none
		return nil, fmt.Errorf("reading the limit of the client %s: %w", row.ID, err)
	}
	if row.Kind == string(Builtin) {
		c, there := findBuiltin(row.ID)
		if !there {
			return nil, nil
		}
		c.State, c.Limit, c.Used = State(row.State), limit, row.Used
		return &entry{Client: c, likeness: likeness(c.Name)}, nil
	}
	e := &entry{Client: Client{ID: row.ID, Name: row.Name, Kind: Kind(row.Kind), State: State(row.State), Public: row.Public, Consent: row.Public,
		Redirects: row.Redirects, PostLogout: row.PostLogout, BackChannelLogout: row.BackChannelLogout, Grants: row.Grants, Limit: limit, URI: row.URI,
		SoftwareID: row.SoftwareID, SoftwareVersion: row.SoftwareVersion, IDTokenAlg: row.IDTokenAlg, Account: row.Account, Network: row.Network,
		Created: row.Created, Used: row.Used, SecretMade: row.SecretMade, OldSecretMade: row.OldMade, OldSecretUntil: row.OldUntil}, likeness: likeness(row.Name)}
	copy(e.print[:], row.Print)
	copy(e.old[:], row.OldPrint)
	return e, nil
}

// row is a client as the store has it.
func (c *Client) row() *store.Client {
	return &store.Client{ID: c.ID, Kind: string(c.Kind), Name: c.Name, State: string(c.State), Public: c.Public, Redirects: c.Redirects,
		PostLogout: c.PostLogout, BackChannelLogout: c.BackChannelLogout, Grants: c.Grants, Limit: c.Limit.String(), URI: c.URI, SoftwareID: c.SoftwareID,
		SoftwareVersion: c.SoftwareVersion, IDTokenAlg: c.IDTokenAlg, Account: c.Account, Network: c.Network, Created: c.Created, Used: c.Used}
}

// Find finds a client by its id, forbidden ones too.
func (r *Registry) Find(id string) (Client, bool) {
	e := r.entry(id)
	if e == nil || e.expired(time.Now()) {
		return Client{}, false
	}
	return e.Client, true
}

func (r *Registry) entry(id string) *entry {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.table[id]
}

// put takes a client into the table; writing is held.
func (r *Registry) put(e *entry) {
	r.mu.Lock()
	defer r.mu.Unlock()
	e.imitates = imitates(e, r.known)
	r.table[e.ID] = e
}

// List lists the clients: those that come with the server, those that
// administrators made, those that registered; each by name.
func (r *Registry) List() []Client {
	now := time.Now()
	var list []Client
	r.mu.RLock()
	for _, e := range r.table {
		if !e.expired(now) {
			list = append(list, e.Client)
		}
	}
	r.mu.RUnlock()
	order := []Kind{Builtin, Managed, Registered}
	slices.SortFunc(list, func(a, b Client) int {
		return cmp.Or(cmp.Compare(slices.Index(order, a.Kind), slices.Index(order, b.Kind)), strings.Compare(a.Name, b.Name), strings.Compare(a.ID, b.ID))
	})
	return list
}

// Admit says whether a client may ask for tokens at all; the error is a
// *signin.Refusal with the code ClientForbidden.
func (r *Registry) Admit(c Client) error {
	switch {
	case c.State == Forbidden:
		return signin.Refuse(signin.ClientForbidden, "the program %s (%s) is forbidden", c.Name, c.ID)
	case c.Kind == "" || c.Kind == Registered && !c.Verified() && r.Registration != AnyProgram:
		return signin.Refuse(signin.ClientForbidden, "the program %s (%s) registered itself, and no administrator has allowed it", c.Name, c.ID)
	}
	return nil
}

// usedEvery is how often a client's use is written down, and so how fine it is known.
const usedEvery = time.Hour

// Used notes that somebody signed in with a client: the first time before it
// returns, later ones at most once an hour. One that was forgotten meanwhile is
// store.ErrNotFound.
func (r *Registry) Used(ctx context.Context, id string) error {
	now := time.Now()
	if e := r.entry(id); e == nil {
		return fmt.Errorf("noting the use of the client %s: %w", id, store.ErrNotFound)
	} else if now.Sub(e.Used) < usedEvery {
		return nil
	}
	r.writing.Lock()
	defer r.writing.Unlock()
	e := r.entry(id)
	if e == nil {
		return fmt.Errorf("noting the use of the client %s: %w", id, store.ErrNotFound)
	}
	if now.Sub(e.Used) < usedEvery { // somebody else just did
		return nil
	}
	used := *e
	used.Used = now
	var there bool
	err := r.Store.Write(ctx, func(tx *store.Tx) (err error) {
		there, err = tx.UseClient(used.row(), used.Kind == Builtin)
		return err
	})
	if err == nil && !there {
		err = fmt.Errorf("noting the use of the client %s: %w", id, store.ErrNotFound)
	}
	if err == nil {
		r.put(&used)
	}
	return err
}

// The times after which clients that registered themselves are forgotten.
const (
	unusedFor = 24 * time.Hour       // since it registered, with no sign-in
	idleFor   = 365 * 24 * time.Hour // since the last sign-in
	tidyEvery = 10 * time.Minute
)

// expired says that a client that registered itself is as good as gone. What an
// administrator spoke about stays for a year, so that a program that was
// allowed need not be used on the same day.
func (c *Client) expired(now time.Time) bool {
	if c.Kind != Registered {
		return false
	}
	last, life := c.Created, unusedFor
	if c.Used.After(last) {
		last, life = c.Used, idleFor
	}
	if c.State != Unjudged {
		life = idleFor
	}
	return now.Sub(last) >= life
}

// Run forgets what ran out, until the context ends.
func (r *Registry) Run(ctx context.Context) error {
	t := time.NewTicker(tidyEvery)
	defer t.Stop()
	for {
		if err := r.tidy(ctx); err != nil && ctx.Err() == nil && !errors.Is(err, store.ErrClosed) && r.Log != nil {
			r.Log.Error("cannot forget clients that nobody used", "err", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-t.C:
		}
	}
}

// tidy forgets what ran out.
func (r *Registry) tidy(ctx context.Context) error {
	r.writing.Lock()
	defer r.writing.Unlock()
	now := time.Now()
	var gone []string
	r.mu.RLock()
	for id, e := range r.table {
		if e.expired(now) {
			gone = append(gone, id)
		}
	}
	r.mu.RUnlock()
	r.came.forget(now)
	return r.forget(ctx, gone, now)
}

// forget forgets clients that registered themselves; writing is held.
func (r *Registry) forget(ctx context.Context, ids []string, now time.Time) error {
	if len(ids) == 0 {
		return nil
	}
	if err := r.Store.Write(ctx, func(tx *store.Tx) error { return tx.ExpireClients(ids, now.Add(-idleFor)) }); err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, id := range ids {
		delete(r.table, id)
	}
	return nil
}

// arrivals are when clients registered within the last hour, by network and by
// the provider's network around it.
type arrivals map[netip.Prefix][]time.Time

func (a arrivals) add(n netip.Prefix, at time.Time) {
	a[n] = append(a[n], at)
	p := providerOf(n)
	a[p] = append(a[p], at)
}

// providerOf is the /16 or /32 that a network is in.
func providerOf(n netip.Prefix) netip.Prefix {
	bits := 32
	if n.Addr().Is4() {
		bits = 16
	}
	p, _ := n.Addr().Prefix(bits) // of no network, none
	return p
}

// since drops what came from a network before an hour ago and counts the rest.
func (a arrivals) since(n netip.Prefix, now time.Time) int {
	kept := slices.DeleteFunc(a[n], func(at time.Time) bool { return now.Sub(at) >= time.Hour })
	if a[n] = kept; len(kept) == 0 {
		delete(a, n)
	}
	return len(kept)
}

func (a arrivals) forget(now time.Time) {
	for n := range a {
		a.since(n, now)
	}
}
