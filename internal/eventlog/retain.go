package eventlog

import (
	"context"
	"errors"
	"time"

	"github.com/portreeve/portreeve/internal/store"
)

// Retention says for how long sign-ins are kept. Zero is the default, negative for ever.
type Retention struct {
	Days        int   // default 400: thirteen months, so that a year can be compared with the last
	Bytes       int64 // of the database in use; default 20 GB
	AddressDays int   // for clients' addresses and ports; default as long as the rest
}

const (
	defaultDays  = 400
	defaultBytes = 20 << 30
	// retainEvery is how often what is too old is looked for; firstRetain how soon after the start.
	retainEvery = time.Hour
	firstRetain = time.Minute
	// namesFor is how long a name that belongs to nobody is kept readable: a
	// password typed into the wrong field must not stay.
	namesFor = 24 * time.Hour
	day      = 24 * time.Hour
)

func (r Retention) withDefaults() Retention {
	if r.Days == 0 {
		r.Days = defaultDays
	}
	if r.Bytes == 0 {
		r.Bytes = defaultBytes
	}
	return r
}

func (l *Log) retain(ctx context.Context) {
	timer := time.NewTimer(firstRetain)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		}
		if err := l.Maintain(ctx, time.Now()); err != nil && ctx.Err() == nil && !errors.Is(err, store.ErrUnavailable) {
			l.slog.Error("old sign-ins cannot be cleared away", "error", err)
		}
		timer.Reset(retainEvery)
	}
}

// Maintain clears away what has been kept long enough at a time, and packs what
// has come to rest for replays. Run does it every hour.
func (l *Log) Maintain(ctx context.Context, now time.Time) error {
	r := l.o.Retention.withDefaults()
	if err := l.db.HashNames(ctx, now.Add(-namesFor)); err != nil {
		return err
	}
	if r.AddressDays > 0 {
		if err := l.db.DropAddresses(ctx, now.Add(-time.Duration(r.AddressDays)*day)); err != nil {
			return err
		}
	}
	if r.Days > 0 {
		cutoff := now.Add(-time.Duration(r.Days) * day)
		if err := l.db.DropEvents(ctx, cutoff); err != nil {
			return err
		}
		if err := l.db.DropNetworks(ctx, cutoff); err != nil {
			return err
		}
		l.networks.forget(cutoff)
	}
	if r.Bytes > 0 {
		if err := l.db.DropToSize(ctx, r.Bytes); err != nil {
			return err
		}
	}
	if err := l.db.DropUnreferenced(ctx, now); err != nil {
		return err
	}
	_, err := l.db.SealSheets(ctx, now)
	return err
}
