package grant

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/portreeve/portreeve/internal/protocol"
	"github.com/portreeve/portreeve/internal/secret"
	"github.com/portreeve/portreeve/internal/signin"
	"github.com/portreeve/portreeve/internal/store"
	"github.com/portreeve/portreeve/internal/token"
)

const (
	defaultAccessLife  = 10 * time.Minute
	defaultRefreshIdle = 90 * 24 * time.Hour
	// briefLife is how long a grant lasts that no refresh token prolongs: a
	// working day, as a browser's session does at a party that signs people in here.
	briefLife = 24 * time.Hour
	// mostPerPerson bounds the live grants of one person.
	mostPerPerson = 50
	seedSize      = 16 // bytes
)

// Options are the service's parts. Store, Box, Keys and Issuer must be set.
type Options struct {
	Store  *store.Store
	Box    *secret.Box
	Keys   *token.Keyring
	Issuer string // the issuer's URL, without a slash at its end

	AccessLife  time.Duration // how long an access token lasts; 0 is 10 minutes
	RefreshIdle time.Duration // how long a grant may be unused; 0 is 90 days
	RefreshMax  time.Duration // how long a grant lasts at most; 0 is without end
}

// Service keeps the grants. It is safe for concurrent use.
type Service struct {
	Options
	prints *secret.Prints // authenticity of refresh tokens

	mu       sync.RWMutex
	live     map[string]*record // by id
	consents map[whose]Consent
	// damaged are grants and consents that cannot be read: those are over, and these
	// were never given. By the id of a grant, or "person client".
	damaged map[string]bool

	consenting sync.Mutex // held while a consent changes
	devices    devices
	done       chan struct{} // closed when changes are followed no more
	cancel     func()
}

// record is a live grant. It is replaced as a whole and never changed, but for
// when a door was last opened with it.
type record struct {
	Grant
	door *atomic.Int64 // unix nanoseconds
}

// whose names a consent.
type whose struct{ person, client string }

// Open reads the live grants and follows what ends them, until the store is
// closed or Close is called.
func Open(ctx context.Context, o Options) (*Service, error) {
	if o.Store == nil || o.Box == nil || o.Keys == nil || o.Issuer == "" {
		return nil, errors.New("keeping grants needs a store, a box, keys and the issuer's name")
	}
	if o.AccessLife == 0 {
		o.AccessLife = defaultAccessLife
	}
	if o.RefreshIdle == 0 {
		o.RefreshIdle = defaultRefreshIdle
	}
	s := &Service{Options: o, prints: o.Box.Prints("refresh tokens"), live: map[string]*record{}, consents: map[whose]Consent{}, damaged: map[string]bool{}, done: make(chan struct{})}
	changes, cancel := o.Store.Subscribe() // before reading, so that nothing falls in between
	s.cancel = cancel
	if err := s.load(ctx); err != nil {
		cancel()
		return nil, fmt.Errorf("opening the grants: %w", err)
	}
	go func() {
		defer close(s.done)
		for c := range changes {
			_ = s.Follow(context.Background(), c) // only who is gone is looked for again; the gate knows nobody who is
		}
	}()
	return s, nil
}

// Close follows changes no more.
func (s *Service) Close() {
	s.cancel()
	<-s.done
}

func (s *Service) load(ctx context.Context) error {
	rows, err := s.Store.LiveGrants(ctx)
	if err != nil {
		return err
	}
	for _, r := range rows {
		g, err := grantOf(r)
		if err != nil {
			s.damaged[r.ID] = true
			continue
		}
		s.put(&g)
	}
	given, err := s.Store.Consents(ctx)
	if err != nil {
		return err
	}
	for _, c := range given {
		if err := s.remember(c); err != nil {
			s.damaged[c.Person+" "+c.Client] = true
		}
	}
	return nil
}

// Damaged lists the grants that cannot be read, by id, and the consents, by
// person and client. The grants are over and the consents not given: nobody knows
// what was allowed. They are kept as they are, for whoever wants to mend them.
func (s *Service) Damaged() []string {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return slices.Sorted(maps.Keys(s.damaged))
}

// put holds a grant in memory, unless a newer state of it is there. It is
// called from within the transaction that brings the grant to life, so that no
// later change can be heard of first; nobody knows the grant before that is durable.
func (s *Service) put(g *Grant) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := &record{Grant: *g, door: new(atomic.Int64)}
	if old := s.live[g.ID]; old != nil {
		if old.generation > g.generation {
			return
		}
		r.door = old.door
	}
	s.live[g.ID] = r
}

// replace puts a newer state in the place of an older one, if that is there.
func (s *Service) replace(g *Grant) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if old := s.live[g.ID]; old != nil && old.generation <= g.generation {
		s.live[g.ID] = &record{Grant: *g, door: old.door}
	}
}

func (s *Service) drop(ids ...string) {
	if len(ids) == 0 {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, id := range ids {
		delete(s.live, id)
		delete(s.damaged, id)
	}
}

func (s *Service) find(id string) *record {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.live[id]
}

// Follow takes a change into account: what it ended is not known any more. It
// hears of every change by itself; who must be sure that one has been taken
// calls it too.
func (s *Service) Follow(ctx context.Context, c store.Change) error {
	var gone []string
	for _, g := range c.Grants {
		if id, ours := strings.CutPrefix(g, Prefix); ours {
			gone = append(gone, id)
		}
	}
	s.drop(gone...)
	if c.Families&store.People == 0 || len(c.People) == 0 {
		return nil
	}
	for _, person := range s.holdersAmong(c.People) {
		if _, err := s.Store.Person(ctx, person); errors.Is(err, store.ErrNotFound) {
			s.forgetPerson(person)
		} else if err != nil {
			return fmt.Errorf("looking for who is gone: %w", err)
		}
	}
	return nil
}

func (s *Service) holdersAmong(people []string) (holders []string) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	for _, r := range s.live {
		if _, found := slices.BinarySearch(people, r.Person); found {
			holders = append(holders, r.Person)
		}
	}
	for w := range s.consents {
		if _, found := slices.BinarySearch(people, w.person); found {
			holders = append(holders, w.person)
		}
	}
	slices.Sort(holders)
	return slices.Compact(holders)
}

func (s *Service) forgetPerson(person string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for id, r := range s.live {
		if r.Person == person {
			delete(s.live, id)
		}
	}
	for w := range s.consents {
		if w.person == person {
			delete(s.consents, w)
		}
	}
}

// Standing says whether a grant holds at a door, for who comes from an address.
func (s *Service) Standing(id string, p protocol.Protocol, from netip.Addr) (Standing, error) {
	r := s.find(id)
	now := time.Now()
	switch {
	case r == nil:
		return Standing{}, &Refusal{OAuth: InvalidGrant, Code: signin.GrantEnded, Detail: "the grant has ended", Grant: id}
	case s.over(r, now):
		return Standing{}, r.refuse(signin.GrantEnded, "the grant ran out, or was not used for too long")
	case !r.Scope.Covers(p):
		return Standing{}, r.refuse(signin.ScopeMissing, "its scopes are %q", r.Scope)
	case !r.allows(from):
		return Standing{}, r.refuse(signin.GrantElsewhere, "it is bound to %s", r.Network)
	}
	r.door.Store(now.UnixNano())
	return Standing{Person: r.Person, Address: r.Address, Client: r.Client, Methods: r.Methods, Key: r.Key, AuthTime: r.AuthTime, Flow: r.Flow, Until: r.Until}, nil
}

// over says that a grant has run out by the clock, though nobody has ended it yet.
func (s *Service) over(r *record, now time.Time) bool {
	return !r.Until.IsZero() && !now.Before(r.Until) || now.Sub(r.lastUsed()) > s.RefreshIdle
}

// lastUsed is the last refresh, or the last door opened.
func (r *record) lastUsed() time.Time {
	if at := r.door.Load(); at > r.Used.UnixNano() {
		return time.Unix(0, at).UTC()
	}
	return r.Used
}

// told is the grant as it is told to others.
func (r *record) told() Grant {
	g := r.Grant
	g.Used = r.lastUsed()
	return g
}

func (g *Grant) refuse(code signin.Code, format string, args ...any) error {
	return &Refusal{OAuth: InvalidGrant, Code: code, Detail: fmt.Sprintf(format, args...), Grant: g.ID, Person: g.Person}
}

// ByID finds a live grant.
func (s *Service) ByID(id string) (Grant, bool) {
	r := s.find(id)
	if r == nil || s.over(r, time.Now()) {
		return Grant{}, false
	}
	return r.told(), true
}

// Of lists a person's live grants, the newest first.
func (s *Service) Of(person string) []Grant {
	return s.which(func(g *Grant) bool { return g.Person == person })
}

// List lists all live grants, the newest first.
func (s *Service) List() []Grant { return s.which(func(*Grant) bool { return true }) }

func (s *Service) which(fits func(*Grant) bool) (list []Grant) {
	now := time.Now()
	s.mu.RLock()
	for _, r := range s.live {
		if fits(&r.Grant) && !s.over(r, now) {
			list = append(list, r.told())
		}
	}
	s.mu.RUnlock()
	slices.SortFunc(list, func(a, b Grant) int {
		if c := b.Created.Compare(a.Created); c != 0 {
			return c
		}
		return strings.Compare(b.ID, a.ID)
	})
	return list
}

// lasts is when a grant ends that begins now: at what its maker says, at the
// latest when it must.
func (s *Service) lasts(g *Grant, now time.Time) time.Time {
	var end time.Time
	switch {
	case !g.Offline:
		end = now.Add(briefLife)
	case s.RefreshMax > 0:
		end = now.Add(s.RefreshMax)
	}
	if end.IsZero() || !g.Until.IsZero() && g.Until.Before(end) {
		end = g.Until
	}
	return end
}

// begin fills in what every new grant has. One that brings an id stands under it
// in the log already, and keeps it unless that is another's.
func (s *Service) begin(g *Grant, now time.Time) {
	if id, err := signin.ParseID(g.ID); err != nil || id.String() != g.ID || s.find(g.ID) != nil {
		g.ID = store.NewID().String()
	}
	g.Created, g.Used = now.UTC(), now.UTC()
	g.Until = s.lasts(g, now).UTC()
	g.generation, g.rotated, g.rotatedIn = 1, time.Time{}, netip.Prefix{}
	_, _ = rand.Read(g.seed[:])
}
