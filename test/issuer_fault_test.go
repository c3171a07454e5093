package test

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// What was used up or ended is so after kill -9 as well: for the token endpoint,
// and at the door with an access token that has minutes to go. What was not goes on.
func TestWhatEndedStaysEndedAfterAKill(t *testing.T) {
	t.Parallel()
	const holder, coder, lender, gadget = "hal@example.org", "cora@example.org", "lena@example.org", "gus@example.org"
	ends := endings()
	people := []string{holder, coder, lender, gadget}
	for _, e := range ends {
		people = append(people, e.who)
	}
	f := startOffice(t, doorOptions{}, people...)
	again := func() {
		t.Helper()
		f.kill()
		f.begin(t)
	}
	v := f.seat(t)
	held := f.connect(t, v, holder, anyProgram)
	f.use(held.Refresh)
	for i := range ends {
		e := &ends[i]
		if e.client = anyProgram; e.own {
			e.client = f.party(t, "Of "+e.who, mailProgram.origin+"/")
		}
		e.visitor = f.seat(t)
		e.had = f.connect(t, e.visitor, e.who, e.client)
	}
	lent := []reply{f.connect(t, f.seat(t), lender, anyProgram)}
	undecided, device := f.device(t, nil, ""), f.device(t, f.seat(t), gadget)
	code := f.use(f.code(t, f.seat(t), coder, anyProgram))

	again() // given, and not used
	if a := f.poll(t, undecided); a.Error != "expired_token" {
		t.Errorf("a device's code that nobody approved: %v", a)
	}
	coded := f.mustGive(t, "a code after a kill", f.redeem(t, anyProgram, code))
	gadgets := f.mustGive(t, "a device's code after a kill", f.poll(t, device))
	for range 2 {
		lent = append(lent, f.mustGive(t, "refreshing", f.refresh(t, anyProgram, lent[len(lent)-1].Refresh)))
	}

	again() // used
	if a := f.mustGive(t, "the token before, in time", f.refresh(t, anyProgram, lent[1].Refresh)); a.Refresh != lent[2].Refresh {
		t.Error("after a kill the token before gives another successor")
	}
	if a := f.poll(t, device); !a.ended() {
		t.Errorf("a device's code, again: %v", a)
	}
	if a := f.redeem(t, anyProgram, code); !a.ended() {
		t.Errorf("a code, again: %v", a)
	}
	if a := f.refresh(t, anyProgram, lent[0].Refresh); !a.ended() || !strings.Contains(a.Text, "PR1094") {
		t.Errorf("the token before the last, again: %v", a)
	}

	again() // shown again
	f.over(t, "a code's second use", coder, anyProgram, coded)
	f.over(t, "a used refresh token", lender, anyProgram, lent[2])
	f.stands(t, "a device", gadget, deviceProgram, &gadgets)
	f.stands(t, "a program that nothing was done to", holder, anyProgram, &held)
	for i := range ends {
		e := &ends[i]
		unused := ""
		if e.all {
			unused = f.code(t, f.seat(t), e.who, e.client)
		}
		e.end(f, t, e)
		again()
		f.over(t, e.what, e.who, e.client, e.had)
		if a := f.redeem(t, e.client, unused); a.ok() {
			t.Errorf("%s: a code from before is redeemed", e.what)
		}
		if e.after != nil {
			e.after(f, t, e)
			f.over(t, e.what+", and back", e.who, e.client, e.had)
		}
	}
	f.stands(t, "a program that nothing was done to", holder, anyProgram, &held)
	f.stands(t, "a device", gadget, deviceProgram, &gadgets)
}

// ending is one way in which what somebody gave a program ends.
type ending struct {
	what, who string
	own       bool // the program is nobody else's
	all       bool // a code that was not redeemed ends as well
	end       func(*office, testing.TB, *ending)
	after     func(*office, testing.TB, *ending) // lets them in again
	client    string
	visitor   *visitor
	had       reply
}

func endings() []ending {
	return []ending{
		{what: "disconnected in the portal", who: "pat@example.org", end: func(_ *office, _ testing.TB, e *ending) {
			e.portal("/programs/disconnect")
		}},
		{what: "no longer allowed in the portal", who: "ida@example.org", all: true, end: func(_ *office, _ testing.TB, e *ending) {
			e.portal("/programs/forget")
		}},
		{what: "session kill", who: "kim@example.org", end: func(f *office, t testing.TB, e *ending) {
			f.do(t, "session", "kill", f.grantOf(t, e.who))
		}},
		{what: "revoked by the program", who: "rob@example.org", end: func(f *office, t testing.TB, e *ending) {
			if a, err := f.ask(f.http, "/oauth2/revoke", "client_id", e.client, "token", e.had.Refresh); err != nil || a.status != http.StatusOK {
				t.Errorf("revoking: %v, %v", a, err)
			}
		}},
		{what: "a program forbidden", who: "fay@example.org", own: true, all: true, end: func(f *office, t testing.TB, e *ending) {
			f.do(t, "client", "forbid", e.client)
		}, after: func(f *office, t testing.TB, e *ending) { f.do(t, "client", "allow", e.client) }},
		{what: "a program limited", who: "lea@example.org", own: true, all: true, end: func(f *office, t testing.TB, e *ending) {
			f.do(t, "client", "limit", e.client, "smtp", "offline_access")
		}},
		{what: "a program removed", who: "roy@example.org", own: true, all: true, end: func(f *office, t testing.TB, e *ending) {
			f.do(t, "client", "rm", e.client)
		}},
		{what: "deleted", who: "del@example.org", all: true, end: func(f *office, t testing.TB, e *ending) {
			f.do(t, "user", "delete", e.who)
		}, after: func(f *office, t testing.TB, e *ending) { f.do(t, "user", "add", e.who) }},
		{what: "cut off", who: "cal@example.org", all: true, end: func(f *office, t testing.TB, e *ending) {
			f.do(t, "user", "cut", e.who)
		}, after: func(f *office, t testing.TB, e *ending) { f.do(t, "user", "enable", e.who) }},
		{what: "a new password", who: "pia@example.org", all: true, end: func(f *office, t testing.TB, e *ending) {
			if out, err := f.feed(f.use("another-Pa55word")+"\n", "user", "set", e.who, "--password-stdin"); err != nil {
				t.Fatalf("user set: %v\n%s", err, out)
			}
		}},
	}
}

// portal sends a form of the person's page of programs, from the browser they
// have, or signing in if a kill has taken their session.
func (e *ending) portal(action string) {
	e.visitor.Helper()
	e.visitor.open("/programs")
	if e.visitor.offers("/signin") {
		e.visitor.send("/signin", "address", e.who, "password", password)
	}
	e.visitor.open("/programs")
	e.visitor.send(action)
	if e.visitor.offers(action) {
		e.visitor.Errorf("%s: it is there still:\n%s", e.what, e.visitor.text())
	}
}

// over says that nothing comes of tokens any more.
func (f *office) over(t testing.TB, what, who, client string, had reply) {
	t.Helper()
	refusals := []string{"invalid_grant", "unauthorized_client", "invalid_client"} // the latter two of a program that is forbidden, or gone
	if a := f.refresh(t, client, had.Refresh); a.ok() || !slices.Contains(refusals, a.Error) {
		t.Errorf("%s: refreshing is answered with %v", what, a)
	}
	if opens, answer := f.opens(t, who, had.Access); opens {
		t.Errorf("%s: the access token still opens the door: %s", what, answer)
	}
}

// stands says that tokens are good, and changes them for the next.
func (f *office) stands(t testing.TB, what, who, client string, has *reply) {
	t.Helper()
	if opens, answer := f.opens(t, who, has.Access); !opens {
		t.Errorf("%s: the access token does not open the door: %s", what, answer)
	}
	*has = f.mustGive(t, what, f.refresh(t, client, has.Refresh))
}

// Killed at random while programs refresh, again and again: whatever they hold is
// good afterwards, also where the answer was lost; and what was answered is in the log.
func TestKilledWhileProgramsRefresh(t *testing.T) {
	t.Parallel()
	const programs = 4
	kills := 6
	if long() {
		kills = 100
	}
	var people []string
	for n := range programs {
		people = append(people, fmt.Sprintf("kit%d@example.org", n))
	}
	f := startOffice(t, doorOptions{}, people...)
	has, answered := make([]reply, programs), make([]atomic.Int64, programs)
	for n, who := range people {
		has[n] = f.connect(t, f.seat(t), who, anyProgram)
	}
	lost := atomic.Int64{}
	for range kills {
		var over atomic.Bool
		var wg sync.WaitGroup
		for n := range programs {
			wg.Go(func() {
				for !over.Load() {
					switch a, err := f.ask(f.http, tokenPath, refreshForm(anyProgram, has[n].Refresh)...); {
					case err != nil:
						lost.Add(1)
						time.Sleep(pollTime)
					case a.ok():
						answered[n].Add(1)
						has[n] = a
					default:
						t.Errorf("between kills a program is told %v", a)
						return
					}
				}
			})
		}
		time.Sleep(100*time.Millisecond + rand.N(200*time.Millisecond))
		f.kill()
		over.Store(true)
		wg.Wait()
		f.begin(t)
	}
	for n, who := range people {
		f.stands(t, "after "+fmt.Sprint(kills)+" kills", who, anyProgram, &has[n])
		told := answered[n].Add(1)
		if logged := sum(f.counted(t, who, "refresh_token")); logged < told || logged > told+int64(kills) { // each kill may have cost one its answer
			t.Errorf("%s: %d refreshes were answered, and %d are in the log", who, told, logged)
		}
	}
	t.Logf("%d kills, %d answers lost", kills, lost.Load())
}
