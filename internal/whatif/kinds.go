package whatif

import (
	"net/netip"
	"time"

	"github.com/portreeve/portreeve/internal/policy"
	"github.com/portreeve/portreeve/internal/signin"
)

// Limits of what one goroutine remembers: kinds of sign-ins, about 700 bytes
// each, and answers, about 150. Past them they are counted and forgotten, and
// judged again when they come again.
const (
	maxKinds   = 32_768
	maxAnswers = 262_144
)

// kept is what is judged or counted of an event, but for the client's address and the times.
type kept struct {
	facts      policy.Facts
	ja4, owner string
	code       signin.Code
	stage      policy.Stage
	observed   bool
}

func keep(e *signin.Event) kept {
	return kept{e.Facts, e.TLS.JA4, e.NetOwner, e.Code, e.Verdict.Stage, e.Observed}
}

// fill makes an event of it again. What the event had of another one is overwritten.
func (x *kept) fill(e *signin.Event) {
	e.Facts, e.TLS.JA4, e.NetOwner, e.Code, e.Verdict.Stage, e.Observed = x.facts, x.ja4, x.owner, x.code, x.stage, x.observed
}

// Row is one row of the log: it puts its times, its count and its reference
// into an event of its kind.
type Row interface{ Stamp(*signin.Event) }

// ReadKind makes an event of a kind's name: equal names are sign-ins of which
// everything is the same but when they happened and from where.
type ReadKind func(name []byte, e *signin.Event) error

// Kind is one of them.
type Kind struct {
	kept
	number int32
	counts []counted
	asked  question // the last one, and the answer
	answer *counted
}

// Person is the id of who signed in, empty for nobody known.
func (k *Kind) Person() string { return k.facts.Person }

// Place is where sign-ins come from.
type Place struct {
	addr netip.Addr
	nets [2]int32 // which network that is, for the rules before and after
}

// question is all that the answer for a kind hangs on, where that is known.
type question struct {
	kind  int32
	nets  [2]int32
	phase int32
	fresh [2]uint64
}

// counted are sign-ins of a kind to which a change does the same.
type counted struct {
	bucket      Bucket
	by          string
	code        int
	signIns     int64
	first, last int64  // Unix nanoseconds
	hours       uint32 // of the day, UTC
	refs        *[samples]Sample
}

// Counter counts what a change does to a log that comes kind by kind: sign-ins
// of a kind that the rules cannot tell apart, since they came from the same
// network, in the same hours and with a proof as new, are judged once. What it
// counts is what a Judge and a Tally would, event by event. It is for one goroutine.
type Counter struct {
	judge   *Judge
	tally   *Tally
	read    ReadKind
	kinds   map[string]*Kind
	answers map[question]answered
	moments *moments
	ev      signin.Event // worked in
}

type answered struct {
	kind *Kind
	at   int32 // in its counts
}

// NewCounter makes one.
func NewCounter(c *Change, read ReadKind) *Counter {
	return &Counter{judge: NewJudge(c), tally: NewTally(), read: read, kinds: map[string]*Kind{}, answers: map[question]answered{}, moments: newMoments(c)}
}

// Begin says that the kinds and places asked for before are done with.
func (c *Counter) Begin() {
	if len(c.kinds) > maxKinds || len(c.answers) > maxAnswers {
		c.flush()
	}
}

// Kind is the kind of a name, until the next Begin.
func (c *Counter) Kind(name []byte) (*Kind, error) {
	if k := c.kinds[string(name)]; k != nil {
		return k, nil
	}
	if err := c.read(name, &c.ev); err != nil {
		return nil, err
	}
	k := &Kind{kept: keep(&c.ev), number: int32(len(c.kinds))}
	c.kinds[string(name)] = k
	return k, nil
}

// Place is the place of an address.
func (c *Counter) Place(a netip.Addr) Place {
	before, after := c.judge.c.Before.Rules, c.judge.c.After.Rules
	return Place{a, [2]int32{int32(before.Network(a)), int32(after.Network(a))}}
}

// Bucket says what becomes of a row.
func (c *Counter) Bucket(k *Kind, p *Place, row Row) Bucket { return c.ask(k, p, row).bucket }

// ask judges a row, or finds how one like it was judged. What is the row's own
// is then in c.ev.
func (c *Counter) ask(k *Kind, p *Place, row Row) *counted {
	row.Stamp(&c.ev)
	q := question{kind: k.number, nets: p.nets}
	var known bool
	q.phase, q.fresh, known = c.moments.of(c.ev.Facts.At, c.ev.Facts.AuthTime)
	if !p.addr.IsValid() {
		q.nets = [2]int32{-1, -1} // it may have been any
	}
	if known {
		if k.answer != nil && k.asked == q {
			return k.answer
		}
		if a, ok := c.answers[q]; ok {
			k.asked, k.answer = q, &k.counts[a.at]
			return k.answer
		}
	}
	k.fill(&c.ev)
	c.ev.Facts.Addr = p.addr
	row.Stamp(&c.ev)
	a := c.judge.Answer(&c.ev)
	at := k.like(&a)
	if known && !c.judge.looked { // what was granted to a program may hang on its very address
		c.answers[q] = answered{k, int32(at)}
		k.asked, k.answer = q, &k.counts[at]
	}
	return &k.counts[at]
}

// like finds what is counted of the same answer.
func (k *Kind) like(a *Answer) int {
	x := counted{bucket: a.Bucket}
	if x.bucket != Unchanged {
		x.by, x.code = a.decider()
	}
	for i := range k.counts {
		if y := &k.counts[i]; y.bucket == x.bucket && y.by == x.by && y.code == x.code {
			return i
		}
	}
	k.counts, k.answer = append(k.counts, x), nil // the answer may have moved
	return len(k.counts) - 1
}

// Count judges a row and counts it.
func (c *Counter) Count(k *Kind, p *Place, row Row) {
	x := c.ask(k, p, row)
	x.add(&c.ev, max(c.ev.Count, 1))
}

func (x *counted) add(e *signin.Event, n int64) {
	at := e.At.UnixNano()
	if x.signIns == 0 {
		x.first, x.last = at, at
	}
	x.signIns += n
	x.first, x.last = min(x.first, at), max(x.last, at)
	x.hours |= hourOf(e.At)
	if x.bucket == Unchanged {
		return
	}
	if x.refs == nil {
		x.refs = &[samples]Sample{}
	}
	sample(x.refs, Sample{at, e.ID})
}

// Tally is everything counted so far.
func (c *Counter) Tally() *Tally {
	c.flush()
	return c.tally
}

func (c *Counter) flush() {
	for _, k := range c.kinds {
		c.settle(k)
	}
	clear(c.kinds)
	clear(c.answers)
}

// settle hands over what was counted of a kind.
func (c *Counter) settle(k *Kind) {
	for i := range k.counts {
		if k.counts[i].signIns > 0 {
			c.tally.take(&k.facts, &k.counts[i])
		}
	}
}

// moments numbers the moments that the rules tell apart.
type moments struct {
	before, after *policy.Snapshot
	timed         bool
	numbers       map[string]int32
	minute        int64 // the last one asked for: Unix time in minutes
	number        int32 // its, below 0 if the rules tell its moments apart
}

func newMoments(c *Change) *moments {
	m := &moments{before: c.Before.Rules, after: c.After.Rules, numbers: map[string]int32{}, minute: -1 << 62}
	m.timed = m.before.TimeMatters() || m.after.TimeMatters()
	return m
}

// of is the same for two moments, and proofs, between which no rule makes a difference.
func (m *moments) of(at, proof time.Time) (phase int32, fresh [2]uint64, known bool) {
	if !m.timed {
		return 0, fresh, true
	}
	var whole [2]bool
	fresh[0], whole[0] = m.before.Freshness(at, proof)
	fresh[1], whole[1] = m.after.Freshness(at, proof)
	const minute = 60
	if now := at.Unix() / minute; now != m.minute {
		// Hours begin and end with a minute: only where something else does
		// within this one do its ends differ.
		first := time.Unix(now*minute, 0).UTC()
		m.minute, m.number = now, m.phase(first)
		if m.phase(first.Add(minute*time.Second-1)) != m.number {
			m.number = -1
		}
	}
	phase = m.number
	if phase < 0 {
		phase = m.phase(at)
	}
	return phase, fresh, whole[0] && whole[1] && at.Unix() > 0
}

func (m *moments) phase(at time.Time) int32 {
	var key []byte
	for _, s := range []*policy.Snapshot{m.before, m.after} {
		for _, n := range s.Phase(at) {
			key = append(key, byte(n), byte(n>>8), byte(n>>16), byte(n>>24))
		}
	}
	n, ok := m.numbers[string(key)]
	if !ok {
		n = int32(len(m.numbers))
		m.numbers[string(key)] = n
	}
	return n
}
