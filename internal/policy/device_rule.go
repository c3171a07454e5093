package policy

import (
	"slices"
	"strings"

	"github.com/portreeve/portreeve/internal/filter"
)

// deviceTest answers as a device rule does. Nearly all rules compare texts and
// isCompliant with constants; those are asked directly, because going through
// names and values takes several times as long. Everything else asks the rule.
type deviceTest func(*Device) bool

func readied(e *filter.Expr) deviceTest {
	var kids []deviceTest
	for _, k := range e.Kids {
		kids = append(kids, readied(k))
	}
	switch e.Op {
	case filter.And:
		return func(d *Device) bool {
			return !slices.ContainsFunc(kids, func(k deviceTest) bool { return !k(d) })
		}
	case filter.Or:
		return func(d *Device) bool {
			return slices.ContainsFunc(kids, func(k deviceTest) bool { return k(d) })
		}
	case filter.Not:
		return func(d *Device) bool { return !kids[0](d) }
	case filter.Eq, filter.In:
		if test := equals(e); test != nil {
			return test
		}
	}
	return func(d *Device) bool { return e.Match(d.attribute) }
}

// equals is the test for -eq, -ne, -in and -notIn; nil where a constant needs
// more than comparing. Null equals nothing, so that negated it is always true.
func equals(e *filter.Expr) deviceTest {
	if e.Name == "isCompliant" && len(e.Values) == 1 && e.Values[0].Kind() == filter.KindBool {
		wanted, negated := e.Values[0].Bool(), e.Negated
		return func(d *Device) bool {
			return (d != nil && d.IsCompliant != nil && *d.IsCompliant == wanted) != negated
		}
	}
	if new(Device).text(e.Name) == nil || slices.ContainsFunc(e.Values, func(v filter.Value) bool { return v.Kind() != filter.KindString }) {
		return nil
	}
	var words []string
	for _, v := range e.Values {
		words = append(words, v.Text())
	}
	name, negated := e.Name, e.Negated
	return func(d *Device) bool {
		if d == nil {
			return negated
		}
		is := *d.text(name)
		return (is != "" && slices.ContainsFunc(words, func(w string) bool { return strings.EqualFold(w, is) })) != negated
	}
}
