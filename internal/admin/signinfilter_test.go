package admin

import (
	"reflect"
	"testing"

	"github.com/portreeve/portreeve/internal/filter"
	"github.com/portreeve/portreeve/internal/policy"
	"github.com/portreeve/portreeve/internal/signin"
)

// A step that was interrupted says so wherever it is told or asked for, and is no
// refusal.
func TestAnInterruptedStepSaysSo(t *testing.T) {
	e := &signin.Event{Code: signin.MFARequired, Mechanism: "portal", Verdict: policy.Verdict{Effect: policy.Interrupt, Stage: policy.StageConditionalAccess}}
	e.Facts.Proven = true
	told := graphSignIn(e, nil)
	if told.Portreeve.Outcome != "interrupted" || told.Status.ErrorCode != 50076 || told.Status.AdditionalDetails == nil {
		t.Errorf("%+v, %+v", told.Portreeve, told.Status)
	}
	for text, want := range map[string]bool{`outcome eq "interrupted"`: true, `outcome eq "refused"`: false, `outcome ne "allowed"`: true} {
		x, err := filter.Parse(filter.LogSearch, text, signInSchema)
		if err != nil {
			t.Fatal(err)
		}
		if got := x.Match(signInLookup(e)); got != want {
			t.Errorf("%s: %v", text, got)
		}
	}
	for _, word := range signin.Endings() {
		var q signInQuery
		if err := q.shortcut("outcome", word); err != nil || q.stored.Outcome.String() != word {
			t.Errorf("--outcome %s: %v, %v", word, q.stored.Outcome, err)
		}
	}
	e.Verdict.Effect = policy.Block
	if told := graphSignIn(e, nil); told.Portreeve.Outcome != "refused" || told.Status.AdditionalDetails != nil {
		t.Errorf("a program that cannot be asked: %+v", told.Portreeve)
	}
}

// A grant is asked for by the id that lists of grants show.
func TestSignInsAreFoundByTheirGrant(t *testing.T) {
	for grant, want := range map[string]filter.Value{"oauth:g1": filter.String("g1"), "apppw:a1": filter.String("a1"), "": filter.Null} {
		if got := signInLookup(&signin.Event{Grant: grant})("grant"); !reflect.DeepEqual(got, want) {
			t.Errorf("%q: %v", grant, got)
		}
	}
}
