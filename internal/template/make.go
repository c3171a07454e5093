package template

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/portreeve/portreeve/internal/location"
)

// Object is one thing made: its JSON has the id and the name.
type Object struct {
	ID, Name string
	JSON     json.RawMessage
}

// Objects are all that a template came to.
type Objects struct {
	Strength, Location *Object // nil if it has none
	Policies           []Object
}

// Request is what is to be made.
type Request struct {
	Name  string              // of the policy, and of its strength; empty is the template's
	Set   map[string][]string // parameters
	Now   time.Time
	NewID func() string
}

// Fault is a parameter that is missing, unknown or wrong.
type Fault struct{ Parameter, Message string }

func (f *Fault) Error() string { return f.Parameter + ": " + f.Message }

// maxValues bounds what one parameter may hold.
const maxValues = 500

// reportOnly is Graph's state of everything made here.
const reportOnly = "enabledForReportingButNotEnforced"

// Make fills a template in. The error is a *Fault.
func (t *Template) Make(r Request) (out Objects, err error) {
	f := filler{set: map[string][]string{}}
	if err := t.check(r.Set, f.set); err != nil {
		return out, err
	}
	name := r.Name
	if name == "" {
		name = t.DisplayName
	}
	at := r.Now.UTC().Format(time.RFC3339)
	make := func(raw json.RawMessage, name string, more map[string]any) (*Object, error) {
		m, ok := f.fill(raw).(map[string]any)
		if !ok {
			return nil, fmt.Errorf("the template %s is not readable", t.Name)
		}
		o := &Object{ID: r.NewID(), Name: name}
		m["id"], m["displayName"], m["createdDateTime"], m["modifiedDateTime"] = o.ID, name, at, at
		for k, v := range more {
			m[k] = v
		}
		o.JSON, err = json.Marshal(m)
		return o, err
	}
	if t.Strength != nil {
		if out.Strength, err = make(t.Strength, name, nil); err != nil {
			return out, err
		}
		f.set["strength"] = []string{out.Strength.ID}
	}
	if t.Location != nil {
		if out.Location, err = make(t.Location, nameOf(t.Location), nil); err != nil {
			return out, err
		}
		f.set["location"] = []string{out.Location.ID}
	}
	for _, raw := range t.Policies {
		own := name
		if part := nameOf(raw); part != "" {
			own += ": " + part
		}
		p, err := make(raw, own, map[string]any{"state": reportOnly, "templateId": t.ID})
		if err != nil {
			return out, err
		}
		out.Policies = append(out.Policies, *p)
	}
	return out, nil
}

func nameOf(raw json.RawMessage) string {
	var m struct {
		Name string `json:"displayName"`
	}
	if json.Unmarshal(raw, &m) != nil {
		return ""
	}
	return m.Name
}

// check puts parameters that fit into their canonical form.
func (t *Template) check(given, into map[string][]string) error {
	for name := range given {
		if !slices.ContainsFunc(t.Parameters, func(p Parameter) bool { return p.Name == name }) {
			return &Fault{name, fmt.Sprintf("the template %s has no parameter %q; it has %s", t.Name, name, t.parameters())}
		}
	}
	for _, p := range t.Parameters {
		values := given[p.Name]
		switch {
		case len(values) == 0 && p.Required:
			return &Fault{p.Name, fmt.Sprintf("the template %s needs %s (%s), such as %s=%s", t.Name, p.Name, lowerFirst(p.Description), p.Name, p.Example)}
		case len(values) > 1 && !p.Many:
			return &Fault{p.Name, "it is given once"}
		case len(values) > maxValues:
			return &Fault{p.Name, fmt.Sprintf("it has at most %d values", maxValues)}
		}
		for _, v := range values {
			v, err := p.value(strings.TrimSpace(v))
			if err != nil {
				return &Fault{p.Name, err.Error()}
			}
			into[p.Name] = append(into[p.Name], v)
		}
	}
	if from, until := into["from"], into["until"]; len(from) == 1 && len(until) == 1 && from[0] >= until[0] {
		return &Fault{"until", "it lies after from"}
	}
	return nil
}

func (t *Template) parameters() string {
	var names []string
	for _, p := range t.Parameters {
		names = append(names, p.Name)
	}
	if len(names) == 0 {
		return "none"
	}
	return strings.Join(names, ", ")
}

func lowerFirst(s string) string { return strings.ToLower(s[:1]) + s[1:] }

// value reads one value of a parameter.
func (p *Parameter) value(s string) (string, error) {
	if s == "" {
		return "", fmt.Errorf("it is empty: such as %s", p.Example)
	}
	switch p.Kind {
	case Network:
		r, err := location.ParseRange(s)
		if err != nil {
			return "", err
		}
		text := r.String()
		if r.From == r.To {
			text = fmt.Sprintf("%s/%d", text, r.From.BitLen())
		}
		if !strings.Contains(text, "/") {
			return "", fmt.Errorf("%q is no network such as %s", s, p.Example)
		}
		return text, nil
	case Country:
		if len(s) != 2 || strings.ContainsFunc(s, func(r rune) bool { return r|0x20 < 'a' || r|0x20 > 'z' }) {
			return "", fmt.Errorf("%q is no country's code of two letters, such as %s", s, p.Example)
		}
		return strings.ToUpper(s), nil
	case Date:
		for _, layout := range []string{time.DateOnly, time.RFC3339} {
			if at, err := time.Parse(layout, s); err == nil {
				return at.UTC().Format(time.RFC3339), nil
			}
		}
		return "", fmt.Errorf("%q is no date such as %s", s, p.Example)
	}
	return s, nil
}

// filler puts values in the place of words such as ${group}.
type filler struct{ set map[string][]string }

func (f *filler) fill(raw json.RawMessage) any {
	var v any
	if json.Unmarshal(raw, &v) != nil {
		return nil
	}
	v, _ = f.value(v)
	return v
}

// value fills one value in; left is false if nothing is left of it, because all
// that it says hangs on parameters that were not given.
func (f *filler) value(v any) (filled any, left bool) {
	switch v := v.(type) {
	case string:
		return f.text(v)
	case []any:
		return f.list(v)
	case map[string]any:
		out := map[string]any{}
		for k, x := range v {
			if y, left := f.value(x); left {
				out[k] = y
			}
		}
		return out, len(out) > 0 || len(v) == 0
	}
	return v, true
}

// list repeats an element that names a parameter for each of its values.
func (f *filler) list(v []any) (filled any, left bool) {
	out := []any{}
	for _, x := range v {
		name := parameterIn(x)
		if name == "" {
			y, left := f.value(x)
			if left {
				out = append(out, y)
			}
			continue
		}
		for _, one := range f.set[name] {
			single := filler{map[string][]string{}}
			for k, all := range f.set {
				single.set[k] = all
			}
			single.set[name] = []string{one}
			if y, left := single.value(x); left {
				out = append(out, y)
			}
		}
	}
	return out, len(out) > 0 || len(v) == 0
}

// text fills in a string that is a parameter. ${network.type} is Graph's word
// for what kind of network it is.
func (f *filler) text(s string) (filled any, left bool) {
	name := parameterOf(s)
	if name == "" {
		return s, true
	}
	name, kind := strings.CutSuffix(name, ".type")
	values := f.set[name]
	if len(values) == 0 {
		return nil, false
	}
	switch {
	case !kind:
		return values[0], true
	case strings.Contains(values[0], ":"):
		return "#microsoft.graph.iPv6CidrRange", true
	}
	return "#microsoft.graph.iPv4CidrRange", true
}

func parameterOf(s string) string {
	if strings.HasPrefix(s, "${") && strings.HasSuffix(s, "}") {
		return s[2 : len(s)-1]
	}
	return ""
}

// parameterIn is the first parameter that an element of a list names, in the
// order of its members.
func parameterIn(v any) string {
	switch v := v.(type) {
	case string:
		return strings.TrimSuffix(parameterOf(v), ".type")
	case map[string]any:
		var keys []string
		for k := range v {
			keys = append(keys, k)
		}
		slices.Sort(keys)
		for _, k := range keys {
			if name := parameterIn(v[k]); name != "" {
				return name
			}
		}
	}
	return ""
}
