package server

import (
	"slices"
	"sync"
	"time"

	"github.com/portreeve/portreeve/internal/lint"
	"github.com/portreeve/portreeve/internal/policy"
)

// findingsFor is how long what was found of the same rules is told again:
// exclusions come closer to their end by the day, and thousands of policies
// take a second to compare.
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
		all := lint.Check(lint.Input{Rules: rules, Now: now})
		f.rules, f.at = rules, now
		f.all = slices.DeleteFunc(all, func(x lint.Finding) bool { return x.Severity == lint.Note })
	}
	return f.all
}
