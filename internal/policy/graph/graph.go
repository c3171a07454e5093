// Package graph reads Microsoft Graph's JSON: conditional access policies,
// named locations and authentication strengths. It turns them into the types
// that decide, names what was read but cannot be enforced, and refuses what
// cannot be read with a JSON pointer, a byte offset and a sentence.
//
// The JSON itself is kept by whoever stores it; Patch and HideUnknown change
// single values and leave every other member as it came, in its order, unknown
// ones too.
//
// What is not known is read safely, since policies only ever restrict: a word
// not known in an include list includes everything, in an exclude list
// nothing; a condition not known holds; a control not known is never met. It
// decides nothing itself.
package graph

import (
	"fmt"
	"slices"
	"strings"

	"github.com/portreeve/portreeve/internal/policy"
)

// Error is a fault of a document.
type Error struct {
	Pointer string // JSON pointer (RFC 6901) of the value at fault; empty is the whole document
	Offset  int    // where that value begins, in bytes
	Message string // a sentence without a full stop
}

func (e *Error) Error() string {
	if e.Pointer == "" {
		return e.Message
	}
	return e.Pointer + ": " + e.Message
}

// Errors are all faults of a document, in its order. errors.As finds the first.
type Errors []*Error

func (e Errors) Error() string {
	var all []string
	for _, x := range e {
		all = append(all, x.Error())
	}
	return strings.Join(all, "; ")
}

// Unwrap lets errors.As see each.
func (e Errors) Unwrap() []error {
	var all []error
	for _, x := range e {
		all = append(all, x)
	}
	return all
}

// maxFaults is how many faults of one document are told.
const maxFaults = 20

// reader gathers faults and what cannot be enforced.
type reader struct {
	root   string // pointer of the object that is read: notes count from it, faults from the whole document
	faults Errors
	notes  []policy.Unsupported
}

func (r *reader) fault(v *Value, format string, args ...any) {
	if len(r.faults) < maxFaults {
		r.faults = append(r.faults, &Error{v.Pointer, v.Offset, fmt.Sprintf(format, args...)})
	}
}

func (r *reader) note(v *Value, format string, args ...any) {
	r.notes = append(r.notes, policy.Unsupported{Pointer: strings.TrimPrefix(v.Pointer, r.root), Text: fmt.Sprintf(format, args...)})
}

func (r *reader) err() error {
	if len(r.faults) == 0 {
		return nil
	}
	return r.faults
}

// object is a member that must be an object; nil if it is not there or null.
func (r *reader) object(v *Value, name string) *Value {
	m := v.Member(name)
	if m == nil || m.Kind == Null {
		return nil
	}
	if m.Kind != Object {
		r.fault(m, "%s is an object, not %s", name, m.Kind)
		return nil
	}
	return m
}

// list is a member that must be a list; no items if it is not there or null.
func (r *reader) list(v *Value, name string) []*Value {
	m := v.Member(name)
	if m == nil || m.Kind == Null {
		return nil
	}
	if m.Kind != List {
		r.fault(m, "%s is a list, not %s", name, m.Kind)
		return nil
	}
	return m.Items
}

// words is a list of texts.
func (r *reader) words(v *Value, name string) []string {
	var all []string
	for _, item := range r.list(v, name) {
		if item.Kind != String {
			r.fault(item, "%s holds texts, not %s", name, item.Kind)
			continue
		}
		all = append(all, item.Text)
	}
	return all
}

// text is a member that must be a text; empty if it is not there or null.
func (r *reader) text(v *Value, name string) string {
	m := v.Member(name)
	if m == nil || m.Kind == Null {
		return ""
	}
	if m.Kind != String {
		r.fault(m, "%s is a text, not %s", name, m.Kind)
		return ""
	}
	return m.Text
}

// flag is a member that must be true or false; nil if it is not there or null.
func (r *reader) flag(v *Value, name string) *bool {
	m := v.Member(name)
	if m == nil || m.Kind == Null {
		return nil
	}
	if m.Kind != Bool {
		r.fault(m, "%s is true or false, not %s", name, m.Kind)
		return nil
	}
	yes := m.Text == "true"
	return &yes
}

// unknown calls with each member that is not known and says something.
func unknown(v *Value, known []string, tell func(name string, m *Value)) {
	for i := range v.Members {
		name, m := v.Members[i].Name, v.Members[i].Value
		if m.empty() || strings.Contains(name, "@odata.") || slices.Contains(known, name) {
			continue
		}
		tell(name, m)
	}
}

// oneOf words a choice.
func oneOf(words ...string) string {
	return strings.Join(words[:len(words)-1], ", ") + " or " + words[len(words)-1]
}
