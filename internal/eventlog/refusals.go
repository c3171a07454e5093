package eventlog

import (
	"sync"
	"time"

	"github.com/portreeve/portreeve/internal/network"
	"github.com/portreeve/portreeve/internal/policy"
	"github.com/portreeve/portreeve/internal/signin"
	"github.com/portreeve/portreeve/internal/store"
)

const (
	// maxRefusalRows bounds the rows that refusals may still be counted in.
	maxRefusalRows = 16_384
	// maxUnwritten bounds the refusals that wait whole, about 2 KB each. Past
	// it, those of one network, protocol and reason share a row; past twice as
	// many, those of one protocol and reason, which are at most a few hundred.
	maxUnwritten = 4096
	// takeRefusals is how many are written at once, so that successes in the same commit do not wait for a flood.
	takeRefusals = 256
)

// The levels of merging harder.
const (
	levelEqual = iota
	levelNetwork
	levelReason
)

// refusals is what is written behind: rows, those of them that changed since
// they were last written, and how many wait whole.
type refusals struct {
	mu        sync.Mutex
	rows      *rows
	dirty     []*row
	unwritten int
	taken     int // states out with a batch
	harder    int64
}

func newRefusals() *refusals { return &refusals{rows: newRows(maxRefusalRows)} }

// refusalState is one row as it is to be written.
type refusalState struct {
	row         *row
	whole       *signin.Event // nil if the row is written and only its count changed
	id          signin.ID
	count       int64
	first, last time.Time
}

// add counts a refusal and returns the row it is counted in and the count.
func (f *refusals) add(e *signin.Event) (signin.ID, int64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	key := keyOf(e)
	r := f.find(key, e.At)
	if r == nil && f.unwritten >= maxUnwritten {
		f.harder++
		if key, e = harder(e, levelNetwork); f.find(key, e.At) == nil && f.unwritten >= 2*maxUnwritten {
			key, e = harder(e, levelReason)
		}
		r = f.find(key, e.At)
	}
	if r == nil {
		r = newRow(e)
		f.rows.put(key, r)
		f.unwritten++
	}
	r.add(e)
	if !r.dirty {
		r.dirty = true
		f.dirty = append(f.dirty, r)
	}
	return r.id, r.count
}

// find is the row that a refusal is counted in, if there is one that has a
// reference left to tell.
func (f *refusals) find(k mergeKey, at time.Time) *row {
	if r := f.rows.find(k, at); r != nil && r.count < store.Told {
		return r
	}
	return nil
}

// harder is an event that stands for many: what they have in common.
func harder(e *signin.Event, level uint8) (mergeKey, *signin.Event) {
	c := &signin.Event{ID: e.ID, At: e.At, Source: e.Source, Observed: e.Observed, Code: e.Code, Listener: e.Listener,
		Detail:  "refusals came faster than they could be written; those of one protocol and reason are counted here together",
		Verdict: policy.Verdict{Effect: e.Verdict.Effect, Stage: e.Verdict.Stage, Code: e.Verdict.Code, Version: e.Verdict.Version}}
	c.Facts.At, c.Facts.Protocol, c.Facts.Credential = e.Facts.At, e.Facts.Protocol, e.Facts.Credential
	if level == levelNetwork {
		c.Detail = "refusals came faster than they could be written; those of one network, protocol and reason are counted here together"
		c.NetOwner, c.Facts.Country, c.Facts.ASN = e.NetOwner, e.Facts.Country, e.Facts.ASN
		if p := network.Of(e.Facts.Addr); p.IsValid() {
			c.Facts.Addr = p.Addr()
		}
	} else {
		c.Listener = ""
		c.Verdict = policy.Verdict{Effect: e.Verdict.Effect, Code: e.Verdict.Code}
	}
	key := mergeKey{protocol: c.Facts.Protocol, credential: c.Facts.Credential, code: c.Code, addr: c.Facts.Addr,
		listener: c.Listener, source: c.Source, observed: c.Observed, snapshot: c.Verdict.Version, level: level}
	return key, c
}

// take hands out the rows that have changed; written or later takes them back.
func (f *refusals) take() []refusalState {
	f.mu.Lock()
	defer f.mu.Unlock()
	n := min(len(f.dirty), takeRefusals)
	states := make([]refusalState, n)
	for i, r := range f.dirty[:n] {
		states[i] = refusalState{row: r, whole: r.event, id: r.id, count: r.count, first: r.first, last: r.last}
		r.dirty = false
	}
	f.dirty = append(f.dirty[:0], f.dirty[n:]...)
	f.taken += n
	return states
}

func (f *refusals) written(states []refusalState) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.taken -= len(states)
	for _, s := range states {
		if s.row.event != nil {
			s.row.event = nil
			f.unwritten--
		}
	}
}

func (f *refusals) later(states []refusalState) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.taken -= len(states)
	for _, s := range states {
		if !s.row.dirty {
			s.row.dirty = true
			f.dirty = append(f.dirty, s.row)
		}
	}
}

// pressing says that so much waits that the next commit should take some.
func (f *refusals) pressing() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.unwritten > takeRefusals
}

func (f *refusals) idle() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.dirty) == 0 && f.taken == 0
}

// event is the row whole.
func (s *refusalState) event() *signin.Event {
	e := *s.whole
	e.ID, e.At, e.Count, e.Last = s.id, s.first, s.count, s.last
	return &e
}

func (s *refusalState) write(tx *store.Tx) error {
	if s.whole != nil {
		return tx.PutEvent(s.event())
	}
	_, err := tx.CountEvent(s.id, s.count, s.last)
	return err
}

// append is the row in the journal; what is already in there or in the
// database needs its count only.
func (s *refusalState) append(p []byte) []byte {
	if s.whole != nil {
		return appendItem(p, itemEvent, store.AppendEvent(nil, s.event()))
	}
	return appendCount(p, s.id, s.count, s.last)
}
