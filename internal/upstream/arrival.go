package upstream

import (
	"context"
	"crypto/sha256"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/portreeve/portreeve/internal/signin"
	"github.com/portreeve/portreeve/internal/store"
	"github.com/portreeve/portreeve/internal/token"
)

const (
	arrivalTime = 2 * time.Minute // from fetching an ID token to showing it to the gate
	rememberMax = 65_536          // things remembered of one kind, at some 100 bytes each
)

// arrivals are the ID tokens that were fetched and not shown to the gate yet.
type arrivals struct {
	mu  sync.Mutex
	all map[[sha256.Size]byte]arrival
}

type arrival struct {
	claims token.Claims
	until  time.Time
}

func newArrivals() *arrivals { return &arrivals{all: map[[sha256.Size]byte]arrival{}} }

// add keeps a verified token; false if there is no room.
func (a *arrivals) add(raw []byte, c token.Claims) bool {
	now := time.Now()
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.all) >= rememberMax {
		for k, one := range a.all {
			if !now.Before(one.until) {
				delete(a.all, k)
			}
		}
	}
	if len(a.all) >= rememberMax {
		return false
	}
	a.all[sha256.Sum256(raw)] = arrival{c, now.Add(arrivalTime)}
	return true
}

// take is what a token says, once.
func (a *arrivals) take(raw []byte) (token.Claims, bool) {
	k := sha256.Sum256(raw)
	a.mu.Lock()
	defer a.mu.Unlock()
	one, ok := a.all[k]
	delete(a.all, k)
	return one.claims, ok && time.Now().Before(one.until)
}

// Verify says what an ID token proves: something if Finish fetched it a moment
// ago, and once. Errors are as token.Verifier's.
func (s *Service) Verify(_ context.Context, raw []byte) (token.Claims, error) {
	c, ok := s.arrivals.take(raw)
	if !ok {
		return token.Claims{}, &token.Refusal{Code: signin.TokenInvalid, Detail: "no ID token that was fetched for this sign-in"}
	}
	return c, nil
}

// Arrived takes over what a provider says of a person who is proven: whom it
// means, and their groups, which are in force when it returns.
func (s *Service) Arrived(ctx context.Context, person string, c token.Claims) error {
	p := s.providers[c.Issuer]
	if p == nil {
		return fmt.Errorf("there is no provider %q", c.Issuer)
	}
	if err := s.means(ctx, p, c.Subject, person); err != nil {
		return err
	}
	had, err := s.Store.GroupsFrom(ctx, person)
	if err != nil {
		return fmt.Errorf("reading the groups that %s said: %w", p.Name, err)
	}
	want := p.ours(c.Groups)
	if slices.Equal(want, had) {
		return nil
	}
	err = s.Store.Change(ctx, p.actor(), "groups that "+p.Name+" says", func(tx *store.Tx) error {
		return tx.SetGroupsFrom(p.Name, person, want)
	})
	if err != nil {
		return err
	}
	now, err := s.Store.GroupsFrom(ctx, person)
	if err != nil {
		return fmt.Errorf("reading the groups that %s said: %w", p.Name, err)
	}
	if slices.Equal(now, had) {
		return nil
	}
	return s.Settle(ctx)
}

// means keeps whom a provider means by a subject, for a logout that names
// nothing else.
func (s *Service) means(ctx context.Context, p *provider, subject, person string) error {
	known, err := s.Store.PeopleOfSubject(ctx, p.Name, subject)
	if err != nil {
		return fmt.Errorf("reading whom %s means: %w", p.Name, err)
	}
	if slices.Contains(known, person) {
		return nil
	}
	return s.Store.Write(ctx, func(tx *store.Tx) error { return tx.PutSubject(p.Name, subject, person) })
}

// ours are the names of our groups for a provider's, sorted.
func (p *provider) ours(theirs []string) []string {
	var names []string
	for _, value := range theirs {
		name := value
		if p.Groups != nil {
			name = p.Groups[value]
		}
		if name != "" {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

func (p *provider) actor() store.Actor { return store.Actor{UID: -1, Name: "provider " + p.Name} }

// once remembers what has been seen until it could no longer be used anyway.
type once struct {
	mu   sync.Mutex
	seen map[string]time.Time
}

func newOnce() *once { return &once{seen: map[string]time.Time{}} }

// take remembers id until a time, and says whether it was seen for the first
// time and whether there was room.
func (o *once) take(id string, until time.Time) (first, room bool) {
	now := time.Now()
	o.mu.Lock()
	defer o.mu.Unlock()
	if end, seen := o.seen[id]; seen && now.Before(end) {
		return false, true
	}
	if len(o.seen) >= rememberMax {
		for k, end := range o.seen {
			if !now.Before(end) {
				delete(o.seen, k)
			}
		}
	}
	if len(o.seen) >= rememberMax {
		return false, false
	}
	o.seen[id] = until
	return true, true
}

// forget gives an id back that came to nothing through our own fault.
func (o *once) forget(id string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	delete(o.seen, id)
}
