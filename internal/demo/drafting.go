package demo

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

const (
	onlyOffice   = "Only from the office"
	onlyOfficeID = "0d0c0de0-0001-4000-8000-000000000009"

	// confirmWithin is short, so that nobody waits long for what is taken back.
	confirmWithin = 2 * time.Second
	// takenBackWithin is how long after that the old rules are in force again.
	takenBackWithin = time.Second
	// settling saves Hermes a refusal, which takes half a second.
	settling = 200 * time.Millisecond
)

// foreseen is what a change would have done to the month's sign-ins.
type foreseen struct {
	SignIns int64 `json:"signIns"`
	Buckets []struct {
		Bucket  string `json:"bucket"`
		SignIns int64  `json:"signIns"`
		People  int64  `json:"people"`
	} `json:"buckets"`
	Hardest []struct {
		User    string `json:"user"`
		SignIns int64  `json:"signIns"`
	} `json:"hardestHit"`
}

func (f *foreseen) of(bucket string) (signIns, people int64) {
	for _, b := range f.Buckets {
		if b.Bucket == bucket {
			return b.SignIns, b.People
		}
	}
	return 0, 0
}

// draft imports a policy that is not in force.
func (a *api) draft(ctx context.Context, file string) error {
	raw, err := ruleFiles.ReadFile("rules/" + file + ".json")
	if err != nil {
		return err
	}
	var made struct{}
	return a.do(ctx, http.MethodPost, "/v1.0/identity/conditionalAccess/policies", nil, string(raw), &made)
}

// foresee judges the month again as if a policy were on.
func (a *api) foresee(ctx context.Context, policy string) (f foreseen, err error) {
	return f, a.do(ctx, http.MethodPost, "/portreeve/v1/replay", nil, fmt.Sprintf(`{"states": {%q: "enabled"}, "days": %d}`, policy, historyDays), &f)
}

// version is one of a policy's, as its history has them.
type version struct {
	Version int64  `json:"version"`
	Actor   string `json:"actor"`
	Action  string `json:"action"`
	After   struct {
		State string `json:"state"`
	} `json:"after"`
}

func (a *api) history(ctx context.Context, policy string) (list []version, err error) {
	var page struct{ Value []version }
	err = a.do(ctx, http.MethodGet, "/portreeve/v1/history/policy/"+policy, nil, "", &page)
	slices.SortFunc(page.Value, func(a, b version) int { return int(a.Version - b.Version) })
	return page.Value, err
}

// A change is tried on the month before it is made, and nobody is shut out by one
// that was made all the same.
func (t *story) draftTakesItselfBack(ctx context.Context) error {
	if err := t.api.draft(ctx, "only-the-office"); err != nil {
		return err
	}
	t.s.say("Somebody drafts %q: everything from elsewhere is refused. Whom would that hit?", onlyOffice)
	t.command(fmt.Sprintf("policy replay --enable %q --last %dd", onlyOffice, historyDays))
	f, err := t.api.foresee(ctx, onlyOffice)
	if err != nil {
		return err
	}
	lost, people := f.of("newlyRefused")
	same, _ := f.of("unchanged")
	var names []string
	for _, h := range f.Hardest {
		if who, _, _ := strings.Cut(h.User, "@"); h.SignIns > 0 && len(names) < 3 {
			names = append(names, fmt.Sprintf("%s %d", who, h.SignIns))
		}
	}
	t.s.claim(lost > 0 && people >= int64(len(names)) && len(names) == 3, "of the month's %d sign-ins %d of %d people would be lost: %s …", f.SignIns, lost, people, strings.Join(names, ", "))
	t.s.claim(same > 0 && !slices.ContainsFunc(f.Hardest, func(h struct {
		User    string `json:"user"`
		SignIns int64  `json:"signIns"`
	}) bool {
		return h.User == address("scanner") && h.SignIns > 0
	}), "%d stay as they are, the scanner's among them: it stands in the office", same)
	return t.madeAllTheSame(ctx)
}

// madeAllTheSame switches the draft on for a moment in which nobody confirms it.
func (t *story) madeAllTheSame(ctx context.Context) error {
	t.command(fmt.Sprintf("policy enable %q --confirm-within %s", onlyOffice, confirmWithin))
	gone := make(chan error, 1)
	go func() { _, err := t.other.ended(t.patience(closedWithin)); gone <- err }()
	made := time.Now()
	var c change
	if err := t.api.do(ctx, http.MethodPatch, "/v1.0/identity/conditionalAccess/policies/"+onlyOfficeID, url.Values{"confirmWithin": {confirmWithin.String()}}, `{"state": "enabled"}`, &c); err != nil {
		return err
	}
	t.s.claim(<-gone == nil, "it is made all the same: Hermes, who is not in the office today, is cut off")
	t.s.say("Nobody who was let in under it confirms it. So, without anybody's doing:")
	err := t.until(ctx, func() (in bool, err error) {
		if time.Since(made) < confirmWithin+settling {
			return false, nil
		}
		t.other.close()
		return t.hermesConnects(ctx)
	})
	if err != nil {
		return err
	}
	after := time.Since(made)
	t.s.claim(after <= t.patience(confirmWithin+takenBackWithin), "after %.1f s the change has taken itself back, and Hermes' program is in again", after.Seconds())
	versions, err := t.api.history(ctx, onlyOfficeID)
	if err != nil {
		return err
	}
	t.s.claim(len(versions) == 3 && versions[1].After.State == "enabled" && versions[2].After.State == "disabled", "its history tells all of it:")
	t.command(fmt.Sprintf("policy history %q", onlyOffice))
	for _, v := range versions {
		t.s.say("%d  %-8s by %-10s %s", v.Version, v.Action, v.Actor, v.After.State)
	}
	return nil
}
