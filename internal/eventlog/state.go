package eventlog

import "fmt"

// warnAt is how full the journal may be before it is told.
const warnAt = 0.8

// State is how the log stands, for status.
type State struct {
	// Database is nil, or why the database could not be written last.
	Database error
	// Journal says that the journal is in use; Fill is how full it is, 0 to 1.
	Journal bool
	Fill    float64
	// Unrecorded counts people let in without a record, Lost parts of the
	// journal that could not be read, MergedHarder refusals of which only what
	// they had in common is kept, MissedSinks what slow readers of the live stream missed.
	Unrecorded, Lost, MergedHarder, MissedSinks int64
}

// Warning is one sentence if there is something to do, else empty.
func (s State) Warning() string {
	switch {
	case s.Unrecorded > 0:
		return fmt.Sprintf("%d people were let in without a record of it", s.Unrecorded)
	case s.Journal && s.Fill >= warnAt:
		return fmt.Sprintf("the sign-in journal is %.0f %% full; when it is full, nobody is let in: mend the database or free disk space", s.Fill*100)
	case s.Journal:
		return fmt.Sprintf("the database cannot be written; sign-ins go to the journal, which is %.0f %% full", s.Fill*100)
	case s.Lost > 0:
		return fmt.Sprintf("%d parts of a damaged sign-in journal could not be read", s.Lost)
	}
	return ""
}

// State says how the log stands.
func (l *Log) State() State {
	s := State{Journal: l.inUse.Load(), Fill: float64(l.fill.Load()) / 1e6, Unrecorded: l.unrecorded.Load(), Lost: l.lost.Load(), MissedSinks: l.streams.missed.Load()}
	if text := l.dbError.Load(); text != nil {
		s.Database = fmt.Errorf("%s", *text)
	}
	l.refusals.mu.Lock()
	s.MergedHarder = l.refusals.harder
	l.refusals.mu.Unlock()
	return s
}

// tellState takes down how the journal stands and warns once when it fills; l.mu is held.
func (l *Log) tellState() {
	fill := l.journal.fill()
	l.inUse.Store(l.using)
	l.fill.Store(uint64(fill * 1e6))
	if l.using && fill >= warnAt && !l.warned {
		l.warned = true
		l.slog.Warn(State{Journal: true, Fill: fill}.Warning())
	}
}

// failed takes down why the database cannot be written, and tells it when it is news.
func (l *Log) failed(err error) {
	text := err.Error()
	if before := l.dbError.Swap(&text); before == nil {
		l.slog.Error("the database cannot be written; sign-ins go to the journal", "error", err)
	}
}
