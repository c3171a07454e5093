package gate

import (
	"slices"
	"sync"
	"time"

	"github.com/portreeve/portreeve/internal/signin"
)

// maxFloor is the longest that a refusal is kept for what a mail server takes;
// people give up before programs do, which is after 30 s.
const maxFloor = 10 * time.Second

// How a floor is learned: from this many wrong passwords in a row that took
// longer, so that a machine that stalls once teaches nothing; and with a margin
// (a tenth) on top of the slowest, since the next may take a little longer.
const (
	slowInARow = 3
	marginPart = 10
	// quiet is how many credentials may be under way for one to say what it takes
	// by itself: a burst of guesses makes a mail server slow, and must not make
	// everybody's refusals slow from then on.
	quiet = 4
)

// floors are, by listener, how long refusals wait where wrong passwords were
// seen to take longer than the configuration says: behind PAM they take Dovecot
// 4 s. Were early refusals to leave before, their time would tell who is exempt.
type floors struct {
	mu      sync.Mutex
	learned map[string]time.Duration
	slow    map[string][]time.Duration // the latest wrong passwords, as long as each was slower than the floor
}

// Floor is how long after its credential was read a refusal leaves at a
// listener: what is configured, or what wrong passwords were seen to take there.
func (g *Gate) Floor(listener string) time.Duration {
	g.floors.mu.Lock()
	defer g.floors.mu.Unlock()
	return max(g.Words.Floor(listener), g.floors.learned[listener])
}

// learn raises a listener's floor to what wrong passwords take. It never falls
// again: a floor that came and went would tell the two apart. It returns the
// new floor, or 0.
func (f *floors) learn(listener string, floor, took time.Duration) time.Duration {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.learned == nil {
		f.learned, f.slow = map[string]time.Duration{}, map[string][]time.Duration{}
	}
	if floor = max(floor, f.learned[listener]); took <= floor {
		delete(f.slow, listener)
		return 0
	}
	f.slow[listener] = append(f.slow[listener], took)
	if len(f.slow[listener]) < slowInARow {
		return 0
	}
	slowest := slices.Max(f.slow[listener])
	delete(f.slow, listener)
	raised := min(slowest+slowest/marginPart, maxFloor)
	if raised <= floor {
		return 0
	}
	f.learned[listener] = raised
	return raised
}

// learnFloor tells the floors how long a wrong password took.
func (t *telling) learnFloor() {
	steps := t.out.Steps
	if t.crowd > quiet || t.out.Code != signin.WrongCredentials || len(steps) == 0 || steps[len(steps)-1].Name != signin.StepVerify {
		return
	}
	g, listener, took := t.g, t.out.Attempt.Listener, time.Since(t.out.Attempt.At)
	if raised := g.floors.learn(listener, g.Words.Floor(listener), took); raised > 0 && g.Slow != nil {
		g.Slow(listener, took, raised)
	}
}
