package admin

import (
	"context"
	"sync"
	"time"

	"github.com/portreeve/portreeve/internal/store"
	"github.com/portreeve/portreeve/internal/whatif"
)

// classKeeper counts sign-ins by class for previews. It reads the log once,
// when a preview is first asked for, and from then on only what is new: nothing
// is done when a sign-in is written, and nothing can get out of step with the
// log for longer than keptFor.
type classKeeper struct {
	mu      sync.Mutex
	classes *whatif.Classes
	since   time.Time // of the oldest sign-in counted
	row     int64     // the last one counted
	made    time.Time
}

const (
	// keptFor is after what time classes are counted anew: what was forgotten
	// since, and repeats that were counted into an older row, come in then.
	keptFor = time.Hour
	// classDays is how far back classes reach at least.
	classDays = 90
)

// countClasses answers by classes; ok is false if there are too many.
func (a *api) countClasses(ctx context.Context, w *replaying, p *store.Progress) (t *whatif.Tally, notes []string, ok bool, err error) {
	k := a.classes
	k.mu.Lock()
	defer k.mu.Unlock()
	if err := k.renew(ctx, a.Store, w.window.From, p); err != nil {
		return nil, nil, false, err
	}
	if k.classes.Full() {
		return nil, nil, false, nil
	}
	notes = append([]string{"A preview: sign-ins of one kind were judged once, over whole days of UTC."}, whatif.Rough(&w.change)...)
	return k.classes.Replay(&w.change, w.window.From, w.window.To), notes, true, nil
}

// renew counts what is new, or everything.
func (k *classKeeper) renew(ctx context.Context, s *store.Store, from time.Time, p *store.Progress) error {
	if k.classes == nil || time.Since(k.made) > keptFor || from.Before(k.since) {
		k.classes, k.row, k.made = whatif.NewClasses(), 0, time.Now()
		k.since = time.Now().AddDate(0, 0, -classDays)
		if from.Before(k.since) {
			k.since = from
		}
		k.since = k.since.UTC().Truncate(24 * time.Hour)
	}
	var all []*whatif.Collector
	last, err := s.Replay(ctx, k.row, store.ReplayWindow{From: k.since}, p, func() func(*store.Sheet) error {
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
