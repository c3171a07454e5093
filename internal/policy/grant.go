package policy

import "github.com/portreeve/portreeve/internal/protocol"

// asked is what a policy asks for once it applies, made ready.
type asked struct {
	any      bool     // operator OR
	grant    Controls // joined by the operator
	session  Controls // required besides
	mfa      []Combination
	strength *Strength
	every    *Frequency
}

// interactive controls are those a person can meet when asked; a program
// cannot be asked, so for it they are as good as a block.
const interactive = ControlMFA | ControlStrength | ControlPasswordChange | ControlRiskRemediation | ControlTermsOfUse | ControlCustomFactor | ControlSignInFrequency

// controls is the table of controls in their fixed order: Graph's name, and
// the code of a sign-in that fails for want of it (package signin has the
// sentences).
var controls = [...]struct {
	control Controls
	name    string
	code    int
}{
	{ControlMFA, "mfa", codeMFA},
	{ControlStrength, "authenticationStrength", codeMFA},
	{ControlCompliantDevice, "compliantDevice", 53000},
	{ControlDomainJoinedDevice, "domainJoinedDevice", 53001},
	{ControlApprovedApplication, "approvedApplication", 53002},
	{ControlCompliantApplication, "compliantApplication", 53002},
	{ControlPasswordChange, "passwordChange", 50135},
	{ControlRiskRemediation, "riskRemediation", 50135},
	{ControlTermsOfUse, "termsOfUse", 50158},
	{ControlCustomFactor, "customAuthenticationFactors", 50158},
	{ControlUnknown, "a control not known here", codeBlocked},
	{ControlSignInFrequency, "signInFrequency", 50078},
	{ControlTokenProtection, "secureSignInSession", codeBlocked},
	{ControlBlock, "block", codeBlocked},
}

const (
	codeMFA     = 50076
	codeBlocked = 53003
)

// Names are Graph's words for the controls, in their fixed order.
func (c Controls) Names() []string {
	var names []string
	for _, row := range controls {
		if c&row.control != 0 {
			names = append(names, row.name)
		}
	}
	return names
}

// ParseControl finds a built-in control by Graph's word.
func ParseControl(s string) (Controls, bool) {
	for _, row := range controls {
		if row.control <= ControlRiskRemediation && row.control != ControlStrength && equalFold(row.name, s) {
			return row.control, true
		}
	}
	if equalFold(s, "block") {
		return ControlBlock, true
	}
	return 0, false
}

// code is that of the first control in the fixed order.
func (c Controls) code() int {
	for _, row := range controls {
		if c&row.control != 0 {
			return row.code
		}
	}
	return 0
}

// answer is what the controls of one policy come to; a higher one is worse.
type answer uint8

const (
	satisfied answer = iota
	interrupted
	failed
)

// met are the controls that a sign-in has met. Terms of use, changed
// passwords, custom controls and apps' own protection are never recorded, so
// they are never met.
func (a *asked) met(f *Facts) (met Controls) {
	met = f.Device.controls()
	if a.grant&ControlMFA != 0 && anyProven(a.mfa, f.Methods, f.Key) {
		met |= ControlMFA
	}
	if a.strength != nil && a.strength.Met(f.Methods, f.Key) {
		met |= ControlStrength
	}
	if a.every != nil && a.every.fresh(f) {
		met |= ControlSignInFrequency
	}
	return met
}

// unmet are the controls still missing: with OR, none once one is met.
func (a *asked) unmet(met Controls) (grant, session Controls) {
	grant, session = a.grant&^met, a.session&^met
	if a.any && a.grant&met != 0 {
		grant = 0
	}
	return grant, session
}

// judge compares the controls with those met. A person in a browser is asked
// for what is missing, if that can mend it.
func (a *asked) judge(met Controls, promptable bool) answer {
	grant, session := a.unmet(met)
	if grant|session == 0 {
		return satisfied
	}
	mendable := grant&^interactive == 0 || a.any && grant&interactive != 0
	if promptable && mendable && session&^interactive == 0 && grant&ControlBlock == 0 {
		return interrupted
	}
	return failed
}

// code is the reason of an answer that is not satisfied: the first control in
// the fixed order that is missing; for a person who could be asked for some of
// them, the first that asking would not mend.
func (a *asked) code(met Controls, promptable bool) int {
	grant, session := a.unmet(met)
	missing := grant | session
	if missing&ControlBlock != 0 {
		return codeBlocked
	}
	if promptable && a.judge(met, promptable) == failed && missing&^interactive != 0 {
		missing &^= interactive
	}
	return missing.code()
}

// promptable says that a person sits in front of a page and can be asked.
func promptable(p protocol.Protocol) bool { return p == protocol.Webmail || p == protocol.Portal }

// same says that two policies ask for the same and so get the same answer.
func (a *asked) same(b *asked) bool {
	if a.any != b.any || a.grant != b.grant || a.session != b.session || (a.every == nil) != (b.every == nil) {
		return false
	}
	if a.every != nil && *a.every != *b.every {
		return false
	}
	return a.strength == b.strength
}
