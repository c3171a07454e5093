package directory

import (
	"fmt"
	"maps"
	"slices"
	"time"
)

const (
	fewMissing  = 3                // people or groups that may be gone at once without a doubt, however few there are
	manyMissing = 50               // however many there are; in between, a fifth
	doubtful    = 10 * time.Minute // how long more than these must be gone before it is believed: rights that were taken from the service account look the same
	maxWarnings = 100
)

// doubts says that so much is gone at once that it is not believed yet.
func (l *LDAP) doubts(m *mirror) bool {
	peopleThere, groupsThere := m.r.entries()
	people, groups := gone(m.rows, peopleThere), gone(m.groupRows, groupsThere)
	if people == 0 && groups == 0 {
		l.missing = time.Time{}
		return false
	}
	if l.missing.IsZero() {
		l.missing = time.Now()
	}
	if time.Since(l.missing) >= doubtful && len(m.r.people) > 0 {
		return false
	}
	m.warnf("%d people and %d groups are gone from the directory at once: not believed for %v (may the service account still see them?)", people, groups, doubtful)
	return true
}

// entries are those of the people and groups that a reading found.
func (r *reading) entries() (people, groups map[string]bool) {
	people, groups = make(map[string]bool, len(r.people)), make(map[string]bool, len(r.groups))
	for i := range r.people {
		people[r.people[i].entry] = true
	}
	for i := range r.groups {
		groups[r.groups[i].entry] = true
	}
	return people, groups
}

// gone is how many of the known entries are not there, if suspiciously many; else none.
func gone[Row any](known map[string]Row, there map[string]bool) int {
	n := 0
	for entry := range known {
		if !there[entry] {
			n++
		}
	}
	if n > min(max(fewMissing, len(known)/5), manyMissing) || len(there) == 0 && n > 1 {
		return n
	}
	return 0
}

func (m *mirror) warnf(format string, args ...any) {
	if len(m.warned) < maxWarnings {
		m.warned[fmt.Sprintf(format, args...)] = true
	}
}

// warn keeps what could not be mirrored, and tells the operator of what is new.
func (l *LDAP) warn(m *mirror, hold bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.state.Groups = len(m.groupRows)
	all := slices.Sorted(maps.Keys(m.warned))
	for _, w := range all {
		if !slices.Contains(l.state.Warnings, w) {
			l.Log.Warn("the directory cannot be mirrored as it is", "directory", l.Name, "what", w)
		}
	}
	if m.r.complete {
		l.state.Warnings = all
		return
	}
	for _, w := range all {
		if !slices.Contains(l.state.Warnings, w) && len(l.state.Warnings) < maxWarnings {
			l.state.Warnings = append(l.state.Warnings, w)
		}
	}
}
