package test

import (
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"
)

// atOnce is how long a sign-in may take at a server that makes nobody wait;
// Dovecot lets an address with wrong passwords wait from 2 to 15 s.
const atOnce = 1500 * time.Millisecond

// Dovecot, on its defaults, counts by address: 10 connections of one person, and
// a penalty for wrong passwords. Were the gate the address it counts, one person
// with three programs would lock herself out, and one guesser everybody.
func TestDovecotsLimitsNeverActOnTheGate(t *testing.T) {
	t.Parallel()
	s := strict()
	t.Run("25 connections of one person from 3 addresses", func(t *testing.T) {
		t.Parallel()
		person := strictPerson("plain", 0)
		var open []*knock
		for n := range 25 {
			k := s.mustKnock(t, "imap", netip.AddrFrom4([4]byte{127, 5, 0, byte(1 + n%3)}))
			if answer, _, err := k.signIn(person, password); err != nil || !in(answer) {
				t.Fatalf("connection %d: %q, %v", n+1, answer, err)
			}
			open = append(open, k)
		}
		for n, k := range open {
			if answer, _, err := k.say("a NOOP"); err != nil || !in(answer) {
				t.Errorf("connection %d, with all of them open: %q, %v", n+1, answer, err)
			}
		}
		if list := s.do(t, "session", "list", "-o", "json"); strings.Count(list, person) < 25 {
			t.Errorf("`session list` does not tell of 25 connections:\n%s", list)
		}
	})
	t.Run("1,000 wrong passwords", func(t *testing.T) {
		t.Parallel()
		const guessers, tries, victims = 100, 10, 10
		var wg sync.WaitGroup
		for g := range guessers {
			wg.Go(func() {
				k, err := s.knock("imap", source(4000+g%20))
				if err != nil {
					t.Errorf("guesser %d: %v", g, err)
					return
				}
				defer k.Close()
				for n := range tries {
					answer, _, err := k.signIn(strictPerson("plain", 1+g%victims), s.use(fmt.Sprintf("9uess-%d-%d", g, n)))
					if err != nil || in(answer) || codeIn(answer) != "PR50126" {
						t.Errorf("guesser %d was told %q, %v", g, answer, err)
						return
					}
				}
			})
		}
		wg.Wait()
		reached := 0
		for _, l := range strings.Split(s.dovecot.Log(), "\n") {
			if strings.Contains(l, "Password mismatch") && strings.Contains(l, "(plain") {
				reached++
			}
		}
		t.Logf("of %d wrong passwords %d reached Dovecot", guessers*tries, reached)
		if most := victims * 10; reached == 0 || reached > most { // the guard lets strangers try ten on each person
			t.Errorf("%d wrong passwords reached Dovecot, want at most %d", reached, most)
		}
		s.mustSignInAtOnce(t, strictPerson("plain", victims+1))
		if s.guessedAt(t) == 0 {
			t.Error("`status` tells of nobody who was guessed at")
		}
	})
}

// mustSignInAtOnce signs in somebody from an address that never guessed.
func (s *site) mustSignInAtOnce(t testing.TB, person string) {
	t.Helper()
	began := time.Now()
	k := s.mustKnock(t, "imap", netip.MustParseAddr("127.6.0.1"))
	if answer, _, err := k.signIn(person, password); err != nil || !in(answer) {
		t.Errorf("somebody else: %q, %v", answer, err)
	}
	if took := time.Since(began); took > atOnce {
		t.Errorf("somebody else's sign-in took %v", took)
	}
}

// guessedAt is how many budgets and sources the guard has something against.
func (s *site) guessedAt(t testing.TB) int {
	t.Helper()
	var status struct {
		Guard struct {
			Counted int `json:"counted"`
		} `json:"guard"`
	}
	s.read(t, &status, "status")
	return status.Guard.Counted
}
