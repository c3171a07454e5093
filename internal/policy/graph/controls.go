package graph

import (
	"strconv"
	"strings"
	"time"

	"github.com/portreeve/portreeve/internal/policy"
)

// grant reads a conditionalAccessGrantControls.
func (r *reader) grant(v *Value) *policy.Grant {
	g := r.object(v, "grantControls")
	if g == nil {
		return nil
	}
	out := &policy.Grant{}
	switch op := r.text(g, "operator"); {
	case strings.EqualFold(op, "OR"):
		out.Any = true
	case op != "" && !strings.EqualFold(op, "AND"):
		r.fault(g.Member("operator"), "operator is %s", oneOf("AND", "OR"))
	}
	for _, word := range r.words(g, "builtInControls") {
		if c, ok := policy.ParseControl(word); ok {
			out.Controls |= c
		} else {
			out.Unknown = append(out.Unknown, word)
		}
	}
	if len(r.words(g, "termsOfUse")) > 0 {
		out.Controls |= policy.ControlTermsOfUse
	}
	if len(r.words(g, "customAuthenticationFactors")) > 0 {
		out.Controls |= policy.ControlCustomFactor
	}
	if s := r.object(g, "authenticationStrength"); s != nil {
		strength := r.strength(s)
		out.Strength = &strength
	}
	unknown(g, []string{"operator", "builtInControls", "termsOfUse", "customAuthenticationFactors", "authenticationStrength"}, func(name string, _ *Value) {
		out.Unknown = append(out.Unknown, name)
	})
	r.combined(g, out)
	return out
}

// combined refuses what Graph refuses.
func (r *reader) combined(v *Value, g *policy.Grant) {
	if g.Controls&policy.ControlBlock != 0 && (g.Controls != policy.ControlBlock || g.Strength != nil || len(g.Unknown) > 0) {
		r.fault(v, "block stands alone: a policy that blocks grants nothing else")
	}
	if g.Controls&policy.ControlMFA != 0 && g.Strength != nil {
		r.fault(v, "mfa and authenticationStrength exclude each other in one policy")
	}
}

// shaping are session controls over what an application shows. They do not say
// whether somebody is let in, and mail programs know none of them.
var shaping = []string{"applicationEnforcedRestrictions", "cloudAppSecurity", "persistentBrowser", "globalSecureAccessFilteringProfile"}

// session reads a conditionalAccessSessionControls.
func (r *reader) session(v *Value) (out policy.Session) {
	s := r.object(v, "sessionControls")
	if s == nil {
		return out
	}
	if f := r.object(s, "signInFrequency"); f != nil && r.on(f) {
		out.Frequency = r.frequency(f)
	}
	if t := r.object(s, "secureSignInSession"); t != nil && r.on(t) {
		out.TokenProtection = true
	}
	for _, name := range shaping {
		if c := r.object(s, name); c != nil && r.on(c) {
			r.note(c, "%s is not enforced: it shapes what an application shows, not who is let in", name)
		}
	}
	if c := r.object(s, "continuousAccessEvaluation"); c != nil && strings.EqualFold(r.text(c, "mode"), "disabled") {
		r.note(c, "open sessions are always judged again when something changes")
	}
	known := append([]string{"signInFrequency", "secureSignInSession", "continuousAccessEvaluation", "disableResilienceDefaults"}, shaping...)
	unknown(s, known, func(name string, m *Value) {
		r.note(m, "the session control %s is not known here and is not enforced", name)
	})
	return out
}

// on says that a session control is enabled; what does not say so is.
func (r *reader) on(v *Value) bool {
	enabled := r.flag(v, "isEnabled")
	return enabled == nil || *enabled
}

const day = 24 * time.Hour

func (r *reader) frequency(f *Value) *policy.Frequency {
	switch interval := r.text(f, "frequencyInterval"); {
	case strings.EqualFold(interval, "everyTime"):
		return &policy.Frequency{EveryTime: true}
	case interval != "" && !strings.EqualFold(interval, "timeBased"):
		r.note(f, "the interval %q is not known here and is read as every time", interval)
		return &policy.Frequency{EveryTime: true}
	}
	unit, most := time.Hour, 24*365
	switch word := r.text(f, "type"); {
	case strings.EqualFold(word, "days"):
		unit, most = day, 365
	case !strings.EqualFold(word, "hours"):
		r.fault(f, "type is %s", oneOf("hours", "days"))
	}
	n := r.integer(f, "value", 1, most)
	if n == nil {
		r.fault(f, "a sign-in frequency needs a value")
		return nil
	}
	return &policy.Frequency{Every: time.Duration(*n) * unit}
}

// integer is a member that must be a whole number; nil if it is not there or null.
func (r *reader) integer(v *Value, name string, least, most int) *int {
	m := v.Member(name)
	if m == nil || m.Kind == Null {
		return nil
	}
	n, err := strconv.Atoi(m.Text)
	if m.Kind != Number || err != nil || n < least || n > most {
		r.fault(m, "%s is a whole number from %d to %d", name, least, most)
		return &least
	}
	return &n
}
