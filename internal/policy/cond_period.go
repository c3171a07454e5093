package policy

import (
	"slices"
	"time"
)

// periodCondition: from a moment, up to a moment, either of which may be
// unset. As with hours, an unknown time is read as one that lies within.
type periodCondition struct{ Period }

func (p *periodCondition) name() string { return "portreeve.period" }

func (p *periodCondition) holds(f *Facts) bool { return f.At.IsZero() || p.Holds(f.At) }

// Holds says whether a moment lies in the period; its start does, its end does not.
func (p Period) Holds(at time.Time) bool {
	return (p.Start.IsZero() || !at.Before(p.Start)) && (p.End.IsZero() || at.Before(p.End))
}

// Empty says that no moment lies in the period.
func (p Period) Empty() bool { return !p.Start.IsZero() && !p.End.IsZero() && !p.Start.Before(p.End) }

func (p *periodCondition) needed() string {
	words := func(t time.Time) string { return t.UTC().Format(time.RFC3339) }
	switch {
	case p.Start.IsZero() && p.End.IsZero():
		return "always"
	case p.End.IsZero():
		return "from " + words(p.Start)
	case p.Start.IsZero():
		return "until " + words(p.End)
	}
	return "from " + words(p.Start) + " until " + words(p.End)
}

func (p *periodCondition) seen(f *Facts) string {
	if f.At.IsZero() {
		return "an unknown time"
	}
	return f.At.UTC().Format(time.RFC3339)
}

// timedRule is a policy that has a period.
type timedRule struct {
	policy int
	Period
}

func (s *Snapshot) compilePeriods() {
	for i := range s.rules {
		if p := s.rules[i].period; p != nil && s.rules[i].State != Disabled {
			s.periods = append(s.periods, timedRule{i, p.Period})
		}
	}
}

// span remembers which policies' periods hold between two moments at which any
// begins or ends: time goes on slowly, and there may be thousands of periods.
type span struct {
	known    bool
	from, to time.Time // zero is for ever
	out      []uint64  // policies outside their period
}

func (w *span) at(s *Snapshot, t time.Time) []uint64 {
	if !w.known || !(Period{w.from, w.to}).Holds(t) {
		w.learn(s, t)
	}
	return w.out
}

func (w *span) learn(s *Snapshot, t time.Time) {
	if w.out == nil {
		w.out = make([]uint64, len(s.everybody))
	}
	clear(w.out)
	w.known, w.from, w.to = true, time.Time{}, time.Time{}
	for _, p := range s.periods {
		if !p.Holds(t) {
			w.out[p.policy/64] |= 1 << (p.policy % 64)
		}
		for _, border := range []time.Time{p.Start, p.End} {
			switch {
			case border.IsZero():
			case t.Before(border):
				if w.to.IsZero() || border.Before(w.to) {
					w.to = border
				}
			case w.from.Before(border):
				w.from = border
			}
		}
	}
}

// covers says that whenever b holds from now on, this one does.
func (p *periodCondition) covers(b *periodCondition, now time.Time) bool {
	if p == nil {
		return true
	}
	from, to := now, time.Time{}
	if b != nil {
		to = b.End
		if now.Before(b.Start) {
			from = b.Start
		}
	}
	return p.Holds(from) && (p.End.IsZero() || !to.IsZero() && !p.End.Before(to))
}

// over says that the period has ended, or never is.
func (p *periodCondition) over(now time.Time) bool {
	return p.Empty() || !p.End.IsZero() && !now.Before(p.End)
}

// Phase tells two moments apart if which policies apply may differ between them
// by the time alone: a period, an exclusion or an hour began or ended. It is
// compared with that of another moment and says nothing else.
type Phase []int

// Phase is told at its type. It is cheap: some searches in short lists.
func (s *Snapshot) Phase(at time.Time) (p Phase) {
	if len(s.moments) > 0 {
		passed, _ := slices.BinarySearchFunc(s.moments, at, func(m, at time.Time) int {
			if m.After(at) {
				return 1
			}
			return -1 // a moment that is now has passed
		})
		p = append(p, passed)
	}
	for i := range s.hours {
		h := &s.hours[i]
		p = append(p, h.index(minuteOfWeek(at, h.zone)))
	}
	return p
}

// compileMoments finds every moment at which a period or an exclusion begins or ends.
func (s *Snapshot) compileMoments() {
	for _, p := range s.periods {
		s.moments = append(s.moments, p.Start, p.End)
	}
	for i := range s.rules {
		for _, x := range s.rules[i].Exclusions {
			s.moments = append(s.moments, x.Expires)
		}
	}
	s.moments = slices.DeleteFunc(s.moments, time.Time.IsZero)
	slices.SortFunc(s.moments, time.Time.Compare)
	s.moments = slices.CompactFunc(s.moments, time.Time.Equal)
}
