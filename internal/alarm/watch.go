package alarm

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/portreeve/portreeve/internal/policy/graph"
	"github.com/portreeve/portreeve/internal/signin"
	"github.com/portreeve/portreeve/internal/store"
)

const (
	lookEvery   = 2 * time.Second // at what happened, and for what is due
	slowEvery   = time.Minute     // at exclusions
	aroundEvery = time.Hour
	aroundFirst = time.Minute // after the start
	// steady is how long something must be so before it is told: what is away
	// for a moment, as while it is started anew, is no alarm.
	steady = 20 * time.Second
	// expiredFor is how long after its end an exclusion is still told, had we been down.
	expiredFor = 7 * 24 * time.Hour
	readMost   = 500 // audit rows of one look, and sign-ins of one page
	readPages  = 40  // of a person's sign-ins in one look
	keptFor    = 90 * 24 * time.Hour
	// late is how far back sign-ins are looked for: one may be written a while
	// after it began.
	late = 10 * time.Minute

	auditMark   = "audit"
	signInMark  = "signins"
	isMark      = "is:" // before a condition's kind and what it is of
	writingTime = 10 * time.Second
)

// Run raises alarms and delivers them until the context ends.
func (s *Service) Run(ctx context.Context) error {
	changes, end := s.Store.Subscribe()
	defer end()
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	ctx, stop := context.WithCancel(ctx)
	var wg sync.WaitGroup
	defer wg.Wait()
	defer stop()
	wg.Go(func() { s.deliveries(ctx) })
	began, slow := time.Now(), time.Time{}
	for {
		now := time.Now()
		s.report("cannot look for alarms", s.look(ctx))
		if now.Sub(slow) >= slowEvery {
			slow = now
			s.report("cannot look at exclusions", s.exclusions(ctx, now))
		}
		if s.Around != nil && now.Sub(began) >= aroundFirst && now.Sub(s.looked) >= aroundEvery {
			s.looked, s.around = now, s.Around(ctx)
		}
		s.rouse()
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		case _, open := <-changes:
			if !open {
				return nil
			}
		}
	}
}

// deliveries brings alarms where they go, on its own: who is slow to answer
// holds nobody up who looks.
func (s *Service) deliveries(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-s.wake:
			s.report("cannot deliver alarms", s.deliver(ctx))
		}
	}
}

// report tells a fault, the same one once a minute.
func (s *Service) report(what string, err error) {
	if err == nil || errors.Is(err, context.Canceled) {
		return
	}
	s.mu.Lock()
	late := time.Since(s.told[what]) >= slowEvery
	if late {
		s.told[what] = time.Now()
	}
	s.mu.Unlock()
	if late {
		s.Fault(what, err)
	}
}

// look raises what happened since the last look and what is so now.
func (s *Service) look(ctx context.Context) error {
	targets, err := s.Store.AlarmTargets(ctx)
	if err != nil || len(targets) == 0 {
		return err // nobody wants to hear; whoever is added hears of what comes after
	}
	marks, err := s.Store.AlarmMarks(ctx)
	if err != nil {
		return err
	}
	now := s.Now(ctx)
	return errors.Join(s.audits(ctx, marks), s.breakGlass(ctx, marks, filling(now)), s.conditions(ctx, targets, marks, now))
}

// policyKinds are the kinds of audit rows that change who is let in.
var policyKinds = map[string]string{string(store.Policy): "the policy", string(store.Location): "the location", string(store.Strength): "the authentication strength",
	string(store.AuthenticationPolicy): "the authentication policy", "assignment": "the assignment of an authentication policy", "switch": "the switch", "setting": "the setting", "administrator": "the administrator",
	"adminToken": "the administrators' token", "alarm": "the target of alarms"}

var verbs = map[string]string{"create": "made", "update": "changed", "delete": "deleted", "restore": "restored"}

// audits raises changes of policy, from where it read last.
func (s *Service) audits(ctx context.Context, marks map[string]string) error {
	last, err := strconv.ParseInt(marks[auditMark], 10, 64)
	if err != nil {
		return fmt.Errorf("reading how far the audit was read: %w", err)
	}
	rows, err := s.Store.AuditsAfter(ctx, last, readMost)
	if err != nil || len(rows) == 0 {
		return err
	}
	return s.Store.Write(ctx, func(tx *store.Tx) error {
		for i := range rows {
			if err := raiseAudit(tx, &rows[i]); err != nil {
				return err
			}
		}
		return tx.SetAlarmMark(auditMark, strconv.FormatInt(rows[len(rows)-1].N, 10))
	})
}

func raiseAudit(tx *store.Tx, r *store.Audit) error {
	noun, is := policyKinds[r.Kind]
	if !is || verbs[r.Action] == "" || r.Kind == "alarm" && r.Action != "delete" {
		return nil
	}
	kind, sentence := PolicyChanged, fmt.Sprintf("%s %s %q.", r.Actor.Name, verbs[r.Action]+" "+noun, r.Name)
	if r.Origin == store.OriginRevert {
		kind, sentence = PolicyReverted, fmt.Sprintf("Nobody confirmed the change of %s %q in time: it was taken back.", noun, r.Name)
	}
	a, err := happened(kind, fmt.Sprintf("audit:%d", r.N), r.At, detail{Sentence: sentence, About: r.Name, ID: r.Object, Actor: r.Actor.Name, Reason: r.Reason, Audit: r.N})
	if err != nil {
		return err
	}
	_, err = tx.Raise(a)
	return err
}

// filling says that sign-ins wait in the journal, whose times may be hours ago.
func filling(now []Condition) bool {
	return slices.ContainsFunc(now, func(c Condition) bool { return c.Kind == JournalFilling })
}

// breakGlass raises sign-ins with a right secret to accounts of last resort. How
// far was read stays where it is while some are still to come.
func (s *Service) breakGlass(ctx context.Context, marks map[string]string, toCome bool) error {
	people, err := s.Store.BreakGlass(ctx)
	if err != nil || len(people) == 0 {
		return err
	}
	now := time.Now()
	from, err := time.Parse(time.RFC3339Nano, marks[signInMark])
	if err != nil {
		return fmt.Errorf("reading how far the sign-ins were read: %w", err)
	}
	for _, p := range people {
		f, at := store.EventFilter{User: p.ID, From: from.Add(-late)}, store.Cursor{}
		for range readPages { // guesses may be many
			found, next, err := s.Store.Events(ctx, f, at, readMost)
			if err != nil {
				return err
			}
			if err := s.raiseUses(ctx, p, found); err != nil {
				return err
			}
			if at = next; at == (store.Cursor{}) {
				break
			}
		}
	}
	if toCome || now.Sub(from) < late {
		return nil // not a write every two seconds
	}
	return s.Store.Write(ctx, func(tx *store.Tx) error { return tx.SetAlarmMark(signInMark, now.UTC().Format(time.RFC3339Nano)) })
}

// raiseUses raises those of somebody's sign-ins that showed the right secret.
func (s *Service) raiseUses(ctx context.Context, p store.Person, found []signin.Event) error {
	for i := range found {
		e := &found[i]
		if e.Facts.Person != p.ID || !e.Facts.Proven && e.Code != 0 {
			continue // somebody else in their mailbox, or a guess; that it is guessed at is no use of it
		}
		what := "was let in"
		if e.Interrupted() {
			what = "showed the right secret and was asked for more (" + e.Code.String() + ")"
		} else if e.Code != 0 {
			what = "showed the right secret and was refused (" + e.Code.String() + ")"
		}
		a, err := happened(BreakGlassUsed, "signin:"+e.ID.String(), e.At, detail{Reference: string(e.ID.Reference()), About: p.Address, ID: p.ID,
			Sentence: fmt.Sprintf("The account of last resort %s %s over %s from %s.", p.Address, what, e.Facts.Protocol, e.Facts.Addr)})
		if err != nil {
			return err
		}
		if err := s.Store.Write(ctx, func(tx *store.Tx) error { _, err := tx.Raise(a); return err }); err != nil {
			return err
		}
	}
	return nil
}

// dueDays are how many days before an exclusion's end it is told.
var dueDays = []int{14, 7, 1}

// exclusions raises those that run out, or have run out lately. Old alarms go.
func (s *Service) exclusions(ctx context.Context, now time.Time) error {
	docs, err := s.Store.Policies(ctx)
	if err != nil {
		return err
	}
	var all []store.Alarm
	for i := range docs {
		p, err := graph.Policy(docs[i].JSON)
		if err != nil {
			continue // it was taken before; what is wrong with it now stands in status
		}
		for _, x := range p.Exclusions {
			left := x.Expires.Sub(now)
			if x.Expires.IsZero() || left < -expiredFor || docs[i].State == "disabled" || left > time.Duration(dueDays[0])*24*time.Hour {
				continue
			}
			d := detail{About: docs[i].Name, ID: docs[i].ID, Expires: x.Expires.UTC().Format(time.RFC3339), Actor: x.Owner, Reason: x.Reason}
			kind, step := ExclusionExpired, 0
			d.Sentence = fmt.Sprintf("The exclusion of %s from the policy %q has run out: it excludes nobody any more.", x.ID, docs[i].Name)
			if left > 0 {
				kind, step = ExclusionExpiring, nearest(left)
				d.Sentence = fmt.Sprintf("The exclusion of %s from the policy %q runs out on %s.", x.ID, docs[i].Name, x.Expires.UTC().Format(time.DateOnly))
			}
			a, err := happened(kind, fmt.Sprintf("exclusion:%s/%s/%d/%d", docs[i].ID, x.ID, x.Expires.Unix(), step), now, d)
			if err != nil {
				return err
			}
			all = append(all, a)
		}
	}
	return s.Store.Write(ctx, func(tx *store.Tx) error {
		for _, a := range all {
			if _, err := tx.Raise(a); err != nil {
				return err
			}
		}
		return tx.ForgetAlarms(now.Add(-keptFor))
	})
}

// nearest is the last of dueDays that has come.
func nearest(left time.Duration) (days int) {
	for _, d := range dueDays {
		if left <= time.Duration(d)*24*time.Hour {
			days = d
		}
	}
	return days
}
