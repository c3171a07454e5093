package admin

import (
	"cmp"
	"context"
	"net/http"
	"slices"
	"sync"

	"github.com/portreeve/portreeve/internal/store"
	"github.com/portreeve/portreeve/internal/whatif"
)

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
		line := ndjson(rw)
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
	_, err := a.Store.Replay(ctx, 0, w.window, nil, func() func(*store.Sheet) error {
		c := newCounter(&w.change)
		return func(s *store.Sheet) error {
			return eachRow(c, s, func(k *whatif.Kind, from *whatif.Place, r *store.Recorded) {
				if person != "" && k.Person() != person || c.Bucket(k, from, r) != bucket {
					return
				}
				mu.Lock()
				defer mu.Unlock()
				if all = append(all, whatif.Sample{At: r.At, ID: r.ID()}); len(all) >= 2*most {
					latest(most)
				}
			})
		}
	})
	latest(most)
	return all, err
}
