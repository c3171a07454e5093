package policy

import "time"

// Effect is what a verdict does to the sign-in.
type Effect uint8

// The effects. The zero value is a no.
const (
	Block Effect = iota
	Interrupt
	Allow
)

var effectNames = [...]string{"block", "interrupt", "allow"}

func (e Effect) String() string {
	if int(e) >= len(effectNames) {
		return "block"
	}
	return effectNames[e]
}

// Result is what one policy came to, with Graph's values.
type Result uint8

// Graph's appliedConditionalAccessPolicyResult; Interrupted has no value there
// for enabled policies and is shown as failure with the code of the interrupt.
const (
	Success               Result = 0
	Failure               Result = 1
	NotApplied            Result = 2
	NotEnabled            Result = 3
	Unknown               Result = 4
	ReportOnlySuccess     Result = 6
	ReportOnlyFailure     Result = 7
	ReportOnlyNotApplied  Result = 8
	ReportOnlyInterrupted Result = 9
)

var resultNames = [...]string{"success", "failure", "notApplied", "notEnabled", "unknown", "unknownFutureValue",
	"reportOnlySuccess", "reportOnlyFailure", "reportOnlyNotApplied", "reportOnlyInterrupted"}

func (r Result) String() string {
	if int(r) >= len(resultNames) {
		r = Unknown
	}
	return resultNames[r]
}

// Stage is the step of the sign-in that decided.
type Stage uint8

// The stages, in their order.
const (
	StageNone                 Stage = iota
	StageSwitch                     // organisation and mailbox protocol switches
	StageAuthenticationPolicy       // is this kind of credential allowed on this protocol?
	StageEarlyBlock                 // conditional access would block whatever the secret is
	StageConditionalAccess          // conditional access with everything known
)

var stageNames = [...]string{"none", "switch", "authenticationPolicy", "earlyBlock", "conditionalAccess"}

func (s Stage) String() string {
	if int(s) >= len(stageNames) {
		s = StageNone
	}
	return stageNames[s]
}

// Verdict is what policy says of one sign-in. It is a value: complete when
// made and never changed after.
type Verdict struct {
	Effect Effect
	// Stage decided; By is the id of the object that did (a policy, an
	// authentication policy, or the holder of the switch), empty when allowed.
	Stage Stage
	By    string
	// Code is the number of the reason: Entra's where it has one (53003, 50076), ours below 10000, 0 when allowed.
	Code int
	// Version is the snapshot's.
	Version uint64
	// Until is when the sign-in must be judged anew (sign-in frequency); zero is never.
	Until time.Time
	// Widened says that a policy asking for mfa was met only because the
	// organisation's mfaAlsoAccepts widens it.
	Widened bool
}

// Allowed says that nothing stands in the way.
func (v Verdict) Allowed() bool { return v.Effect == Allow }

// Bits says which policies applied to a sign-in and how they fared: one bit
// per policy, in the order of the snapshot that judged. The caller owns the
// slices; Evaluate reuses them. "Not applied because" is not kept: Explain
// works it out again from the facts and the snapshot's version.
type Bits struct {
	Applied     []uint64 // the policy's conditions held
	Satisfied   []uint64 // of those: its grant controls were met
	Interrupted []uint64 // of those not met: the client could be asked
	Unknown     []uint64 // not decided, because it hangs on a secret that was not looked at
}

// Result reads one policy's result out of the bits that Evaluate or Foresee
// filled under this snapshot.
func (s *Snapshot) Result(b *Bits, policy int) Result {
	if policy < 0 || policy >= len(s.policies) || policy/64 >= len(b.Applied) {
		return Unknown
	}
	has := func(words []uint64) bool { return policy/64 < len(words) && words[policy/64]>>(policy%64)&1 != 0 }
	state := s.policies[policy].State
	switch {
	case state == Disabled:
		return NotEnabled
	case has(b.Unknown):
		return Unknown
	case !has(b.Applied):
		return pick(state, NotApplied, ReportOnlyNotApplied)
	case has(b.Satisfied):
		return pick(state, Success, ReportOnlySuccess)
	case has(b.Interrupted):
		return pick(state, Failure, ReportOnlyInterrupted)
	}
	return pick(state, Failure, ReportOnlyFailure)
}

func pick(s State, enforced, reported Result) Result {
	if s == ReportOnly {
		return reported
	}
	return enforced
}
