package admin

import (
	"context"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/portreeve/portreeve/internal/policy"
	"github.com/portreeve/portreeve/internal/policy/policytest"
	"github.com/portreeve/portreeve/internal/signin"
	"github.com/portreeve/portreeve/internal/store"
	"github.com/portreeve/portreeve/internal/whatif"
)

// TestAReplayAndItsPreviewAreWhatEachSignInComesTo puts a log through the store:
// exact and by classes, both are what the sign-ins come to one by one; and so
// they are when more has been written since the classes were counted.
func TestAReplayAndItsPreviewAreWhatEachSignInComesTo(t *testing.T) {
	ctx := t.Context()
	s, err := store.Open(ctx, store.Options{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	const people = 40
	src := policytest.Source(7, 12, people)
	src.Policies = slices.DeleteFunc(src.Policies, func(p policy.Policy) bool { // nothing that makes a preview rough
		return p.Conditions.Portreeve.Hours != nil || p.Session.Frequency != nil
	})
	change := whatif.Change{}
	change.Before.Rules, _ = policy.Compile(src)
	src.Policies = append(slices.Clone(src.Policies), policy.Policy{ID: "new", DisplayName: "new", State: policy.Enabled, Grant: &policy.Grant{Any: true, Controls: policy.ControlBlock},
		Conditions: policy.Conditions{Users: &policy.Users{Include: policy.People{All: true}}, Portreeve: policy.Own{Programs: &policy.Words{Include: []string{"outlook", "k-9"}}}}})
	change.After.Rules, _ = policy.Compile(src)
	if rough := whatif.Rough(&change); len(rough) > 0 {
		t.Fatal(rough)
	}
	began := time.Now().Add(-72 * time.Hour)
	judge, r := whatif.NewJudge(&change), rand.New(rand.NewPCG(7, 7))
	profiles := siteProfiles(r)
	want, written := whatif.NewTally(), 0
	write := func(n int) {
		t.Helper()
		err := s.Write(ctx, func(tx *store.Tx) error {
			for range n {
				e := profiles[r.IntN(len(profiles))].draw(r)
				written++
				e.ID, e.At, e.Count = store.NewID(), began.Add(time.Duration(written)*time.Minute).UTC(), 1+r.Int64N(3)
				e.Last, e.Facts.At, e.Facts.AuthTime = e.At, e.At, e.At
				if err := tx.PutEvent(&e); err != nil {
					return err
				}
				a := judge.Answer(&e)
				want.Count(&e, &a, e.Count)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	a := &api{Options: Options{Store: s}, classes: &classKeeper{}}
	w := &replaying{proposal: &proposal{before: change.Before.Rules, after: change.After.Rules}, change: change, window: store.ReplayWindow{From: began}}
	holds := func(preview bool) {
		t.Helper()
		got, _, exact, err := a.count(context.WithoutCancel(ctx), &replayed{Preview: preview}, w, nil)
		if err != nil || exact == preview || got.SignIns != want.SignIns || got.People() != want.People() || got.KeptOut() != want.KeptOut() {
			t.Fatalf("preview %v: %v of %v, one by one %v of %v: %v", preview, got.SignIns, got.People(), want.SignIns, want.People(), err)
		}
	}
	write(700)
	if err := a.classes.refresh(ctx, s); err != nil || a.classes.classes.Len() == 0 {
		t.Fatalf("%d classes: %v", a.classes.classes.Len(), err)
	}
	holds(false)
	holds(true)
	write(300)
	holds(false)
	holds(true)
	if want.SignIns[whatif.Refused] == 0 || want.SignIns[whatif.Unchanged] == 0 {
		t.Fatalf("the test shows little: %v", want.SignIns)
	}
	behind, err := a.behind(ctx, w, whatif.Refused, "", 10)
	if err != nil || len(behind) != 10 {
		t.Fatalf("%d sign-ins behind the number: %v", len(behind), err)
	}
	for _, x := range behind {
		e, err := s.EventByReference(ctx, x.ID.Reference())
		if err != nil {
			t.Fatal(err)
		}
		if answer := judge.Answer(&e); answer.Bucket != whatif.Refused {
			t.Errorf("%s is %s", x.ID.Reference(), answer.Bucket)
		}
	}
	var none signin.ID
	if behind[0].ID == none {
		t.Error("no reference")
	}
}
