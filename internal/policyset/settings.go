package policyset

import (
	"fmt"
	"strings"

	"github.com/portreeve/portreeve/internal/policy"
	"github.com/portreeve/portreeve/internal/policy/graph"
	"github.com/portreeve/portreeve/internal/spelling"
)

// Settings are what a Switches document says: protocol switches, and who has
// which authentication policy.
type Settings struct {
	Switches    []Switch
	Assignments []Assignment
	// MFAAlsoAccepts are the organisation's, as they are written; nil if not said.
	MFAAlsoAccepts []string
}

// Holder is what has a switch or an authentication policy. Kind is one of
// policy's HeldBy words; Subject is empty for the organisation, else a domain,
// a group or a person.
type Holder struct {
	Kind    string
	Subject string
	Pointer string // of what is said
}

// Switch is one switch of one holder; nil inherits.
type Switch struct {
	Holder
	Name  string // policy.SwitchNames has it
	Value *bool
}

// Assignment is an authentication policy by id or name, for the organisation,
// a group or a person; empty takes it away.
type Assignment struct {
	Holder
	Policy string
}

// holders are the members of a Switches spec.
var holders = map[string]string{"organization": policy.HeldByOrganization, "domains": policy.HeldByDomain, "groups": policy.HeldByGroup, "mailboxes": policy.HeldByMailbox}

// The members of a holder that are no switch: Exchange's words.
const (
	memberPolicy        = "AuthenticationPolicy"
	memberDefaultPolicy = "DefaultAuthenticationPolicy"
	memberMFA           = "mfaAlsoAccepts"
)

// Settings reads a Switches document.
func (o *Object) Settings() (Settings, error) {
	var s Settings
	v, err := graph.Parse(o.Spec)
	if err != nil {
		return s, o.placed(err)
	}
	var faults Errors
	for _, m := range v.Members {
		kind, known := holders[m.Name]
		switch {
		case !known:
			faults.add(o.doc.NameFault(o.at(m.Value.Pointer), "switches have no member %q: there are organization, domains, groups and mailboxes%s",
				m.Name, spelling.DidYouMean(m.Name, []string{"organization", "domains", "groups", "mailboxes"})))
		case m.Value.Kind != graph.Object:
			faults.add(o.Fault(m.Value.Pointer, "%s is a mapping, not %s", m.Name, m.Value.Kind))
		case kind == policy.HeldByOrganization:
			o.holder(&s, Holder{Kind: kind}, m.Value, &faults)
		default:
			for _, x := range m.Value.Members {
				o.holder(&s, Holder{Kind: kind, Subject: strings.ToLower(x.Name)}, x.Value, &faults)
			}
		}
	}
	return s, faults.err()
}

func (o *Object) holder(s *Settings, h Holder, v *graph.Value, faults *Errors) {
	if v.Kind != graph.Object {
		faults.add(o.Fault(v.Pointer, "this is a mapping of switches, not %s", v.Kind))
		return
	}
	auth := memberPolicy
	words := append(policy.SwitchNames(), memberPolicy)
	switch h.Kind {
	case policy.HeldByOrganization:
		auth, words = memberDefaultPolicy, append(policy.SwitchNames(), memberDefaultPolicy, memberMFA)
	case policy.HeldByDomain:
		auth, words = "", policy.SwitchNames()
	}
	for _, m := range v.Members {
		h.Pointer = m.Value.Pointer
		name, isSwitch := "", false
		for _, n := range policy.SwitchNames() {
			if strings.EqualFold(n, m.Name) {
				name, isSwitch = n, true
			}
		}
		switch {
		case isSwitch && m.Value.Kind == graph.Null:
			s.Switches = append(s.Switches, Switch{h, name, nil})
		case isSwitch && m.Value.Kind == graph.Bool:
			on := m.Value.Text == "true"
			s.Switches = append(s.Switches, Switch{h, name, &on})
		case isSwitch:
			faults.add(o.Fault(h.Pointer, "%s is true, false or null (inherit), not %s", name, m.Value.Kind))
		case auth != "" && strings.EqualFold(m.Name, auth) && (m.Value.Kind == graph.String || m.Value.Kind == graph.Null):
			s.Assignments = append(s.Assignments, Assignment{h, policyName(m.Value)})
		case auth != "" && strings.EqualFold(m.Name, auth):
			faults.add(o.Fault(h.Pointer, "%s is the name of an authentication policy, not %s", auth, m.Value.Kind))
		case h.Kind == policy.HeldByOrganization && m.Name == memberMFA:
			o.alsoAccepts(s, m.Value, faults)
		default:
			faults.add(o.doc.NameFault(o.at(h.Pointer), "there is no switch %q%s", m.Name, spelling.DidYouMean(m.Name, words)))
		}
	}
}

func policyName(v *graph.Value) string {
	if v.Kind == graph.Null {
		return ""
	}
	return v.Text
}

// alsoAccepts reads combinations of methods that count as MFA besides Entra's.
func (o *Object) alsoAccepts(s *Settings, v *graph.Value, faults *Errors) {
	if v.Kind != graph.List {
		faults.add(o.Fault(v.Pointer, "%s is a list of combinations such as password,approvalWindow", memberMFA))
		return
	}
	s.MFAAlsoAccepts = []string{}
	for _, item := range v.Items {
		_, unknown := policy.ParseCombination(item.Text)
		if item.Kind != graph.String || len(unknown) > 0 {
			faults.add(o.Fault(item.Pointer, "a combination is methods with commas, such as password,approvalWindow"))
			continue
		}
		s.MFAAlsoAccepts = append(s.MFAAlsoAccepts, item.Text)
	}
}

// add brings what a document says into the source; what was said of the same
// holder before is a fault, shown where it is said again.
func (o *Object) add(src *policy.Source, said map[string]string) error {
	s, err := o.Settings()
	if err != nil {
		return err
	}
	var faults Errors
	once := func(h Holder, name string) {
		key := h.Kind + "\x00" + h.Subject + "\x00" + name
		if first, twice := said[key]; twice {
			faults.add(o.Fault(h.Pointer, "%s is said here and at %s", name, first))
		}
		said[key] = fmt.Sprintf("%s:%d", o.File, o.Pos(h.Pointer).Line)
	}
	for _, w := range s.Switches {
		once(w.Holder, w.Name)
		src.Put(policy.Holder{Kind: w.Kind, ID: w.Subject}, w.Name, w.Value)
	}
	for _, a := range s.Assignments {
		once(a.Holder, memberPolicy)
		src.Assign(policy.Holder{Kind: a.Kind, ID: a.Subject}, a.Policy)
	}
	for _, text := range s.MFAAlsoAccepts {
		c, _ := policy.ParseCombination(text)
		src.Organization.MFAAlsoAccepts = append(src.Organization.MFAAlsoAccepts, c)
	}
	return faults.err()
}
