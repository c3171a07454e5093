package approval

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"sync"
	"time"

	"github.com/portreeve/portreeve/internal/store"
)

// Window is what was granted; what it pins must all be found again.
type Window = store.Window

// Request is a right password that was refused for want of a window.
type Request = store.Request

// Denial is a network of which a person has said that it is not them.
type Denial = store.Denial

// Places that a window is pinned to.
const (
	PlaceNetwork = "network" // the /24 or /48
	PlaceOwner   = "owner"   // the network's owner in one country; needs a program and a TLS hello that are known
)

// Settings are the site's choices; a zero member takes its default.
type Settings struct {
	Days     int           // that an approved window lasts; 30
	IdleDays int           // unused for so long, a window ends; 45
	Waiting  time.Duration // that a request can be approved; 24 h
	DenyDays int           // that a denied source stays marked; 90
	Place    string        // what approved windows are pinned to; PlaceNetwork
}

func (s Settings) defaults() Settings {
	s.Days = cmp.Or(s.Days, 30)
	s.IdleDays = cmp.Or(s.IdleDays, 45) // a summer's absence, not a forgotten program
	s.Waiting = cmp.Or(s.Waiting, 24*time.Hour)
	s.DenyDays = cmp.Or(s.DenyDays, 90)
	s.Place = cmp.Or(s.Place, PlaceNetwork)
	return s
}

// Options are the service's parts. All but Store may be left out.
type Options struct {
	Store    *store.Store
	Settings Settings
	// Tell is told, away from any sign-in, of a request that its owner should
	// hear of: at most once a day for one program.
	Tell func(person string, r Request)
	// Known says that a person has signed in from a network before.
	Known func(person string, addr netip.Addr) bool
	Log   *slog.Logger
}

// Service keeps windows and requests. It is safe for concurrent use; what a
// sign-in asks of it is answered from memory.
type Service struct {
	Options
	index index
	queue queue

	// settling is held while requests are written, and from reading the
	// database until memory says the same, so that nothing older comes last.
	settling sync.Mutex
	noted    sync.Mutex
	told     map[string]map[string]time.Time // person → program → when a notice was sent
}

// New makes the service from what is stored.
func New(ctx context.Context, o Options) (*Service, error) {
	o.Settings = o.Settings.defaults()
	if o.Settings.Place != PlaceNetwork && o.Settings.Place != PlaceOwner {
		return nil, fmt.Errorf("windows are pinned to %s or %s, not %q", PlaceNetwork, PlaceOwner, o.Settings.Place)
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	s := &Service{Options: o, told: map[string]map[string]time.Time{}}
	s.index.idle = time.Duration(o.Settings.IdleDays) * 24 * time.Hour
	s.queue = queue{known: s.known}
	return s, s.load(ctx, "")
}

// load reads one person's windows and requests, or everybody's.
func (s *Service) load(ctx context.Context, person string) error {
	s.settling.Lock()
	defer s.settling.Unlock()
	windows, err := s.Store.Windows(ctx, person)
	if err != nil {
		return fmt.Errorf("reading approval windows: %w", err)
	}
	denials, err := s.Store.Denials(ctx, person)
	if err != nil {
		return fmt.Errorf("reading denied sources: %w", err)
	}
	requests, err := s.Store.Requests(ctx, person)
	if err != nil {
		return fmt.Errorf("reading approval requests: %w", err)
	}
	s.index.learn(person, windows, denials)
	s.queue.learn(person, requests)
	for i := range requests {
		s.tellable(&requests[i], requests[i].First) // what was told before a restart is not told again
	}
	return nil
}

// Apply takes up what others have changed: people deleted, windows ended with them.
func (s *Service) Apply(ctx context.Context, c store.Change) error {
	if c.Families&(store.Windows|store.People) == 0 {
		return nil
	}
	if len(c.People) == 0 || len(c.People) > reloadAll {
		return s.load(ctx, "")
	}
	for _, person := range c.People {
		if err := s.load(ctx, person); err != nil {
			return err
		}
	}
	return nil
}

const (
	reloadAll  = 100         // people, from which on reading everything is cheaper than each
	flushEvery = time.Second // how far the requests on disk are behind
	usesEvery  = time.Minute // how far the last uses on disk are behind
	pruneEvery = 10 * time.Minute
	// forgetAfter is how long settled requests are kept to be looked at.
	forgetAfter = 30 * 24 * time.Hour
)

// Run writes behind and ends what has run out, until ctx ends.
func (s *Service) Run(ctx context.Context) error {
	flush, uses, prune := time.NewTicker(flushEvery), time.NewTicker(usesEvery), time.NewTicker(pruneEvery)
	defer flush.Stop()
	defer uses.Stop()
	defer prune.Stop()
	for {
		var err error
		select {
		case <-ctx.Done():
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastWrite)
			defer cancel()
			_ = s.flush(last) // requests come again, uses are approximate
			_ = s.writeUses(last)
			return nil
		case <-flush.C:
			err = s.flush(ctx)
		case <-uses.C:
			err = s.writeUses(ctx)
		case <-prune.C:
			err = s.prune(ctx, time.Now())
		}
		if err != nil && ctx.Err() == nil {
			s.Log.Warn("approval windows cannot be brought up to date; it is tried again", "err", err)
		}
	}
}

// lastWrite is how long stopping waits for what is written behind.
const lastWrite = 2 * time.Second

// writeUses writes when windows were last used.
func (s *Service) writeUses(ctx context.Context) error {
	used := s.index.takeUses()
	if len(used) == 0 {
		return nil
	}
	err := s.Store.Write(ctx, func(tx *store.Tx) error {
		for id, u := range used {
			if err := tx.UseWindow(id, u.at, u.ja4); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		s.index.giveBack(used)
		return fmt.Errorf("writing when windows were used: %w", err)
	}
	return nil
}

// prune ends what has run out: windows, requests and marks.
func (s *Service) prune(ctx context.Context, now time.Time) error {
	if err := s.writeUses(ctx); err != nil {
		return err
	}
	for _, over := range s.index.over(now) {
		err := s.Store.Change(ctx, store.System, over.why, func(tx *store.Tx) error {
			_, err := tx.EndWindow(over.id)
			return err
		})
		if err != nil {
			return fmt.Errorf("ending a window that ran out: %w", err)
		}
		if err := s.load(ctx, over.person); err != nil {
			return err
		}
	}
	s.queue.expire(now.Add(-s.Settings.Waiting))
	s.forgetTold(now)
	return s.Store.Write(ctx, func(tx *store.Tx) error {
		if err := tx.ForgetDenials(now); err != nil {
			return err
		}
		return tx.ExpireRequests(now.Add(-s.Settings.Waiting), now.Add(-forgetAfter))
	})
}

// Windows lists a person's windows, oldest first; everybody's for an empty person.
func (s *Service) Windows(ctx context.Context, person string) ([]Window, error) {
	if err := s.writeUses(ctx); err != nil {
		return nil, err
	}
	return s.Store.Windows(ctx, person)
}

// Requests lists a person's requests, newest first; everybody's for an empty person.
func (s *Service) Requests(ctx context.Context, person string) ([]Request, error) {
	if err := s.flush(ctx); err != nil {
		return nil, err
	}
	all, err := s.Store.Requests(ctx, person)
	for i := range all {
		if all[i].State == store.RequestWaiting && s.late(&all[i], time.Now()) {
			all[i].State = store.RequestExpired // prune will write it
		}
	}
	return all, err
}

// Denials lists the networks that a person has disowned; everybody's for an empty person.
func (s *Service) Denials(ctx context.Context, person string) ([]Denial, error) {
	return s.Store.Denials(ctx, person)
}

func (s *Service) late(r *Request, now time.Time) bool {
	return !now.Before(r.Last.Add(s.Settings.Waiting))
}
