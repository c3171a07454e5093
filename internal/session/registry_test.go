package session

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/portreeve/portreeve/internal/policy"
	"github.com/portreeve/portreeve/internal/protocol"
	"github.com/portreeve/portreeve/internal/signin"
)

// rules is a snapshot that blocks whoever is named.
func rules(version uint64, blocked ...string) *policy.Snapshot {
	src := policy.Source{Version: version}
	if len(blocked) > 0 {
		src.Policies = []policy.Policy{{ID: "p", State: policy.Enabled, Grant: &policy.Grant{Controls: policy.ControlBlock},
			Conditions: policy.Conditions{Users: &policy.Users{Include: policy.People{Users: blocked}}}}}
	}
	s, _ := policy.Compile(src)
	return s
}

// outcome is somebody who was let in under a snapshot.
func outcome(person string, n int64, s *policy.Snapshot) *signin.Outcome {
	f := policy.Facts{At: time.Now(), Person: person, Protocol: protocol.IMAP, Credential: policy.CredentialPassword, Proven: true, Methods: policy.MethodPassword}
	return &signin.Outcome{Attempt: signin.Attempt{ID: signin.NewID(n, [10]byte{}), At: time.Now(), Protocol: protocol.IMAP}, Facts: f, Verdict: policy.Judge(s, &f, nil)}
}

func TestAChangeEndsWhoMayNoLongerStayAndNobodyElse(t *testing.T) {
	var r Registry
	first := rules(1)
	r.Install(first)
	ended := map[string]int{}
	for i := range 100 {
		person := fmt.Sprint("p", i)
		if _, ok := r.Open(outcome(person, int64(i), first), "", func(signin.Code, string) { ended[person]++ }); !ok {
			t.Fatal("not opened")
		}
	}
	report := r.Recheck(rules(2, "p7", "p8"), time.Now(), 0, nil)
	if report.Judged != 100 || report.Ended != 2 || ended["p7"] != 1 || ended["p8"] != 1 || len(ended) != 2 {
		t.Errorf("report %+v, ended %v", report, ended)
	}
	r.Recheck(rules(3, "p7", "p8"), time.Now(), 0, nil)
	if ended["p7"] != 1 {
		t.Error("a session was ended twice")
	}
}

func TestAChangeBetweenVerdictAndRegistrationIsNotMissed(t *testing.T) {
	var r Registry
	first := rules(1)
	r.Install(first)
	o := outcome("mary", 1, first)
	r.Recheck(rules(2, "mary"), time.Now(), 0, nil)
	if _, ok := r.Open(o, "", func(signin.Code, string) {}); ok {
		t.Error("a session was opened on an outdated verdict")
	}
}

func TestRechecksAndOpeningsTogetherMissNobody(t *testing.T) {
	var r Registry
	current := atomic.Pointer[policy.Snapshot]{}
	current.Store(rules(1))
	r.Install(current.Load())
	var open, ended atomic.Int64
	done := make(chan struct{})
	go func() {
		defer close(done)
		for i := range 2000 {
			o := outcome("mary", int64(i), current.Load())
			if !o.Verdict.Allowed() {
				return
			}
			if _, ok := r.Open(o, "", func(signin.Code, string) { ended.Add(1) }); ok {
				open.Add(1)
			}
		}
	}()
	time.Sleep(time.Millisecond)
	last := rules(2, "mary")
	current.Store(last)
	r.Recheck(last, time.Now(), 0, nil)
	<-done
	if open.Load() != ended.Load() {
		t.Errorf("%d were opened and %d ended", open.Load(), ended.Load())
	}
}

func TestFactsAreBroughtUpToDateBeforeJudging(t *testing.T) {
	var r Registry
	first := rules(1)
	r.Install(first)
	var why signin.Code
	s, _ := r.Open(outcome("mary", 1, first), "", func(c signin.Code, _ string) { why = c })
	r.Recheck(rules(2), time.Now(), 0, func(f *policy.Facts) (signin.Code, bool) { f.Groups = []string{"new"}; return 0, true })
	if got := s.Facts().Groups; len(got) != 1 || got[0] != "new" {
		t.Errorf("groups %v", got)
	}
	r.Recheck(rules(3), time.Now(), 0, func(*policy.Facts) (signin.Code, bool) { return signin.UserDisabled, false })
	if why != signin.UserDisabled {
		t.Errorf("ended with %v", why)
	}
}

func TestClosingsCanBeSpread(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var r Registry
		first := rules(1)
		r.Install(first)
		var ended atomic.Int64
		for i := range 100 {
			r.Open(outcome("mary", int64(i), first), "", func(signin.Code, string) { ended.Add(1) })
		}
		r.Recheck(rules(2, "mary"), time.Now(), time.Minute, nil)
		time.Sleep(30 * time.Second)
		synctest.Wait()
		if n := ended.Load(); n < 20 || n > 80 {
			t.Errorf("%d of 100 were ended at half time", n)
		}
		time.Sleep(31 * time.Second)
		synctest.Wait()
		if n := ended.Load(); n != 100 {
			t.Errorf("%d of 100 were ended", n)
		}
	})
}

func TestASessionEndsWhenItsProofRunsOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var r Registry
		first := rules(1)
		r.Install(first)
		ctx, cancel := context.WithCancel(t.Context())
		go func() { _ = r.Run(ctx, nil) }()
		o := outcome("mary", 1, first)
		o.Principal.Until = time.Now().Add(time.Hour)
		var why atomic.Int64
		if _, ok := r.Open(o, "", func(c signin.Code, _ string) { why.Store(int64(c)) }); !ok {
			t.Fatal("not opened")
		}
		time.Sleep(59 * time.Minute)
		if why.Load() != 0 {
			t.Fatal("ended early")
		}
		time.Sleep(time.Minute + 2*sweepEvery)
		if signin.Code(why.Load()) != signin.SessionExpired {
			t.Errorf("ended with %v", why.Load())
		}
		cancel()
		synctest.Wait()
	})
}

func TestWhatIsLearnedLaterIsJudged(t *testing.T) {
	src := policy.Source{Version: 1, Policies: []policy.Policy{{ID: "p", State: policy.Enabled, Grant: &policy.Grant{Controls: policy.ControlBlock},
		Conditions: policy.Conditions{Users: &policy.Users{Include: policy.People{All: true}}, Portreeve: policy.Own{Programs: &policy.Words{Include: []string{"fetchmail"}}}}}}}
	snap, _ := policy.Compile(src)
	var r Registry
	r.Install(snap)
	o := outcome("mary", 1, snap)
	if !o.Verdict.Allowed() {
		t.Fatal("blocked before the program was known")
	}
	ended := false
	s, _ := r.Open(o, "", func(signin.Code, string) { ended = true })
	s.Learn(func(f *policy.Facts) { f.Program = "mutt" })
	if ended {
		t.Fatal("mutt was ended")
	}
	s.Learn(func(f *policy.Facts) { f.Program = "fetchmail" })
	if !ended {
		t.Error("fetchmail stayed")
	}
}

// All 9,500 sessions are judged again and 95 ended, without the connections.
func BenchmarkRecheck9500(b *testing.B) {
	var blocked []string
	for i := range 95 {
		blocked = append(blocked, fmt.Sprint("p", i*100))
	}
	var r Registry
	first, second := rules(1), rules(2, blocked...)
	for i := range 9500 {
		r.Open(outcome(fmt.Sprint("p", i), int64(i), first), "", func(signin.Code, string) {})
	}
	now := time.Now()
	b.ResetTimer()
	for range b.N {
		r.Recheck(second, now, 0, nil)
	}
}

// Between the look at a person and the opening of the session lie seconds where
// a mail server is slow. Whatever happens to the person meanwhile counts.
func TestAChangeOfThePersonDuringASignInIsNotMissed(t *testing.T) {
	first := rules(1)
	changed := map[string]bool{}
	r := Registry{Refresh: func(f *policy.Facts) (signin.Code, bool) {
		if changed[f.Person] {
			return signin.UserDisabled, false
		}
		f.Groups = []string{"staff"}
		return signin.OK, true
	}}
	r.Install(first)
	o := outcome("mary", 1, first)
	changed["mary"] = true
	r.Recheck(first, time.Now(), 0, r.Refresh) // she has no session yet
	if _, ok := r.Open(o, "", func(signin.Code, string) {}); ok || r.Len() != 0 {
		t.Errorf("a disabled person's session was opened, %d are open", r.Len())
	}
	s, ok := r.Open(outcome("anna", 2, first), "", func(signin.Code, string) {})
	if !ok || len(s.Facts().Groups) != 1 {
		t.Error("somebody whom nothing happened to was not let in with the groups of now")
	}
}

func TestWhatWasTakenBackDuringASignInOpensNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var r Registry
		first := rules(1)
		r.Install(first)
		before := outcome("mary", 1, first)
		other := outcome("anna", 2, first)
		time.Sleep(time.Second)
		r.Matching(func(s *Session) bool { return s.Facts().Person == "mary" }, signin.SessionPolicyChanged, "the password was changed")
		time.Sleep(time.Second)
		if _, ok := r.Open(before, "", func(signin.Code, string) {}); ok || !r.Outdated(before) || r.Len() != 0 {
			t.Error("a session was opened on a password that is no more")
		}
		if _, ok := r.Open(other, "", func(signin.Code, string) {}); !ok || r.Outdated(other) {
			t.Error("somebody else was kept out")
		}
		if _, ok := r.Open(outcome("mary", 3, first), "", func(signin.Code, string) {}); !ok {
			t.Error("who showed the new password was kept out")
		}
		time.Sleep(ordersKept + time.Second)
		r.Matching(func(*Session) bool { return false }, signin.SessionEnded, "")
		if len(r.orders) != 1 {
			t.Errorf("%d orders are kept", len(r.orders))
		}
	})
}

func TestLearningAndRecheckingTogetherLoseNothing(t *testing.T) {
	var r Registry
	first := rules(1)
	r.Install(first)
	for i := range 200 {
		s, _ := r.Open(outcome("mary", int64(i), first), "", func(signin.Code, string) {})
		done := make(chan struct{})
		go func() {
			defer close(done)
			s.Learn(func(f *policy.Facts) { f.Program = "mutt" })
		}()
		r.Recheck(first, time.Now(), 0, func(f *policy.Facts) (signin.Code, bool) { f.Groups = []string{"staff"}; return signin.OK, true })
		<-done
		if f := s.Facts(); f.Program != "mutt" || len(f.Groups) != 1 {
			t.Fatalf("program %q, groups %v", f.Program, f.Groups)
		}
		s.Done()
	}
}

// What begins and ends by itself reaches open connections as a change does.
func TestWhatBeginsByTheClockReachesOpenSessionsWithinASecond(t *testing.T) {
	everybody := policy.People{All: true}
	daily := [7]bool{true, true, true, true, true, true, true}
	for name, conditions := range map[string]func(begin time.Time) (policy.Conditions, []policy.Exclusion){
		"a period": func(begin time.Time) (policy.Conditions, []policy.Exclusion) {
			return policy.Conditions{Portreeve: policy.Own{Period: &policy.Period{Start: begin}}}, nil
		},
		"an hour": func(begin time.Time) (policy.Conditions, []policy.Exclusion) {
			minute := begin.UTC().Hour()*60 + begin.UTC().Minute()
			return policy.Conditions{Portreeve: policy.Own{Hours: &policy.Hours{Include: []policy.Span{{Days: daily, From: minute, To: minute + 60}}}}}, nil
		},
		"the end of an exclusion": func(begin time.Time) (policy.Conditions, []policy.Exclusion) {
			return policy.Conditions{Users: &policy.Users{Include: everybody, Exclude: policy.People{Users: []string{"mary"}}}}, []policy.Exclusion{{ID: "mary", Expires: begin}}
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				begin := time.Now().Truncate(time.Hour).Add(2 * time.Hour)
				p := policy.Policy{ID: "p", DisplayName: name, Grant: &policy.Grant{Controls: policy.ControlBlock}}
				p.Conditions, p.Exclusions = conditions(begin)
				s, _ := policy.Compile(policy.Source{Version: 1, Policies: []policy.Policy{p}})
				endsBetween(t, s, time.Until(begin)-1, sweepEvery+1)
			})
		})
	}
}

// endsBetween opens a session that must still be there after one time, and be
// ended once another has passed.
func endsBetween(t *testing.T, s *policy.Snapshot, early, more time.Duration) {
	t.Helper()
	var r Registry
	r.Install(s)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	go func() { _ = r.Run(ctx, nil) }()
	o := outcome("mary", 1, s)
	if !o.Verdict.Allowed() {
		t.Fatal("refused before it begins")
	}
	var why atomic.Int64
	if _, ok := r.Open(o, "", func(c signin.Code, _ string) { why.Store(int64(c)) }); !ok {
		t.Fatal("not opened")
	}
	time.Sleep(early)
	synctest.Wait()
	if why.Load() != 0 {
		t.Error("ended early")
	}
	time.Sleep(more)
	synctest.Wait()
	if signin.Code(why.Load()) != signin.SessionPolicyChanged {
		t.Errorf("ended with %v", signin.Code(why.Load()))
	}
}
