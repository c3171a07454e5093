package admin

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/portreeve/portreeve/internal/change"
	"github.com/portreeve/portreeve/internal/signin"
	"github.com/portreeve/portreeve/internal/span"
	"github.com/portreeve/portreeve/internal/store"
)

// Headers of the answer to a change that is taken back unless it is confirmed.
const (
	changeHeader = "Portreeve-Change"       // its id
	untilHeader  = "Portreeve-Reverts-When" // RFC 3339
	outHeader    = "Portreeve-Keeps-Out"    // an administrator whom it keeps out as all others, escaped as in a path; one header each
)

// promised is the pending change that a request made, if it made one.
type promised struct {
	pending store.Pending
	out     []string // administrators whom it keeps out, if it does all of them
}

type promiseKey struct{}

// promising lends a request a place to say what it promised.
func promising(r *http.Request) (*http.Request, *promised) {
	p := &promised{}
	return r.WithContext(context.WithValue(r.Context(), promiseKey{}, p)), p
}

func (p *promised) tell(h http.Header) {
	if p.pending.ID != "" {
		h.Set(changeHeader, p.pending.ID)
		h.Set(untilHeader, p.pending.Until.UTC().Format(time.RFC3339))
	}
	for _, line := range p.out {
		h.Add(outHeader, url.PathEscape(line))
	}
}

// withinOf reads in what time a change is to be confirmed; 0: it simply stays.
func withinOf(r *http.Request) (time.Duration, error) {
	q := r.URL.Query()
	if !q.Has("confirmWithin") {
		return 0, nil
	}
	s := q.Get("confirmWithin") // empty, as of a script's unset variable, must not mean for good
	d, err := span.Parse(s)
	if err != nil {
		return 0, bad("confirmWithin", "confirmWithin: %v", err)
	}
	if d < change.Shortest || d > change.Longest {
		return 0, bad("confirmWithin", "a change can wait from %s to %s to be confirmed, such as 10m, not %s", span.Words(change.Shortest), span.Words(change.Longest), span.Words(d))
	}
	return d, nil
}

// promise carries out a change that is taken back unless it is confirmed.
func (a *api) promise(r *http.Request, within time.Duration, w *watch, do func(*store.Tx) error) error {
	p, err := a.Changes.Make(r.Context(), actor(r), r.Header.Get("X-Reason"), within, w.over(do, true))
	if told, ok := r.Context().Value(promiseKey{}).(*promised); ok && err == nil {
		told.pending, told.out = p, w.out
	}
	return err
}

// notAwaited says why a change cannot be one that is taken back by itself.
func notAwaited(err error) *Error {
	message := strings.TrimSuffix(err.Error(), ": "+store.ErrAwaited.Error())
	if errors.Is(err, store.ErrNotUndoable) {
		return bad("confirmWithin", "%s", message)
	}
	return conflict("%s", message).then("`portreeve policy confirm` has it stay; without --confirm-within it can be changed at once")
}

// pending lists the changes that wait to be confirmed.
func (a *api) pending(r *http.Request) (any, error) {
	all, err := a.Changes.Waiting(r.Context())
	if err != nil {
		return nil, err
	}
	return list(all), nil
}

// confirmation says by what changes are confirmed: an administrator's sign-in
// that was allowed after them, or root's word with a reason.
type confirmation struct {
	Reference string `json:"reference"`
	Change    string `json:"change"` // id; empty: all that the sign-in came after
}

func (a *api) confirm(r *http.Request) (any, error) {
	var c confirmation
	if err := decode(r, &c); err != nil {
		return nil, err
	}
	waiting, err := a.Store.Pendings(r.Context())
	if err != nil {
		return nil, err
	}
	if c.Change != "" {
		waiting = slices.DeleteFunc(waiting, func(p store.Pending) bool { return p.ID != c.Change })
	}
	if len(waiting) == 0 {
		return nil, conflict("no change waits to be confirmed: what was not confirmed in time has been taken back").then("`portreeve policy history` tells")
	}
	how := map[string]string{"by": "root's word"}
	if c.Reference != "" {
		if waiting, how, err = a.confirmable(r, c.Reference, waiting); err != nil {
			return nil, err
		}
	} else if err := rootsWord(r); err != nil {
		return nil, err
	}
	confirmed, err := a.Changes.Confirm(r.Context(), actor(r), r.Header.Get("X-Reason"), how, waiting)
	if err != nil {
		return nil, err
	}
	if len(confirmed) == 0 {
		return nil, conflict("it came too late: the change has been taken back").then("`portreeve policy history` tells")
	}
	rows := []map[string]any{}
	for _, p := range confirmed {
		rows = append(rows, map[string]any{"id": p.ID, "actor": p.Actor.Name, "made": p.Made.UTC(), "reason": p.Reason})
	}
	return list(rows), nil
}

// rootsWord allows a confirmation without a sign-in to root alone, who says why.
func rootsWord(r *http.Request) error {
	const next = "sign in as an administrator, by mail or in the portal, and pass the sign-in's reference: `portreeve policy confirm REFERENCE`"
	if actor(r).UID != 0 {
		return (&Error{Status: http.StatusForbidden, Code: "Forbidden", Message: "only root confirms without an administrator's sign-in"}).then(next)
	}
	if strings.TrimSpace(r.Header.Get("X-Reason")) == "" {
		return bad("reason", "without an administrator's sign-in a confirmation needs --reason").then(next)
	}
	return nil
}

// confirmable are the changes that a sign-in confirms: it was an administrator's,
// allowed by us, made after them, and judged by rules that held them.
func (a *api) confirmable(r *http.Request, reference string, waiting []store.Pending) ([]store.Pending, map[string]string, error) {
	if err := a.inForce(r); err != nil { // else a sign-in would show only that the rules before let them in
		return nil, nil, err
	}
	e, err := a.findEvent(r.Context(), reference)
	if err != nil {
		return nil, nil, err
	}
	switch is, err := a.Store.IsAdministrator(r.Context(), e.Facts.Person); {
	case err != nil:
		return nil, nil, err
	case !is:
		return nil, nil, conflict("the sign-in %s is not an administrator's", reference).then("`portreeve admin list` lists them, `portreeve admin add` makes one")
	case e.Observed || !e.Succeeded():
		return nil, nil, conflict("the sign-in %s was not let in here: it shows nothing", reference)
	}
	judged, err := a.inForceSince(r, e)
	if err != nil {
		return nil, nil, err
	}
	waiting = slices.DeleteFunc(waiting, func(p store.Pending) bool { return !e.At.After(p.Made) || judged.Before(p.Made) })
	if len(waiting) == 0 {
		return nil, nil, conflict("the sign-in %s was made before the change: it does not show that administrators still get in", reference).then("sign in again and pass that reference")
	}
	return waiting, map[string]string{"by": "sign-in", "reference": reference, "user": e.User()}, nil
}

// inForceSince is since when at least the rules that judged a sign-in held
// everything: those in force hold whatever was changed until now.
func (a *api) inForceSince(r *http.Request, e *signin.Event) (time.Time, error) {
	if e.Verdict.Version == a.Gate.Snapshot().Version() {
		return time.Now(), nil
	}
	s, err := a.Store.Snapshot(r.Context(), e.Verdict.Version)
	if errors.Is(err, store.ErrNotFound) {
		return time.Time{}, nil
	}
	return s.Created, err
}
