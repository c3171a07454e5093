package grant_test

import (
	"context"
	"encoding/base64"
	"errors"
	"math/rand/v2"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/portreeve/portreeve/internal/grant"
	"github.com/portreeve/portreeve/internal/network"
	"github.com/portreeve/portreeve/internal/policy"
	"github.com/portreeve/portreeve/internal/protocol"
	"github.com/portreeve/portreeve/internal/signin"
	"github.com/portreeve/portreeve/internal/store"
)

// The token before the valid one gives the same successor within half a minute,
// in the same network; a restart changes nothing.
func TestTheTokenBeforeGivesTheSameSuccessor(t *testing.T) {
	h := newHouse(t, grant.Options{})
	g, first := h.begun()
	second, err := h.refresh(first, home)
	if err != nil || second == first {
		t.Fatalf("%v", err)
	}
	for range 2 {
		again, err := h.refresh(first, near)
		if err != nil || again != second {
			t.Fatalf("the token before gave another successor, or none: %v", err)
		}
		if h.valid(g.ID) != second {
			t.Error("another token than the last is the valid one")
		}
		h.restart()
	}
	third, err := h.refresh(second, away) // whoever travels goes on with the valid one
	if err != nil || third == second {
		t.Fatal(err)
	}
}

func TestAUsedRefreshTokenEndsItsFamily(t *testing.T) {
	for name, test := range map[string]struct {
		from   netip.Addr
		wait   time.Duration
		rounds int // refreshes since
	}{
		"later":                 {home, 31 * time.Second, 1},
		"from another network":  {away, 0, 1},
		"by IPv6":               {netip.MustParseAddr("2001:db8::1"), 0, 1},
		"two generations after": {home, 0, 2},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := newHouse(t, grant.Options{})
				g, first := h.begun()
				last := first
				for range test.rounds {
					var err error
					if last, err = h.refresh(last, home); err != nil {
						t.Fatal(err)
					}
				}
				time.Sleep(test.wait)
				judged := false
				_, _, err := h.Refresh(context.Background(), first, program, test.from, func(grant.Grant) error { judged = true; return nil })
				r := wantRefusal(t, err, signin.GrantReplayed, grant.InvalidGrant)
				if !strings.Contains(r.Detail, network.Of(test.from).String()) || r.Person != h.person || r.Grant != g.ID {
					t.Errorf("the refusal does not say who and from where: %+v", r)
				}
				if judged {
					t.Error("a replay was judged as a sign-in")
				}
				h.restart()
				wantRefusal(t, h.standing(g.ID), signin.GrantEnded, grant.InvalidGrant)
				_, err = h.refresh(last, home)
				if r := wantRefusal(t, err, signin.GrantEnded, grant.InvalidGrant); !strings.Contains(r.Detail, "shown again") {
					t.Errorf("nobody learns why it ended: %v", r)
				}
			})
		})
	}
}

func TestOfManyAtOnceOneSuccessorIsMade(t *testing.T) {
	h := newHouse(t, grant.Options{})
	g, text := h.begun()
	for round := range 5 {
		var mu sync.Mutex
		successors := map[string]int{}
		atOnce(50, func(i int) {
			next, err := h.refresh(text, netip.AddrFrom4([4]byte{192, 0, 2, byte(i)}))
			if err != nil {
				t.Error(err)
				return
			}
			mu.Lock()
			successors[next]++
			mu.Unlock()
		})
		if len(successors) != 1 {
			t.Fatalf("round %d: %d successors were made", round, len(successors))
		}
		for text = range successors {
		}
		if row, err := h.store.Grant(context.Background(), g.ID); err != nil || row.Generation != uint32(round+2) {
			t.Fatalf("round %d: generation %d, %v", round, row.Generation, err)
		}
		h.restart()
	}
}

// Two that hold copies in two networks: one at most goes on, and in the end
// nobody does.
func TestTwoThievesAtOnceEndTheFamily(t *testing.T) {
	h := newHouse(t, grant.Options{})
	g, text := h.begun()
	var errs [2]error
	atOnce(2, func(i int) { _, errs[i] = h.refresh(text, []netip.Addr{home, away}[i]) })
	if (errs[0] == nil) == (errs[1] == nil) {
		t.Errorf("both or none went on: %v, %v", errs[0], errs[1])
	}
	wantRefusal(t, h.standing(g.ID), signin.GrantEnded, grant.InvalidGrant)
}

func TestAForgedRefreshTokenIsNothing(t *testing.T) {
	h := newHouse(t, grant.Options{})
	g, text := h.begun()
	raw, _ := base64.RawURLEncoding.DecodeString(strings.TrimPrefix(text, "prr_"))
	for i := range raw {
		forged := append([]byte{}, raw...)
		forged[i] ^= 1
		_, err := h.refresh("prr_"+base64.RawURLEncoding.EncodeToString(forged), home)
		var r *grant.Refusal
		if !errors.As(err, &r) || r.OAuth != grant.InvalidGrant {
			t.Fatalf("byte %d: %v", i, err)
		}
	}
	for _, bad := range []string{"", "prr_", text + "A", text[4:], text + "=", text[:len(text)-1] + "\n", strings.Repeat("A", 1<<20)} {
		_, err := h.refresh(bad, home)
		wantRefusal(t, err, signin.TokenInvalid, grant.InvalidGrant)
	}
	_, _, err := h.Refresh(context.Background(), text, "other", home, yes)
	wantRefusal(t, err, signin.TokenOfAnother, grant.InvalidGrant)
	if err := h.standing(g.ID); err != nil {
		t.Errorf("guessing ended a grant: %v", err)
	}
	if _, err := h.refresh(text, home); err != nil {
		t.Error(err)
	}
}

var errJudge = errors.New("the log cannot be written")

func TestTheJudgesWordIsPassedOnAndNothingIsUsed(t *testing.T) {
	h := newHouse(t, grant.Options{})
	begun, text := h.begun()
	if _, _, err := h.Refresh(context.Background(), text, program, home, func(grant.Grant) error { return errJudge }); err != errJudge {
		t.Fatalf("%v", err)
	}
	if h.valid(begun.ID) != text {
		t.Fatal("a refused refresh used the token up")
	}
	// What ends while the judge thinks hands nothing out.
	_, _, err := h.Refresh(context.Background(), text, program, home, func(g grant.Grant) error {
		return h.End(context.Background(), store.System, g.ID, "taken back")
	})
	wantRefusal(t, err, signin.GrantEnded, grant.InvalidGrant)
}

// Trouble with the database is never told as a bad token: the program would
// throw it away.
func TestTroubleIsNoInvalidGrant(t *testing.T) {
	h := newHouse(t, grant.Options{})
	_, text := h.begun()
	code := h.code()
	if err := h.store.Close(); err != nil {
		t.Fatal(err)
	}
	_, err1 := h.refresh(text, home)
	_, err2 := h.redeem(code)
	for _, err := range []error{err1, err2} {
		var r *grant.Refusal
		if err == nil || errors.As(err, &r) {
			t.Errorf("trouble was told as %v", err)
		}
	}
	h.open()
	if _, err := h.refresh(text, home); err != nil {
		t.Error(err)
	}
	if _, err := h.redeem(code); err != nil {
		t.Error(err)
	}
}

func TestGrantsRunOut(t *testing.T) {
	day := 24 * time.Hour
	for name, test := range map[string]struct {
		opts    grant.Options
		offline bool
		each    time.Duration // between refreshes
		lives   int           // refreshes that are good
	}{
		"unused":   {grant.Options{RefreshIdle: 10 * day}, true, 11 * day, 0},
		"used":     {grant.Options{RefreshIdle: 10 * day}, true, 9 * day, 20},
		"absolute": {grant.Options{RefreshIdle: 10 * day, RefreshMax: 30 * day}, true, 9 * day, 3},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := newHouse(t, test.opts)
				g, text := h.begun()
				var err error
				for range test.lives {
					time.Sleep(test.each)
					if text, err = h.refresh(text, home); err != nil {
						t.Fatal(err)
					}
				}
				if test.lives == 20 {
					return
				}
				time.Sleep(test.each)
				wantRefusal(t, h.standing(g.ID), signin.GrantEnded, grant.InvalidGrant)
				if _, ok := h.ByID(g.ID); ok || len(h.List()) != 0 {
					t.Error("a grant that ran out is told as one that lives")
				}
				_, err = h.refresh(text, home)
				wantRefusal(t, err, signin.GrantEnded, grant.InvalidGrant)
			})
		})
	}
}

// A session that a program keeps open is a use.
func TestADoorOpenedIsAUse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, grant.Options{RefreshIdle: time.Hour})
		ctx, cancel := context.WithCancel(t.Context())
		var ran sync.WaitGroup
		ran.Go(func() { _ = h.Run(ctx) })
		g, text := h.begun()
		for range 5 {
			time.Sleep(40 * time.Minute)
			if err := h.standing(g.ID); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(10 * time.Minute)
		cancel()
		ran.Wait()
		h.restart()
		if _, err := h.refresh(text, home); err != nil {
			t.Errorf("a use at a door is forgotten over a restart: %v", err)
		}
	})
}

func TestWhatRanOutIsEndedAndForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, grant.Options{RefreshIdle: time.Hour})
		g, _ := h.begun()
		h.code()
		ctx, cancel := context.WithCancel(t.Context())
		var ran sync.WaitGroup
		ran.Go(func() { _ = h.Run(ctx) })
		time.Sleep(2 * time.Hour)
		row, err := h.store.Grant(ctx, g.ID)
		if err != nil || row.Ended.IsZero() || row.Reason == "" {
			t.Errorf("%+v, %v", row, err)
		}
		time.Sleep(31 * 24 * time.Hour)
		if _, err := h.store.Grant(ctx, g.ID); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("it is still kept: %v", err)
		}
		cancel()
		ran.Wait()
	})
}

// Whoever comes from no known address is in a place of its own.
func TestAnAddressThatIsNotKnownIsANetwork(t *testing.T) {
	h := newHouse(t, grant.Options{})
	_, text := h.begun()
	next, err := h.refresh(text, netip.Addr{})
	if err != nil {
		t.Fatal(err)
	}
	h.restart()
	if again, err := h.refresh(text, netip.Addr{}); err != nil || again != next {
		t.Error(err)
	}
	_, err = h.refresh(text, home)
	wantRefusal(t, err, signin.GrantReplayed, grant.InvalidGrant)
}

// What somebody was allowed ends with what it was proved by, with the commit
// that says so, and so does what hangs on it.
func TestGrantsEndWithWhatTheyWereProvedBy(t *testing.T) {
	otp, both := policy.MethodFIDO2, policy.MethodPassword|policy.MethodSoftwareOath
	for name, test := range map[string]struct {
		do    func(h *house, g grant.Grant)
		by    policy.Methods
		stays bool
	}{
		"a new password": {func(h *house, _ grant.Grant) {
			h.change(func(tx *store.Tx) error {
				p, err := tx.Person(h.person)
				p.Hash = "{PLAIN}new"
				return errors.Join(err, tx.PutPerson(&p))
			})
		}, both, false},
		"a new password, a passkey": {func(h *house, _ grant.Grant) {
			h.change(func(tx *store.Tx) error {
				p, err := tx.Person(h.person)
				p.Hash = "{PLAIN}new"
				return errors.Join(err, tx.PutPerson(&p))
			})
		}, otp, true},
		"everything revoked": {func(h *house, _ grant.Grant) {
			h.change(func(tx *store.Tx) error {
				return tx.Revoke(store.Revocation{Grant: store.EverythingGrant + h.person + ":1", Person: h.person})
			})
		}, otp, false},
		"this one revoked": {func(h *house, g grant.Grant) {
			h.change(func(tx *store.Tx) error {
				return tx.EndGrant(store.Revocation{Grant: grant.Prefix + g.ID, Person: h.person})
			})
		}, otp, false},
		"another one revoked": {func(h *house, g grant.Grant) {
			h.change(func(tx *store.Tx) error {
				return tx.EndGrant(store.Revocation{Grant: "issuer:" + g.ID, Person: h.person})
			})
		}, otp, true},
		"the person deleted": {func(h *house, _ grant.Grant) {
			h.change(func(tx *store.Tx) error { return tx.DeletePerson(h.person) })
		}, otp, false},
		"the person renamed": {func(h *house, _ grant.Grant) {
			h.change(func(tx *store.Tx) error {
				p, err := tx.Person(h.person)
				p.DisplayName = "Anna"
				return errors.Join(err, tx.PutPerson(&p))
			})
		}, both, true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := newHouse(t, grant.Options{})
				given := h.given()
				given.Methods = test.by
				waiting, err := h.IssueCode(t.Context(), h.asked(), given) // not redeemed when it happens
				if err != nil {
					t.Fatal(err)
				}
				code, err := h.IssueCode(t.Context(), h.asked(), given)
				if err != nil {
					t.Fatal(err)
				}
				g, err := h.redeem(code)
				if err != nil {
					t.Fatal(err)
				}
				text, _ := h.RefreshToken(g)
				test.do(h, g)
				synctest.Wait()
				for range 2 {
					if err := h.standing(g.ID); (err == nil) != test.stays {
						t.Errorf("at the door: %v", err)
					}
					h.restart()
				}
				if next, err := h.refresh(text, home); (err == nil) != test.stays {
					t.Errorf("refreshing: %v, %v", next != "", err)
				}
				if _, err := h.redeem(waiting); (err == nil) != (test.stays || name == "this one revoked") {
					t.Errorf("a code given before: %v", err)
				}
			})
		})
	}
}

// Three programs of one person refresh, are begun and revoked at once. Whatever
// comes first, nothing that was ended is let in after, here and after a restart.
func TestProgramsOfOnePersonAtOnce(t *testing.T) {
	h := newHouse(t, grant.Options{})
	var wg sync.WaitGroup
	var mu sync.Mutex
	dead := map[string]bool{}
	for range 3 {
		wg.Go(func() {
			for range 10 {
				g, text := h.begun()
				var inner sync.WaitGroup
				for range 3 {
					inner.Go(func() {
						last := text
						for range 5 {
							next, err := h.refresh(last, home)
							var r *grant.Refusal
							if err != nil && (!errors.As(err, &r) || r.Code != signin.GrantEnded && r.Code != signin.GrantReplayed) {
								t.Error(err)
							}
							if err != nil {
								return
							}
							last = next
						}
					})
				}
				inner.Go(func() { _, _ = h.Standing(g.ID, protocol.IMAP, home); _ = h.List() })
				if rand.IntN(2) == 0 {
					inner.Go(func() {
						if err := h.End(context.Background(), store.System, g.ID, "revoked"); err != nil {
							t.Error(err)
						}
						if h.standing(g.ID) == nil {
							t.Error("it holds after it was ended")
						}
						mu.Lock()
						dead[g.ID] = true
						mu.Unlock()
					})
				}
				inner.Wait()
			}
		})
	}
	wg.Wait()
	before := len(h.List())
	for range 2 {
		for id := range dead {
			if h.standing(id) == nil {
				t.Errorf("%s lives again", id)
			}
		}
		h.restart()
	}
	if after := len(h.List()); after != before {
		t.Errorf("%d lived before the restart and %d after", before, after)
	}
}
