package gate

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/portreeve/portreeve/internal/directory"
	"github.com/portreeve/portreeve/internal/signin"
)

// Where wrong passwords take longer than the floor, refusals that look at none
// wait as long from then on, or their time would tell who is exempt.
func TestTheFloorRisesToWhatWrongPasswordsTake(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, g := open(policies(blockPasswords("old")))
		var told []time.Duration
		g.Slow = func(_ string, _, raised time.Duration) { told = append(told, raised) }
		refused := func(name string, slow time.Duration) time.Duration {
			h.slow = slow
			began := time.Now()
			if o := g.SignIn(t.Context(), attempt(), password(name, "wrong")); o.Allowed() {
				t.Fatalf("%s was let in", name)
			}
			return time.Since(began)
		}
		if took := refused("mary@example.org", 0); took != floor {
			t.Errorf("an early refusal took %v, want %v", took, floor)
		}
		refused("old@example.org", 4*time.Second)
		refused("old@example.org", 0) // one that stalled teaches nothing
		refused("old@example.org", 4*time.Second)
		refused("old@example.org", 4*time.Second)
		if len(told) != 0 {
			t.Errorf("raised to %v by two in a row", told)
		}
		refused("old@example.org", 4*time.Second)
		want := 4400 * time.Millisecond
		if len(told) != 1 || told[0] != want {
			t.Errorf("raised to %v, want once to %v", told, want)
		}
		if took := refused("mary@example.org", 0); took != want {
			t.Errorf("an early refusal took %v, want %v", took, want)
		}
		if took := refused("old@example.org", 4*time.Second); took != want {
			t.Errorf("a wrong password took %v, want %v", took, want)
		}
		for range 2 * slowInARow {
			refused("old@example.org", time.Minute)
		}
		if g.Floor(attempt().Listener) != maxFloor {
			t.Errorf("the floor is %v, want no more than %v", g.Floor(attempt().Listener), maxFloor)
		}
	})
}

// Our own trouble teaches nothing: a mail server that hangs is no wrong password.
func TestTroubleRaisesNoFloor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, g := open(policies())
		h.slow, h.refuse = 20*time.Second, signin.Refuse(signin.BackendName, "another name")
		for range slowInARow {
			g.SignIn(t.Context(), attempt(), password("mary@example.org", "right"))
		}
		if g.Floor(attempt().Listener) != floor {
			t.Errorf("the floor is %v", g.Floor(attempt().Listener))
		}
	})
}

// A burst makes a mail server slow, for those who came first as well; it
// teaches nothing, or guessers could make everybody's refusals slow.
func TestABurstRaisesNoFloor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, g := open(policies())
		slow := &slowVerifier{Authenticator: g.Verifier}
		g.Verifier = slow
		var all sync.WaitGroup
		for i := range 5 * quiet {
			all.Go(func() {
				time.Sleep(time.Duration(i) * time.Millisecond)
				g.SignIn(t.Context(), attempt(), password("mary@example.org", "wrong"))
			})
		}
		all.Wait()
		if g.Floor(attempt().Listener) != floor {
			t.Errorf("the floor is %v", g.Floor(attempt().Listener))
		}
	})
}

// slowVerifier takes as long as a mail server that many ask at once.
type slowVerifier struct{ Authenticator }

func (slowVerifier) Verify(context.Context, signin.Attempt, directory.Person, bool, signin.Credential) (signin.Principal, error) {
	time.Sleep(8 * time.Second)
	return signin.Principal{}, signin.Refuse(signin.WrongCredentials, "wrong")
}
