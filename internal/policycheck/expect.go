package policycheck

import (
	"fmt"
	"regexp"
	"regexp/syntax"
	"slices"
	"strings"

	"github.com/portreeve/portreeve/internal/policy/graph"
	"github.com/portreeve/portreeve/internal/signin"
)

// expect reads what should come of the sign-ins.
func (r *reader) expect(v *graph.Value) (e Expect) {
	e.pointers = map[string]string{}
	m := v.Member("expect")
	if absent(m) {
		r.fault(v, "a test says what it expects: allow, refuse or challenge")
		return e
	}
	if m.Kind == graph.Object {
		r.members(m, "expect", "outcome", "able", "notBy")
		e.Able, e.NotBy = r.flag(m, "able"), r.words(m.Member("notBy"), "notBy")
		if n := m.Member("notBy"); n != nil {
			e.pointers["notBy"] = n.Pointer
		}
		if m = m.Member("outcome"); m == nil && len(e.NotBy) == 0 {
			r.fault(v.Member("expect"), "say an outcome: allow, refuse or challenge; or notBy")
		}
	}
	if m != nil {
		i := slices.Index(outcomeNames[:], m.Text)
		if m.Kind != graph.String || i <= 0 {
			r.fault(m, "a sign-in ends in allow, refuse or challenge, not %q%s", m.Text, meant(m.Text, outcomeNames[1:]))
			return e
		}
		e.Outcome = Outcome(i)
	}
	if e.Able != nil && e.Outcome != Challenge {
		r.fault(v.Member("expect"), "able says whether a challenge can be answered: the outcome must be challenge")
	}
	r.because(v, &e)
	r.replyText(v, &e)
	return e
}

func (r *reader) because(v *graph.Value, e *Expect) {
	m := v.Member("because")
	if absent(m) || !r.members(m, "because", "policy", "authenticationPolicy", "stage", "code") {
		return
	}
	if e.Outcome == Allow {
		r.fault(m, "what is allowed has no reason")
	}
	e.By, e.AuthenticationPolicy, e.Stage = r.text(m, "policy"), r.text(m, "authenticationPolicy"), r.text(m, "stage")
	for _, name := range []string{"policy", "authenticationPolicy"} {
		if x := m.Member(name); x != nil {
			e.pointers["by"] = x.Pointer
		}
	}
	stages := []string{"switch", "authenticationPolicy", "earlyBlock", "conditionalAccess"}
	if e.Stage != "" && !slices.Contains(stages, e.Stage) {
		r.fault(m.Member("stage"), "there is no stage %q: there are %s%s", e.Stage, strings.Join(stages, ", "), meant(e.Stage, stages))
	}
	if code := m.Member("code"); !absent(code) {
		c, ok := signin.ParseCode(code.Text)
		if !ok {
			r.fault(code, "there is no code %q: one looks like PR53003", code.Text)
		}
		e.Code, e.HasCode = c, true
	}
}

// replyText reads what the reply holds: a text, or /a regular expression/,
// with i behind it in any case. Expressions are RE2's, which take linear time.
func (r *reader) replyText(v *graph.Value, e *Expect) {
	m := v.Member("text")
	if absent(m) {
		return
	}
	text := r.word(m, "text")
	e.pointers["text"] = m.Pointer
	body, flags, isPattern := pattern(text)
	if !isPattern {
		e.Text = text
		return
	}
	if len(body) > maxPattern {
		r.fault(m, "a regular expression has at most %d bytes", maxPattern)
		return
	}
	compiled, err := regexp.Compile(flags + body)
	if err != nil {
		why := err.Error()
		if s, ok := err.(*syntax.Error); ok {
			why = fmt.Sprintf("%s: %s", s.Code, s.Expr)
		}
		r.fault(m, "this is no regular expression (RE2): %s", why)
		return
	}
	e.Pattern = compiled
}

func pattern(text string) (body, flags string, ok bool) {
	rest, ok := strings.CutPrefix(text, "/")
	if !ok {
		return "", "", false
	}
	if body, ok := strings.CutSuffix(rest, "/i"); ok {
		return body, "(?i)", true
	}
	body, ok = strings.CutSuffix(rest, "/")
	return body, "", ok
}
