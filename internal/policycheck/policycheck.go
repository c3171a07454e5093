// Package policycheck runs tests of policies: imagined sign-ins with what
// should come of them, matrices of such, invariants that must hold for
// everybody, and bounds for what a replay over recorded sign-ins may say.
//
// It takes values and gives values: rules, tests as JSON, the time, and two
// functions for what only others know, the words on the wire and the recorded
// sign-ins. So the command line, a plan and a server's save run the same tests.
// A test that cannot be run is not passed: it is reported as not run.
package policycheck

import (
	"fmt"
	"regexp"
	"time"

	"github.com/portreeve/portreeve/internal/location"
	"github.com/portreeve/portreeve/internal/policy"
	"github.com/portreeve/portreeve/internal/policy/graph"
	"github.com/portreeve/portreeve/internal/protocol"
	"github.com/portreeve/portreeve/internal/signin"
)

// Suite is one PolicyTest document.
type Suite struct {
	Name  string // what people call it: its name, or where it stands
	Place string // where it stands, as whoever read it says
	Given Given
	// Assume are the states in which policies, by id or name, are tested.
	Assume []Assumption
	Cases  []Case
}

// Given are the fixtures: who and what there is.
type Given struct {
	People    []Person
	Locations []location.Named
	// Groups are ids of groups by name in lower case, for policies that name them by id.
	Groups map[string]string
	Time   time.Time // zero: the time of the run
}

// Person is somebody who signs in.
type Person struct {
	Address       string // in lower case
	ID            string // as policies and switches may name them; the address if not said
	Groups, Roles []string
	Factors       policy.Methods // that they can be asked for
	Guest         policy.GuestTypes
	Admin         bool
	Disabled      bool
	AppPasswords  []AppPassword // nil: any app password is good
	Windows       []Window
	pointer       string
}

// AppPassword is one app password; what is empty is not narrowed.
type AppPassword struct {
	Protocols []protocol.Protocol
	Networks  []location.Range
	Expires   time.Time
}

// Window is an approval window: while it is open a password counts for more.
type Window struct {
	Protocols []protocol.Protocol
	Networks  []location.Range
	Until     time.Time
}

// Assumption is the state in which a policy is tested.
type Assumption struct {
	Policy  string
	State   policy.State
	Pointer string
}

// Case is one test, with every sign-in that its matrix makes of it.
type Case struct {
	Name      string
	Pointer   string // into the suite's JSON
	Assume    []Assumption
	SignIns   []SignIn
	Expect    Expect
	Invariant string
	Except    []string // people and groups that an invariant leaves out
	Replay    *Replay
}

// SignIn is an imagined sign-in. What is not stated is unknown.
type SignIn struct {
	Label      string // which of a matrix
	User       string // address in lower case; Stranger is nobody
	Mailbox    string // of somebody else
	Protocol   protocol.Protocol
	Credential policy.CredentialKind
	Facts      policy.Facts // what was stated of the rest
	Methods    bool         // Facts.Methods are stated
	MFA        policy.Methods
	AuthAgo    time.Duration // before the sign-in; negative: not stated
	Wrong      bool          // the secret
	stated     map[string]bool
}

// Stranger is the user that nobody is.
const Stranger = "stranger"

// Outcome is how a sign-in should end.
type Outcome uint8

// The outcomes.
const (
	AnyOutcome Outcome = iota
	Allow
	Refuse
	Challenge
)

var outcomeNames = [...]string{"any", "allow", "refuse", "challenge"}

func (o Outcome) String() string { return outcomeNames[o] }

// Expect is what should come of a sign-in.
type Expect struct {
	Outcome Outcome
	// Able: of a challenge, whether the person's factors answer it.
	Able *bool
	// By and Code are why; AuthenticationPolicy and Stage likewise.
	By, AuthenticationPolicy, Stage string
	Code                            signin.Code
	HasCode                         bool
	NotBy                           []string // policies that neither refuse nor would, were they on
	Text                            string   // that stands in the reply
	Pattern                         *regexp.Regexp
	pointers                        map[string]string // where each is said
}

// Options are what a run needs besides rules and tests.
type Options struct {
	Now time.Time // where a test states no time
	// Reply is what a program would read of an outcome under the rules, to the byte; nil: nobody knows.
	Reply func(*policy.Snapshot, *signin.Outcome) string
	// Recorded judges recorded sign-ins by the rules; nil: there are none, and such tests are not run.
	Recorded func(*Replay) (*Replayed, error)
	// NoCoverage leaves the coverage out, and the time that it takes.
	NoCoverage bool
}

// maxExplained bounds the policies that are explained for the coverage, over
// all sign-ins: some twenty seconds.
const maxExplained = 10_000_000

// Status is how a test ended.
type Status string

// The ends.
const (
	Passed Status = "passed"
	Failed Status = "failed"
	NotRun Status = "notRun"
)

// Result is how one sign-in of one test ended.
type Result struct {
	Suite    string   `json:"suite"`
	Place    string   `json:"place"`
	Name     string   `json:"name"`
	Case     string   `json:"case,omitempty"` // which of a matrix
	Status   Status   `json:"status"`
	Problems []string `json:"problems,omitempty"`
	Got      string   `json:"got,omitempty"`   // what came of it
	Reply    string   `json:"reply,omitempty"` // on the wire
	// Explanation is the ladder of a failed sign-in: every stage, every policy with its conditions.
	Explanation *policy.Explanation `json:"explanation,omitempty"`
	// At is where it stands: the suite's number, and a pointer into its JSON.
	At      int    `json:"-"`
	Pointer string `json:"pointer"`
}

// Title is the test's name with its case.
func (r *Result) Title() string {
	if r.Case == "" {
		return r.Name
	}
	return r.Name + " [" + r.Case + "]"
}

// Report is how all tests ended.
type Report struct {
	Passed   int      `json:"passed"`
	Failed   int      `json:"failed"`
	NotRun   int      `json:"notRun"`
	Results  []Result `json:"results"`
	Coverage Coverage `json:"coverage"`
	Notes    []string `json:"notes"`
}

// OK says that every test was run and passed.
func (r *Report) OK() bool { return r.Failed == 0 && r.NotRun == 0 }

func (r *Report) add(x Result) {
	switch x.Status {
	case Passed:
		r.Passed++
	case Failed:
		r.Failed++
	default:
		r.NotRun++
	}
	r.Results = append(r.Results, x)
}

// Check says what is wrong between tests and rules: assumptions and
// expectations that name policies which there are not, fixtures that the rules
// have already. The pointers are into the suite's JSON.
func (s *Suite) Check(src *policy.Source) error {
	var faults graph.Errors
	known := names(src)
	fault := func(pointer, format string, args ...any) {
		faults = append(faults, &graph.Error{Pointer: pointer, Message: fmt.Sprintf(format, args...)})
	}
	policyNamed := func(name, pointer string) {
		if name != "" && find(src, name) < 0 {
			fault(pointer, "there is no policy %q%s", name, meant(name, known))
		}
	}
	for _, a := range s.Assume {
		policyNamed(a.Policy, a.Pointer)
	}
	for i := range s.Cases {
		c := &s.Cases[i]
		for _, a := range c.Assume {
			policyNamed(a.Policy, a.Pointer)
		}
		policyNamed(c.Expect.By, c.Expect.pointers["by"])
		for n, name := range c.Expect.NotBy {
			policyNamed(name, fmt.Sprintf("%s/%d", c.Expect.pointers["notBy"], n))
		}
	}
	for _, l := range s.Given.Locations {
		for _, have := range src.Locations {
			if same(l.DisplayName, have.DisplayName) || same(l.DisplayName, have.ID) {
				fault(graphPointer("/given/locations", l.DisplayName), "the location %q is among the rules: what it holds is said there", l.DisplayName)
			}
		}
	}
	if len(faults) == 0 {
		return nil
	}
	return faults
}

// Run runs every test of every suite under the rules. Suites should have been
// checked; a policy that is not there is never what a test expects.
func Run(src policy.Source, suites []*Suite, o Options) *Report {
	r := &Report{Results: []Result{}, Notes: []string{}}
	total := 0
	for _, s := range suites {
		for i := range s.Cases {
			total += len(s.Cases[i].SignIns)
		}
	}
	few := total*len(src.Policies) <= maxExplained
	cover := newCover(&src, few && !o.NoCoverage)
	if !few && !o.NoCoverage {
		r.Notes = append(r.Notes, fmt.Sprintf("the coverage of %d sign-ins by %d policies is not counted: it would take too long", total, len(src.Policies)))
	}
	for n, s := range suites {
		w := newWorld(&src, s, &o)
		r.Notes = append(r.Notes, w.notes...)
		for i := range s.Cases {
			c := &s.Cases[i]
			at := Result{Suite: s.Name, Place: s.Place, Name: c.Name, At: n, Pointer: c.Pointer}
			switch {
			case c.Replay != nil:
				r.add(w.replay(at, c))
			case c.Invariant != "":
				r.add(w.invariant(at, c))
			default:
				for k := range c.SignIns {
					r.add(w.signIn(at, c, &c.SignIns[k], cover))
				}
			}
		}
	}
	r.Coverage = cover.told()
	return r
}
