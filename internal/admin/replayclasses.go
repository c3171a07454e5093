package admin

import (
	"context"
	"sync"
	"time"

	"github.com/portreeve/portreeve/internal/store"
	"github.com/portreeve/portreeve/internal/whatif"
)

// classKeeper counts sign-ins by class for previews: soon after the start, every
// hour, and before each preview what is new. Nothing is done when a sign-in is
// written, and nothing can get out of step with the log for longer than keptFor.
type classKeeper struct {
	mu sync.Mutex
	counted
}

// counted are classes, and how far they reach.
type counted struct {
	classes *whatif.Classes
	since   time.Time // of the oldest sign-in counted
	row     int64     // the last one counted
	made    time.Time
}

const (
	// countEvery is after what time classes are counted anew: what was forgotten
	// since, and repeats that were counted into an older row, come in then.
	countEvery = time.Hour
	// keptFor is how old they may be if nobody counts them anew.
	keptFor = 2 * countEvery
	// firstCount is how soon after the start they are counted: once the programs
	// that lost their connections are back. What was written last is not packed
	// yet and read row by row, at most one sheet of it.
	firstCount = 20 * time.Second
	// classDays is how far back classes reach at least: what a replay looks at unless it is told otherwise.
	classDays = replayDays + 1
)

// KeepCounts counts sign-ins for previews now and then until ctx ends, so that
// not even the first preview waits for that.
func (i *Interface) KeepCounts(ctx context.Context) {
	timer := time.NewTimer(firstCount)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		}
		if err := i.api.classes.refresh(ctx, i.api.Store); err != nil && ctx.Err() == nil {
			i.api.Log.Error("sign-ins cannot be counted for previews", "error", err)
		}
		timer.Reset(countEvery)
	}
}

// refresh counts everything anew, beside what previews are answered from meanwhile.
func (k *classKeeper) refresh(ctx context.Context, s *store.Store) error {
	var c counted
	if err := c.renew(ctx, s, time.Now(), true, nil); err != nil {
		return err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.classes == nil || !k.since.Before(c.since) { // one that reaches further back was asked for
		k.counted = c
	}
	return nil
}

// countClasses answers by classes; ok is false if there are too many.
func (a *api) countClasses(ctx context.Context, w *replaying, p *store.Progress) (t *whatif.Tally, notes []string, ok bool, err error) {
	k := a.classes
	k.mu.Lock()
	defer k.mu.Unlock()
	if err := k.renew(ctx, a.Store, w.window.From, false, p); err != nil {
		return nil, nil, false, err
	}
	if k.classes.Full() {
		return nil, nil, false, nil
	}
	notes = append([]string{"A preview: sign-ins of one kind were judged once, over whole days of UTC."}, whatif.Rough(&w.change)...)
	return k.classes.Replay(&w.change, w.window.From, w.window.To), notes, true, nil
}

// renew counts what is new, or everything; quietly is for when nobody waits.
func (k *counted) renew(ctx context.Context, s *store.Store, from time.Time, quietly bool, p *store.Progress) error {
	if k.classes == nil || time.Since(k.made) > keptFor || from.Before(k.since) {
		k.classes, k.row, k.made = whatif.NewClasses(), 0, time.Now()
		k.since = time.Now().AddDate(0, 0, -classDays)
		if from.Before(k.since) {
			k.since = from
		}
		k.since = k.since.UTC().Truncate(24 * time.Hour)
	}
	var all []*whatif.Collector
	last, err := s.Replay(ctx, k.row, store.ReplayWindow{From: k.since, Quietly: quietly}, p, func() func(*store.Sheet) error {
		c := k.classes.Collect(readKinds())
		all = append(all, c) // takers are made one after the other
		return func(s *store.Sheet) error {
			return eachRow(c, s, func(kind *whatif.ClassKind, from *whatif.Place, r *store.Recorded) { c.Count(kind, from, r) })
		}
	})
	for _, c := range all {
		c.Done()
	}
	if err != nil {
		k.classes = nil // half counted
		return err
	}
	k.row = last
	return nil
}
