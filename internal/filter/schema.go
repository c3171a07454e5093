package filter

import (
	"fmt"
	"slices"
	"strings"

	"github.com/portreeve/portreeve/internal/spelling"
)

// Property is something a filter may ask for.
type Property struct {
	Name    string
	Aliases []string
	Kind    Kind
	// Ops are the comparisons allowed; none means all that suit the kind.
	Ops []Op
	// Values are the only texts that make sense; none means any.
	Values []string
	// Stored names the property behind an effective value: "imap off" asks for
	// what holds, "imap inherits" for what is written down.
	Stored string
}

// Schema is what a grammar's names mean to one kind of thing.
type Schema struct {
	names []string
	index map[string]*Property
	text  []string
}

// NewSchema makes a schema; free text is searched in the properties text names.
func NewSchema(properties []Property, text ...string) *Schema {
	s := &Schema{index: map[string]*Property{}, text: text}
	for i := range properties {
		p := &properties[i]
		s.names = append(s.names, p.Name)
		s.index[lower(p.Name)] = p
	}
	for i := range properties {
		for _, a := range properties[i].Aliases {
			if _, taken := s.index[lower(a)]; !taken {
				s.index[lower(a)] = &properties[i]
			}
		}
	}
	return s
}

// Names lists the properties.
func (s *Schema) Names() []string { return slices.Clone(s.names) }

// find returns the property of a name; nil without a schema.
func (p *parser) find(t token, name string) (*Property, error) {
	if p.schema == nil || p.member > 0 {
		return nil, nil
	}
	if known := p.schema.index[lower(name)]; known != nil {
		return known, nil
	}
	err := p.fault(t, fmt.Sprintf("there is no property %q", printable(clip(name))))
	err.Suggestion = spelling.Nearest(name, p.schema.names)
	return nil, err
}

// clip shortens what goes into a message.
func clip(s string) string {
	if r := []rune(s); len(r) > 40 {
		return string(r[:40]) + "…"
	}
	return s
}

// leaf makes a comparison after checking that it suits the property.
func (p *parser) leaf(name token, op token, kind opKind, values []Value, valueAt token) (*Expr, error) {
	prop, err := p.find(name, name.text)
	if err != nil {
		return nil, err
	}
	e := &Expr{Op: kind.op, Negated: kind.negated, Name: name.text, Values: values, Offset: name.at, device: p.grammar == Device}
	if prop != nil {
		e.Name = prop.Name
		if err := p.suits(prop, e, op, valueAt); err != nil {
			return nil, err
		}
	}
	return e, p.finish(e, valueAt)
}

func (p *parser) suits(prop *Property, e *Expr, op, valueAt token) error {
	if prop.Kind == KindList && e.Op == Contains && p.grammar == Device {
		e.Op = Has // whole members, Entra's rule for physicalIds and systemLabels
	}
	if len(prop.Ops) > 0 && !slices.Contains(prop.Ops, e.Op) {
		return p.fault(op, fmt.Sprintf("%s cannot be compared with %s", prop.Name, printable(clip(op.text))))
	}
	for i, v := range e.Values {
		if v.kind == KindNull {
			continue
		}
		if err := p.suitsValue(prop, e.Op, v, valueAt); err != nil {
			return err
		}
		if prop.Kind == KindTime { // read once, here
			if at, ok := v.asTime(); ok {
				e.Values[i] = Value{kind: KindTime, at: at}
			}
		}
	}
	return nil
}

func (p *parser) suitsValue(prop *Property, op Op, v Value, at token) error {
	fits := true
	switch prop.Kind {
	case KindBool:
		_, fits = v.asBool()
	case KindNumber:
		_, fits = v.asNumber()
	case KindTime:
		_, fits = v.asTime()
	}
	if !fits && (op == Eq || op == In || op >= Lt && op <= Ge) {
		return p.fault(at, fmt.Sprintf("%s is %s", prop.Name, prop.Kind))
	}
	whole := op == Eq || op == In || op == Has
	if len(prop.Values) == 0 || !whole || slices.ContainsFunc(prop.Values, func(s string) bool { return strings.EqualFold(s, v.Text()) }) {
		return nil
	}
	err := p.fault(at, fmt.Sprintf("%s is one of %s", prop.Name, strings.Join(prop.Values, ", ")))
	err.Suggestion = spelling.Nearest(v.Text(), prop.Values)
	return err
}
