package admin

import (
	"context"
	"net/http"
	"net/netip"
	"time"

	"github.com/portreeve/portreeve/internal/policy"
	"github.com/portreeve/portreeve/internal/signin"
	"github.com/portreeve/portreeve/internal/store"
	"github.com/portreeve/portreeve/internal/whatif"
)

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
	type result struct {
		out *replayAnswer
		err error
	}
	done := make(chan result, 1)
	go func() {
		out, err := run()
		done <- result{out, err}
	}()
	line := ndjson(w)
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
	var all []*whatif.Counter
	_, err = a.Store.Replay(ctx, 0, w.window, p, func() func(*store.Sheet) error {
		c := newCounter(&w.change)
		all = append(all, c) // takers are made one after the other
		return func(s *store.Sheet) error {
			return eachRow(c, s, func(k *whatif.Kind, from *whatif.Place, r *store.Recorded) { c.Count(k, from, r) })
		}
	})
	if err != nil {
		return nil, nil, false, err
	}
	tally = whatif.NewTally()
	for _, c := range all {
		tally.Add(c.Tally())
	}
	return tally, notes, true, nil
}

func newCounter(c *whatif.Change) *whatif.Counter { return whatif.NewCounter(c, readKinds()) }

func readKinds() whatif.ReadKind {
	kinds := store.NewKindReader()
	return func(name []byte, e *signin.Event) error { return kinds.Read(name, e) }
}

// table finds kinds and places: a whatif.Counter or a whatif.Collector.
type table[K any] interface {
	Begin()
	Kind(name []byte) (*K, error)
	Place(netip.Addr) whatif.Place
}

// eachRow hands out the rows of a sheet with kind and place, each of which is looked up once.
func eachRow[K any](t table[K], s *store.Sheet, do func(*K, *whatif.Place, *store.Recorded)) error {
	t.Begin()
	kinds, places := make([]*K, len(s.Kinds)), make([]whatif.Place, len(s.Places))
	for i, a := range s.Places {
		places[i] = t.Place(a)
	}
	for i := range s.SignIns {
		r := &s.SignIns[i]
		if kinds[r.Kind] == nil {
			k, err := t.Kind(s.Kinds[r.Kind])
			if err != nil {
				return err
			}
			kinds[r.Kind] = k
		}
		do(kinds[r.Kind], &places[r.Place], r)
	}
	return nil
}
