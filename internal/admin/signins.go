package admin

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"time"

	"github.com/portreeve/portreeve/internal/signin"
	"github.com/portreeve/portreeve/internal/store"
)

const (
	defaultPage = 100  // sign-ins of one page
	maxPage     = 1000 // Graph's own limit for $top
	// scanned is how many sign-ins are read at a time while a filter looks at each.
	scanned = 500
)

// signIns lists sign-ins, newest first.
func (a *api) signIns(r *http.Request) (any, error) {
	q, err := a.readSignInQuery(r)
	if err != nil {
		return nil, err
	}
	v := r.URL.Query()
	read := a.newest
	switch oldestFirst, err := signInOrder(v); {
	case err != nil:
		return nil, err
	case oldestFirst:
		read = a.oldest
	}
	fields, err := readSelect(v.Get("$select"))
	if err != nil {
		return nil, err
	}
	top, err := number(first(v, "$top", "top"), defaultPage, 1, maxPage)
	if err != nil {
		return nil, bad("$top", "%v", err)
	}
	if v.Get("$skiptoken") == "" {
		if err := a.noteReading(r); err != nil {
			return nil, err
		}
	}
	events, next, err := read(r.Context(), &q, v.Get("$skiptoken"), top)
	if err != nil {
		return nil, err
	}
	rows := make([]signIn, len(events))
	for i := range events {
		rows[i] = a.row(r.Context(), &events[i], false)
	}
	out := list(rows)
	if fields != nil {
		if out["value"], err = selected(rows, fields); err != nil {
			return nil, err
		}
	}
	if len(rows) == 0 && v.Get("$skiptoken") == "" {
		notes := a.unknownNames(r, &q)
		if everything(v) {
			notes = append(notes, "the log holds no sign-in yet; `portreeve signins import` brings in a mail server's past ones")
		}
		if len(notes) > 0 {
			out["@portreeve.notes"] = notes
		}
	}
	out["@odata.context"] = "https://graph.microsoft.com/v1.0/$metadata#auditLogs/signIns"
	if next != "" {
		v.Set("$skiptoken", next)
		out["@odata.nextLink"] = link(r, v)
	}
	return out, nil
}

// everything says that a query chooses nothing.
func everything(v url.Values) bool {
	for name := range v {
		if name != "top" && name != "$top" {
			return false
		}
	}
	return true
}

// first is the first of several spellings of one parameter.
func first(v url.Values, names ...string) string {
	for _, n := range names {
		if s := v.Get(n); s != "" {
			return s
		}
	}
	return ""
}

// link is this resource with other parameters, as Graph's nextLink.
func link(r *http.Request, v url.Values) string {
	return base(r) + r.URL.EscapedPath() + "?" + v.Encode()
}

// noteReading audits that somebody reads other people's sign-ins.
func (a *api) noteReading(r *http.Request) error {
	asked := map[string]string{}
	for name, values := range r.URL.Query() {
		if len(values) > 0 && values[0] != "" {
			asked[name] = values[0]
		}
	}
	return a.note(r, "read", "signIn", "", "", asked)
}

// page reads one page. Where a filter must look at each sign-in, pages of the
// database are read until enough are found.
func (a *api) page(ctx context.Context, q *signInQuery, from store.Cursor, top int) ([]signin.Event, store.Cursor, error) {
	if q.rest == nil {
		return a.Store.Events(ctx, q.stored, from, top)
	}
	var found []signin.Event
	for {
		events, next, err := a.Store.Events(ctx, q.stored, from, scanned)
		if err != nil {
			return nil, store.Cursor{}, err
		}
		for i := range events {
			if !q.match(&events[i]) {
				continue
			}
			if found = append(found, events[i]); len(found) == top {
				_, here, err := a.Store.Events(ctx, q.stored, from, i+1)
				return found, here, err
			}
		}
		if next == (store.Cursor{}) {
			return found, next, nil
		}
		from = next
	}
}

// signIn shows one sign-in with its whole story.
func (a *api) signIn(r *http.Request) (any, error) {
	e, err := a.findEvent(r.Context(), r.PathValue("id"))
	if err != nil {
		return nil, err
	}
	return a.story(r, e)
}

// behind is how long after it was told a refusal may still be on its way into
// the database: refusals are written behind, at most a fraction of a second.
const behind = time.Second

// findEvent takes a UUID or a reference as people type it, and waits for one
// that was told a moment ago.
func (a *api) findEvent(ctx context.Context, what string) (*signin.Event, error) {
	var look func() (signin.Event, error)
	if id, err := signin.ParseID(what); err == nil {
		look = func() (signin.Event, error) { return a.Store.Event(ctx, id) }
	} else if ref, err := signin.ParseReference(what); err == nil {
		look = func() (signin.Event, error) { return a.Store.EventByReference(ctx, ref) }
	} else {
		return nil, bad("id", "%q is neither an id nor a reference such as 7K4Q-9ZMD-2XWT", what)
	}
	for until := time.Now().Add(behind); ; {
		e, err := look()
		if !errors.Is(err, store.ErrNotFound) || time.Now().After(until) || ctx.Err() != nil {
			return &e, missing(err, what)
		}
		time.Sleep(behind / 20)
	}
}

func missing(err error, what string) error {
	if errors.Is(err, store.ErrNotFound) {
		return notFound("sign-in", what)
	}
	return err
}

// tailSignIns streams sign-ins as they happen, one JSON object a line.
func (a *api) tailSignIns(r *http.Request) (any, error) {
	q, err := a.readSignInQuery(r)
	if err != nil {
		return nil, err
	}
	if err := a.noteReading(r); err != nil {
		return nil, err
	}
	s, err := a.Events.Subscribe(r.Context(), q.stored)
	if err != nil {
		return nil, err
	}
	return streamed(func(w http.ResponseWriter) {
		enc := ndjson(w)
		w.WriteHeader(http.StatusOK)
		c := http.NewResponseController(w)
		_ = c.Flush() // tells the client that it hears everything from now on
		for e := range s.C {
			if lost := s.Lost(); lost > 0 {
				_ = enc.Encode(map[string]int64{"@portreeve.lost": lost})
			}
			if !q.match(&e) {
				continue
			}
			if enc.Encode(a.row(r.Context(), &e, false)) != nil {
				return
			}
			_ = c.Flush()
		}
	}), nil
}

// exportSignIns streams all sign-ins that a filter chooses, oldest first.
func (a *api) exportSignIns(r *http.Request) (any, error) {
	q, err := a.readSignInQuery(r)
	if err != nil {
		return nil, err
	}
	if err := a.noteReading(r); err != nil {
		return nil, err
	}
	return streamed(func(w http.ResponseWriter) {
		enc := ndjson(w)
		for e, err := range a.Store.AllEvents(r.Context(), q.stored) {
			if err != nil {
				_ = enc.Encode(map[string]any{"error": body(&Error{Code: "InternalServerError", Message: err.Error()})})
				return
			}
			if !q.match(e) {
				continue
			}
			if enc.Encode(a.row(r.Context(), e, false)) != nil {
				return
			}
		}
	}), nil
}

// ndjson begins an answer of lines, each one JSON value.
func ndjson(w http.ResponseWriter) *json.Encoder {
	w.Header().Set("Content-Type", "application/x-ndjson")
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	return enc
}
