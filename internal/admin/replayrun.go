package admin

import (
	"cmp"
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/portreeve/portreeve/internal/factor"
	"github.com/portreeve/portreeve/internal/policy"
	"github.com/portreeve/portreeve/internal/signin"
	"github.com/portreeve/portreeve/internal/store"
	"github.com/portreeve/portreeve/internal/whatif"
)

// replayAnswer is what a change would have done to recorded sign-ins.
type replayAnswer struct {
	From     time.Time        `json:"from"`
	To       *time.Time       `json:"to,omitempty"`
	SignIns  int64            `json:"signIns"`
	People   int              `json:"people"`
	Exact    bool             `json:"exact"` // each sign-in was judged by its own facts
	Millis   int64            `json:"milliseconds"`
	Version  uint64           `json:"policyVersion"` // that was compared with
	Buckets  []bucketAnswer   `json:"buckets"`
	Hardest  []personAnswer   `json:"hardestHit"`
	Programs []programAnswer  `json:"programs"`
	Notes    []string         `json:"notes"`
	Warnings []policy.Warning `json:"warnings"`
}

// bucketAnswer is one of the six.
type bucketAnswer struct {
	Bucket   string      `json:"bucket"`
	SignIns  int64       `json:"signIns"`
	People   int64       `json:"people"`
	Programs int         `json:"programs"`
	Services int         `json:"serviceAccounts"`
	Rows     []hitAnswer `json:"rows"`
	More     int         `json:"more,omitempty"` // rows that are not told
}

type hitAnswer struct {
	User       string             `json:"user"`
	UserID     string             `json:"userId"`
	Service    string             `json:"serviceAccount,omitempty"` // by which rule it looks like one
	Protocol   string             `json:"protocol"`
	Credential string             `json:"credential"`
	Program    string             `json:"program"`
	Country    string             `json:"country"`
	SignIns    int64              `json:"signIns"`
	First      time.Time          `json:"first"`
	Last       time.Time          `json:"last"`
	Code       string             `json:"code"`
	By         string             `json:"by"`
	ByName     string             `json:"byName"`
	References []signin.Reference `json:"references"`
}

type personAnswer struct {
	User    string           `json:"user"`
	UserID  string           `json:"userId"`
	Service string           `json:"serviceAccount,omitempty"`
	SignIns int64            `json:"signIns"` // hit
	Of      int64            `json:"of"`
	Buckets map[string]int64 `json:"buckets"`
}

type programAnswer struct {
	Program string           `json:"program"`
	SignIns int64            `json:"signIns"`
	Buckets map[string]int64 `json:"buckets"`
}

// progressPace is how often a long replay says how far it is.
const progressPace = 250 * time.Millisecond

// replay judges the sign-ins of a time again under a proposed change. With
// ?progress=true the answer is lines of JSON: {"progress":0.4} now and then, and the
// answer itself at last. What is held of the log does not grow with it.
func (a *api) replay(r *http.Request) (any, error) {
	var q replayed
	if err := decode(r, &q); err != nil {
		return nil, err
	}
	w, err := a.replaying(r, &q)
	if err != nil {
		return nil, err
	}
	if err := a.note(r, "replay", "signIn", "", "", map[string]any{"from": w.window.From}); err != nil {
		return nil, err
	}
	var p store.Progress
	run := func() (*replayAnswer, error) { return a.runReplay(r.Context(), &q, w, &p) }
	if r.URL.Query().Get("progress") != "true" {
		return run()
	}
	return streamed(func(rw http.ResponseWriter) { a.tellProgress(rw, &p, run) }), nil
}

// tellProgress writes how far a replay is until it is there.
func (a *api) tellProgress(w http.ResponseWriter, p *store.Progress, run func() (*replayAnswer, error)) {
	w.Header().Set("Content-Type", "application/x-ndjson")
	type result struct {
		out *replayAnswer
		err error
	}
	done := make(chan result, 1)
	go func() {
		out, err := run()
		done <- result{out, err}
	}()
	line := json.NewEncoder(w)
	line.SetEscapeHTML(false)
	tick := time.NewTicker(progressPace)
	defer tick.Stop()
	for {
		select {
		case <-tick.C: // a write error is the client's going away, which ends the request's context and so the replay
			_ = line.Encode(map[string]float64{"progress": p.Share()})
			_ = http.NewResponseController(w).Flush()
		case x := <-done:
			if x.err != nil {
				_ = line.Encode(map[string]any{"error": map[string]string{"code": "InternalServerError", "message": x.err.Error()}})
				return
			}
			_ = line.Encode(x.out)
			return
		}
	}
}

func (a *api) runReplay(ctx context.Context, q *replayed, w *replaying, p *store.Progress) (*replayAnswer, error) {
	began := time.Now()
	tally, notes, exact, err := a.count(ctx, q, w, p)
	if err != nil {
		return nil, err
	}
	out := &replayAnswer{From: w.window.From.UTC(), Exact: exact, Version: w.before.Version(), People: tally.Everybody(), Notes: append(a.notes(w), notes...),
		Warnings: append([]policy.Warning{}, w.warnings...), To: q.To}
	for _, n := range tally.SignIns {
		out.SignIns += n
	}
	t := &teller{a: a, ctx: ctx, tally: tally, w: w, people: map[string]string{}}
	t.tell(out, q.Rows)
	out.Millis = time.Since(began).Milliseconds()
	return out, nil
}

// count judges every sign-in of the window, by several at once.
func (a *api) count(ctx context.Context, q *replayed, w *replaying, p *store.Progress) (tally *whatif.Tally, notes []string, exact bool, err error) {
	if q.Preview {
		if tally, notes, ok, err := a.countClasses(ctx, w, p); ok || err != nil {
			return tally, notes, false, err
		}
		notes = append(notes, "There are too many kinds of sign-ins for a preview, so each sign-in was judged.")
	}
	var mu sync.Mutex
	var all []*whatif.Tally
	err = a.Store.Judged(ctx, w.window, p, func() func(*signin.Event) error {
		judge, mine := whatif.NewJudge(&w.change), whatif.NewTally()
		mu.Lock()
		all = append(all, mine)
		mu.Unlock()
		return func(e *signin.Event) error {
			answer := judge.Answer(e)
			mine.Count(e, &answer, max(e.Count, 1))
			return nil
		}
	})
	if err != nil {
		return nil, nil, false, err
	}
	tally = whatif.NewTally()
	for _, t := range all {
		tally.Add(t)
	}
	return tally, notes, true, nil
}

// notes say what of today was used for sign-ins of the past.
func (a *api) notes(w *replaying) []string {
	notes := []string{}
	switch {
	case w.today:
		notes = append(notes, "Today's groups were used for yesterday's sign-ins: as if these people had signed in today.")
	case len(w.join)+len(w.leave) > 0:
		notes = append(notes, "Groups are those that each sign-in was judged with, but for the changed memberships, which are worked out from today's groups.")
	default:
		notes = append(notes, "Groups are those that each sign-in was judged with.")
	}
	return append(notes, "Second factors, and what was granted to programs, are today's.")
}

// teller turns a tally into an answer.
type teller struct {
	a      *api
	ctx    context.Context // of the request it lives for
	tally  *whatif.Tally
	w      *replaying
	people map[string]string // addresses by id
}

func (t *teller) address(id string) string {
	if id == "" {
		return ""
	}
	if known, ok := t.people[id]; ok {
		return known
	}
	address := id // of somebody who is no longer there
	if p, err := t.a.Store.Person(t.ctx, id); err == nil {
		address = p.Address
	}
	t.people[id] = address
	return address
}

func (t *teller) tell(out *replayAnswer, rows int) {
	people := t.tally.People()
	programs := t.tally.Programs()
	harmed := map[string]bool{}
	for _, b := range whatif.Shown {
		x := bucketAnswer{Bucket: b.String(), SignIns: t.tally.SignIns[b], People: people[b], Rows: []hitAnswer{}}
		for _, c := range programs {
			if c[b] > 0 {
				x.Programs++
			}
		}
		hits := t.tally.Hits(b)
		services := map[string]bool{}
		for i, h := range hits {
			if b == whatif.Refused || b == whatif.Unable {
				harmed[h.Person] = true
			}
			if h.Person != "" && !services[h.Person] && t.service(h.Person) != "" {
				services[h.Person] = true
			}
			if i < rows {
				x.Rows = append(x.Rows, t.hit(h))
			}
		}
		x.Services, x.More = len(services), max(0, len(hits)-rows)
		out.Buckets = append(out.Buckets, x)
	}
	out.Hardest, out.Programs = t.hardest(harmed, rows), t.programs(programs)
	if t.tally.Left > 0 {
		out.Notes = append(out.Notes, "There are more rows than are kept; every sign-in is counted in its bucket.")
	}
}

func (t *teller) service(id string) string { return t.tally.Service(id, t.address(id)) }

func (t *teller) hit(h *whatif.Hit) hitAnswer {
	x := hitAnswer{User: t.address(h.Person), UserID: h.Person, Protocol: h.Protocol.String(), Credential: h.Credential.String(), Program: h.Program,
		Country: h.Country, SignIns: h.SignIns, First: h.First.UTC(), Last: h.Last.UTC(), By: h.By, ByName: t.nameOf(h.By), References: []signin.Reference{}}
	if h.Code != 0 {
		x.Code = signin.Code(h.Code).String()
	}
	if h.Person != "" {
		x.Service = t.service(h.Person)
	}
	for _, s := range h.Samples() {
		x.References = append(x.References, s.ID.Reference())
	}
	return x
}

// nameOf is the name of a policy, before or after the change; of other things, what they are called.
func (t *teller) nameOf(id string) string {
	if id == "" {
		return ""
	}
	for _, s := range []*policy.Snapshot{t.w.after, t.w.before} {
		if i := indexOfPolicy(s.Policies(), id); i >= 0 {
			return s.Policies()[i].DisplayName
		}
	}
	return t.a.naming(t.ctx).text(id)
}

// hardest are the people whom the change keeps out, those with the most sign-ins first.
func (t *teller) hardest(harmed map[string]bool, rows int) []personAnswer {
	all := []personAnswer{}
	for id := range harmed {
		if id == "" {
			continue
		}
		c, total := t.tally.Of(id)
		all = append(all, personAnswer{UserID: id, SignIns: c[whatif.Refused] + c[whatif.Unable], Of: total, Buckets: named(c)})
	}
	slices.SortFunc(all, func(x, y personAnswer) int {
		return cmp.Or(cmp.Compare(y.SignIns, x.SignIns), strings.Compare(x.UserID, y.UserID))
	})
	all = all[:min(len(all), rows)]
	for i := range all {
		all[i].User, all[i].Service = t.address(all[i].UserID), t.service(all[i].UserID)
	}
	return all
}

func (t *teller) programs(counts map[string]whatif.Counts) []programAnswer {
	all := []programAnswer{}
	for name, c := range counts {
		x := programAnswer{Program: name, Buckets: named(c)}
		for _, n := range c {
			x.SignIns += n
		}
		all = append(all, x)
	}
	slices.SortFunc(all, func(x, y programAnswer) int {
		return cmp.Or(cmp.Compare(y.SignIns, x.SignIns), strings.Compare(x.Program, y.Program))
	})
	return all
}

func named(c whatif.Counts) map[string]int64 {
	m := map[string]int64{}
	for b, n := range c {
		if n > 0 {
			m[whatif.Bucket(b).String()] = n
		}
	}
	return m
}

// able finds, each once, what a person could show if asked.
func (a *api) able(r *http.Request) func(string) policy.Methods {
	if a.Factors == nil {
		return nil
	}
	var known sync.Map
	ctx := r.Context()
	return func(person string) policy.Methods {
		if !a.Factors.Has(person) {
			return 0
		}
		if m, ok := known.Load(person); ok {
			return m.(policy.Methods)
		}
		m := policy.MethodPassword
		list, err := a.Factors.List(ctx, person)
		if err != nil {
			return 0 // unknown is a no
		}
		for _, f := range list {
			switch f.Kind {
			case factor.KindTOTP:
				m |= policy.MethodSoftwareOath
			case factor.KindPasskey:
				m |= policy.MethodFIDO2
			}
		}
		known.Store(person, m)
		return m
	}
}

// grantedNow finds what a password program has of its owner today.
func (a *api) grantedNow() func(*signin.Event) policy.Methods {
	if a.Approvals == nil {
		return nil
	}
	return func(e *signin.Event) policy.Methods { return a.Approvals.Methods(knockOf(e)) }
}

// groupsNow finds, each once, the groups somebody is in today.
func (a *api) groupsNow(r *http.Request) func(string) ([]string, bool) {
	type found struct {
		groups []string
		known  bool
	}
	var known sync.Map
	ctx := r.Context()
	return func(person string) ([]string, bool) {
		if x, ok := known.Load(person); ok {
			f := x.(found)
			return f.groups, f.known
		}
		var f found
		if _, err := a.Store.Person(ctx, person); err == nil {
			groups, err := a.Store.GroupsOf(ctx, person)
			f = found{groups, err == nil}
		}
		known.Store(person, f)
		return f.groups, f.known
	}
}

// mostListed bounds the sign-ins behind a number that are listed at once.
const mostListed = 100_000

// replaySignIns lists the very sign-ins behind a number, newest first, as lines of JSON.
func (a *api) replaySignIns(r *http.Request) (any, error) {
	var q replayed
	if err := decode(r, &q); err != nil {
		return nil, err
	}
	w, err := a.replaying(r, &q)
	if err != nil {
		return nil, err
	}
	bucket, ok := whatif.ParseBucket(q.Bucket)
	if !ok {
		return nil, bad("bucket", "the bucket is newlyRefused, askedUnable, newlyAsked, newlyAllowed, unchanged or unknown, not %q", q.Bucket)
	}
	person := ""
	if q.User != "" {
		p, err := a.findPerson(r, q.User)
		if err != nil {
			return nil, err
		}
		person = p.ID
	}
	if err := a.note(r, "read", "signIn", "", "", map[string]any{"bucket": q.Bucket, "user": q.User}); err != nil {
		return nil, err
	}
	found, err := a.behind(r.Context(), w, bucket, person, cmp.Or(q.Top, maxPage))
	if err != nil {
		return nil, err
	}
	return streamed(func(rw http.ResponseWriter) {
		rw.Header().Set("Content-Type", "application/x-ndjson")
		line := json.NewEncoder(rw)
		line.SetEscapeHTML(false)
		for _, s := range found {
			e, err := a.Store.EventByReference(r.Context(), s.ID.Reference())
			if err != nil || line.Encode(a.row(r.Context(), &e, false)) != nil {
				return // forgotten meanwhile, or the client has gone
			}
		}
	}), nil
}

// behind finds the latest sign-ins of a bucket.
func (a *api) behind(ctx context.Context, w *replaying, bucket whatif.Bucket, person string, most int) ([]whatif.Sample, error) {
	var mu sync.Mutex
	var all []whatif.Sample
	latest := func(keep int) {
		slices.SortFunc(all, func(x, y whatif.Sample) int {
			return cmp.Or(cmp.Compare(y.At, x.At), slices.Compare(y.ID[:], x.ID[:]))
		})
		all = all[:min(len(all), keep)]
	}
	err := a.Store.Judged(ctx, w.window, nil, func() func(*signin.Event) error {
		judge := whatif.NewJudge(&w.change)
		return func(e *signin.Event) error {
			if person != "" && e.Facts.Person != person || judge.Answer(e).Bucket != bucket {
				return nil
			}
			mu.Lock()
			defer mu.Unlock()
			if all = append(all, whatif.Sample{At: e.At.UnixNano(), ID: e.ID}); len(all) >= 2*most {
				latest(most)
			}
			return nil
		}
	})
	latest(most)
	return all, err
}
