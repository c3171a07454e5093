package admin

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/portreeve/portreeve/internal/policy"
	"github.com/portreeve/portreeve/internal/policycheck"
	"github.com/portreeve/portreeve/internal/policyset"
	"github.com/portreeve/portreeve/internal/signin"
	"github.com/portreeve/portreeve/internal/store"
	"github.com/portreeve/portreeve/internal/whatif"
)

// tested is what the tests of a folder came to.
type tested struct {
	Passed int          `json:"passed"`
	Failed int          `json:"failed"`
	NotRun int          `json:"notRun"`
	Cases  []testedCase `json:"cases"` // those that did not pass
}

// testedCase is one test that failed, or could not be run.
type testedCase struct {
	Name     string   `json:"name"`
	Place    string   `json:"place"` // file and line
	Status   string   `json:"status"`
	Problems []string `json:"problems"`
}

// testFolder runs the folder's tests, by the folder's own rules as offline; what
// recorded sign-ins come to by what would be in force here. nil: it has none.
func (a *api) testFolder(r *http.Request, set *policyset.Set, x *outlook) (*tested, error) {
	all := set.Of(policyset.Test)
	if len(all) == 0 {
		return nil, nil
	}
	src, err := set.Source()
	if err != nil {
		return nil, bad("", "%v", err)
	}
	var suites []*policycheck.Suite
	for _, o := range all {
		s, err := policycheck.ReadSuite(o.Place(), o.Spec)
		if err == nil {
			err = s.Check(&src)
		}
		if err != nil {
			return nil, bad("", "%v", o.Placed(err))
		}
		suites = append(suites, s)
	}
	if err := needsForTests(r, suites); err != nil {
		return nil, err
	}
	report := policycheck.Run(src, suites, policycheck.Options{Now: time.Now(), Reply: func(s *policy.Snapshot, o *signin.Outcome) string {
		return WireReply(s, o, a.Gate.Words, a.Replies(o.Attempt.Protocol, o.Attempt.Listener))
	}, Recorded: func(q *policycheck.Replay) (*policycheck.Replayed, error) { return a.recorded(r, q, x) }})
	out := &tested{Passed: report.Passed, Failed: report.Failed, NotRun: report.NotRun, Cases: []testedCase{}}
	for i := range report.Results {
		if c := &report.Results[i]; c.Status != policycheck.Passed && len(out.Cases) < maxFaults {
			out.Cases = append(out.Cases, testedCase{c.Title(), all[c.At].Fault(c.Pointer, "").Place(), string(c.Status), append([]string{}, c.Problems...)})
		}
	}
	return out, nil
}

// recorded judges the recorded sign-ins for a test.
func (a *api) recorded(r *http.Request, q *policycheck.Replay, x *outlook) (*policycheck.Replayed, error) {
	before := a.Gate.Snapshot()
	after := x.after
	if after == nil { // nothing changes
		after = before
	}
	after = policycheck.Assumed(after, q.Assume)
	w := &replaying{proposal: &proposal{before: before, after: after}, window: store.ReplayWindow{From: time.Now().AddDate(0, 0, -q.Days)}}
	w.change = a.known(r, w.proposal, false)
	var progress store.Progress
	tally, _, _, err := a.count(r.Context(), &replayed{}, w, &progress)
	if err != nil {
		return nil, err
	}
	t := &teller{a: a, ctx: r.Context(), tally: tally, w: w, people: map[string]string{}}
	var told replayAnswer
	t.tell(&told, 0)
	out := &policycheck.Replayed{Buckets: map[string]policycheck.Bucket{}, InGroup: func(address, group string) (bool, error) { return a.inGroup(r, address, group) }}
	for i, b := range whatif.Shown {
		n := told.Buckets[i]
		bucket := policycheck.Bucket{SignIns: n.SignIns, People: n.People, Programs: int64(n.Programs), ServiceAccounts: int64(n.Services), Who: []string{}}
		seen := map[string]bool{}
		for _, h := range tally.Hits(b) {
			if h.Person != "" && !seen[h.Person] {
				seen[h.Person] = true
				bucket.Who = append(bucket.Who, t.address(h.Person))
			}
		}
		out.Buckets[b.String()] = bucket
	}
	return out, nil
}

// inGroup says whether somebody is in a group now, by its name or id. Who is
// gone is in none; of a group that is not there nobody can say.
func (a *api) inGroup(r *http.Request, address, group string) (bool, error) {
	wanted, err := a.Store.Group(r.Context(), group)
	if errors.Is(err, store.ErrNotFound) {
		return false, fmt.Errorf("there is no group %q here", group)
	}
	if err != nil {
		return false, err
	}
	p, err := a.Store.Person(r.Context(), address)
	if errors.Is(err, store.ErrNotFound) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	ids, err := a.Store.GroupsOf(r.Context(), p.ID)
	return slices.Contains(ids, wanted.ID), err
}
