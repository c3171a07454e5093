package policyset

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/portreeve/portreeve/internal/location"
	"github.com/portreeve/portreeve/internal/policy"
	"github.com/portreeve/portreeve/internal/policy/exchange"
	"github.com/portreeve/portreeve/internal/policy/graph"
	"github.com/portreeve/portreeve/internal/policyfile"
	"github.com/portreeve/portreeve/internal/spelling"
)

// JSON is the object as a server keeps it: the spec, with the id that the file
// gives it and with x-portreeve as its member portreeve.
func (o *Object) JSON() json.RawMessage {
	idName := "id"
	if o.Kind == AuthenticationPolicy {
		idName = "Guid"
	}
	var more []string
	if o.base == "/spec" && o.ID != "" && o.Kind != Switches && o.doc.Root.Get("spec").Get(idName) == nil {
		more = append(more, string(policyfile.JSON(&policyfile.Node{Kind: policyfile.String, Text: idName}))+":"+
			string(policyfile.JSON(&policyfile.Node{Kind: policyfile.String, Text: o.ID})))
	}
	if o.own != "" && o.Kind == Policy {
		more = append(more, `"portreeve":`+string(policyfile.JSON(o.doc.Root.Get("x-portreeve"))))
	}
	if len(more) == 0 {
		return o.Spec
	}
	rest := bytes.TrimLeft(bytes.TrimSpace(o.Spec)[1:], " \t\r\n")
	if rest[0] != '}' {
		more = append(more, "")
	}
	return slices.Concat([]byte("{"), []byte(strings.Join(more, ",")), rest)
}

// Policy reads a ConditionalAccessPolicy.
func (o *Object) Policy() (policy.Policy, error) {
	p, err := graph.Policy(o.JSON())
	if p.ID == "" {
		p.ID = o.Key()
	}
	return p, o.placed(err)
}

// Location reads a NamedLocation.
func (o *Object) Location() (location.Named, error) {
	l, err := graph.Location(o.JSON())
	if l.ID == "" {
		l.ID = o.Key()
	}
	return l, o.placed(err)
}

// Strength reads an AuthenticationStrength.
func (o *Object) Strength() (policy.Strength, error) {
	s, err := graph.Strength(o.JSON())
	if s.ID == "" {
		s.ID = o.Key()
	}
	return s, o.placed(err)
}

// authMembers are those of an authentication policy that are no switches and
// still known; Exchange prints many more, which are kept.
var authMembers = []string{"Name", "Guid", "Id", "Identity"}

// AuthenticationPolicy reads an AuthenticationPolicy.
func (o *Object) AuthenticationPolicy() (policy.AuthenticationPolicy, error) {
	p := policy.AuthenticationPolicy{ID: o.Key(), Name: o.Name}
	v, err := graph.Parse(o.Spec)
	if err != nil {
		return p, o.placed(err)
	}
	if o.Name == "" {
		return p, o.Fault("", "an authentication policy needs a Name")
	}
	var faults Errors
	for _, m := range v.Members {
		s, known := exchange.FindAuthSwitch(m.Name)
		switch {
		case !known && hasFamily(m.Name):
			faults.add(o.doc.NameFault(o.at(m.Value.Pointer), "an authentication policy has no switch %s%s", m.Name, spelling.DidYouMean(m.Name, authWords())))
		case !known || m.Value.Kind == graph.Null:
		case m.Value.Kind != graph.Bool:
			faults.add(o.Fault(m.Value.Pointer, "%s is true or false, not %s", s.Name, m.Value.Kind))
		default:
			on := m.Value.Text == "true"
			p.Set(s.Name, &on)
		}
	}
	return p, faults.err()
}

func hasFamily(name string) bool {
	name = strings.ToLower(name)
	return slices.ContainsFunc([]string{"allowbasic", "blocklegacy", "blockmodern"}, func(f string) bool { return strings.HasPrefix(name, f) })
}

func authWords() (all []string) {
	for _, s := range exchange.AuthSwitches() {
		all = append(all, s.Name)
	}
	return append(all, authMembers...)
}

// check reads the object, whatever it is, and gives what is wrong with it.
func (o *Object) check() []error {
	var err error
	switch o.Kind {
	case Policy:
		_, err = o.Policy()
	case Location:
		_, err = o.Location()
	case Strength:
		_, err = o.Strength()
	case AuthenticationPolicy:
		_, err = o.AuthenticationPolicy()
	case Switches:
		_, err = o.Settings()
	case Test:
		_, err = o.Suite()
	}
	var all Errors
	if errors.As(err, &all) {
		return all
	}
	if err != nil {
		return []error{err}
	}
	return nil
}

// placed shows the faults of an object's JSON where they stand in the file.
func (o *Object) placed(err error) error {
	var all graph.Errors
	var one *graph.Error
	switch {
	case err == nil:
		return nil
	case errors.As(err, &all):
	case errors.As(err, &one):
		all = graph.Errors{one}
	default:
		return fmt.Errorf("%s: %w", o.Place(), err)
	}
	var faults Errors
	for _, e := range all {
		faults.add(o.Fault(e.Pointer, "%s", e.Message))
	}
	return faults.err()
}
