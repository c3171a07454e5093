package test

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// atOnceMany is how many ask with one secret at the same moment.
const atOnceMany = 50

// crowd are computers that are connected already, and ask in the same moment.
func (f *office) crowd(t testing.TB) func(form []string) []reply {
	t.Helper()
	all := make([]*http.Client, atOnceMany)
	for i := range all {
		from := f.computer()
		all[i] = f.door.http(t)
		all[i].Transport.(*http.Transport).DialContext = func(ctx context.Context, network, _ string) (net.Conn, error) {
			d := net.Dialer{LocalAddr: &net.TCPAddr{IP: from.AsSlice()}}
			return d.DialContext(ctx, network, f.Public)
		}
	}
	at := func(path string, form []string) []reply {
		answers := make([]reply, len(all))
		var wg sync.WaitGroup
		begin := make(chan struct{})
		for i, c := range all {
			wg.Go(func() {
				<-begin
				a, err := f.ask(c, path, form...)
				if err != nil {
					t.Errorf("asking at once: %v", err)
				}
				answers[i] = a
			})
		}
		close(begin)
		wg.Wait()
		return answers
	}
	at(tokenPath, []string{"grant_type", "of-nobody"}) // so that they are connected
	return func(form []string) []reply { return at(tokenPath, form) }
}

// Of 50 programs that show one code, one refresh token or one device's code in
// the same moment, one makes a successor: refreshing, all are given that one; a
// code is then worth nothing, since who was first is not known.
func TestFiftyAtOnce(t *testing.T) {
	t.Parallel()
	const refresher, redeemer, polled = "ray@example.org", "red@example.org", "pol@example.org"
	rounds := 4
	if long() {
		rounds = 100
	}
	f := startOffice(t, doorOptions{}, refresher, redeemer, polled)
	ask := f.crowd(t)
	t.Run("code", func(t *testing.T) {
		v, given := (*visitor)(nil), 0
		for round := range rounds {
			v = f.seat(t) // what was connected with a code used twice has ended: a new proof is asked for
			answers := ask(codeForm(anyProgram, f.code(t, v, redeemer, anyProgram)))
			var won []reply
			for _, a := range answers {
				switch {
				case a.ok():
					won = append(won, a)
				case !a.ended():
					t.Fatalf("round %d: %v", round, a)
				}
			}
			if given += len(won); len(won) > 1 {
				t.Fatalf("round %d: a code was redeemed %d times", round, len(won))
			}
			for _, a := range won {
				if again := f.refresh(t, anyProgram, a.Refresh); !again.ended() {
					t.Errorf("round %d: what a code used twice gave still refreshes: %v", round, again)
				}
				if opens, answer := f.opens(t, redeemer, a.Access); opens {
					t.Errorf("round %d: what a code used twice gave still opens the door: %s", round, answer)
				}
			}
		}
		if left := strings.TrimSpace(f.do(t, "session", "list", "--grants", "--user", redeemer)); left != "" {
			t.Errorf("after all of them:\n%s", left)
		}
		t.Logf("of %d codes %d were answered with tokens", rounds, given)
	})
	t.Run("device code", func(t *testing.T) {
		v := f.seat(t)
		for round := range rounds {
			won := 0
			var last reply
			for _, a := range ask(deviceForm(f.device(t, v, polled))) {
				switch {
				case a.ok():
					won++
					last = a
				case !a.ended():
					t.Fatalf("round %d: %v", round, a)
				}
			}
			if won != 1 {
				t.Fatalf("round %d: a device's code was redeemed %d times", round, won)
			}
			f.stands(t, "a device", polled, deviceProgram, &last)
		}
	})
	t.Run("refresh", func(t *testing.T) {
		has := f.connect(t, f.seat(t), refresher, anyProgram)
		seen := map[string]bool{has.Refresh: true}
		for round := range rounds {
			answers := ask(refreshForm(anyProgram, has.Refresh))
			for _, a := range answers {
				if !a.ok() || a.Refresh != answers[0].Refresh {
					t.Fatalf("round %d: %v, another successor: %v", round, a, a.Refresh != answers[0].Refresh)
				}
			}
			if has = answers[0]; seen[has.Refresh] {
				t.Fatalf("round %d: a successor that there was before", round)
			}
			seen[has.Refresh] = true
		}
		if n := f.counted(t, refresher, "refresh_token")[f.grantOf(t, refresher)]; n != int64(rounds*atOnceMany) {
			t.Errorf("%d refreshes were answered, and %d are in the log", rounds*atOnceMany, n)
		}
		f.kill() // what was answered is what the database holds
		f.begin(t)
		f.stands(t, "after a kill", refresher, anyProgram, &has)
	})
}

// blocking makes a policy that keeps one person's programs out, and is off.
func (f *office) blocking(t testing.TB, who string) (name string) {
	t.Helper()
	name = "Not " + who
	text := fmt.Sprintf(`{"displayName": %q, "state": "disabled",
  "conditions": {"users": {"includeUsers": [%q]}, "applications": {"includeApplications": ["All"]}, "clientAppTypes": ["mobileAppsAndDesktopClients"]},
  "grantControls": {"operator": "OR", "builtInControls": ["block"]}}`, name, who)
	if out, err := f.feed(text, "policy", "import", "-"); err != nil {
		t.Fatalf("policy import: %v\n%s", err, out)
	}
	return name
}

// weather says whether a policy may be blocking.
type weather struct{ changes atomic.Int64 } // odd while it may

// under does something, and says whether the policy may have blocked it.
func (w *weather) under(do func()) (blocked bool) {
	before := w.changes.Load()
	do()
	return before%2 == 1 || w.changes.Load() != before
}

// busy is a program that works while others do.
type busy struct {
	*office
	t       *testing.T
	sky     *weather
	client  string
	visitor *visitor
	over    <-chan struct{}

	given, redeemed, refreshed, blocked, ended atomic.Int64 // codes given, redeemed; refreshes; refused by policy; grants ended
}

// Three programs of one person refresh, are redeemed and are revoked at once
// while a policy is switched on and off: none is told that its tokens are worth
// nothing unless they are, or a policy says no just then; and what was answered
// stands in the log once.
func TestProgramsRefreshAndEndAtOnce(t *testing.T) {
	t.Parallel()
	const who = "bea@example.org"
	lasts := 5 * time.Second
	if long() {
		lasts = time.Minute
	}
	f := startOffice(t, doorOptions{}, who)
	policy := f.blocking(t, who)
	over, sky := make(chan struct{}), &weather{}
	work := func(client string) *busy {
		return &busy{office: f, t: t, sky: sky, client: client, visitor: f.seat(t), over: over}
	}
	steady, redeeming, killed := work(anyProgram), work(f.party(t, "Redeeming", mailProgram.origin+"/")), work(f.party(t, "Ended", mailProgram.origin+"/"))
	tokens := f.connect(t, steady.visitor, who, steady.client)
	grant := f.grantOf(t, who)
	f.code(t, redeeming.visitor, who, redeeming.client) // so that nobody is asked any more
	redeeming.given.Add(1)

	var wg sync.WaitGroup
	wg.Go(func() { tokens = steady.refreshes(tokens) })
	wg.Go(func() { redeeming.redeems(who) })
	wg.Go(func() {
		for steady.going() {
			time.Sleep(150 * time.Millisecond)
			sky.changes.Add(1)
			for _, verb := range []string{"enable", "disable"} {
				if out, err := f.try("policy", verb, policy); err != nil {
					t.Errorf("policy %s: %v\n%s", verb, err, out)
				}
				time.Sleep(50 * time.Millisecond)
			}
			sky.changes.Add(1)
		}
	})
	stop := sync.OnceFunc(func() { close(over) })
	defer func() { stop(); wg.Wait() }() // also if signing in fails
	time.AfterFunc(lasts, stop)
	killed.isKilled(who) // in the test's own goroutine: it signs in
	wg.Wait()

	f.mustGive(t, "at the end", f.refresh(t, steady.client, tokens.Refresh))
	steady.refreshed.Add(1)
	t.Logf("%d refreshed, %d refused by policy meanwhile, %d redeemed, %d revoked, %d killed", steady.refreshed.Load(), steady.blocked.Load(), redeeming.redeemed.Load(), redeeming.ended.Load(), killed.ended.Load())
	if steady.refreshed.Load() < 5 || steady.blocked.Load() == 0 || redeeming.ended.Load() == 0 || killed.ended.Load() == 0 {
		t.Error("that is too little")
	}
	refreshes, codes := f.counted(t, who, "refresh_token"), f.counted(t, who, "authorization_code")
	if answered, logged := steady.refreshed.Load(), refreshes[grant]; logged != answered {
		t.Errorf("of the program that nothing was done to %d refreshes were answered, and %d are in the log", answered, logged)
	}
	// One that was let pass and then met its grant's end is in the log, and was answered with a no.
	answered, late := steady.refreshed.Load()+redeeming.refreshed.Load()+killed.refreshed.Load(), killed.ended.Load()
	if logged := sum(refreshes); logged < answered || logged > answered+late {
		t.Errorf("%d refreshes were answered, and %d are in the log", answered, logged)
	}
	if given, logged := 1+redeeming.given.Load()+killed.given.Load(), sum(codes); logged != given {
		t.Errorf("%d codes were given, and %d are in the log", given, logged)
	}
	if log := f.log(); strings.Contains(log, "cannot be handed out") {
		t.Errorf("the door's log:\n%s", tail(log, 20))
	}
}

func sum(counts map[string]int64) (n int64) {
	for _, c := range counts {
		n += c
	}
	return n
}

// going says that there is still time.
func (b *busy) going() bool {
	select {
	case <-b.over:
		return false
	default:
		return true
	}
}

// asks asks for tokens; a policy may be what says no.
func (b *busy) asks(form []string) (a reply, policy bool) {
	var err error
	may := b.sky.under(func() { a, err = b.ask(b.http, tokenPath, form...) })
	if err != nil || a.status >= http.StatusInternalServerError {
		b.t.Errorf("%s: %v, %v", form[1], a, err)
	}
	if !a.ended() || !strings.Contains(a.Text, "PR53003") {
		return a, false
	}
	if !may {
		b.t.Errorf("%s: a policy that is off says no: %v", form[1], a)
	}
	return a, true
}

func (b *busy) refreshOnce(token string) (a reply, policy bool) {
	if a, policy = b.asks(refreshForm(b.client, token)); a.ok() {
		b.refreshed.Add(1)
	}
	return a, policy
}

// refreshes goes on with the successor, or with the same token if a policy said no.
func (b *busy) refreshes(has reply) reply {
	for b.going() {
		a, policy := b.refreshOnce(has.Refresh)
		switch {
		case a.ok():
			has = a
		case policy:
			b.blocked.Add(1)
		default:
			b.t.Errorf("a program that nothing was done to is told %v", a)
			return has
		}
	}
	return has
}

// begins has the person connect the program; a policy may be what says no, now
// or when the program comes with its code. Whatever else ended than by the program
// needs a new proof, which is shown in a new browser.
func (b *busy) begins(who string) (has reply, connected bool) {
	b.t.Helper()
	if b.visitor == nil {
		b.visitor = b.seat(b.t)
	}
	var code string
	var err error
	may := b.sky.under(func() {
		code, err = codeOf(b.visitor.follow(mailProgram.asks(b.client), &person{address: who, password: password}).URL)
	})
	if err != nil {
		if !may {
			b.t.Errorf("no policy says no, and yet: %v", err)
		}
		return has, false
	}
	b.given.Add(1)
	has, policy := b.asks(codeForm(b.client, code))
	if policy {
		b.visitor = nil
	}
	if !policy && !has.ok() {
		b.t.Errorf("redeeming: %v", has)
	}
	return has, has.ok()
}

// redeems has a program connected again and again, which refreshes once and gives
// back what it has.
func (b *busy) redeems(who string) {
	for b.going() && !b.t.Failed() {
		has, connected := b.begins(who)
		if !connected {
			continue
		}
		b.redeemed.Add(1)
		next, policy := b.refreshOnce(has.Refresh)
		switch {
		case next.ok():
			has = next
		case !policy:
			b.t.Errorf("a program just connected refreshes: %v", next)
			return
		}
		if a, err := b.ask(b.http, "/oauth2/revoke", "client_id", b.client, "token", has.Refresh); err != nil || a.status != http.StatusOK {
			b.t.Errorf("revoking: %v, %v", a, err)
			return
		}
		b.ended.Add(1)
		if a, _ := b.refreshOnce(has.Refresh); !a.ended() {
			b.t.Errorf("what was revoked refreshes: %v", a)
		}
	}
}

// isKilled has a program refresh while an administrator ends what it has, again
// and again: before that it is let be, and not after.
func (b *busy) isKilled(who string) {
	b.t.Helper()
	for b.going() && !b.t.Failed() {
		has, connected := b.begins(who)
		if !connected {
			continue
		}
		b.visitor = nil
		id := strings.Fields(b.do(b.t, "session", "list", "--grants", "--user", who, "--client", b.client))[0]
		var ending, over atomic.Bool
		done := make(chan struct{})
		go func() { defer close(done); b.untilItEnds(has, &ending, &over) }()
		time.Sleep(100 * time.Millisecond)
		ending.Store(true)
		b.do(b.t, "session", "kill", id)
		over.Store(true)
		b.ended.Add(1)
		<-done
	}
}

// untilItEnds refreshes until it is said to be over; ending says that the end has begun.
func (b *busy) untilItEnds(has reply, ending, over *atomic.Bool) {
	for {
		late := over.Load()
		a, policy := b.refreshOnce(has.Refresh)
		switch {
		case late && !a.ended():
			b.t.Errorf("what was ended refreshes: %v", a)
			return
		case late:
			return
		case a.ok():
			has = a
		case !policy && !(a.ended() && ending.Load()):
			b.t.Errorf("before its end: %v", a)
			return
		}
	}
}
