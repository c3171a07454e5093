package policycheck

import (
	"fmt"
	"strings"

	"github.com/portreeve/portreeve/internal/policy"
	"github.com/portreeve/portreeve/internal/signin"
)

// judged is what came of a sign-in.
type judged struct {
	rules   *policy.Snapshot
	facts   policy.Facts
	out     signin.Outcome
	outcome Outcome
	asked   bool // the policies were
}

// exampleReference is the reference in replies of tests: there is no row in any log.
var exampleReference = signin.NewID(0, [10]byte{})

// judge is what the server does with a sign-in, but for the record of it.
func (w *world) judge(rules *policy.Snapshot, s *SignIn) *judged {
	f, unproven := w.facts(s)
	j := &judged{rules: rules, facts: f}
	o := signin.Outcome{Attempt: signin.Attempt{ID: exampleReference, At: f.At, Protocol: f.Protocol}, Typed: f.Address, Mechanism: f.Mechanism, Facts: f, Reference: exampleReference.Reference()}
	o.Verdict = policy.Judge(rules, &f, &o.Applied)
	o.Code = signin.Code(o.Verdict.Code)
	if !o.Verdict.Allowed() && o.Code == signin.OK {
		o.Code = signin.BlockedByPolicy
	}
	early := o.Verdict.Stage != policy.StageNone && o.Verdict.Stage != policy.StageConditionalAccess
	if unproven != signin.OK && !early {
		o.Code, o.Verdict.Stage, o.Verdict.Effect, o.Verdict.By = unproven, policy.StageNone, policy.Block, ""
	}
	if early {
		o.Facts.Proven = false // the secret is not looked at
	}
	j.out, j.asked = o, early || unproven == signin.OK
	switch {
	case o.Code == signin.OK:
		j.outcome = Allow
	case o.Verdict.Effect == policy.Interrupt:
		j.outcome = Challenge
	default:
		j.outcome = Refuse
	}
	return j
}

// signIn runs one sign-in of a test.
func (w *world) signIn(r Result, c *Case, s *SignIn, cover *cover) Result {
	r.Case = s.Label
	j := w.judge(w.rules(c.Assume), s)
	if cover.wanted {
		x := policy.Explain(j.rules, &j.facts)
		cover.touch(&x)
	}
	r.Got = j.words()
	if w.o.Reply != nil {
		r.Reply = w.o.Reply(j.rules, &j.out)
	}
	r.Problems = w.problems(j, &c.Expect, s, r.Reply)
	if r.Status = Passed; len(r.Problems) > 0 {
		x := policy.Explain(j.rules, &j.facts)
		r.Status, r.Explanation = Failed, &x
	} else {
		r.Reply = "" // told of those that failed
	}
	return r
}

// words say how a sign-in ended, for a person.
func (j *judged) words() string {
	if j.outcome == Allow {
		return "allow"
	}
	s := fmt.Sprintf("%s, %s", j.outcome, j.out.Code)
	if v := j.out.Verdict; v.By != "" {
		s += fmt.Sprintf(" by %s (%s)", j.called(v.By), v.Stage)
	}
	return s
}

// called is how people know the object that decided.
func (j *judged) called(id string) string {
	src := j.rules.Source()
	switch j.out.Verdict.Stage {
	case policy.StageEarlyBlock, policy.StageConditionalAccess:
		if i := find(&src, id); i >= 0 && src.Policies[i].DisplayName != "" {
			return fmt.Sprintf("%q", src.Policies[i].DisplayName)
		}
	case policy.StageAuthenticationPolicy:
		if name := authName(&src, id); name != "" {
			return fmt.Sprintf("%q", name)
		}
	}
	return id
}

// authName is the name of an authentication policy by its id.
func authName(src *policy.Source, id string) string {
	for i := range src.AuthenticationPolicies {
		if src.AuthenticationPolicies[i].ID == id {
			return src.AuthenticationPolicies[i].Name
		}
	}
	return ""
}

// problems are what is otherwise than expected.
func (w *world) problems(j *judged, e *Expect, s *SignIn, reply string) (all []string) {
	problem := func(format string, args ...any) { all = append(all, fmt.Sprintf(format, args...)) }
	if e.Outcome != AnyOutcome && e.Outcome != j.outcome {
		problem("expected %s, got %s", e.Outcome, j.words())
	}
	if e.Able != nil && j.outcome == Challenge {
		if able := w.able(j, s); able != *e.Able {
			problem("expected a challenge that %s can be answered, and it %s", notIf(*e.Able), map[bool]string{true: "can", false: "cannot"}[able])
		}
	}
	if e.HasCode && e.Code != j.out.Code {
		problem("expected the code %s, got %s", e.Code, j.out.Code)
	}
	if e.Stage != "" && e.Stage != j.out.Verdict.Stage.String() {
		problem("expected the stage %s to decide, and it was %s", e.Stage, j.out.Verdict.Stage)
	}
	if v := &j.out.Verdict; e.AuthenticationPolicy != "" && (v.Stage != policy.StageAuthenticationPolicy || !same(v.By, e.AuthenticationPolicy) && !same(j.authName(), e.AuthenticationPolicy)) {
		problem("expected the authentication policy %s to refuse it, got %s", e.AuthenticationPolicy, j.words())
	}
	if e.By != "" && !j.refusedBy(e.By, false) {
		if problem("expected the policy %s to refuse it, got %s", e.By, j.words()); j.refusedBy(e.By, true) {
			problem("the policy would refuse it, and only reports: with assume: {%s: on} it is tested as if it were on", e.By)
		}
	}
	for _, name := range e.NotBy {
		if j.refusedBy(name, true) {
			problem("the policy %s refuses it, or would if it were on", name)
		}
	}
	return append(all, w.replyProblems(e, reply)...)
}

func (j *judged) authName() string {
	src := j.rules.Source()
	return authName(&src, j.out.Verdict.By)
}

func notIf(b bool) string {
	if b {
		return ""
	}
	return "not"
}

// refusedBy says that a policy's own result is a refusal or a challenge;
// reported counts what a policy that is only reported would do.
func (j *judged) refusedBy(name string, reported bool) bool {
	src := j.rules.Source()
	i := find(&src, name)
	if i < 0 {
		return reported // a policy that is not there proves nothing
	}
	if !j.asked {
		return false
	}
	switch j.rules.Result(&j.out.Applied, i) {
	case policy.Failure:
		return true
	case policy.ReportOnlyFailure, policy.ReportOnlyInterrupted:
		return reported
	case policy.Unknown: // it hangs on a secret that nobody looked at, but it decided
		return j.out.Verdict.By == src.Policies[i].ID
	}
	return false
}

// able says that with all their factors the person would be let in.
func (w *world) able(j *judged, s *SignIn) bool {
	p := w.people[s.User]
	if p == nil {
		return false
	}
	f := j.facts
	f.Methods, f.AuthTime = f.Methods|p.Factors, f.At
	return policy.Judge(j.rules, &f, nil).Allowed()
}

func (w *world) replyProblems(e *Expect, reply string) (all []string) {
	if e.Text == "" && e.Pattern == nil {
		return nil
	}
	shown := strings.TrimRight(strings.ReplaceAll(reply, "\r\n", " / "), " /")
	switch {
	case w.o.Reply == nil:
		return []string{"the reply on the wire is not known here, so text cannot be tested"}
	case reply == "" && e.Text+fmt.Sprint(e.Pattern) != "":
		return []string{"this protocol is no line protocol: its reply is not known, so text cannot be tested"}
	case e.Pattern != nil && !e.Pattern.MatchString(reply):
		return []string{fmt.Sprintf("expected a reply that matches /%s/, got %s", e.Pattern, shown)}
	case e.Text != "" && !strings.Contains(reply, e.Text):
		return []string{fmt.Sprintf("expected %q in the reply, got %s", e.Text, shown)}
	}
	return nil
}
