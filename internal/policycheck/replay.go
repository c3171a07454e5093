package policycheck

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/portreeve/portreeve/internal/policy/graph"
	"github.com/portreeve/portreeve/internal/span"
	"github.com/portreeve/portreeve/internal/whatif"
)

// Replay is a test over recorded sign-ins: it needs a server.
type Replay struct {
	Days   int
	Assume []Assumption // the suite's and the test's
	Bounds []Bound
}

// Bound is what may be in one bucket.
type Bound struct {
	Bucket  string
	What    string // people, signIns, programs, serviceAccounts
	Op      string
	Number  int64
	None    []string // people and groups (group:NAME) of whom nobody may be in it
	Pointer string
}

// Replayed is what a replay came to, by bucket.
type Replayed struct {
	Buckets map[string]Bucket
	// InGroup finds out whether somebody, by address, is in a group.
	InGroup func(address, group string) (bool, error)
}

// Bucket is what fell into one.
type Bucket struct {
	SignIns, People, Programs, ServiceAccounts int64
	Who                                        []string // addresses; nil if they were not asked for
}

var boundOf = regexp.MustCompile(`^\s*(<=|>=|<|>|=|==)?\s*(\d{1,15})\s*$`)

// maxReplayDays bounds how far back a test looks.
const maxReplayDays = 3660

func (r *reader) replay(v *graph.Value) *Replay {
	m := v.Member("replay")
	for _, name := range []string{"signin", "for", "because", "text", "except"} {
		if x := v.Member(name); x != nil {
			r.fault(x, "%s belongs to no replay", name)
		}
	}
	out := &Replay{Days: 30}
	if !r.members(m, "replay", "last", "server") {
		return out
	}
	r.flag(m, "server")
	if last := r.text(m, "last"); last != "" {
		days, err := span.Days(last)
		if err != nil || days > maxReplayDays {
			r.fault(m.Member("last"), "last is how many days back, such as 30d")
		}
		out.Days = days
	}
	e := v.Member("expect")
	if absent(e) || e.Kind != graph.Object || len(e.Members) == 0 {
		r.fault(or(e, v), "a replay expects bounds of buckets, such as {newlyRefused: {people: \"<= 5\"}}")
		return out
	}
	var known []string
	for _, b := range whatif.Shown {
		known = append(known, b.String())
	}
	for _, x := range e.Members {
		if !slices.Contains(known, x.Name) {
			r.fault(x.Value, "there is no bucket %q: there are %s%s", x.Name, strings.Join(known, ", "), meant(x.Name, known))
			continue
		}
		r.bounds(out, x.Name, x.Value)
	}
	return out
}

func (r *reader) bounds(out *Replay, bucket string, v *graph.Value) {
	if !r.members(v, "a bucket", "people", "signIns", "programs", "serviceAccounts", "none") {
		return
	}
	for _, m := range v.Members {
		b := Bound{Bucket: bucket, What: m.Name, Pointer: m.Value.Pointer}
		if m.Name == "none" {
			b.None = r.words(m.Value, "none")
			out.Bounds = append(out.Bounds, b)
			continue
		}
		parts := boundOf.FindStringSubmatch(m.Value.Text)
		if parts == nil || m.Value.Kind != graph.String && m.Value.Kind != graph.Number {
			r.fault(m.Value, "a bound is a number, or one with <=, <, >=, > or = before it, such as \"<= 5\"")
			continue
		}
		b.Op = parts[1]
		b.Number, _ = strconv.ParseInt(parts[2], 10, 64) // fifteen digits fit
		out.Bounds = append(out.Bounds, b)
	}
}

// Buckets of whom the people must be known.
func (r *Replay) Buckets() (names []string) {
	for _, b := range r.Bounds {
		if b.What == "none" && !slices.Contains(names, b.Bucket) {
			names = append(names, b.Bucket)
		}
	}
	return names
}

// replay runs a test over recorded sign-ins.
func (w *world) replay(r Result, c *Case) Result {
	r.Status = NotRun
	if w.o.Recorded == nil {
		r.Problems = []string{"it asks for recorded sign-ins, and no server was asked"}
		return r
	}
	asked := *c.Replay
	asked.Assume = slices.Concat(w.suite.Assume, c.Assume)
	got, err := w.o.Recorded(&asked)
	if err != nil {
		r.Problems = []string{"recorded sign-ins: " + err.Error()}
		return r
	}
	r.Status, r.Got = Passed, c.Replay.words(got)
	for _, b := range c.Replay.Bounds {
		problem, err := b.broken(got)
		if err != nil {
			r.Status, r.Problems = NotRun, []string{"recorded sign-ins: " + err.Error()}
			return r
		}
		if problem != "" {
			r.Status, r.Problems = Failed, append(r.Problems, problem)
		}
	}
	return r
}

// words say what a replay came to, in the buckets that a test bounds.
func (r *Replay) words(got *Replayed) string {
	var all []string
	for _, b := range r.Bounds {
		in := got.Buckets[b.Bucket]
		if one := fmt.Sprintf("%s: people %d, sign-ins %d", b.Bucket, in.People, in.SignIns); !slices.Contains(all, one) {
			all = append(all, one)
		}
	}
	return strings.Join(all, "; ")
}

// broken says how a replay breaks a bound; empty if it does not.
func (b *Bound) broken(got *Replayed) (string, error) {
	in := got.Buckets[b.Bucket]
	if b.What == "none" {
		for _, none := range b.None { // a group that is not there would keep everybody out of the question
			if group, isGroup := strings.CutPrefix(none, "group:"); isGroup {
				if _, err := got.InGroup("", group); err != nil {
					return "", err
				}
			}
		}
		for _, who := range in.Who {
			for _, none := range b.None {
				group, isGroup := strings.CutPrefix(none, "group:")
				hit := same(none, who)
				if isGroup {
					var err error
					if hit, err = got.InGroup(who, group); err != nil {
						return "", err
					}
				}
				if hit {
					return fmt.Sprintf("%s: %s is in it, and nobody of %s may be", b.Bucket, who, none), nil
				}
			}
		}
		return "", nil
	}
	n := map[string]int64{"people": in.People, "signIns": in.SignIns, "programs": in.Programs, "serviceAccounts": in.ServiceAccounts}[b.What]
	holds := map[string]bool{"<=": n <= b.Number, "<": n < b.Number, ">=": n >= b.Number, ">": n > b.Number}
	ok, known := holds[b.Op]
	if !known {
		ok = n == b.Number
	}
	if !ok {
		return fmt.Sprintf("%s: expected %s %s %d, got %d", b.Bucket, b.What, orEqual(b.Op), b.Number, n), nil
	}
	return "", nil
}

func orEqual(op string) string {
	if op == "" {
		return "="
	}
	return op
}
