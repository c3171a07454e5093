package whatif

import (
	"bytes"
	"cmp"
	"math/bits"
	"slices"
	"strings"
	"time"

	"github.com/portreeve/portreeve/internal/policy"
	"github.com/portreeve/portreeve/internal/protocol"
	"github.com/portreeve/portreeve/internal/signin"
)

const (
	// maxHits bounds how many rows are kept of what is hit; what comes later is
	// counted in its bucket, and in Tally.Left.
	maxHits = 50_000
	// maxPeople bounds the people counted one by one; a directory of a million fits.
	maxPeople = 1 << 20
	// maxPrograms bounds the programs counted one by one: families are few, but strangers name them.
	maxPrograms = 4096
	// samples is how many references are kept of each row: its latest.
	samples = 5
)

// Counts are sign-ins by bucket.
type Counts [Buckets]int64

// Tally counts answers. It is for one goroutine; Add joins several.
type Tally struct {
	SignIns  Counts
	people   map[string]*person
	programs map[string]*Counts
	hits     map[hitKey]*Hit
	// Left are sign-ins that no row was kept of.
	Left        int64
	First, Last time.Time
}

// person is what one person's sign-ins came to.
type person struct {
	counts    Counts
	total     int64
	protocols uint32 // by bit
	hours     uint32 // of the day, UTC
	kinds     uint8  // of credential, by bit
}

type hitKey struct {
	person, program, country string
	by                       string
	code                     int
	protocol                 protocol.Protocol
	credential               policy.CredentialKind
	bucket                   Bucket
}

// Hit is what a change does to one person's sign-ins of one kind.
type Hit struct {
	Bucket      Bucket
	Person      string // id
	Protocol    protocol.Protocol
	Credential  policy.CredentialKind
	Program     string
	Country     string
	SignIns     int64
	First, Last time.Time
	// By and Code are the object that would decide, and its reason.
	By   string
	Code int
	refs [samples]Sample
}

// Sample is one of the sign-ins behind a number.
type Sample struct {
	At int64 // Unix nanoseconds
	ID signin.ID
}

// NewTally makes an empty one.
func NewTally() *Tally {
	return &Tally{people: map[string]*person{}, programs: map[string]*Counts{}, hits: map[hitKey]*Hit{}}
}

// Count counts n equal sign-ins.
func (t *Tally) Count(e *signin.Event, a *Answer, n int64) {
	at := e.At.UnixNano()
	x := counted{bucket: a.Bucket, signIns: n, first: at, last: at, hours: hourOf(e.At), refs: &[samples]Sample{{at, e.ID}}}
	x.by, x.code = a.decider()
	t.take(&e.Facts, &x)
}

// take counts sign-ins of a kind to which the change does the same.
func (t *Tally) take(f *policy.Facts, x *counted) {
	t.SignIns[x.bucket] += x.signIns
	first, last := time.Unix(0, x.first).UTC(), time.Unix(0, x.last).UTC()
	if t.First.IsZero() || first.Before(t.First) {
		t.First = first
	}
	if last.After(t.Last) {
		t.Last = last
	}
	if f.Person != "" {
		t.person(f.Person).count(f, x)
	}
	if c := t.program(f.Program); c != nil {
		c[x.bucket] += x.signIns
	}
	if x.bucket != Unchanged {
		t.hit(f, x, first, last)
	}
}

// decider is the object that would decide, and its reason.
func (a *Answer) decider() (by string, code int) {
	if a.Bucket == Allowed { // what kept it out so far
		return a.Before.By, a.Before.Code
	}
	return a.After.By, a.After.Code
}

func (t *Tally) person(id string) *person {
	p := t.people[id]
	if p == nil {
		if len(t.people) >= maxPeople {
			return &person{}
		}
		p = &person{}
		t.people[id] = p
	}
	return p
}

func (p *person) count(f *policy.Facts, x *counted) {
	p.counts[x.bucket] += x.signIns
	p.total += x.signIns
	p.protocols |= 1 << f.Protocol
	p.kinds |= 1 << f.Credential
	p.hours |= x.hours
}

// hourOf is the hour of the day, UTC, as a bit.
func hourOf(at time.Time) uint32 { return 1 << (uint64(at.Unix()) / 3600 % 24) }

func (t *Tally) program(name string) *Counts {
	c := t.programs[name]
	if c == nil {
		if len(t.programs) >= maxPrograms {
			return nil
		}
		c = &Counts{}
		t.programs[name] = c
	}
	return c
}

func (t *Tally) hit(f *policy.Facts, x *counted, first, last time.Time) {
	k := hitKey{f.Person, f.Program, f.Country, x.by, x.code, f.Protocol, f.Credential, x.bucket}
	h := t.hits[k]
	if h == nil {
		if len(t.hits) >= maxHits {
			t.Left += x.signIns
			return
		}
		h = &Hit{Bucket: x.bucket, Person: f.Person, Protocol: f.Protocol, Credential: f.Credential, Program: f.Program, Country: f.Country, By: x.by, Code: x.code, First: first, Last: last}
		t.hits[k] = h
	}
	h.SignIns += x.signIns
	h.seen(first, last)
	for _, s := range x.refs {
		sample(&h.refs, s)
	}
}

func (h *Hit) seen(first, last time.Time) {
	if first.Before(h.First) {
		h.First = first
	}
	if last.After(h.Last) {
		h.Last = last
	}
}

// sample keeps the latest.
func sample(refs *[samples]Sample, s Sample) {
	oldest := 0
	for i := range refs {
		if refs[oldest].after(&refs[i]) {
			oldest = i
		}
	}
	if s.after(&refs[oldest]) {
		refs[oldest] = s
	}
}

// after is in the order in which samples are told, so that which are kept does not hang on chance.
func (s *Sample) after(x *Sample) bool {
	return s.At > x.At || s.At == x.At && bytes.Compare(s.ID[:], x.ID[:]) > 0
}

// Samples are some of the sign-ins behind the row, latest first.
func (h *Hit) Samples() []Sample {
	all := slices.DeleteFunc(slices.Clone(h.refs[:]), func(s Sample) bool { return s.At == 0 })
	slices.SortFunc(all, func(x, y Sample) int {
		return cmp.Or(cmp.Compare(y.At, x.At), strings.Compare(x.ID.String(), y.ID.String()))
	})
	return all
}

// Add joins another tally into this one.
func (t *Tally) Add(u *Tally) {
	for b, n := range u.SignIns {
		t.SignIns[b] += n
	}
	t.Left += u.Left
	if t.First.IsZero() || !u.First.IsZero() && u.First.Before(t.First) {
		t.First = u.First
	}
	if u.Last.After(t.Last) {
		t.Last = u.Last
	}
	for id, p := range u.people {
		mine := t.person(id)
		for b, n := range p.counts {
			mine.counts[b] += n
		}
		mine.total, mine.protocols, mine.hours, mine.kinds = mine.total+p.total, mine.protocols|p.protocols, mine.hours|p.hours, mine.kinds|p.kinds
	}
	for name, c := range u.programs {
		if mine := t.program(name); mine != nil {
			for b, n := range c {
				mine[b] += n
			}
		}
	}
	for k, h := range u.hits {
		t.join(k, h)
	}
}

func (t *Tally) join(k hitKey, h *Hit) {
	mine := t.hits[k]
	if mine == nil {
		if len(t.hits) >= maxHits {
			t.Left += h.SignIns
			return
		}
		t.hits[k] = h
		return
	}
	mine.SignIns += h.SignIns
	mine.seen(h.First, h.Last)
	for _, s := range h.refs {
		sample(&mine.refs, s)
	}
}

// People counts people with a sign-in in each bucket.
func (t *Tally) People() (c Counts) {
	for _, p := range t.people {
		for b, n := range p.counts {
			if n > 0 {
				c[b]++
			}
		}
	}
	return c
}

// KeptOut is how many people have a sign-in that is newly refused, or asked for
// what they have not; each counts once.
func (t *Tally) KeptOut() (n int) {
	for _, p := range t.people {
		if p.counts[Refused]+p.counts[Unable] > 0 {
			n++
		}
	}
	return n
}

// Everybody is how many people signed in.
func (t *Tally) Everybody() int { return len(t.people) }

// Programs are the sign-ins of each program by bucket; the empty name is an unknown one.
func (t *Tally) Programs() map[string]Counts {
	all := make(map[string]Counts, len(t.programs))
	for name, c := range t.programs {
		all[name] = *c
	}
	return all
}

// Of is what one person's sign-ins came to.
func (t *Tally) Of(id string) (c Counts, total int64) {
	if p := t.people[id]; p != nil {
		return p.counts, p.total
	}
	return c, 0
}

// Hits are the rows of a bucket, the most sign-ins first.
func (t *Tally) Hits(b Bucket) []*Hit {
	var all []*Hit
	for _, h := range t.hits {
		if h.Bucket == b {
			all = append(all, h)
		}
	}
	slices.SortFunc(all, func(x, y *Hit) int {
		return cmp.Or(cmp.Compare(y.SignIns, x.SignIns), strings.Compare(x.Person, y.Person), cmp.Compare(x.Protocol, y.Protocol),
			strings.Compare(x.Program, y.Program), strings.Compare(x.Country, y.Country), cmp.Compare(x.Credential, y.Credential), strings.Compare(x.By, y.By))
	})
	return all
}

// serviceNames are what accounts of devices and services are called; each may
// be followed or preceded by anything but a letter.
var serviceNames = []string{"scanner", "scan", "printer", "print", "copier", "fax", "mfp", "service", "svc", "noreply", "no-reply", "donotreply", "backup",
	"monitor", "monitoring", "alerts", "nagios", "cron", "robot", "bot", "system", "daemon", "relay", "ticket", "tickets", "crm", "erp"}

// roundTheClock is in how many hours of the day, of 24, nobody signs in who sleeps.
const roundTheClock = 22

// Service says by which rule a person looks like a service's account; empty if
// none. It is a guess for people to look at and decides nothing.
func (t *Tally) Service(id, address string) string {
	local, _, _ := strings.Cut(strings.ToLower(address), "@")
	for _, n := range serviceNames {
		if i := strings.Index(local, n); i >= 0 && !letter(local, i-1) && !letter(local, i+len(n)) {
			return "its name has the word " + n
		}
	}
	p := t.people[id]
	if p == nil || p.protocols&(1<<protocol.Webmail|1<<protocol.Portal) != 0 {
		return ""
	}
	const oneKind = 1
	if bits.OnesCount32(p.hours) >= roundTheClock && bits.OnesCount32(p.protocols) == oneKind && p.kinds&(1<<policy.CredentialBearer) == 0 {
		return "it signs in around the clock, over one protocol and by password"
	}
	return ""
}

func letter(s string, i int) bool { return i >= 0 && i < len(s) && 'a' <= s[i] && s[i] <= 'z' }
