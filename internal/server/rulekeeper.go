package server

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/portreeve/portreeve/internal/authn"
	"github.com/portreeve/portreeve/internal/delegate"
	"github.com/portreeve/portreeve/internal/directory"
	"github.com/portreeve/portreeve/internal/gate"
	"github.com/portreeve/portreeve/internal/lockout"
	"github.com/portreeve/portreeve/internal/policy"
	"github.com/portreeve/portreeve/internal/session"
	"github.com/portreeve/portreeve/internal/signin"
	"github.com/portreeve/portreeve/internal/store"
)

// keeper puts what is stored in force: it compiles the rules into a new
// snapshot, gives it to the gate, and has every open session judged again.
// Changes are taken one at a time; those that come meanwhile are taken together.
type keeper struct {
	store     *store.Store
	people    *directory.Local
	delegates *delegate.Rights
	sessions  *session.Registry
	guard     *lockout.Guard
	log       *slog.Logger
	ended     authn.Ended // what was revoked
	followers []follower  // what else is held in memory

	gate    *gate.Gate
	changes <-chan store.Change
	ask     chan request
	raw     []byte // the rules in force, as they are kept; only run touches it

	mu       sync.Mutex
	warnings []policy.Warning
	names    map[string]bool             // people whom the rules name, by id or address
	old      map[uint64]*policy.Snapshot // compiled again to explain old sign-ins
}

// request asks that everything stored by now be put in force.
type request struct {
	spread time.Duration
	done   chan answer
}

type answer struct {
	report session.Report
	err    error
}

// relevant are the families of rows whose change can change a verdict.
const relevant = store.People | store.Groups | store.Policies | store.Locations | store.Strengths |
	store.AuthenticationPolicies | store.Switches | store.Revocations | store.Settings | store.Delegations

// first compiles the rules at the start.
func (k *keeper) first(ctx context.Context) (*policy.Snapshot, error) {
	if err := k.readEnded(ctx); err != nil {
		return nil, err
	}
	snap, _, _, err := k.compile(ctx, nil)
	return snap, err
}

func (k *keeper) readEnded(ctx context.Context) error {
	list, err := k.store.Revocations(ctx, time.Now())
	if err != nil {
		return fmt.Errorf("reading revocations: %w", err)
	}
	k.ended.Load(list)
	return nil
}

// compile compiles what is stored, unless that is what current was made of. The
// rules are kept under their version on the way: the write is in the store's
// queue before anybody can be judged by them, and so no event can be durable
// without them. wait returns once they are durable.
func (k *keeper) compile(ctx context.Context, current *policy.Snapshot) (snap *policy.Snapshot, changed bool, wait func() error, err error) {
	wait = func() error { return nil }
	r, err := readRules(ctx, k.store)
	if err != nil {
		return nil, false, wait, err
	}
	raw, err := json.Marshal(r)
	if err != nil {
		return nil, false, wait, fmt.Errorf("keeping the rules: %w", err)
	}
	if current != nil && bytes.Equal(raw, k.raw) {
		return current, false, wait, nil
	}
	var version uint64
	if current == nil {
		if version, err = k.store.SaveSnapshot(ctx, raw); err != nil {
			return nil, false, wait, err
		}
	} else {
		version = current.Version() + 1
		wait = k.store.QueueSnapshot(ctx, version, raw)
	}
	snap, warnings, err := r.compile(version)
	if err != nil {
		return nil, false, wait, err
	}
	k.raw = raw
	k.mu.Lock()
	k.warnings, k.names = warnings, r.named()
	k.mu.Unlock()
	return snap, true, wait, nil
}

// would compiles what would be in force if a transaction were committed now.
func (k *keeper) would(ctx context.Context, v store.View) (*policy.Snapshot, error) {
	r, err := readRules(ctx, v)
	if err != nil {
		return nil, err
	}
	snap, _, err := r.compile(k.gate.Snapshot().Version() + 1)
	return snap, err
}

// apply puts everything stored by now in force and returns what became of the
// open sessions, whose closing may be spread over a time.
func (k *keeper) apply(ctx context.Context, spread time.Duration) (session.Report, error) {
	r := request{spread, make(chan answer, 1)}
	select {
	case k.ask <- r:
	case <-ctx.Done():
		return session.Report{}, ctx.Err()
	}
	select {
	case a := <-r.done:
		return a.report, a.err
	case <-ctx.Done():
		return session.Report{}, ctx.Err()
	}
}

// run takes changes until ctx ends.
func (k *keeper) run(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case c, ok := <-k.changes:
			if !ok {
				return nil
			}
			if c.Families&relevant == 0 && len(c.Grants) == 0 {
				if err := k.follow(ctx, c); err != nil {
					k.log.Error("cannot put a change in force", "err", err)
				}
				continue
			}
			r, asked := k.asked(ctx)
			report, err := k.takeAll(ctx, c, r.spread)
			if err != nil {
				// What was in force stays in force; the fault is told until it is mended.
				k.log.Error("cannot put a change in force", "err", err)
			}
			if asked {
				r.done <- answer{report, err}
			}
		case r := <-k.ask:
			report, err := k.takeAll(ctx, store.Change{}, r.spread)
			r.done <- answer{report, err}
		}
	}
}

// takeAll takes a change and the one that came meanwhile: a commit is published
// before it is answered, so whoever asks after it finds it taken.
func (k *keeper) takeAll(ctx context.Context, c store.Change, spread time.Duration) (session.Report, error) {
	select {
	case next, open := <-k.changes:
		if !open {
			break
		}
		if c.Families == 0 {
			return k.take(ctx, next, spread)
		}
		first, err := k.take(ctx, c, spread)
		if err != nil {
			return first, err
		}
		second, err := k.take(ctx, next, spread)
		second.Ended += first.Ended
		return second, err
	default:
	}
	return k.take(ctx, c, spread)
}

// askedWithin is how long a change waits for the request of the administrator
// who made it, which follows the commit within microseconds and says over what
// time closings are to be spread. A change that nobody asks for (a person made
// by a first sign-in) can wait that long.
const askedWithin = 20 * time.Millisecond

// asked is the request that comes with a change, if one does.
func (k *keeper) asked(ctx context.Context) (request, bool) {
	select {
	case r := <-k.ask:
		return r, true
	case <-time.After(askedWithin):
	case <-ctx.Done():
	}
	return request{}, false
}

// take puts a change in force: people first, since rules name them.
func (k *keeper) take(ctx context.Context, c store.Change, spread time.Duration) (session.Report, error) {
	if _, err := k.people.Apply(ctx, c); err != nil {
		return session.Report{}, fmt.Errorf("bringing people up to date: %w", err)
	}
	if err := k.follow(ctx, c); err != nil {
		return session.Report{}, err
	}
	if c.Families&store.Revocations != 0 {
		if err := k.readEnded(ctx); err != nil {
			return session.Report{}, err
		}
	}
	for _, person := range c.People {
		k.guard.Forget(person) // a new password may be one that was wrong before
	}
	snap, changed, wait := k.gate.Snapshot(), false, func() error { return nil }
	if k.concerns(ctx, c) {
		var err error
		if snap, changed, wait, err = k.compile(ctx, snap); err != nil {
			return session.Report{}, err
		}
	}
	if changed {
		k.gate.SetPolicy(snap)
	}
	k.end(c)
	k.endDelegates(c)
	var whom map[string]bool // everybody
	if !changed && c.Families == store.People && len(c.People) > 0 {
		whom = set(c.People) // as when the mail server makes somebody known: nobody else can be affected
	}
	report := k.sessions.RecheckOf(whom, snap, time.Now(), spread, k.refresh)
	if changed || report.Ended > 0 {
		k.log.Info("rules in force", "version", snap.Version(), "judged", report.Judged, "closed", report.Ended, "took", report.Took)
	}
	return report, wait()
}

// follow tells the followers of a change.
func (k *keeper) follow(ctx context.Context, c store.Change) error {
	var all []error
	for _, f := range k.followers {
		all = append(all, f(ctx, c))
	}
	return errors.Join(all...)
}

// end closes the sessions of people whose password was changed or whose grants
// were revoked: no policy would.
func (k *keeper) end(c store.Change) {
	if fresh := set(c.Secrets); len(fresh) > 0 {
		k.sessions.Matching(func(s *session.Session) bool {
			return s.Facts().Credential == policy.CredentialPassword && fresh[s.Facts().Person]
		}, signin.SessionPolicyChanged, "the password was changed")
	}
	if gone := set(c.Grants); len(gone) > 0 {
		k.sessions.Matching(func(s *session.Session) bool { return gone[s.Grant] }, signin.SessionPolicyChanged, "what it hung on was taken back")
	}
	if len(c.Revoked) == 0 {
		return
	}
	gone := set(c.Revoked) // and not everybody who was changed in the same breath
	k.sessions.Matching(func(s *session.Session) bool { return gone[s.Facts().Person] }, signin.SessionPolicyChanged, "a grant was revoked")
}

// concerns says whether a change can change the rules. People who come and go
// do only if the rules name them: thousands may come on the first day.
func (k *keeper) concerns(ctx context.Context, c store.Change) bool {
	if c.Families != 0 && c.Families&relevant == 0 {
		return false
	}
	if c.Families != store.People || len(c.People) == 0 {
		return true
	}
	k.mu.Lock()
	names := k.names
	k.mu.Unlock()
	if len(names) == 0 {
		return false
	}
	for _, id := range c.People {
		p, known := k.people.ByID(id)
		if !known || names[id] || names[p.Address] {
			return true
		}
		aliases, err := k.store.AliasesOf(ctx, id)
		if err != nil || slices.ContainsFunc(aliases, func(a string) bool { return names[a] }) {
			return true
		}
	}
	return false
}

func set(names []string) map[string]bool {
	s := make(map[string]bool, len(names))
	for _, n := range names {
		s[n] = true
	}
	return s
}

// refresh brings a session's facts up to date before it is judged again.
func (k *keeper) refresh(f *policy.Facts) (signin.Code, bool) {
	p, known := k.people.ByID(f.Person)
	switch {
	case !known:
		return signin.SessionPolicyChanged, false
	case p.Disabled:
		return signin.UserDisabled, false
	}
	f.Groups, f.Roles, f.Guest = p.Groups, p.Roles, p.Guest
	if f.Mailbox != "" {
		return k.refreshMailbox(f)
	}
	return signin.OK, true
}

// keptSnapshots bounds how many old snapshots stay compiled.
const keptSnapshots = 8

// at is the snapshot of a version, to explain an old sign-in by.
func (k *keeper) at(ctx context.Context, version uint64) (*policy.Snapshot, error) {
	if now := k.gate.Snapshot(); now.Version() == version {
		return now, nil
	}
	k.mu.Lock()
	snap := k.old[version]
	k.mu.Unlock()
	if snap != nil {
		return snap, nil
	}
	kept, err := k.store.Snapshot(ctx, version)
	if err != nil {
		return nil, err
	}
	var r rules
	if err := json.Unmarshal(kept.Source, &r); err != nil {
		return nil, fmt.Errorf("reading the rules of version %d: %w", version, err)
	}
	if snap, _, err = r.compile(version); err != nil {
		return nil, err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.old == nil || len(k.old) >= keptSnapshots {
		k.old = map[uint64]*policy.Snapshot{}
	}
	k.old[version] = snap
	return snap, nil
}

// named are the warnings of the rules in force.
func (k *keeper) named() []policy.Warning {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.warnings
}
