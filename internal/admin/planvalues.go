package admin

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/portreeve/portreeve/internal/policy"
	"github.com/portreeve/portreeve/internal/policyset"
	"github.com/portreeve/portreeve/internal/store"
)

// scopes are a folder's holders as they are stored.
var scopes = map[string]store.Scope{policy.HeldByOrganization: store.Organization, policy.HeldByDomain: store.Domain, policy.HeldByGroup: store.GroupScope, policy.HeldByMailbox: store.Mailbox}

// holder is who has a switch or an assignment, found here.
type holder struct {
	scope   store.Scope
	subject string // id, or a domain
	name    string // for people
}

// errNobody says that here is no such group or person.
var errNobody = errors.New("nobody")

// values plans the switches, assignments and settings.
func (p *planner) values() error {
	for _, o := range p.set.Of(policyset.Switches) {
		all, err := o.Settings()
		if err != nil {
			return bad("", "%v", err)
		}
		for _, w := range all.Switches {
			if err := p.switchValue(o, &w); err != nil {
				return err
			}
		}
		for _, x := range all.Assignments {
			if err := p.assignment(o, &x); err != nil {
				return err
			}
		}
		if all.MFAAlsoAccepts != nil {
			if err := p.setting(o, strings.Join(all.MFAAlsoAccepts, ";")); err != nil {
				return err
			}
		}
	}
	return nil
}

// current reads the switches and assignments that are set.
func (p *planner) current() error {
	p.switches, p.assigned = map[store.Value]bool{}, map[store.Value]string{}
	set, err := p.tx.View().Switches(p.ctx)
	if err != nil {
		return err
	}
	for _, w := range set {
		p.switches[store.SwitchValue(w.Scope, w.Subject, w.Name)] = w.Value
	}
	given, err := p.tx.View().Assignments(p.ctx)
	if err != nil {
		return err
	}
	for _, a := range given {
		p.assigned[store.AssignmentValue(a.Scope, a.Subject)] = a.Policy
	}
	return nil
}

// find finds a holder here; errNobody if there is none.
func (p *planner) find(h policyset.Holder) (holder, error) {
	out := holder{scope: scopes[h.Kind], subject: h.Subject, name: h.Subject}
	switch h.Kind {
	case policy.HeldByOrganization:
		out.name = "the organisation"
	case policy.HeldByDomain:
		d, err := domain(h.Subject)
		out.subject, out.name = d, d
		return out, err
	case policy.HeldByGroup:
		g, err := p.tx.Group(h.Subject)
		if errors.Is(err, store.ErrNotFound) {
			return out, errNobody
		}
		out.subject, out.name = g.ID, "the group "+g.Name
		return out, err
	case policy.HeldByMailbox:
		x, err := p.tx.Person(h.Subject)
		if address, bad := p.a.Canonical(h.Subject); errors.Is(err, store.ErrNotFound) && bad == nil {
			x, err = p.tx.Person(address)
		}
		if errors.Is(err, store.ErrNotFound) {
			return out, errNobody
		}
		out.subject, out.name = x.ID, x.Address
		return out, err
	}
	return out, nil
}

// nobody notes a holder that is not here: people come and go with the directory,
// and a folder does not fail for somebody who left.
func (p *planner) nobody(o *policyset.Object, h policyset.Holder) {
	p.notes = append(p.notes, o.Fault(h.Pointer, "there is no %s %q here, so nothing is set for it", h.Kind, h.Subject).Brief())
}

func (p *planner) managedBy(v store.Value, o *policyset.Object, pointer, word string) store.Managed {
	m := store.Managed{Kind: v.Kind, Object: v.Object, Name: v.Name, Word: word, File: o.File, Line: o.Fault(pointer, "").Pos.Line, Commit: p.commit}
	p.seen[keyOf(&m)] = true
	return m
}

func (p *planner) switchValue(o *policyset.Object, w *policyset.Switch) error {
	h, err := p.find(w.Holder)
	if errors.Is(err, errNobody) {
		p.nobody(o, w.Holder)
		return nil
	}
	if err != nil {
		return err
	}
	v := store.SwitchValue(h.scope, h.subject, w.Name)
	m := p.managedBy(v, o, w.Pointer, w.Kind+":"+w.Subject+"/"+w.Name)
	was, there := p.switches[v]
	if there == (w.Value != nil) && (!there || was == *w.Value) {
		return p.adopt(m, w.Name+" of "+h.name)
	}
	return p.value(m, w.Name+" of "+h.name, jsonOr(was, there), jsonOr(w.Value, w.Value != nil), func(tx *store.Tx) error {
		return tx.PutSwitch(h.scope, h.subject, w.Name, w.Value)
	})
}

func (p *planner) assignment(o *policyset.Object, x *policyset.Assignment) error {
	h, err := p.find(x.Holder)
	if errors.Is(err, errNobody) {
		p.nobody(o, x.Holder)
		return nil
	}
	if err != nil {
		return err
	}
	if h.scope == store.Mailbox {
		h.scope = store.PersonScope
	}
	id := ""
	if x.Policy != "" {
		if id = p.auth[strings.ToLower(x.Policy)]; id == "" {
			return faulted(o, x.Pointer, "there is no authentication policy %q, in the folder or here", x.Policy)
		}
	}
	v := store.AssignmentValue(h.scope, h.subject)
	m := p.managedBy(v, o, x.Pointer, x.Kind+":"+x.Subject)
	if p.assigned[v] == id {
		return p.adopt(m, "the authentication policy of "+h.name)
	}
	return p.value(m, "the authentication policy of "+h.name, p.authName(p.assigned[v]), jsonOr(x.Policy, x.Policy != ""), func(tx *store.Tx) error {
		return tx.PutAssignment(store.Assignment{Scope: h.scope, Subject: h.subject, Policy: id})
	})
}

func (p *planner) authName(id string) json.RawMessage {
	if d := p.live(store.AuthenticationPolicy, id); d != nil {
		return quoted(d.Name)
	}
	return jsonOr(id, id != "")
}

func (p *planner) setting(o *policyset.Object, want string) error {
	was, err := p.tx.View().Setting(p.ctx, mfaAlsoAccepts)
	if err != nil {
		return err
	}
	m := p.managedBy(store.SettingValue(mfaAlsoAccepts), o, "/organization/"+mfaAlsoAccepts, mfaAlsoAccepts)
	if was == want {
		return p.adopt(m, mfaAlsoAccepts)
	}
	return p.value(m, mfaAlsoAccepts, jsonOr(was, was != ""), quoted(want), func(tx *store.Tx) error { return tx.PutSetting(mfaAlsoAccepts, want) })
}

// value plans the change of something that has a value.
func (p *planner) value(m store.Managed, name string, before, after json.RawMessage, do func(*store.Tx) error) error {
	since, err := p.since(keyOf(&m))
	if err != nil {
		return err
	}
	change := plannedChange{Action: "change", Kind: m.Kind, ID: m.Object, Name: name, File: m.File, Line: m.Line, Since: since, Words: []string{},
		Sentence: name + " goes from " + valueWords(before) + " to " + valueWords(after), Changes: []difference{{"", before, after}}}
	p.puts = append(p.puts, planStep{change, func(tx *store.Tx) error {
		if err := do(tx); err != nil {
			return err
		}
		return tx.PutManaged(m)
	}})
	return nil
}

// goneValue plans the end of a value that the folder has no more: it inherits again.
func (p *planner) goneValue(m store.Managed, change plannedChange) error {
	v := store.Value{Kind: m.Kind, Object: m.Object, Name: m.Name}
	var do func(*store.Tx) error
	before := json.RawMessage(nil)
	switch m.Kind {
	case store.ValueSwitch:
		scope, name, _ := strings.Cut(m.Name, " ")
		was, there := p.switches[v]
		before = jsonOr(was, there)
		do = func(tx *store.Tx) error { return tx.PutSwitch(store.Scope(scope), m.Object, name, nil) }
	case store.ValueAssignment:
		before = p.authName(p.assigned[v])
		do = func(tx *store.Tx) error {
			return tx.PutAssignment(store.Assignment{Scope: store.Scope(m.Name), Subject: m.Object})
		}
	case store.ValueSetting:
		was, err := p.tx.View().Setting(p.ctx, m.Object)
		if err != nil {
			return err
		}
		before = jsonOr(was, was != "")
		do = func(tx *store.Tx) error { return tx.PutSetting(m.Object, "") }
	}
	if len(before) == 0 {
		p.forget = append(p.forget, m)
		return nil
	}
	var err error
	if change.Since, err = p.since(keyOf(&m)); err != nil {
		return err
	}
	change.Name = m.Word
	change.Sentence = fmt.Sprintf("%s goes from %s to inherited: %s says it no more", m.Word, valueWords(before), m.File)
	change.Changes = []difference{{"", before, nil}}
	p.removals = append(p.removals, planStep{change, func(tx *store.Tx) error {
		if err := do(tx); err != nil {
			return err
		}
		return tx.Release(m.Kind, m.Object, m.Name)
	}})
	return nil
}

// jsonOr is a value's JSON, or nothing where there is none.
func jsonOr(v any, there bool) json.RawMessage {
	if !there {
		return nil
	}
	b, err := json.Marshal(v)
	if err != nil { // texts and truth values are never refused
		return nil
	}
	return b
}

func valueWords(v json.RawMessage) string {
	if len(v) == 0 {
		return "inherited"
	}
	return string(v)
}
