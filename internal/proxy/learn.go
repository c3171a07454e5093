package proxy

import (
	"crypto/rand"
	"time"

	"github.com/portreeve/portreeve/internal/gate"
	"github.com/portreeve/portreeve/internal/policy"
	"github.com/portreeve/portreeve/internal/signin"
)

// learner takes a change of a session's facts and has it judged again.
type learner func(func(*policy.Facts))

// learnHints turns hints that came after sign-in into a change of facts. The
// session is judged again elsewhere than on the relay's worker, which must not wait.
func learnHints(learn learner) func(signin.Hints) {
	return func(h signin.Hints) {
		go learn(func(f *policy.Facts) { gate.Recognised(f, h, "") })
	}
}

// newID names a connection.
func newID() signin.ID {
	var random [10]byte
	_, _ = rand.Read(random[:]) // never fails on the systems we run on
	return signin.NewID(time.Now().UnixMilli(), random)
}
