package demo

import (
	"context"
	"testing"
	"time"

	"github.com/portreeve/portreeve/internal/policy"
	"github.com/portreeve/portreeve/internal/server"
	"github.com/portreeve/portreeve/internal/signin"
	"github.com/portreeve/portreeve/internal/store"
)

// month fills a store and reads its sign-ins back.
func month(t *testing.T) (tally, *policy.Snapshot, []signin.Event) {
	t.Helper()
	ctx, now := context.Background(), time.Date(2026, 11, 20, 15, 30, 0, 0, time.UTC)
	s, err := store.Open(ctx, store.Options{Dir: t.TempDir(), Demo: true})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	people, err := putPeople(ctx, s)
	if err == nil {
		err = putRules(ctx, s, now)
	}
	if err != nil {
		t.Fatal(err)
	}
	rules, err := server.Compile(ctx, s)
	if err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	n, err := putHistory(ctx, s, rules, people, now)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%+v in %s", n, time.Since(began))
	var all []signin.Event
	for e, err := range s.AllEvents(ctx, store.EventFilter{}) {
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, *e)
	}
	return n, rules, all
}

// What stands in the log of the past month is what the engine says of it.
func TestEachSignInOfTheMonthIsTrulyJudged(t *testing.T) {
	n, rules, all := month(t)
	if len(all) != n.rows || n.signIns < 15_000 || n.signIns > 25_000 || n.guesses != waveGuesses {
		t.Errorf("%d rows read, written: %+v", len(all), n)
	}
	codes, would := map[signin.Code]int{}, 0
	for i := range all {
		e := &all[i]
		codes[e.Code]++
		if e.Verdict.Version != rules.Version() {
			t.Fatalf("judged by version %d, the rules are %d", e.Verdict.Version, rules.Version())
		}
		if !e.Facts.Proven {
			continue
		}
		var bits policy.Bits
		v := policy.Judge(rules, &e.Facts, &bits)
		if v.Effect != e.Verdict.Effect || v.By != e.Verdict.By || signin.Code(v.Code) != e.Code {
			t.Fatalf("%s: %+v is written, %+v is so", e.ID, e.Verdict, v)
		}
		for p := range rules.Policies() {
			if rules.Result(&bits, p) != rules.Result(&e.Applied, p) {
				t.Fatalf("%s: policy %d: %v is written, %v is so", e.ID, p, rules.Result(&e.Applied, p), rules.Result(&bits, p))
			}
		}
		if rules.Result(&bits, 0) == policy.ReportOnlyFailure {
			would++
		}
	}
	for _, c := range []signin.Code{signin.OK, signin.SwitchedOff, signin.PasswordNotAllowed, signin.WrongCredentials, signin.UserUnknown, signin.Throttled} {
		if codes[c] == 0 {
			t.Errorf("the month has no %s", c)
		}
	}
	if would == 0 {
		t.Error("the report-only policy would refuse nobody")
	}
}

// Everybody sees the same month.
func TestTheMonthIsTheSameForEveryone(t *testing.T) {
	_, _, a := month(t)
	_, _, b := month(t)
	if len(a) != len(b) {
		t.Fatal(len(a), len(b))
	}
	for i := range a {
		if a[i].ID != b[i].ID || a[i].Code != b[i].Code || a[i].Count != b[i].Count || !a[i].At.Equal(b[i].At) {
			t.Fatalf("sign-in %d differs: %+v\n%+v", i, a[i], b[i])
		}
	}
}
