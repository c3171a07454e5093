package apppassword

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"time"

	"github.com/portreeve/portreeve/internal/store"
)

// flushEvery is how much of the uses a hard stop can lose.
const flushEvery = 5 * time.Second

// used notes a use in memory.
func (s *Service) used(id string, k *knock) {
	s.amend(id, func(e *entry) {
		if e.row.Last.Before(k.attempt.At) {
			e.row.Last = k.attempt.At
		}
		e.row.LastAddr, e.row.LastProgram = k.addr.String(), k.program.Label
		s.dirty[id] = true
	})
}

// wait notes who was refused for want of an approval; the last one counts.
func (s *Service) wait(id string, k *knock) {
	s.amend(id, func(e *entry) {
		e.pending = &pending{k.program, k.owner, k.addr.String(), k.attempt.At}
		s.dirty[id] = true
	})
}

// Run writes uses down until ctx ends, and forgets what was revoked long ago.
func (s *Service) Run(ctx context.Context) error {
	flush, sweep := time.NewTicker(flushEvery), time.NewTicker(day)
	defer flush.Stop()
	defer sweep.Stop()
	for {
		select {
		case <-ctx.Done():
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), flushEvery)
			defer cancel()
			_ = s.flush(last) // a use that cannot be written down when stopping is lost, as at a hard stop
			return nil
		case <-flush.C:
			_ = s.flush(ctx) // kept for the next time
		case now := <-sweep.C:
			_ = s.sweep(ctx, now) // tomorrow is another day
		}
	}
}

// flush writes the last uses down, in one commit.
func (s *Service) flush(ctx context.Context) error {
	s.writing.Lock()
	defer s.writing.Unlock()
	s.mu.Lock()
	ids := s.dirty
	s.dirty = map[string]bool{}
	var rows []store.AppPassword
	for id := range ids {
		if e := s.byID[id]; e != nil {
			row := e.row
			row.Pending = nil
			if e.pending != nil {
				row.Pending, _ = json.Marshal(e.pending) // strings and a time: it cannot fail
			}
			rows = append(rows, row)
		}
	}
	s.mu.Unlock()
	if len(rows) == 0 {
		return nil
	}
	err := s.Store.Write(ctx, func(tx *store.Tx) error {
		for i := range rows {
			if err := tx.NoteAppPassword(&rows[i]); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		s.mu.Lock()
		for id := range ids {
			s.dirty[id] = true
		}
		s.mu.Unlock()
		return fmt.Errorf("writing down the uses of app passwords: %w", err)
	}
	return nil
}

// sweep forgets the rows that the log needs no more.
func (s *Service) sweep(ctx context.Context, now time.Time) error {
	s.rates.forget(now)
	ids := s.forgettable(now)
	if len(ids) == 0 {
		return nil
	}
	if err := s.Store.Write(ctx, func(tx *store.Tx) error { return tx.ForgetAppPasswords(ids) }); err != nil {
		return err
	}
	return s.reload(ctx)
}

func (s *Service) forgettable(now time.Time) (ids []string) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	over := func(t time.Time, kept time.Duration) bool { return !t.IsZero() && now.Sub(t) > kept }
	for id, e := range s.byID {
		if over(e.row.Revoked, keptFor) || over(e.scope.Expires, keptFor) || e.row.Used.IsZero() && over(e.scope.FirstUseBy, keptDead) {
			ids = append(ids, id)
		}
	}
	return ids
}

// minutes is how finely an hour's recipients are counted.
const minutes = 60

// rates counts recipients of the last hour, per app password, over all its
// sessions. The counts are in memory only: a restart begins a new hour.
type rates struct {
	mu sync.Mutex
	of map[string]*hour
}

// hour is a ring of minutes.
type hour struct {
	last  int64 // the minute counted last, since 1970
	count [minutes]int32
	sum   int
}

// take counts one recipient, if there is room for it.
func (r *rates) take(id string, limit int, now time.Time) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.of == nil {
		r.of = map[string]*hour{}
	}
	h := r.of[id]
	if h == nil {
		h = &hour{}
		r.of[id] = h
	}
	h.advance(now.Unix() / 60)
	if h.sum >= limit {
		return false
	}
	h.count[h.last%minutes]++
	h.sum++
	return true
}

// advance forgets the minutes that are over. A clock set back counts on in the
// minute it had reached.
func (h *hour) advance(minute int64) {
	for steps := 0; h.last < minute && steps < minutes; steps++ {
		h.last++
		if steps == 0 && minute-h.last >= minutes {
			h.last = minute - minutes + 1
		}
		h.sum -= int(h.count[h.last%minutes])
		h.count[h.last%minutes] = 0
	}
}

// forget drops the counts of those that have sent nothing for an hour.
func (r *rates) forget(now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for id, h := range r.of {
		if now.Unix()/60-h.last >= minutes {
			delete(r.of, id)
		}
	}
}
