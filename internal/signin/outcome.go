package signin

import (
	"time"

	"github.com/portreeve/portreeve/internal/policy"
)

// Outcome is how one sign-in ended: all that a front-end needs to answer and
// all that the log needs to record.
type Outcome struct {
	Attempt     Attempt
	Typed       string // the name as typed
	Mechanism   string
	Facts       policy.Facts // what was judged
	Actor       string       // address of who signs in, where Facts.Address is a mailbox of somebody else's
	Backend     string       // the mailbox's mail server by name, empty where the domain's serves
	Verdict     policy.Verdict
	Code        Code   // why, for the log; 0 is success
	Detail      string // for administrators: what went wrong in our own trouble
	Principal   Principal
	Steps       []Step
	Applied     policy.Bits // which policies applied and how they fared, under Verdict.Version
	Reply       Reply
	Reference   Reference // of the row this is counted in
	Correlation ID
	// Since is from when on nothing that was shown may have been taken back,
	// where a sign-in went on with a second proof; zero is Attempt.At.
	Since time.Time
}

// Allowed says that the person may be let in.
func (o *Outcome) Allowed() bool { return o.Code == 0 && o.Verdict.Allowed() && o.Facts.Proven }

// Step is one step of the sign-in: what it came to and how long it took.
type Step struct {
	Name   StepName
	Result string
	Took   time.Duration
}

// StepName names a step in PRODUCT's order.
type StepName string

// The steps.
const (
	StepWho      StepName = "name"
	StepGuard    StepName = "guard"
	StepPreauth  StepName = "preauth"
	StepVerify   StepName = "credential"
	StepEvaluate StepName = "conditionalAccess"
	StepRecord   StepName = "record"
	StepSend     StepName = "sending" // behind the sign-in
)

// Tone is the family of words a refusal is told in; each protocol has its own
// response codes for the three.
type Tone uint8

// The tones. The zero value is our own trouble, a temporary failure.
const (
	// Trouble is a fault of ours or the backend's: [UNAVAILABLE], [SYS/TEMP], 454 4.7.0. Never wrong-password words.
	Trouble Tone = iota
	// Early was decided before the secret was looked at: [ALERT] and [UNAVAILABLE], [SYS/PERM], 535 5.7.8.
	Early
	// Uniform is everything that hangs on the secret: [AUTHENTICATIONFAILED], [AUTH], 535 5.7.8.
	Uniform
)

// Reply is what may be told to the client: one line of ASCII of at most 200
// bytes, code first, with the reference.
type Reply struct {
	Tone Tone
	Code Code
	Text string
}
