package server

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/portreeve/portreeve/internal/policy"
	"github.com/portreeve/portreeve/internal/policy/graph"
	"github.com/portreeve/portreeve/internal/store"
)

// rules is everything a snapshot is compiled of, as it is stored. Its JSON is
// kept under the snapshot's version, so that an old sign-in can be explained
// by the rules that judged it.
type rules struct {
	Policies       []json.RawMessage  `json:"policies"`
	Locations      []json.RawMessage  `json:"locations"`
	Strengths      []json.RawMessage  `json:"strengths"`
	AuthPolicies   []document         `json:"authenticationPolicies"`
	Switches       []store.Switch     `json:"switches"`
	Assignments    []store.Assignment `json:"assignments"`
	MFAAlsoAccepts string             `json:"mfaAlsoAccepts,omitempty"`
	People         map[string]string  `json:"people,omitempty"` // address → id, for policies that name people by address
	Groups         map[string]string  `json:"groups,omitempty"` // name → id
}

// document is a stored object with what identifies it.
type document struct {
	ID   string          `json:"id"`
	Name string          `json:"name"`
	JSON json.RawMessage `json:"json"`
}

// SettingMFAAlsoAccepts is the organisation setting that widens the control
// mfa: combinations of methods, separated by semicolons.
const SettingMFAAlsoAccepts = "mfaAlsoAccepts"

// shelf is where rules are kept: the store, or what a transaction makes of it.
type shelf interface {
	Documents(context.Context, store.DocumentKind) ([]store.Document, error)
	AuthenticationPolicies(context.Context) ([]store.Document, error)
	Switches(context.Context) ([]store.Switch, error)
	Assignments(context.Context) ([]store.Assignment, error)
	Setting(ctx context.Context, name string) (string, error)
	Groups(context.Context) ([]store.Group, error)
	Person(ctx context.Context, idOrAddress string) (store.Person, error)
}

// readRules reads the rules in force from the store.
func readRules(ctx context.Context, s shelf) (*rules, error) {
	r := &rules{People: map[string]string{}, Groups: map[string]string{}}
	for _, kind := range []struct {
		kind store.DocumentKind
		into *[]json.RawMessage
	}{{store.Policy, &r.Policies}, {store.Location, &r.Locations}, {store.Strength, &r.Strengths}} {
		docs, err := s.Documents(ctx, kind.kind)
		if err != nil {
			return nil, fmt.Errorf("reading rules: %w", err)
		}
		for _, d := range docs {
			*kind.into = append(*kind.into, d.JSON)
		}
	}
	docs, err := s.AuthenticationPolicies(ctx)
	if err != nil {
		return nil, fmt.Errorf("reading authentication policies: %w", err)
	}
	for _, d := range docs {
		r.AuthPolicies = append(r.AuthPolicies, document{d.ID, d.Name, d.JSON})
	}
	if r.Switches, err = s.Switches(ctx); err != nil {
		return nil, fmt.Errorf("reading switches: %w", err)
	}
	if r.Assignments, err = s.Assignments(ctx); err != nil {
		return nil, fmt.Errorf("reading assignments: %w", err)
	}
	if r.MFAAlsoAccepts, err = s.Setting(ctx, SettingMFAAlsoAccepts); err != nil {
		return nil, fmt.Errorf("reading settings: %w", err)
	}
	return r, r.readNames(ctx, s)
}

// readNames keeps the names that rules refer to: who else there is makes no
// difference to a verdict, and must not make a new version.
func (r *rules) readNames(ctx context.Context, s shelf) error {
	groups, err := s.Groups(ctx)
	if err != nil {
		return fmt.Errorf("reading groups: %w", err)
	}
	for _, g := range groups {
		r.Groups[strings.ToLower(g.Name)], r.Groups[strings.ToLower(g.ID)] = g.ID, g.ID
	}
	for name := range r.named() {
		p, err := s.Person(ctx, name)
		if errors.Is(err, store.ErrNotFound) {
			continue // the policy matches nobody by it, and a warning says so
		}
		if err != nil {
			return fmt.Errorf("reading people: %w", err)
		}
		r.People[name] = p.ID
	}
	return nil
}

// named are the people that policies name, by id or address, in lower case.
func (r *rules) named() map[string]bool {
	named := map[string]bool{}
	for _, raw := range r.Policies {
		p, err := graph.Policy(raw)
		if err != nil || p.Conditions.Users == nil {
			continue // told when it is compiled
		}
		for _, side := range []policy.People{p.Conditions.Users.Include, p.Conditions.Users.Exclude} {
			for _, u := range side.Users {
				named[strings.ToLower(u)] = true
			}
		}
	}
	return named
}

// source turns the rules into what is compiled. An object that cannot be read
// is an error: it must not silently cease to refuse.
func (r *rules) source(version uint64) (policy.Source, error) {
	src := policy.Source{Version: version, Domains: map[string]policy.Switches{}, Groups: map[string]policy.Settings{},
		Mailboxes: map[string]policy.Settings{}, Names: policy.Names{People: r.People, Groups: r.Groups}, Zone: time.LoadLocation}
	for _, raw := range r.Policies {
		p, err := graph.Policy(raw)
		if err != nil {
			return src, fmt.Errorf("reading a policy: %w", err)
		}
		src.Policies = append(src.Policies, p)
	}
	for _, raw := range r.Locations {
		l, err := graph.Location(raw)
		if err != nil {
			return src, fmt.Errorf("reading a named location: %w", err)
		}
		src.Locations = append(src.Locations, l)
	}
	for _, raw := range r.Strengths {
		s, err := graph.Strength(raw)
		if err != nil {
			return src, fmt.Errorf("reading an authentication strength: %w", err)
		}
		src.Strengths = append(src.Strengths, s)
	}
	return src, r.exchange(&src)
}

// holders are where a switch or an assignment is held, by the store's scopes.
var holders = map[store.Scope]string{store.Organization: policy.HeldByOrganization, store.Domain: policy.HeldByDomain, store.GroupScope: policy.HeldByGroup,
	store.Mailbox: policy.HeldByMailbox, store.PersonScope: policy.HeldByMailbox}

// exchange adds Exchange's words: authentication policies, switches and who has which.
func (r *rules) exchange(src *policy.Source) error {
	for _, d := range r.AuthPolicies {
		var values map[string]any
		if err := json.Unmarshal(d.JSON, &values); err != nil {
			return fmt.Errorf("reading authentication policy %s: %w", d.Name, err)
		}
		p := policy.AuthenticationPolicy{ID: d.ID, Name: d.Name}
		for name, v := range values {
			if b, ok := v.(bool); ok {
				p.Set(name, &b)
			}
		}
		src.AuthenticationPolicies = append(src.AuthenticationPolicies, p)
	}
	for _, w := range r.Switches {
		if !src.Put(policy.Holder{Kind: holders[w.Scope], ID: w.Subject}, w.Name, &w.Value) {
			return fmt.Errorf("there is no switch %s", w.Name)
		}
	}
	for _, a := range r.Assignments {
		src.Assign(policy.Holder{Kind: holders[a.Scope], ID: a.Subject}, a.Policy)
	}
	for part := range strings.SplitSeq(r.MFAAlsoAccepts, ";") {
		if part = strings.TrimSpace(part); part != "" {
			c, _ := policy.ParseCombination(part)
			src.Organization.MFAAlsoAccepts = append(src.Organization.MFAAlsoAccepts, c)
		}
	}
	return nil
}

// compile makes the snapshot of a version.
func (r *rules) compile(version uint64) (*policy.Snapshot, []policy.Warning, error) {
	src, err := r.source(version)
	if err != nil {
		return nil, nil, err
	}
	snap, warnings := policy.Compile(src)
	return snap, warnings, nil
}
