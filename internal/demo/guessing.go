package demo

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"time"
)

const (
	guessers       = 40
	guessesOfEach  = 5
	guesses        = guessers * guessesOfEach
	comparedAtMost = 10 // distinct wrong passwords from strangers together
)

// elsewhere is a loopback address that nobody has signed in from, in a network of its own.
func elsewhere(n int) netip.Addr { return netip.AddrFrom4([4]byte{127, 66, byte(n), 1}) }

// heard is what the guessers heard.
type heard struct {
	mu    sync.Mutex
	words map[string]int
	total int
	half  chan struct{} // closed when half of the guesses are answered
}

func (h *heard) add(a answer) {
	words, _ := a.refusal()
	if a.ok {
		words = "let in"
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.words[words]++
	if h.total++; h.total == guesses/2 {
		close(h.half)
	}
}

// Act 5. Guessers are slowed, and their victim is not.
func (t *story) guessersWait(ctx context.Context) error {
	t.s.say("The policy excludes him until his new phone comes, so his password is worth guessing. His old phone signs in once, and then it begins.")
	if _, err := t.phone(ctx, loopback); err != nil {
		return err
	}
	began := time.Now()
	h := &heard{words: map[string]int{}, half: make(chan struct{})}
	faults := make(chan error, guessers)
	for i := range guessers {
		go func() { faults <- t.guesser(ctx, i, h) }()
	}
	select {
	case <-h.half:
	case <-ctx.Done():
	}
	his, err := t.phone(ctx, loopback)
	stranger, strangerErr := t.phone(ctx, elsewhere(guessers))
	all := []error{err, strangerErr}
	for range guessers {
		all = append(all, <-faults)
	}
	if err := errors.Join(all...); err != nil {
		return err
	}
	compared, waited, err := t.counted(ctx, began)
	if err != nil {
		return err
	}
	t.s.claim(compared == comparedAtMost && waited == guesses-comparedAtMost+1, "%d guesses were compared, the other %d had to wait unseen", compared, guesses-compared)
	t.s.claim(h.words[t.words] == guesses, "all %d hear the words that Leela heard, as anybody would", h.total)
	t.s.claim(his.ok, "meanwhile his phone signs in again, from where it did before: after %s", ms(his.took))
	t.s.claim(!stranger.ok, "only from where he was never seen does his right password wait with theirs")
	return nil
}

// phone is Zoidberg's: it signs in with the right password and goes.
func (t *story) phone(ctx context.Context, from netip.Addr) (answer, error) {
	return t.signInOnce(ctx, from, "zoidberg", "K-9 Mail")
}

// guesser tries its few passwords, none of which anybody else tries.
func (t *story) guesser(ctx context.Context, n int, h *heard) error {
	p, err := t.connect(ctx, elsewhere(n), false, nil)
	if err != nil {
		return err
	}
	defer p.close()
	for i := range guessesOfEach {
		a, err := p.login("zoidberg", fmt.Sprintf("guess-%d-%d", n, i))
		if err != nil {
			return err
		}
		h.add(a)
	}
	return nil
}

// counted reads from the log how many passwords were compared and how many
// waited; refusals are written a moment behind.
func (t *story) counted(ctx context.Context, began time.Time) (compared, waited int, err error) {
	err = t.until(ctx, func() (bool, error) {
		compared, waited = 0, 0
		all, err := t.api.since(ctx, began, "zoidberg")
		for _, e := range all {
			switch e.Own.Code {
			case "PR50126":
				compared += e.Own.Count
			case "PR50053":
				waited += e.Own.Count
			}
		}
		return compared+waited > guesses, err
	})
	return compared, waited, err
}
