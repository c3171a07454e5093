package admin

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/portreeve/portreeve/internal/policy/exchange"
	"github.com/portreeve/portreeve/internal/store"
)

// edition is one version of an object: who made it, when, why, by which way,
// and what was before and after.
type edition struct {
	Version int64           `json:"version"`
	At      time.Time       `json:"at"`
	UID     int64           `json:"uid"`
	Actor   string          `json:"actor"`
	Action  string          `json:"action"`
	Origin  string          `json:"origin,omitempty"`
	Reason  string          `json:"reason,omitempty"`
	Name    string          `json:"name"`
	Changes []difference    `json:"changes"`
	Before  json.RawMessage `json:"before"`
	After   json.RawMessage `json:"after"`
}

const maxEditions = 1000 // of one answer

// past finds the object that a request for its history names, deleted or not.
func (a *api) past(r *http.Request) (documents, store.Document, error) {
	d := documents{a, store.DocumentKind(r.PathValue("kind"))}
	word, known := words[d.kind]
	if !known {
		return d, store.Document{}, bad("kind", "there is a history of policy, location, strength, authenticationPolicy, switch, assignment and setting, not of %q", d.kind)
	}
	x, err := a.Store.KnownDocument(r.Context(), d.kind, r.PathValue("id"))
	if errors.Is(err, store.ErrNotFound) {
		return d, x, notFound(word.name, r.PathValue("id"), a.namesOf(r, d.kind)...)
	}
	return d, x, err
}

// history lists an object's versions, newest first.
func (a *api) history(r *http.Request) (any, error) {
	top, err := number(r.URL.Query().Get("top"), 100, 1, maxEditions)
	if err != nil {
		return nil, bad("top", "%v", err)
	}
	if v, is, err := a.pastValue(r); is {
		if err != nil {
			return nil, err
		}
		return a.valueHistory(r, v, top)
	}
	d, x, err := a.past(r)
	if err != nil {
		return nil, err
	}
	all, err := a.Store.History(r.Context(), d.kind, x.ID, top)
	if err != nil {
		return nil, err
	}
	return a.editions(all), nil
}

func nullable(text json.RawMessage) json.RawMessage {
	if len(text) == 0 {
		return json.RawMessage("null")
	}
	return text
}

// historyDiff compares two versions: from is the one before to if it is not
// said, to is the newest.
func (a *api) historyDiff(r *http.Request) (any, error) {
	if v, is, err := a.pastValue(r); is {
		if err != nil {
			return nil, err
		}
		return a.valueDiff(r, v)
	}
	d, x, err := a.past(r)
	if err != nil {
		return nil, err
	}
	q := r.URL.Query()
	to, err := number(q.Get("to"), int(x.Version), 1, int(x.Version))
	if err != nil {
		return nil, bad("to", "%v", err)
	}
	from, err := number(q.Get("from"), to-1, 0, int(x.Version))
	if err != nil {
		return nil, bad("from", "%v", err)
	}
	one, err := a.textIn(r, d, &x, int64(from))
	if err != nil {
		return nil, err
	}
	two, err := a.textIn(r, d, &x, int64(to))
	if err != nil {
		return nil, err
	}
	out := list(differences(one, two))
	out["from"], out["to"], out["name"] = from, to, x.Name
	return out, nil
}

// textIn is an object's text in a version; none in the one that deleted it, and
// in version 0, before it was made.
func (a *api) textIn(r *http.Request, d documents, x *store.Document, version int64) (json.RawMessage, error) {
	if version == 0 {
		return nil, nil
	}
	e, err := a.Store.Edition(r.Context(), d.kind, x.ID, version)
	if errors.Is(err, store.ErrNotFound) {
		return nil, noVersion(d, x, version)
	}
	return e.After, err
}

func noVersion(d documents, x *store.Document, version int64) error {
	return &Error{Status: http.StatusNotFound, Code: "ResourceNotFound", Message: fmt.Sprintf("%s %q has no version %d: there are 1 to %d", words[d.kind].name, x.Name, version, x.Version)}
}

// restoration says which version is to be put back; 0 is the last that there
// was of an object that is deleted.
type restoration struct {
	Version int64 `json:"version"`
}

// restore puts an old version back, as a change of its own. A deleted object
// comes back under its id.
func (a *api) restore(r *http.Request) (any, error) {
	if v, is, err := a.pastValue(r); is {
		if err != nil {
			return nil, err
		}
		return a.restoreValue(r, v)
	}
	d, x, err := a.past(r)
	if err != nil {
		return nil, err
	}
	if err := needsForKind(r, d.kind); err != nil {
		return nil, err
	}
	var c restoration
	if err := decode(r, &c); err != nil {
		return nil, err
	}
	gone := !x.Deleted.IsZero()
	switch {
	case c.Version == 0 && gone:
		c.Version = x.Version - 1
	case c.Version == 0:
		return nil, bad("version", "say which version: there are 1 to %d", x.Version)
	}
	text, err := a.textIn(r, d, &x, c.Version)
	switch {
	case err != nil:
		return nil, err
	case len(text) == 0:
		return nil, bad("version", "version %d is the one that deleted %s %q: there is nothing in it to put back", c.Version, words[d.kind].name, x.Name).
			then("version %d is the one before", c.Version-1)
	case !gone && bytes.Equal(text, x.JSON):
		return nil, conflict("%s %q is as it was in version %d already", words[d.kind].name, x.Name, c.Version)
	}
	if d.kind == store.AuthenticationPolicy {
		return a.restoreAuthPolicy(r, &x, text)
	}
	return d.keep(r, &x, text)
}

func (a *api) restoreAuthPolicy(r *http.Request, x *store.Document, text json.RawMessage) (any, error) {
	all, err := exchange.ReadAuthenticationPolicies(bytes.NewReader(text))
	if err != nil || len(all) != 1 {
		return nil, fmt.Errorf("reading authentication policy %s: %w", x.Name, err)
	}
	x.JSON, x.Name = text, all[0].Name
	report, err := a.change(r, func(tx *store.Tx) error { return tx.PutDocument(x) })
	if err != nil {
		return nil, err
	}
	sessions, err := json.Marshal(sessionsOf(report))
	if err != nil {
		return nil, err
	}
	out, err := setMember(text, "@portreeve.sessions", sessions)
	return json.RawMessage(out), err
}
