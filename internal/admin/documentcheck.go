package admin

import (
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/portreeve/portreeve/internal/location"
	"github.com/portreeve/portreeve/internal/policy"
	"github.com/portreeve/portreeve/internal/policy/graph"
	"github.com/portreeve/portreeve/internal/store"
)

// withState gives an imported policy the state asked for, such as report-only.
func withState(r *http.Request, text []byte) ([]byte, error) {
	state := r.URL.Query().Get("state")
	if state == "" {
		return text, nil
	}
	text, err := setMember(text, "state", quoted(state))
	if err != nil {
		return nil, bad("", "%v", err)
	}
	return text, nil
}

// check reads an object with the engine's own reader and finds what of it
// cannot be enforced.
func (d documents) check(r *http.Request, x *store.Document, text []byte) ([]policy.Warning, error) {
	var notes []policy.Warning
	var err error
	switch d.kind {
	case store.Policy:
		var p policy.Policy
		if p, err = graph.Policy(text); err == nil {
			x.Name, x.State = p.DisplayName, p.State.String()
			if notes, err = d.references(r, p); err != nil {
				return nil, err
			}
		}
	case store.Location:
		var l location.Named
		l, err = graph.Location(text)
		x.Name = l.DisplayName
	case store.Strength:
		var s policy.Strength
		s, err = graph.Strength(text)
		x.Name = s.DisplayName
	}
	if err != nil {
		return nil, badObject(err)
	}
	if x.Name == "" {
		return nil, bad("/displayName", "a %s needs a displayName", words[d.kind].name)
	}
	if err := nameFits("/displayName", x.Name); err != nil {
		return nil, err
	}
	if r.URL.Query().Get("strict") == "true" && len(notes) > 0 {
		e := bad(notes[0].Pointer, "%s", notes[0].Text)
		for _, n := range notes[1:min(len(notes), maxFaults)] {
			e.Details = append(e.Details, Error{Code: "BadRequest", Message: n.Text, Target: n.Pointer})
		}
		return nil, e
	}
	return notes, nil
}

// mostName is how many characters a name has at most, as in Graph: it stands in
// every list, alarm and refusal.
const mostName = 256

// nameFits refuses a name that is too long.
func nameFits(member, name string) error {
	if utf8.RuneCountInString(name) > mostName {
		return bad(member, "a name has at most %d characters", mostName)
	}
	return nil
}

// warningsOf are the warnings of one object now in force, and those seen when
// it was read.
func (a *api) warningsOf(id string, seen []policy.Warning) []policy.Warning {
	var mine []policy.Warning
	for _, w := range a.Warnings() {
		if w.ID == id {
			mine = append(mine, w)
		}
	}
	return joined(mine, seen)
}

// joined are the warnings of both lists, each once.
func joined(all, more []policy.Warning) []policy.Warning {
	for _, w := range more {
		if !slices.Contains(all, w) {
			all = append(all, w)
		}
	}
	return all
}

// badObject is what is wrong with an object; targets are JSON pointers.
func badObject(err error) error {
	var all graph.Errors
	var one *graph.Error
	switch {
	case errors.As(err, &all) && len(all) > 0:
		e := bad(all[0].Pointer, "%s", all[0].Message)
		for _, f := range all[1:min(len(all), maxFaults)] {
			e.Details = append(e.Details, Error{Code: "BadRequest", Message: f.Message, Target: f.Pointer})
		}
		return e
	case errors.As(err, &one):
		return bad(one.Pointer, "%s", one.Message)
	}
	return bad("", "%v", err)
}

// hidden replaces words that Graph added after its unknownFutureValue, unless
// the client says that it knows such words.
func hidden(r *http.Request, text []byte) (json.RawMessage, error) {
	for _, p := range r.Header.Values("Prefer") {
		if strings.Contains(p, "include-unknown-enum-members") {
			return text, nil
		}
	}
	return graph.HideUnknown(text)
}

// references compiles one policy by itself beside everything it may refer to,
// and returns what cannot be enforced of it.
func (d documents) references(r *http.Request, p policy.Policy) ([]policy.Warning, error) {
	src := policy.Source{Policies: []policy.Policy{p}, Zone: time.LoadLocation, Names: policy.Names{People: map[string]string{}, Groups: map[string]string{}}}
	docs, err := d.Store.Locations(r.Context())
	if err != nil {
		return nil, err
	}
	for _, x := range docs {
		if l, err := graph.Location(x.JSON); err == nil {
			src.Locations = append(src.Locations, l)
		}
	}
	if docs, err = d.Store.Strengths(r.Context()); err != nil {
		return nil, err
	}
	for _, x := range docs {
		if s, err := graph.Strength(x.JSON); err == nil {
			src.Strengths = append(src.Strengths, s)
		}
	}
	if err := d.people(r, p, src.Names.People); err != nil {
		return nil, err
	}
	groups, err := d.Store.Groups(r.Context())
	if err != nil {
		return nil, err
	}
	for _, x := range groups {
		src.Names.Groups[strings.ToLower(x.Name)], src.Names.Groups[strings.ToLower(x.ID)] = x.ID, x.ID
	}
	_, warnings := policy.Compile(src)
	return slices.DeleteFunc(warnings, func(w policy.Warning) bool { return w.Object != "policy" }), nil
}

// people finds those whom a policy names; there may be a million others.
func (d documents) people(r *http.Request, p policy.Policy, into map[string]string) error {
	users := p.Conditions.Users
	if users == nil {
		return nil
	}
	for _, name := range slices.Concat(users.Include.Users, users.Exclude.Users) {
		x, err := d.Store.Person(r.Context(), strings.ToLower(name))
		if errors.Is(err, store.ErrNotFound) {
			continue
		}
		if err != nil {
			return err
		}
		into[strings.ToLower(name)] = x.ID
	}
	return nil
}
