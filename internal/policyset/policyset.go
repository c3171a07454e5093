// Package policyset reads a folder of policy files: conditional access
// policies, named locations, authentication strengths, authentication
// policies, switches, and the tests that belong to them. Each becomes an
// object that knows its kind, its id, its JSON with every member in its order,
// and the file and line where it stands, so that whoever judges its content
// can show the fault to a person.
//
// A file holds one or more documents: our own, with kind and spec; or what
// Microsoft Graph and Exchange give, an object, a list or a collection, as it
// is. It is YAML or JSON. The package decides nothing and asks no server.
package policyset

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/portreeve/portreeve/internal/policyfile"
)

// Kind is what an object is.
type Kind string

// The kinds, as files name them.
const (
	Policy               Kind = "ConditionalAccessPolicy"
	Location             Kind = "NamedLocation"
	Strength             Kind = "AuthenticationStrength"
	AuthenticationPolicy Kind = "AuthenticationPolicy"
	Switches             Kind = "Switches"
	Test                 Kind = "PolicyTest"
)

// Kinds lists the kinds in the order in which they are put in force: what is
// named before what names it.
var Kinds = []Kind{Location, Strength, AuthenticationPolicy, Switches, Policy, Test}

// Word is what people call an object of the kind.
func (k Kind) Word() string {
	return map[Kind]string{Policy: "policy", Location: "named location", Strength: "authentication strength",
		AuthenticationPolicy: "authentication policy", Switches: "switches", Test: "policy test"}[k]
}

// Object is one thing of a folder.
type Object struct {
	Kind Kind
	// ID is what the file calls it: its id, or the spec's; empty if it is known by its name only.
	ID string
	// Name is the spec's displayName (Name of an authentication policy); empty for switches and tests.
	Name string
	// Spec is the object's JSON as the file has it: Graph's or Exchange's, or the whole of a test.
	Spec json.RawMessage
	// File and Line are where it stands.
	File string
	Line int

	doc  *policyfile.Document
	base string // pointer of the spec in the document
	own  string // pointer of x-portreeve in the document, empty if there is none
}

// Key is what identifies the object among those of its kind: its id, or its
// name in lower case where it has none.
func (o *Object) Key() string {
	if o.ID != "" {
		return o.ID
	}
	return strings.ToLower(o.Name)
}

// Place is where the object stands: "retire.yaml:2".
func (o *Object) Place() string { return fmt.Sprintf("%s:%d", o.File, o.Line) }

// Fault says what is wrong with the value at a JSON pointer into JSON, with
// the line and a caret.
func (o *Object) Fault(pointer, format string, args ...any) *policyfile.Fault {
	return o.doc.Fault(o.at(pointer), format, args...)
}

// Pos is where the value at a JSON pointer into JSON stands.
func (o *Object) Pos(pointer string) policyfile.Pos { return o.doc.Pos(o.at(pointer)) }

// at turns a pointer into the object's JSON into one into the document.
func (o *Object) at(pointer string) string {
	if rest, mine := strings.CutPrefix(pointer, "/portreeve"); mine && o.own != "" && (rest == "" || rest[0] == '/') {
		return o.own + rest
	}
	return o.base + pointer
}

// Set is a folder's objects in the order of its files, and of the documents in them.
type Set struct {
	Objects []*Object
	Files   []string // that were read, sorted
}

// Of are the objects of one kind.
func (s *Set) Of(k Kind) (all []*Object) {
	for _, o := range s.Objects {
		if o.Kind == k {
			all = append(all, o)
		}
	}
	return all
}

// Find is the object of a kind with an id, or else with a name; nil if there is none.
func (s *Set) Find(k Kind, idOrName string) *Object {
	var named *Object
	for _, o := range s.Objects {
		switch {
		case o.Kind != k:
		case o.ID != "" && strings.EqualFold(o.ID, idOrName):
			return o
		case o.Name != "" && strings.EqualFold(o.Name, idOrName):
			named = o
		}
	}
	return named
}

// Errors are everything that is wrong with a folder, each with its place.
type Errors []error

func (e Errors) Error() string {
	var all []string
	for _, x := range e {
		all = append(all, x.Error())
	}
	return strings.Join(all, "\n")
}

// Unwrap lets errors.As see each.
func (e Errors) Unwrap() []error { return e }

// maxErrors is how many faults of a folder are told.
const maxErrors = 20

func (e *Errors) add(err error) {
	if len(*e) < maxErrors {
		*e = append(*e, err)
	}
}

// err is nil if there is none: an empty Errors in an error is none that is nil.
func (e Errors) err() error {
	if len(e) == 0 {
		return nil
	}
	return e
}
