package server

import (
	"sync"
	"time"

	"github.com/portreeve/portreeve/internal/lint"
	"github.com/portreeve/portreeve/internal/policy"
)

// findingsFor is how long what was found of the same rules is told again:
// exclusions come closer to their end by the day.
const findingsFor = time.Minute

// findings remembers what was found of the rules in force.
type findings struct {
	mu    sync.Mutex
	rules *policy.Snapshot
	at    time.Time
	all   []lint.Finding
}

// of finds what their authors may not have meant of rules; notes are left out.
func (f *findings) of(rules *policy.Snapshot, now time.Time) []lint.Finding {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.rules != rules || now.Sub(f.at) > findingsFor || now.Before(f.at) {
		f.all = lint.Check(lint.Input{Rules: rules, Now: now, NoNotes: true})
		f.rules, f.at = rules, now
	}
	return f.all
}
