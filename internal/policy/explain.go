package policy

import "time"

// Explanation is everything that can be said of one sign-in: what every stage
// and every policy came to, and each condition's needed and seen value, all
// unmet ones and not just the first.
type Explanation struct {
	Version uint64     `json:"version"`
	Effect  string     `json:"effect"` // allow, interrupt, block
	Stage   string     `json:"stage"`  // that decided
	Code    int        `json:"code"`
	By      string     `json:"by,omitempty"`     // id of the object that decided
	ByName  string     `json:"byName,omitempty"` // its display name
	Until   *time.Time `json:"until,omitempty"`
	Widened bool       `json:"widenedMfa,omitempty"` // mfaAlsoAccepts was needed

	Steps    []StepExplanation   `json:"steps"`
	Policies []PolicyExplanation `json:"policies"`
}

// StepExplanation is one stage, in the order of a sign-in.
type StepExplanation struct {
	Stage  string `json:"stage"`
	Result string `json:"result"` // "pass", "refused", "notReached", "notDecided" (the secret was not looked at)
	From   Holder `json:"from"`
	Text   string `json:"text"`
}

// PolicyExplanation is one conditional access policy.
type PolicyExplanation struct {
	ID         string                 `json:"id"`
	Name       string                 `json:"displayName"`
	State      string                 `json:"state"`
	Result     string                 `json:"result"` // Graph's
	Code       int                    `json:"code,omitempty"`
	Conditions []ConditionExplanation `json:"conditions"`
	Operator   string                 `json:"operator,omitempty"` // AND, OR
	Controls   []ControlExplanation   `json:"controls"`
	Exclusions []Exclusion            `json:"exclusions,omitempty"`
}

// ConditionExplanation is one configured condition. Result is "satisfied",
// "notSatisfied" or "unknown".
type ConditionExplanation struct {
	Name   string `json:"condition"`
	Needed string `json:"needed"`
	Seen   string `json:"seen"`
	Result string `json:"result"`
}

// ControlExplanation is one thing a policy asks for. Result is "met", "unmet" or "unknown".
type ControlExplanation struct {
	Name   string `json:"control"`
	Needed string `json:"needed,omitempty"`
	Result string `json:"result"`
}

// Explain judges like Judge and gives the words. After a refusal that did not
// look at the secret, what hangs on it is unknown; where the credential proved
// nobody, conditional access was never asked (so do Entra and its log).
func Explain(s *Snapshot, f *Facts) Explanation {
	var b Bits
	v := Judge(s, f, &b)
	early := v.Stage != StageNone && v.Stage != StageConditionalAccess
	asked := f.Proven || early
	if !asked {
		b, v = Bits{Applied: make([]uint64, len(s.everybody))}, Verdict{Effect: Block, Version: s.version}
	}
	x := Explanation{Version: v.Version, Effect: v.Effect.String(), Stage: v.Stage.String(), Code: v.Code, By: v.By, ByName: s.nameOf(v), Widened: v.Widened, Policies: []PolicyExplanation{}}
	if !v.Until.IsZero() {
		x.Until = &v.Until
	}
	x.Steps = s.explainSteps(f, &v)
	if !asked {
		last := &x.Steps[len(x.Steps)-1]
		last.Result, last.Text = "notReached", "the credential proved nobody, so no policy was asked"
	}
	for i := range s.rules {
		x.Policies = append(x.Policies, s.explainPolicy(f, i, s.Result(&b, i), early))
	}
	return x
}

// nameOf is the display name of the object that decided.
func (s *Snapshot) nameOf(v Verdict) string {
	for i := range s.policies {
		if s.policies[i].ID == v.By && v.Stage >= StageEarlyBlock {
			return s.policies[i].DisplayName
		}
	}
	for i := range s.source.AuthenticationPolicies {
		if a := &s.source.AuthenticationPolicies[i]; a.ID == v.By && v.Stage == StageAuthenticationPolicy {
			return a.Name
		}
	}
	return v.By
}

func (s *Snapshot) explainSteps(f *Facts, v *Verdict) []StepExplanation {
	result := func(stage Stage) string {
		switch {
		case v.Stage == stage && v.Effect != Allow:
			return "refused"
		case v.Stage != StageNone && v.Stage < stage:
			return "notReached"
		}
		return "pass"
	}
	steps := []StepExplanation{s.explainSwitch(f, result(StageSwitch)), s.explainAuth(f, result(StageAuthenticationPolicy))}
	early := StepExplanation{Stage: StageEarlyBlock.String(), Result: result(StageEarlyBlock), Text: "no policy blocks whatever the secret is"}
	if early.Result == "refused" {
		early.Text = "conditional access blocks whatever the secret is, so the secret is not looked at"
	}
	last := StepExplanation{Stage: StageConditionalAccess.String(), Result: result(StageConditionalAccess), Text: "every policy that applies is satisfied"}
	switch {
	case v.Effect == Interrupt:
		last.Result, last.Text = "interrupted", "a policy asks for more, and the person can be asked"
	case last.Result == "refused":
		last.Text = "a policy that applies is not satisfied"
	case last.Result == "notReached":
		last.Result, last.Text = "notDecided", "not decided: secret not looked at"
	}
	return append(steps, early, last)
}

func (s *Snapshot) explainSwitch(f *Facts, result string) StepExplanation {
	mailbox, groups := f.mailbox()
	l := s.effective(mailbox, f.Domain, groups)
	closed := l.switched(f)
	step := StepExplanation{Stage: StageSwitch.String(), Result: result, From: Holder{Kind: HeldByDefault}, Text: "no switch closes this door"}
	for i := range switchTable {
		if closed == 1<<i {
			step.From = s.holder(mailbox, f.Domain, groups, closed)
			step.Text = switchTable[i].name + " closes " + f.Protocol.String()
		}
	}
	return step
}

func (s *Snapshot) explainAuth(f *Facts, result string) StepExplanation {
	step := StepExplanation{Stage: StageAuthenticationPolicy.String(), Result: result, Text: "no authentication policy"}
	id, from := s.authHolder(f.Person, f.Groups)
	step.From = from
	if id != "" {
		step.Text = "authentication policy " + s.nameOf(Verdict{By: id, Stage: StageAuthenticationPolicy}) + " takes " + f.Credential.String() + " on " + f.Protocol.String()
	}
	if by, code := s.authRefusal(f); code != 0 {
		step.Text = "authentication policy " + s.nameOf(Verdict{By: by, Stage: StageAuthenticationPolicy}) + " refuses " + f.Credential.String() + " on " + f.Protocol.String()
	}
	return step
}

func (s *Snapshot) explainPolicy(f *Facts, i int, result Result, early bool) PolicyExplanation {
	r := &s.rules[i]
	x := PolicyExplanation{ID: r.ID, Name: r.DisplayName, State: r.State.String(), Result: result.String(), Exclusions: r.Exclusions,
		Conditions: []ConditionExplanation{}, Controls: []ControlExplanation{}}
	for _, c := range r.conditions() {
		x.Conditions = append(x.Conditions, s.explainCondition(f, c, early))
	}
	a := &r.asked
	met := a.met(f)
	for _, row := range controls {
		if (a.grant|a.session)&row.control == 0 {
			continue
		}
		c := ControlExplanation{Name: row.name, Needed: a.needed(row.control), Result: "unmet"}
		if met&row.control != 0 {
			c.Result = "met"
		}
		if early && secretControls&row.control != 0 {
			c.Result = "unknown"
		}
		x.Controls = append(x.Controls, c)
	}
	if len(a.grant.Names()) > 1 {
		x.Operator = map[bool]string{true: "OR", false: "AND"}[a.any]
	}
	switch result {
	case Failure, ReportOnlyFailure, ReportOnlyInterrupted:
		x.Code = a.code(met, promptable(f.Protocol))
	}
	return x
}

func (s *Snapshot) explainCondition(f *Facts, c condition, early bool) ConditionExplanation {
	x := ConditionExplanation{Name: c.name(), Needed: c.needed(), Seen: c.seen(f), Result: "notSatisfied"}
	if c.holds(f) {
		x.Result = "satisfied"
	}
	if !early {
		return x
	}
	switch c := c.(type) {
	case *flowsCondition:
		x.Result, x.Seen = "unknown", "not decided: secret not looked at"
	case *deviceCondition:
		x.Seen = "not decided: secret not looked at"
		x.Result = [...]string{never: "notSatisfied", sometimes: "unknown", always: "satisfied"}[s.appliesTo(c)]
	}
	return x
}

// needed says what exactly a control asks for, where its name does not.
func (a *asked) needed(c Controls) string {
	switch {
	case c == ControlStrength:
		return a.strength.DisplayName
	case c == ControlSignInFrequency && a.every.EveryTime:
		return "every time"
	case c == ControlSignInFrequency:
		return "every " + a.every.Every.String()
	}
	return ""
}
