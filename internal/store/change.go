package store

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"
)

// Families is a set of families of rows.
type Families uint32

// The families whose change is told to subscribers.
const (
	People Families = 1 << iota // aliases too
	Groups
	Policies
	Locations
	Strengths
	AuthenticationPolicies // assignments too
	Switches
	CASMailboxes
	Revocations
	Settings
	Factors
	AppPasswords
	Windows // approval requests too
	Delegations
	Directories
	Grants  // what programs' tokens hang on
	Clients // OAuth's
)

// AllFamilies is every family.
const AllFamilies = Clients<<1 - 1

// Change says which families changed in a commit, and which people by name:
// those whose sessions may hang on what was changed (disabled, password, revocation).
type Change struct {
	Families Families
	People   []string // ids, sorted
	Secrets  []string // ids of those whose password is another one now, sorted
	Grants   []string // what sessions hang on and is gone now (an app password, a window), sorted
	Revoked  []string // ids of those all of whose sessions end, sorted
}

func (c Change) clone() Change {
	return Change{Families: c.Families, People: slices.Clone(c.People), Secrets: slices.Clone(c.Secrets), Grants: slices.Clone(c.Grants), Revoked: slices.Clone(c.Revoked)}
}

func (c *Change) merge(d Change) {
	c.Families |= d.Families
	c.People = union(c.People, d.People)
	c.Secrets = union(c.Secrets, d.Secrets)
	c.Grants = union(c.Grants, d.Grants)
	c.Revoked = union(c.Revoked, d.Revoked)
}

func union(a, b []string) []string {
	all := append(a, b...)
	slices.Sort(all)
	return slices.Compact(all)
}

func (tx *Tx) touched(f Families, people ...string) {
	tx.change.merge(Change{Families: f, People: people})
}

// ended says that what sessions hang on is gone: they end with the commit.
func (tx *Tx) ended(f Families, grants ...string) {
	tx.change.merge(Change{Families: f, Grants: grants})
}

// Actor is who makes an administrative change.
type Actor struct {
	UID  int64 // the peer's, from the socket; -1 if there is none
	Name string
}

// System is the actor of what the program does by itself.
var System = Actor{UID: -1, Name: "portreeve"}

// changePatience is how long an administrative change waits for a database
// that another process has locked.
const changePatience = 5 * time.Second

// Change carries out do in one transaction, with an audit row for each object
// that it writes, and returns once all of it is durable. Subscribers hear of it after.
func (s *Store) Change(ctx context.Context, who Actor, reason string, do func(*Tx) error) error {
	ctx, cancel := context.WithTimeout(ctx, changePatience)
	defer cancel()
	if reason == "" {
		reason = reasonOf(ctx)
	}
	do = ifNotTakenBack(ctx, do)
	origin := originOf(ctx, who)
	for {
		err := s.w.write(ctx, func(tx *Tx) error {
			audited := *tx
			audited.change = Change{} // its own, and not that of others who share the commit
			audited.audit = &auditor{who: who, reason: reason, origin: origin, at: time.Now(), override: mayOverride(ctx, origin)}
			err := do(&audited)
			tx.change.merge(audited.change)
			return err
		})
		if !errors.Is(err, ErrUnavailable) {
			return err
		}
		select { // the lock is another process's; it is tried again while there is time
		case <-ctx.Done():
			return err
		case <-time.After(busyTimeout):
		}
	}
}

// Write carries out do in the next commit without an audit row: for what is
// no administrator's change (sign-ins, sessions, networks).
func (s *Store) Write(ctx context.Context, do func(*Tx) error) error {
	return s.w.write(ctx, ifNotTakenBack(ctx, do))
}

// subscribers are told of changes. One that is slow misses no family: what it
// has not taken yet is merged.
type subscribers struct {
	mu     sync.Mutex
	list   []*subscription
	closed bool
}

type subscription struct{ ch chan Change }

// Subscribe returns a channel that hears of every change after its commit, and
// a function that ends it. The channel is closed when the store is.
func (s *Store) Subscribe() (<-chan Change, func()) {
	b := &s.subs
	b.mu.Lock()
	defer b.mu.Unlock()
	sub := &subscription{ch: make(chan Change, 1)}
	if b.closed {
		close(sub.ch)
		return sub.ch, func() {}
	}
	b.list = append(b.list, sub)
	return sub.ch, func() { b.remove(sub) }
}

func (b *subscribers) remove(sub *subscription) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if i := slices.Index(b.list, sub); i >= 0 {
		b.list = slices.Delete(b.list, i, i+1)
		close(sub.ch)
	}
}

// publish runs on the writer's goroutine only, so nobody else fills a channel
// between emptying it and filling it again.
func (b *subscribers) publish(c Change) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, sub := range b.list {
		told := c.clone()
		select {
		case waiting := <-sub.ch:
			told.merge(waiting)
		default:
		}
		sub.ch <- told
	}
}

func (b *subscribers) close() {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, sub := range b.list {
		close(sub.ch)
	}
	b.list, b.closed = nil, true
}
