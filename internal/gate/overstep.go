package gate

import (
	"time"

	"github.com/portreeve/portreeve/internal/policy"
	"github.com/portreeve/portreeve/internal/signin"
)

// Overstep writes down that somebody who is signed in was refused to do what
// their credential does not cover, as an event of its own under the sign-in's
// correlation, and returns the words for it. It does not wait.
func (g *Gate) Overstep(o signin.Outcome, code signin.Code, detail string) signin.Reply {
	t := &telling{g: g, s: g.snapshot.Load(), out: o, started: time.Now()}
	t.out.Attempt.At = t.started
	t.out.Attempt.ID = NewID(t.started)
	t.out.Facts.At = t.started
	t.out.Verdict, t.out.Applied, t.out.Steps = policy.Verdict{Version: t.s.Version()}, policy.Bits{}, nil
	t.refuse(signin.StepSend, code, detail)
	return g.say(signin.Uniform, code, g.Log.Refusal(t.event()))
}
