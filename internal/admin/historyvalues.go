package admin

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/portreeve/portreeve/internal/admintoken"
	"github.com/portreeve/portreeve/internal/policy"
	"github.com/portreeve/portreeve/internal/store"
)

// Switches, assignments of authentication policies and settings have values and
// no text, yet versions like documents: each change of one is a row of the audit.
// They are named HOLDER/SWITCH, HOLDER and NAME; a holder is organization,
// domain:NAME, group:NAME, mailbox:ADDRESS or person:ADDRESS.

// pastValue finds the value that a request for its history names; is says
// whether it names one at all.
func (a *api) pastValue(r *http.Request) (v store.Value, is bool, err error) {
	id := r.PathValue("id")
	switch r.PathValue("kind") {
	case store.ValueSwitch:
		holder, name, _ := strings.Cut(id, "/")
		known := slices.IndexFunc(policy.SwitchNames(), func(s string) bool { return strings.EqualFold(s, name) })
		if known < 0 {
			return v, true, notFound("switch", name, policy.SwitchNames()...).then("name it with its holder, such as organization/ImapEnabled or mailbox:leela@example.org/PopEnabled")
		}
		scope, subject, err := a.holderNamed(r, holder)
		if scope == store.PersonScope {
			scope = store.Mailbox
		}
		return store.SwitchValue(scope, subject, policy.SwitchNames()[known]), true, err
	case store.ValueAssignment:
		scope, subject, err := a.holderNamed(r, id)
		if scope == store.Mailbox {
			scope = store.PersonScope
		}
		return store.AssignmentValue(scope, subject), true, err
	case store.ValueSetting:
		if id != mfaAlsoAccepts {
			return v, true, notFound("setting", id, mfaAlsoAccepts)
		}
		return store.SettingValue(id), true, nil
	}
	return v, false, nil
}

func (a *api) holderNamed(r *http.Request, holder string) (store.Scope, string, error) {
	kind, who, _ := strings.Cut(holder, ":")
	scope := store.Scope(kind)
	subject, err := a.subjectOf(r, scope, who)
	return scope, subject, err
}

// valueHistory lists what a value was, newest first.
func (a *api) valueHistory(r *http.Request, v store.Value, top int) (any, error) {
	all, err := a.Store.ValueHistory(r.Context(), v, top)
	if err != nil {
		return nil, err
	}
	return a.editions(all), nil
}

func (a *api) editions(all []store.Edition) any {
	rows := []edition{}
	for _, e := range all {
		rows = append(rows, a.editionOf(e))
	}
	return list(rows)
}

func (a *api) editionOf(e store.Edition) edition {
	return edition{Version: e.Version, At: e.At.UTC(), UID: e.Actor.UID, Actor: e.Actor.Name, Action: e.Action, Origin: e.Origin, Reason: e.Reason,
		Name: e.Name, Changes: differences(e.Before, e.After), Before: nullable(e.Before), After: nullable(e.After)}
}

// valueIn is a value in a version; 0 is before anybody set it, and -1 the newest.
func (a *api) valueIn(r *http.Request, v store.Value, version int64) (e store.Edition, err error) {
	switch {
	case version == 0:
		return e, nil
	case version < 0:
		all, err := a.Store.ValueHistory(r.Context(), v, 1)
		if err != nil || len(all) == 0 {
			return e, err
		}
		return all[0], nil
	}
	e, err = a.Store.ValueEdition(r.Context(), v, version)
	if errors.Is(err, store.ErrNotFound) {
		return e, &Error{Status: http.StatusNotFound, Code: "ResourceNotFound", Message: fmt.Sprintf("%s %s has no version %d", v.Kind, r.PathValue("id"), version)}
	}
	return e, err
}

// valueDiff compares two versions of a value.
func (a *api) valueDiff(r *http.Request, v store.Value) (any, error) {
	newest, err := a.valueIn(r, v, -1)
	if err != nil {
		return nil, err
	}
	q := r.URL.Query()
	to, err := number(q.Get("to"), int(newest.Version), 0, int(newest.Version))
	if err != nil {
		return nil, bad("to", "%v", err)
	}
	from, err := number(q.Get("from"), max(0, to-1), 0, int(newest.Version))
	if err != nil {
		return nil, bad("from", "%v", err)
	}
	one, err := a.valueIn(r, v, int64(from))
	if err != nil {
		return nil, err
	}
	two, err := a.valueIn(r, v, int64(to))
	if err != nil {
		return nil, err
	}
	rows := []difference{}
	if !bytes.Equal(one.After, two.After) {
		rows = append(rows, difference{"", one.After, two.After})
	}
	out := list(rows)
	out["from"], out["to"], out["name"] = from, to, r.PathValue("id")
	return out, nil
}

// restoreValue sets a value to what it was in a version, as a change of its own.
func (a *api) restoreValue(r *http.Request, v store.Value) (any, error) {
	c := struct {
		Version *int64 `json:"version"`
	}{}
	if err := decode(r, &c); err != nil {
		return nil, err
	}
	if c.Version == nil || *c.Version < 0 {
		return nil, bad("version", "say which version; 0 is before anybody set it")
	}
	if _, notAMailbox := a.Store.Person(r.Context(), v.Object); notAMailbox == nil && v.Kind == store.ValueSwitch {
		if err := needs(r, admintoken.MailboxWrite); err != nil {
			return nil, err
		}
	}
	e, err := a.valueIn(r, v, *c.Version)
	if err != nil {
		return nil, err
	}
	newest, err := a.valueIn(r, v, -1)
	if err != nil {
		return nil, err
	}
	if bytes.Equal(newest.After, e.After) {
		return nil, conflict("%s %s is as it was in version %d already", v.Kind, r.PathValue("id"), *c.Version)
	}
	report, err := a.change(r, func(tx *store.Tx) error {
		err := tx.RestoreValue(v, &e)
		if errors.Is(err, store.ErrNotFound) {
			return conflict("what %s %s hung on is gone", v.Kind, r.PathValue("id"))
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return map[string]any{"id": r.PathValue("id"), "value": json.RawMessage(nullable(e.After)), "@portreeve.sessions": sessionsOf(report)}, nil
}
