package session

import (
	"context"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
	"time"

	"github.com/portreeve/portreeve/internal/policy"
	"github.com/portreeve/portreeve/internal/signin"
)

// Refresh brings facts that may have changed since the session opened (the
// person's groups, say) up to date. It changes the copy it is given and
// returns false if the session may not go on at all (the person is gone,
// disabled, or has a new password), with the code that says why.
type Refresh func(*policy.Facts) (signin.Code, bool)

// Report says what a recheck did.
type Report struct {
	Judged int           `json:"judged"`
	Ended  int           `json:"ended"`
	Took   time.Duration `json:"took"` // until all were judged and the affected told to end
}

// Install makes s the snapshot in force: an outcome that an older one judged
// can no longer be opened.
func (r *Registry) Install(s *policy.Snapshot) {
	r.mu.Lock()
	r.version, r.snapshot, r.judged = s.Version(), s, time.Now()
	r.mu.Unlock()
}

// Recheck judges every open session again under s, at the time now, and ends
// those that no longer pass, at once or spread evenly at random over spread
// (zero for revocations). It never waits for a client. refresh may be nil.
func (r *Registry) Recheck(s *policy.Snapshot, now time.Time, spread time.Duration, refresh Refresh) Report {
	return r.RecheckOf(nil, s, now, spread, refresh)
}

// RecheckOf is Recheck of some people's sessions only; nil people are all.
func (r *Registry) RecheckOf(people map[string]bool, s *policy.Snapshot, now time.Time, spread time.Duration, refresh Refresh) Report {
	r.mu.Lock()
	if s.Version() > r.version {
		r.version, r.snapshot = s.Version(), s
	}
	if people == nil {
		r.judged = now
	}
	open := r.all()
	r.mu.Unlock()

	start := time.Now()
	chunks := runtime.GOMAXPROCS(0)
	found := make([]leavers, chunks)
	var wg sync.WaitGroup
	for i := range found {
		part := open[len(open)*i/chunks : len(open)*(i+1)/chunks]
		wg.Go(func() { found[i].judge(part, people, s, now, refresh) })
	}
	wg.Wait()
	report := Report{}
	for _, f := range found {
		report.Judged += f.judged
		report.Ended += len(f.sessions)
		for i, one := range f.sessions {
			one.leave(f.codes[i], spread)
		}
	}
	report.Took = time.Since(start)
	return report
}

// leavers are the sessions of one part that do not pass, and why.
type leavers struct {
	judged   int
	sessions []*Session
	codes    []signin.Code
}

func (l *leavers) judge(part []*Session, people map[string]bool, s *policy.Snapshot, now time.Time, refresh Refresh) {
	var room policy.Facts // one for all: judging thousands must not make garbage of each
	for _, one := range part {
		if f := one.Facts(); people != nil && !people[f.Person] && !people[f.Mailbox] {
			continue
		}
		l.judged++
		if code, stays := one.judge(s, now, refresh, &room); !stays {
			l.sessions, l.codes = append(l.sessions, one), append(l.codes, code)
		}
	}
}

// judge judges one session again, in room, and keeps its facts if refresh
// brought new ones and it stays.
func (s *Session) judge(snap *policy.Snapshot, now time.Time, refresh Refresh, room *policy.Facts) (signin.Code, bool) {
	for {
		kept := s.facts.Load()
		*room = *kept
		room.At = now
		if refresh != nil {
			if code, stays := refresh(room); !stays {
				return code, false
			}
		}
		if !s.proof.IsZero() && !now.Before(s.proof) {
			return signin.SessionExpired, false
		}
		v := policy.Judge(snap, room, nil)
		if !v.Allowed() {
			return signin.SessionPolicyChanged, false
		}
		if room.Guest != kept.Guest || !slices.Equal(room.Groups, kept.Groups) || !slices.Equal(room.Roles, kept.Roles) || !slices.Equal(room.MailboxGroups, kept.MailboxGroups) {
			fresh := *room
			if !s.facts.CompareAndSwap(kept, &fresh) {
				continue // something was learned meanwhile
			}
		}
		s.setUntil(v.Until)
		return signin.OK, true
	}
}

// leave ends the session, now or at a random moment within spread.
func (s *Session) leave(code signin.Code, spread time.Duration) {
	if spread <= 0 {
		s.finish(code, "no longer allowed")
		return
	}
	time.AfterFunc(rand.N(spread), func() { s.finish(code, "no longer allowed") })
}

// Learn tells a session what its program said of itself after sign-in; the
// session is judged again with it.
func (s *Session) Learn(change func(*policy.Facts)) {
	for {
		kept := s.facts.Load()
		f := *kept
		change(&f)
		if s.facts.CompareAndSwap(kept, &f) {
			break // else the person changed meanwhile
		}
	}
	snap := s.registry.inForce()
	if snap == nil {
		return
	}
	if code, stays := s.judge(snap, time.Now(), nil, new(policy.Facts)); !stays {
		s.finish(code, "no longer allowed, now that the program is known")
	}
}

// sweepEvery is how late the end of a session whose time has come may be.
const sweepEvery = time.Second

// Run ends sessions whose time has come (sign-in frequency, proof run out), and
// judges all of them again when the time itself changes which policies apply (a
// period, an hour or an exclusion begins or ends), until ctx ends.
func (r *Registry) Run(ctx context.Context, refresh Refresh) error {
	tick := time.NewTicker(sweepEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case now := <-tick.C:
			r.sweep(now, refresh)
		}
	}
}

func (r *Registry) sweep(now time.Time, refresh Refresh) {
	r.mu.Lock()
	snap, judged := r.snapshot, r.judged
	var due []*Session
	for _, s := range r.open {
		if u := s.until.Load(); u != 0 && u <= now.UnixNano() {
			due = append(due, s)
		}
	}
	r.mu.Unlock()
	if snap != nil && !slices.Equal(snap.Phase(judged), snap.Phase(now)) {
		r.Recheck(snap, now, 0, refresh)
	}
	for _, s := range due {
		if snap == nil {
			s.finish(signin.SessionExpired, "ran out")
			continue
		}
		if code, stays := s.judge(snap, now, refresh, new(policy.Facts)); !stays {
			if code == signin.SessionPolicyChanged {
				code = signin.SessionExpired
			}
			s.finish(code, "ran out")
		}
	}
}
