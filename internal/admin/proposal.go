package admin

import (
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/portreeve/portreeve/internal/location"
	"github.com/portreeve/portreeve/internal/policy"
	"github.com/portreeve/portreeve/internal/policy/graph"
	"github.com/portreeve/portreeve/internal/store"
)

// proposed is a change of rules that nobody has made: what is named replaces or
// joins what is in force. Nothing of it is stored.
type proposed struct {
	Policies  []json.RawMessage `json:"policies"`
	Locations []json.RawMessage `json:"locations"`
	Strengths []json.RawMessage `json:"strengths"`
	// States are states by name or id of a policy; Remove are policies taken away.
	States   map[string]string `json:"states"`
	Remove   []string          `json:"remove"`
	Switches []proposedSwitch  `json:"switches"`
	Join     []membership      `json:"join"`
	Leave    []membership      `json:"leave"`
	// Folder says that it comes from policy files: an id may be any word, and a
	// switch of somebody who is not here sets nothing, as where they are applied.
	Folder bool `json:"folder"`
}

type proposedSwitch struct {
	Scope   string `json:"scope"` // organization, domain, group, mailbox
	Subject string `json:"subject"`
	Name    string `json:"name"`
	Value   *bool  `json:"value"` // nil: inherits
}

type membership struct {
	Group  string `json:"group"`
	Member string `json:"member"`
}

func (p *proposed) empty() bool {
	return len(p.Policies)+len(p.Locations)+len(p.Strengths)+len(p.States)+len(p.Remove)+len(p.Switches)+len(p.Join)+len(p.Leave) == 0
}

// proposal is a change made ready to judge by.
type proposal struct {
	before, after *policy.Snapshot
	join, leave   map[string][]string
	warnings      []policy.Warning
}

// propose compiles the rules in force with a change.
func (a *api) propose(r *http.Request, p *proposed) (*proposal, error) {
	before := a.Gate.Snapshot()
	src := before.Source()
	src.Policies, src.Locations, src.Strengths = slices.Clone(src.Policies), slices.Clone(src.Locations), slices.Clone(src.Strengths)
	src.Names.People, src.Names.Groups = cloned(src.Names.People), cloned(src.Names.Groups)
	if err := a.proposeObjects(r, p, &src); err != nil {
		return nil, err
	}
	for name, state := range p.States {
		i := indexOfPolicy(src.Policies, name)
		if i < 0 {
			return nil, notFound("policy", name, namesOfPolicies(src.Policies)...)
		}
		s, ok := policy.ParseState(state)
		if !ok {
			return nil, bad("states", "a policy's state is enabled, disabled or enabledForReportingButNotEnforced, not %q", state)
		}
		src.Policies[i].State = s
	}
	for _, name := range p.Remove {
		i := indexOfPolicy(src.Policies, name)
		if i < 0 {
			return nil, notFound("policy", name, namesOfPolicies(src.Policies)...)
		}
		src.Policies = slices.Delete(src.Policies, i, i+1)
	}
	if err := a.proposeSwitches(r, p.Switches, p.Folder, &src); err != nil {
		return nil, err
	}
	out := &proposal{before: before}
	var err error
	if out.join, out.leave, err = a.proposeGroups(r, p); err != nil {
		return nil, err
	}
	out.after, out.warnings = policy.Compile(src)
	out.warnings = slices.DeleteFunc(out.warnings, func(w policy.Warning) bool { return slices.Contains(a.Warnings(), w) })
	return out, nil
}

func indexOfPolicy(all []policy.Policy, name string) int {
	if i := slices.IndexFunc(all, func(p policy.Policy) bool { return p.ID == name }); i >= 0 {
		return i
	}
	return slices.IndexFunc(all, func(p policy.Policy) bool { return strings.EqualFold(p.DisplayName, name) })
}

func namesOfPolicies(all []policy.Policy) (names []string) {
	for _, p := range all {
		names = append(names, p.DisplayName)
	}
	return names
}

// proposeObjects reads Graph's objects as an import would, and puts each in the
// place of the one it would replace.
func (a *api) proposeObjects(r *http.Request, p *proposed, src *policy.Source) error {
	refs := map[store.DocumentKind]map[string]string{store.Location: {}, store.Strength: {}, store.Policy: {}}
	for _, kind := range []struct {
		kind  store.DocumentKind
		texts []json.RawMessage
		name  string
		put   func(id string, text []byte) error
	}{
		{store.Location, p.Locations, "/locations", func(id string, text []byte) error {
			x, err := graph.Location(text)
			src.Locations = replaced(src.Locations, x, func(y location.Named) bool { return y.ID == id })
			return err
		}},
		{store.Strength, p.Strengths, "/strengths", func(id string, text []byte) error {
			x, err := graph.Strength(text)
			src.Strengths = replaced(src.Strengths, x, func(y policy.Strength) bool { return y.ID == id })
			return err
		}},
		{store.Policy, p.Policies, "/policies", func(id string, text []byte) error {
			x, err := graph.Policy(text)
			if err != nil {
				return err
			}
			src.Policies = replaced(src.Policies, x, func(y policy.Policy) bool { return y.ID == id })
			return documents{a, store.Policy}.people(r, x, src.Names.People)
		}},
	} {
		d := documents{a, kind.kind}
		for i, text := range kind.texts {
			var err error
			word := textMember(text, "id")
			if p.Folder {
				text, err = d.fromFolder(r, text, refs)
			}
			var x arrival
			if err == nil {
				x, err = d.arrive(r, text)
			}
			if err == nil {
				if word != "" {
					refs[kind.kind][strings.ToLower(word)] = x.doc.ID
				}
				err = kind.put(x.doc.ID, x.text)
			}
			if err != nil {
				return under(kind.name, placed(err, i))
			}
		}
	}
	return nil
}

// fromFolder is an object of a policy file as one of the server's: an id that is
// a word becomes the id that applying the file gave it, or none, so that its name
// finds the object; and so do the words that a policy refers by.
func (d documents) fromFolder(r *http.Request, text []byte, refs map[store.DocumentKind]map[string]string) ([]byte, error) {
	text, err := typed(text, d.kind == store.Location), error(nil)
	if word := textMember(text, "id"); word != "" && !isID(word) {
		id := idFor(d.kind, word)
		if _, missing := d.Store.Document(r.Context(), d.kind, id); missing == nil {
			text, err = prependMember(text, "id", quoted(id))
		} else {
			text, err = dropMembers(text, func(name string) bool { return name == "id" })
		}
	}
	if err != nil || d.kind != store.Policy {
		return text, err
	}
	return referring(text, refs[store.Location], refs[store.Strength])
}

// replaced puts x where the one is that it replaces, or at the end.
func replaced[T any](all []T, x T, same func(T) bool) []T {
	if i := slices.IndexFunc(all, same); i >= 0 {
		all[i] = x
		return all
	}
	return append(all, x)
}

// under puts a member before what a fault is about.
func under(member string, err error) error {
	var e *Error
	if !errors.As(err, &e) {
		return err
	}
	moved := *e
	moved.Target = member + e.Target
	moved.Details = slices.Clone(e.Details)
	for i := range moved.Details {
		moved.Details[i].Target = member + moved.Details[i].Target
	}
	return &moved
}

func (a *api) proposeSwitches(r *http.Request, all []proposedSwitch, folder bool, src *policy.Source) error {
	for _, w := range all {
		h, err := a.holderOf(r, &w)
		if e := (*Error)(nil); folder && errors.As(err, &e) && e.Status == http.StatusNotFound {
			continue
		}
		if err != nil {
			return err
		}
		if !src.SetSwitch(h, w.Name, w.Value) {
			return notFound("switch", w.Name, policy.SwitchNames()...)
		}
	}
	return nil
}

// holderOf is where a proposed switch is set.
func (a *api) holderOf(r *http.Request, w *proposedSwitch) (policy.Holder, error) {
	switch w.Scope {
	case "", policy.HeldByOrganization:
		return policy.Holder{Kind: policy.HeldByOrganization}, nil
	case policy.HeldByDomain:
		return policy.Holder{Kind: policy.HeldByDomain, ID: strings.ToLower(w.Subject)}, nil
	case policy.HeldByGroup:
		g, err := a.findGroup(r, w.Subject)
		return policy.Holder{Kind: policy.HeldByGroup, ID: g.ID}, err
	case policy.HeldByMailbox:
		p, err := a.findPerson(r, w.Subject)
		return policy.Holder{Kind: policy.HeldByMailbox, ID: p.ID}, err
	}
	return policy.Holder{}, bad("switches", "a switch is set for the organization, a domain, a group or a mailbox, not %q", w.Scope)
}

// cloned is a copy that can be written to.
func cloned[V any](m map[string]V) map[string]V {
	if m == nil {
		return map[string]V{}
	}
	return maps.Clone(m)
}

// proposeGroups works out which groups people would come into and go out of,
// nesting resolved.
func (a *api) proposeGroups(r *http.Request, p *proposed) (join, leave map[string][]string, err error) {
	if len(p.Join)+len(p.Leave) == 0 {
		return nil, nil, nil
	}
	members, err := a.Store.Members(r.Context())
	if err != nil {
		return nil, nil, err
	}
	then := slices.Clone(members)
	touched := map[string]bool{}
	for _, list := range []struct {
		add  bool
		rows []membership
	}{{true, p.Join}, {false, p.Leave}} {
		for _, m := range list.rows {
			g, err := a.findGroup(r, m.Group)
			if err != nil {
				return nil, nil, err
			}
			who, err := a.findPerson(r, m.Member)
			if err != nil {
				return nil, nil, err
			}
			touched[who.ID] = true
			row := store.Member{Group: g.ID, Member: who.ID}
			if list.add {
				then = append(then, row)
			} else {
				then = slices.DeleteFunc(then, func(x store.Member) bool { return x == row })
			}
		}
	}
	join, leave = map[string][]string{}, map[string][]string{}
	for id := range touched {
		now, later := closure(members, id), closure(then, id)
		join[id], leave[id] = without(later, now), without(now, later)
	}
	return join, leave, nil
}

// closure are the groups somebody is in, nesting resolved, sorted.
func closure(members []store.Member, person string) []string {
	in := map[string]bool{}
	for grown := true; grown; {
		grown = false
		for _, m := range members {
			if !in[m.Group] && (m.IsGroup && in[m.Member] || !m.IsGroup && m.Member == person) {
				in[m.Group], grown = true, true
			}
		}
	}
	return slices.Sorted(maps.Keys(in))
}

func without(all, some []string) (left []string) {
	for _, x := range all {
		if !slices.Contains(some, x) {
			left = append(left, x)
		}
	}
	return left
}
