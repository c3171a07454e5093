package admin

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/portreeve/portreeve/internal/policy"
	"github.com/portreeve/portreeve/internal/policy/graph"
	"github.com/portreeve/portreeve/internal/policyset"
	"github.com/portreeve/portreeve/internal/store"
)

// document plans one object that has a text.
func (p *planner) document(o *policyset.Object) error {
	d, err := p.wanted(o)
	if err != nil {
		return err
	}
	m := store.Managed{Kind: string(d.Kind), Object: d.ID, Word: o.Key(), File: o.File, Line: o.Line, Commit: p.commit}
	p.seen[keyOf(&m)] = true
	before := p.live(d.Kind, d.ID)
	change := plannedChange{Action: "add", Kind: string(d.Kind), ID: d.ID, Name: d.Name, File: o.File, Line: o.Line, Words: []string{}}
	if before == nil {
		change.Changes = essentials(nil, d.JSON)
		change.Sentence = fmt.Sprintf("the %s %q is made", o.Kind.Word(), d.Name)
		if d.Kind == store.Policy {
			change.Sentence += ", " + stateWord(d.State)
		}
	} else {
		change.Action, change.Changes = "change", essentials(before.JSON, d.JSON)
		if len(change.Changes) == 0 && strings.EqualFold(before.Name, d.Name) {
			return p.adopt(m, d.Name)
		}
		if change.Since, err = p.since(keyOf(&m)); err != nil {
			return err
		}
		change.Sentence = changeSentence(o.Kind.Word(), before, &d, change.Changes)
	}
	s := planStep{change, func(tx *store.Tx) error {
		if err := putDocument(tx, o, d, before); err != nil {
			return err
		}
		return tx.PutManaged(m)
	}}
	if d.Kind == store.Policy {
		p.policies = append(p.policies, s)
	} else {
		p.puts = append(p.puts, s)
	}
	return nil
}

// wanted is an object as the folder has it.
func (p *planner) wanted(o *policyset.Object) (store.Document, error) {
	d := store.Document{ID: p.ids[o], Kind: kinds[o.Kind], Name: o.Name}
	if o.Name == "" {
		return d, faulted(o, "", "a %s needs a %s", o.Kind.Word(), map[bool]string{true: "Name", false: "displayName"}[d.Kind == store.AuthenticationPolicy])
	}
	var err error
	if d.JSON, err = desired(o, d.ID, p.refs); err != nil {
		return d, faulted(o, "", "%v", err)
	}
	if d.Kind == store.Policy {
		x, err := graph.Policy(d.JSON)
		if err != nil {
			return d, faulted(o, "", "%v", err)
		}
		d.State = x.State.String()
	}
	if other := p.named(d.Kind, d.Name); other != nil && other.ID != d.ID && !p.leaves(other) {
		return d, faulted(o, "", "there is another %s named %q here, with the id %s", o.Kind.Word(), d.Name, other.ID)
	}
	return d, nil
}

// putDocument keeps an object as the folder has it; before is nil if it is new.
func putDocument(tx *store.Tx, o *policyset.Object, d store.Document, before *store.Document) (err error) {
	var was json.RawMessage
	if before != nil {
		was = before.JSON
	}
	if d.Kind != store.AuthenticationPolicy {
		if d.JSON, err = dated(d.JSON, was, time.Now().UTC().Format(time.RFC3339)); err != nil {
			return err
		}
	}
	if err = tx.PutDocument(&d); errors.Is(err, store.ErrExists) {
		return faulted(o, "", "there is another %s named %q here", o.Kind.Word(), d.Name)
	}
	return err
}

// leaves says that an object goes or is called otherwise by this very plan.
func (p *planner) leaves(d *store.Document) bool {
	for o, id := range p.ids {
		if id == d.ID {
			return !strings.EqualFold(o.Name, d.Name)
		}
	}
	_, managed := p.managed[managedKey{string(d.Kind), d.ID, ""}]
	return managed
}

// gone plans the end of what the folder managed and has no more.
func (p *planner) gone() error {
	for _, m := range sortedManaged(p.managed) {
		if p.seen[keyOf(&m)] {
			continue
		}
		change := plannedChange{Action: "remove", Kind: m.Kind, ID: m.Object, Name: m.Name, File: m.File, Words: []string{}}
		kind := store.DocumentKind(m.Kind)
		if _, document := words[kind]; !document {
			if err := p.goneValue(m, change); err != nil {
				return err
			}
			continue
		}
		d := p.live(kind, m.Object)
		if d == nil {
			p.forget = append(p.forget, m)
			continue
		}
		var err error
		if change.Since, err = p.since(keyOf(&m)); err != nil {
			return err
		}
		if kind == store.AuthenticationPolicy {
			p.unassign(d, m.File)
		}
		change.Name, change.Changes = d.Name, essentials(d.JSON, nil)
		change.Sentence = fmt.Sprintf("the %s %q is deleted: %s has it no more", words[kind].name, d.Name, m.File)
		p.removals = append(p.removals, planStep{change, func(tx *store.Tx) error {
			if err := tx.DeleteDocument(kind, m.Object); err != nil {
				return err
			}
			return tx.Release(m.Kind, m.Object, m.Name)
		}})
	}
	return nil
}

// unassign plans that whoever has an authentication policy that goes, by no word
// of the folder's, has none: its deletion takes it from them.
func (p *planner) unassign(d *store.Document, file string) {
	var had []store.Value
	for v, id := range p.assigned {
		k := managedKey{v.Kind, v.Object, v.Name}
		if _, managed := p.managed[k]; id == d.ID && !managed && !p.seen[k] {
			had = append(had, v)
		}
	}
	slices.SortFunc(had, func(x, y store.Value) int { return strings.Compare(x.Name+"\x00"+x.Object, y.Name+"\x00"+y.Object) })
	for _, v := range had {
		a := store.Assignment{Scope: store.Scope(v.Name), Subject: v.Object}
		name := "the authentication policy of the organisation"
		if a.Scope != store.Organization {
			name = "the authentication policy of " + p.subjectName(a.Scope, a.Subject)
		}
		p.removals = append(p.removals, planStep{plannedChange{Action: "remove", Kind: v.Kind, ID: v.Object, Name: name, File: file, Words: []string{},
			Sentence: fmt.Sprintf("%s goes from %q to inherited, since that is deleted", name, d.Name), Changes: []difference{{"", quoted(d.Name), nil}}},
			func(tx *store.Tx) error { return tx.PutAssignment(a) }})
	}
}

func sortedManaged(all map[managedKey]store.Managed) []store.Managed {
	var list []store.Managed
	for _, m := range all {
		list = append(list, m)
	}
	rank := []string{string(store.Policy), store.ValueAssignment, store.ValueSwitch, store.ValueSetting, string(store.AuthenticationPolicy), string(store.Strength), string(store.Location)}
	slices.SortFunc(list, func(x, y store.Managed) int {
		if d := slices.Index(rank, x.Kind) - slices.Index(rank, y.Kind); d != 0 {
			return d
		}
		return strings.Compare(x.File+"\x00"+x.Object+"\x00"+x.Name, y.File+"\x00"+y.Object+"\x00"+y.Name)
	})
	return list
}

func stateWord(state string) string {
	s, ok := policy.ParseState(state)
	if !ok {
		return state
	}
	return map[policy.State]string{policy.Enabled: "on", policy.Disabled: "off", policy.ReportOnly: "report-only"}[s]
}

// changeSentence says in one sentence what becomes of an object.
func changeSentence(word string, before, after *store.Document, all []difference) string {
	var parts []string
	if before.Name != after.Name {
		parts = append(parts, fmt.Sprintf("is called %q", after.Name))
	}
	if before.State != after.State {
		parts = append(parts, fmt.Sprintf("goes from %s to %s", stateWord(before.State), stateWord(after.State)))
	}
	var members []string
	for _, d := range all {
		if m := strings.TrimPrefix(d.Pointer, "/"); m != "state" && m != "displayName" && m != "Name" {
			members = append(members, strings.ReplaceAll(m, "/", "."))
		}
	}
	if len(members) > 0 {
		const most = 4
		more := ""
		if len(members) > most {
			more = fmt.Sprintf(" and %d more", len(members)-most)
		}
		parts = append(parts, "changes "+strings.Join(members[:min(most, len(members))], ", ")+more)
	}
	return fmt.Sprintf("the %s %q %s", word, before.Name, strings.Join(parts, " and "))
}
