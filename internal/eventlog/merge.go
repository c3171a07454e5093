package eventlog

import (
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/portreeve/portreeve/internal/policy"
	"github.com/portreeve/portreeve/internal/protocol"
	"github.com/portreeve/portreeve/internal/signin"
)

// window is how long equal sign-ins share a row.
const window = time.Hour

// mergeKey is what makes two sign-ins equal: all that a reader of the log sees
// but the time, the client's port and the time the steps took.
type mergeKey struct {
	person, mailbox, typed, actor    string
	mechanism, program, version      string
	listener, forwarder, backend     string
	source, by, detail, ja4, agent   string
	grant                            string
	addr                             netip.Addr
	protocol                         protocol.Protocol
	credential                       policy.CredentialKind
	platform                         policy.Platform
	effect                           policy.Effect
	stage                            policy.Stage
	code                             signin.Code
	snapshot, bits                   uint64
	methods                          policy.Methods
	observed, viaWebmail, known, tls bool
	level                            uint8 // of merging harder, see refusals.go
}

func keyOf(e *signin.Event) mergeKey {
	f := &e.Facts
	return mergeKey{
		person: f.Person, mailbox: f.Address, typed: e.Typed, actor: e.Actor,
		mechanism: e.Mechanism, program: f.Program, version: f.ProgramVersion,
		listener: e.Listener, forwarder: e.Forwarder, backend: e.Backend,
		source: e.Source, by: e.Verdict.By, detail: e.Detail, ja4: e.TLS.JA4, agent: e.Hints.UserAgent,
		grant: e.Grant,
		addr:  f.Addr, protocol: f.Protocol, credential: f.Credential, platform: f.Platform,
		effect: e.Verdict.Effect, stage: e.Verdict.Stage, code: e.Code, snapshot: e.Verdict.Version, bits: sumBits(&e.Applied),
		methods: e.Methods, observed: e.Observed, viaWebmail: f.ViaWebmail, known: f.KnownNetwork, tls: e.TLS.Version != 0,
	}
}

// sumBits is FNV-1a over which policies applied; two sets that differ and have
// one sum would have to have everything else in common too.
func sumBits(b *policy.Bits) uint64 {
	sum := uint64(14695981039346656037)
	for _, set := range [][]uint64{b.Applied, b.Satisfied, b.Interrupted, b.Unknown} {
		for _, w := range set {
			sum = (sum ^ w) * 1099511628211
		}
		sum = (sum ^ 0xff) * 1099511628211
	}
	return sum
}

// row is one row of the log that sign-ins may still be counted in. Count and
// last are the whole ones, so writing them twice changes nothing.
type row struct {
	id          signin.ID
	first, last time.Time
	count       int64
	event       *signin.Event // until it is written
	epoch       uint64        // of the journal that holds the whole event, 0 is none
	dirty       bool          // counts something that is not written

	saved     int64 // count and last before the batch in hand
	savedLast time.Time
	batch     uint64
}

// add counts one more sign-in.
func (r *row) add(e *signin.Event) {
	r.count++
	if e.At.After(r.last) {
		r.last = e.At
	}
}

// takes says that a sign-in at a time may still be counted here.
func (r *row) takes(at time.Time) bool {
	d := at.Sub(r.first)
	return -window < d && d < window
}

// whole is the row as an event.
func (r *row) whole(of *signin.Event) *signin.Event {
	e := *of
	e.ID, e.At, e.Last, e.Count = r.id, r.first, r.last, r.count
	return &e
}

// rows is a bounded table of rows by key; the oldest makes room, and a
// sign-in equal to it begins a row of its own again.
type rows struct {
	byKey map[mergeKey]*row
	order []mergeKey // a ring
	next  int
}

func newRows(limit int) *rows {
	return &rows{byKey: make(map[mergeKey]*row), order: make([]mergeKey, 0, limit)}
}

// find returns the row that a sign-in is counted in, nil if it needs a new one.
func (t *rows) find(k mergeKey, at time.Time) *row {
	if r := t.byKey[k]; r != nil && r.takes(at) {
		return r
	}
	return nil
}

func (t *rows) put(k mergeKey, r *row) {
	if _, there := t.byKey[k]; !there {
		if len(t.order) < cap(t.order) {
			t.order = append(t.order, k)
		} else {
			delete(t.byKey, t.order[t.next])
			t.order[t.next] = k
			t.next = (t.next + 1) % len(t.order)
		}
	}
	t.byKey[k] = r
}

// forget takes out a row that was never written.
func (t *rows) forget(k mergeKey, r *row) {
	if t.byKey[k] == r {
		r.first = time.Time{} // takes nothing any more
	}
}

func newRow(e *signin.Event) *row {
	return &row{id: e.ID, first: e.At, last: e.At, event: e}
}

// keep copies an event together with what its caller may use again.
func keep(e *signin.Event) *signin.Event {
	c := *e
	b := &c.Applied
	b.Applied, b.Satisfied = slices.Clone(b.Applied), slices.Clone(b.Satisfied)
	b.Interrupted, b.Unknown = slices.Clone(b.Interrupted), slices.Clone(b.Unknown)
	c.Steps = slices.Clone(c.Steps)
	if c.At.IsZero() {
		c.At = time.Now()
	}
	c.At = c.At.UTC()
	return &c
}

// maxRepeats is how many sign-ins that were counted in another's row are
// remembered by their own id: their sessions are opened within seconds.
const maxRepeats = 16_384

// repeats finds the row that a sign-in was counted in.
type repeats struct {
	mu    sync.Mutex
	rows  map[signin.ID]signin.ID
	order []signin.ID // a ring
	next  int
}

func newRepeats() *repeats { return &repeats{rows: make(map[signin.ID]signin.ID)} }

func (p *repeats) learn(id, row signin.ID) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.order) < maxRepeats {
		p.order = append(p.order, id)
	} else {
		delete(p.rows, p.order[p.next])
		p.order[p.next] = id
		p.next = (p.next + 1) % maxRepeats
	}
	p.rows[id] = row
}

// row is the row's id, or the id itself for a sign-in that has its own.
func (p *repeats) row(id signin.ID) signin.ID {
	p.mu.Lock()
	defer p.mu.Unlock()
	if row, ok := p.rows[id]; ok {
		return row
	}
	return id
}
