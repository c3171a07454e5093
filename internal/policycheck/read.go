package policycheck

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/portreeve/portreeve/internal/location"
	"github.com/portreeve/portreeve/internal/policy"
	"github.com/portreeve/portreeve/internal/policy/graph"
	"github.com/portreeve/portreeve/internal/protocol"
	"github.com/portreeve/portreeve/internal/spelling"
)

const (
	maxCases   = 10_000  // of a suite
	maxMatrix  = 10_000  // sign-ins that one matrix makes
	maxSignIns = 100_000 // of a suite
	maxPeople  = 100_000
	maxPattern = 1000 // bytes of a regular expression
	maxFaults  = 20   // that are told of a suite
)

// ReadSuite reads a PolicyTest. The error is a graph.Errors with pointers into the JSON.
func ReadSuite(place string, data []byte) (*Suite, error) {
	v, err := graph.Parse(data)
	if err != nil {
		return nil, err
	}
	r := &reader{}
	s := &Suite{Place: place, Name: place}
	if !r.members(v, "a policy test", "kind", "id", "name", "given", "assume", "tests") {
		return nil, r.faults
	}
	for _, name := range []string{"id", "name"} {
		if text := r.text(v, name); text != "" {
			s.Name = text
		}
	}
	if g := v.Member("given"); g != nil {
		s.Given = r.given(g)
	}
	r.people = s.Given.People
	s.Assume = r.assume(v)
	list := v.Member("tests")
	if list == nil || list.Kind != graph.List || len(list.Items) == 0 {
		r.fault(or(list, v), "a policy test needs tests, a list of them")
		return nil, r.faults
	}
	if len(list.Items) > maxCases {
		r.fault(list, "a document has at most %d tests", maxCases)
		return nil, r.faults
	}
	for _, item := range list.Items {
		s.Cases = append(s.Cases, r.testCase(item))
	}
	if len(r.faults) > 0 {
		return nil, r.faults
	}
	return s, nil
}

// reader gathers faults.
type reader struct {
	faults  graph.Errors
	people  []Person
	signIns int
}

func (r *reader) fault(v *graph.Value, format string, args ...any) {
	e := &graph.Error{Pointer: v.Pointer, Offset: v.Offset, Message: fmt.Sprintf(format, args...)}
	if len(r.faults) < maxFaults && !slices.ContainsFunc(r.faults, func(x *graph.Error) bool { return *x == *e }) {
		r.faults = append(r.faults, e)
	}
}

func or(v, instead *graph.Value) *graph.Value {
	if v == nil {
		return instead
	}
	return v
}

func absent(v *graph.Value) bool { return v == nil || v.Kind == graph.Null }

// meant is the end of a sentence about a word that is not known.
func meant(word string, known []string) string { return spelling.DidYouMean(word, known) }

func same(a, b string) bool { return strings.EqualFold(a, b) }

func graphPointer(base, name string) string {
	return base + "/" + strings.NewReplacer("~", "~0", "/", "~1").Replace(name)
}

// members says that v is a mapping with no members but those known.
func (r *reader) members(v *graph.Value, what string, known ...string) bool {
	if v.Kind != graph.Object {
		r.fault(v, "%s is a mapping, not %s", what, v.Kind)
		return false
	}
	for _, m := range v.Members {
		if !slices.Contains(known, m.Name) {
			r.fault(m.Value, "%s has no member %q%s", what, m.Name, meant(m.Name, known))
		}
	}
	return true
}

// text is a member that is a text or not there.
func (r *reader) text(v *graph.Value, name string) string {
	m := v.Member(name)
	if absent(m) {
		return ""
	}
	return r.word(m, name)
}

func (r *reader) word(m *graph.Value, name string) string {
	if m.Kind != graph.String {
		r.fault(m, "%s is a text, not %s", name, m.Kind)
		return ""
	}
	return m.Text
}

// words is a text, or a list of texts.
func (r *reader) words(m *graph.Value, name string) (all []string) {
	if absent(m) {
		return nil
	}
	items := m.Items
	if m.Kind != graph.List {
		items = []*graph.Value{m}
	}
	for _, item := range items {
		if w := r.word(item, name); w != "" {
			all = append(all, w)
		}
	}
	return all
}

func (r *reader) flag(v *graph.Value, name string) *bool {
	m := v.Member(name)
	if absent(m) {
		return nil
	}
	if m.Kind != graph.Bool {
		r.fault(m, "%s is true or false, not %s", name, m.Kind)
		return nil
	}
	yes := m.Text == "true"
	return &yes
}

func yes(b *bool) bool { return b != nil && *b }

// moment is a time of RFC 3339 or a date.
func (r *reader) moment(m *graph.Value, name string) time.Time {
	if absent(m) {
		return time.Time{}
	}
	if m.Kind == graph.String {
		for _, layout := range []string{time.RFC3339Nano, time.DateOnly} {
			if t, err := time.Parse(layout, m.Text); err == nil {
				return t
			}
		}
	}
	r.fault(m, "%s is a time such as 2026-11-20T09:00:00Z or a date", name)
	return time.Time{}
}

// given reads the fixtures.
func (r *reader) given(v *graph.Value) (g Given) {
	if !r.members(v, "given", "people", "locations", "groups", "time") {
		return g
	}
	g.Time = r.moment(v.Member("time"), "time")
	if m := v.Member("groups"); !absent(m) {
		if m.Kind != graph.Object {
			r.fault(m, "groups is a mapping from names to ids, not %s", m.Kind)
		}
		g.Groups = map[string]string{}
		for _, x := range m.Members {
			g.Groups[strings.ToLower(x.Name)] = strings.ToLower(r.word(x.Value, "the id of a group"))
		}
	}
	if m := v.Member("locations"); !absent(m) {
		if m.Kind != graph.Object {
			r.fault(m, "locations is a mapping from names to networks, not %s", m.Kind)
		}
		for _, x := range m.Members {
			g.Locations = append(g.Locations, r.location(x.Name, x.Value))
		}
	}
	m := v.Member("people")
	if absent(m) {
		return g
	}
	if m.Kind != graph.Object || len(m.Members) > maxPeople {
		r.fault(m, "people is a mapping from at most %d addresses to what is known of each", maxPeople)
		return g
	}
	for _, x := range m.Members {
		g.People = append(g.People, r.person(x.Name, x.Value))
	}
	return g
}

// location reads networks, or a mapping of ranges and countries.
func (r *reader) location(name string, v *graph.Value) location.Named {
	l := location.Named{ID: strings.ToLower(name), DisplayName: name}
	if v.Kind != graph.Object {
		l.Ranges = r.ranges(v, "a location")
		return l
	}
	r.members(v, "a location", "ranges", "countries", "trusted", "includeUnknown")
	l.Ranges, l.Trusted, l.IncludeUnknown = r.ranges(v.Member("ranges"), "ranges"), yes(r.flag(v, "trusted")), yes(r.flag(v, "includeUnknown"))
	for _, c := range r.words(v.Member("countries"), "countries") {
		l.Countries, l.Kind = append(l.Countries, strings.ToUpper(c)), location.Countries
		if len(c) != 2 {
			r.fault(v.Member("countries"), "a country is two letters of ISO 3166-1, such as DE")
		}
	}
	if l.Kind == location.Countries && len(l.Ranges) > 0 {
		r.fault(v, "a location has ranges or countries, not both")
	}
	return l
}

func (r *reader) ranges(m *graph.Value, name string) (all []location.Range) {
	if absent(m) {
		return nil
	}
	items := m.Items
	if m.Kind != graph.List {
		items = []*graph.Value{m}
	}
	for _, item := range items {
		x, err := location.ParseRange(r.word(item, name))
		if err != nil && item.Kind == graph.String {
			r.fault(item, "%v", err)
		}
		all = append(all, x)
	}
	return all
}

// person reads what is known of somebody; null is nothing.
func (r *reader) person(address string, v *graph.Value) Person {
	p := Person{Address: strings.ToLower(address), ID: strings.ToLower(address), pointer: v.Pointer}
	if !strings.Contains(address, "@") {
		r.fault(v, "people are written by their address, such as leela@example.org")
	}
	if v.Kind == graph.Null || !r.members(v, "a person", "id", "groups", "roles", "factors", "guest", "admin", "disabled", "appPasswords", "windows") {
		return p
	}
	if id := r.text(v, "id"); id != "" {
		p.ID = strings.ToLower(id)
	}
	p.Groups, p.Roles = r.words(v.Member("groups"), "groups"), r.words(v.Member("roles"), "roles")
	p.Admin, p.Disabled = yes(r.flag(v, "admin")), yes(r.flag(v, "disabled"))
	p.Factors = r.methods(v.Member("factors"), "a factor")
	if g := r.text(v, "guest"); g != "" {
		kind, ok := policy.ParseGuestType(g)
		if !ok {
			r.fault(v.Member("guest"), "%q is no kind of guest: there are %s", g, strings.Join(policy.AllGuests.Names(), ", "))
		}
		p.Guest = kind
	}
	if m := v.Member("appPasswords"); !absent(m) {
		p.AppPasswords = []AppPassword{}
		for _, x := range r.items(m, "appPasswords") {
			if r.members(x, "an app password", "protocols", "networks", "expires") {
				p.AppPasswords = append(p.AppPasswords, AppPassword{r.protocols(x.Member("protocols")), r.ranges(x.Member("networks"), "networks"), r.moment(x.Member("expires"), "expires")})
			}
		}
	}
	for _, x := range r.items(v.Member("windows"), "windows") {
		if r.members(x, "a window", "protocols", "networks", "until") {
			p.Windows = append(p.Windows, Window{r.protocols(x.Member("protocols")), r.ranges(x.Member("networks"), "networks"), r.moment(x.Member("until"), "until")})
		}
	}
	return p
}

func (r *reader) items(m *graph.Value, name string) []*graph.Value {
	if absent(m) {
		return nil
	}
	if m.Kind != graph.List {
		r.fault(m, "%s is a list, not %s", name, m.Kind)
	}
	return m.Items
}

func (r *reader) protocols(m *graph.Value) (all []protocol.Protocol) {
	for _, w := range r.words(m, "protocols") {
		p, ok := protocol.Parse(w)
		if !ok {
			r.fault(m, "there is no protocol %q%s", w, meant(w, protocol.Names()))
		}
		all = append(all, p)
	}
	return all
}

// factorWords are short words for methods that a second factor proves.
var factorWords = map[string]policy.Methods{"totp": policy.MethodSoftwareOath, "passkey": policy.MethodFIDO2, "push": policy.MethodMicrosoftAuthenticatorPush,
	"window": policy.MethodApprovalWindow, "program": policy.MethodKnownProgram, "certificate": policy.MethodX509MultiFactor, "federated": policy.MethodFederatedMultiFactor}

func (r *reader) methods(m *graph.Value, name string) (all policy.Methods) {
	for _, w := range r.words(m, name) {
		one, ok := factorWords[strings.ToLower(w)]
		if !ok {
			one, ok = policy.ParseMethod(w)
		}
		if !ok {
			known := append((^policy.Methods(0)).Names(), "totp", "passkey", "push", "window", "program", "certificate", "federated")
			r.fault(m, "%q is no authentication method: there are totp, passkey, push, sms, hardwareOath …%s", w, meant(w, known))
		}
		all |= one
	}
	return all
}

// stateWords are short words for states.
var stateWords = map[string]policy.State{"on": policy.Enabled, "off": policy.Disabled, "report-only": policy.ReportOnly, "reportonly": policy.ReportOnly}

func (r *reader) assume(v *graph.Value) (all []Assumption) {
	m := v.Member("assume")
	if absent(m) {
		return nil
	}
	if m.Kind != graph.Object {
		r.fault(m, "assume is a mapping from policies to states, such as {retire-passwords: on}")
	}
	for _, x := range m.Members {
		word := x.Value.Text
		if x.Value.Kind == graph.Bool { // on and off, to readers of older YAML
			word = map[string]string{"true": "on", "false": "off"}[word]
		}
		state, ok := stateWords[strings.ToLower(word)]
		if !ok {
			state, ok = policy.ParseState(word)
		}
		if !ok {
			r.fault(x.Value, "a state is on, off or report-only, not %q", word)
		}
		all = append(all, Assumption{x.Name, state, x.Value.Pointer})
	}
	return all
}

// testCase reads one test.
func (r *reader) testCase(v *graph.Value) (c Case) {
	c.Pointer = v.Pointer
	if !r.members(v, "a test", "name", "assume", "for", "signin", "expect", "because", "text", "invariant", "except", "replay") {
		return c
	}
	if c.Name = r.text(v, "name"); c.Name == "" {
		r.fault(v, "a test needs a name")
	}
	c.Assume = r.assume(v)
	kinds := 0
	for _, kind := range []string{"invariant", "replay"} {
		if v.Member(kind) != nil {
			kinds++
		}
	}
	switch {
	case kinds == 2:
		r.fault(v, "a test is an invariant or a replay, not both")
	case v.Member("replay") != nil:
		c.Replay = r.replay(v)
		return c
	case v.Member("invariant") != nil:
		r.invariant(v, &c)
		return c
	case v.Member("signin") == nil:
		r.fault(v, "a test needs a signin, an invariant or a replay")
		return c
	}
	if m := v.Member("except"); m != nil {
		r.fault(m, "except belongs to an invariant")
	}
	c.SignIns = r.matrix(v)
	c.Expect = r.expect(v)
	return c
}
