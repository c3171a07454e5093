package lint

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/portreeve/portreeve/internal/policy"
)

const day = 24 * time.Hour

// warnDays are how long before its end an exclusion is told, and again.
var warnDays = []int{14, 7, 1}

// DueDays says which of 14, 7 and 1 days an end that lies ahead is within, the
// least of them; 0 is none.
func DueDays(end, now time.Time) (within int) {
	if end.IsZero() || !now.Before(end) {
		return 0
	}
	for _, d := range warnDays {
		if end.Sub(now) <= time.Duration(d)*day {
			within = d
		}
	}
	return within
}

// exclusions finds those that end, have ended, or that nobody answers for.
func (c *checker) exclusions(p *policy.Policy) {
	for i, x := range p.Exclusions {
		pointer := fmt.Sprintf("/portreeve/exclusions/%d", i)
		who := whose(x)
		switch within := DueDays(x.Expires, c.Now); {
		case x.Expires.IsZero():
		case !c.Now.Before(x.Expires):
			c.add(Finding{ID: ExclusionExpired, Severity: Warning, Object: about(p), Pointer: pointer,
				Sentence: fmt.Sprintf("The exclusion of %q ended on %s: the policy applies to it again%s", c.called(x.ID), date(x.Expires), who),
				Fix:      Fix{Text: "take it out of the exclude list and of portreeve.exclusions; or, if it is still needed, give it a new end"}})
		case within > 0:
			severity := Note
			if within <= 7 {
				severity = Warning
			}
			c.add(Finding{ID: ExclusionExpiring, Severity: severity, Object: about(p), Pointer: pointer,
				Sentence: fmt.Sprintf("The exclusion of %q ends on %s, within %s: the policy will apply to it then%s", c.called(x.ID), date(x.Expires), days(within), who),
				Fix:      Fix{Text: "nothing, if it has done its work; else give portreeve.exclusions a later end"}})
		}
	}
	c.unowned(p)
}

// unowned finds who is excluded without an owner and a reason, told once per policy.
func (c *checker) unowned(p *policy.Policy) {
	u := p.Conditions.Users
	if u == nil {
		return
	}
	var bare []string
	var papers []map[string]string
	for _, id := range slices.Concat(u.Exclude.Users, u.Exclude.Groups, u.Exclude.Roles) {
		owned := func(x policy.Exclusion) bool {
			return strings.EqualFold(x.ID, id) && strings.TrimSpace(x.Owner) != "" && strings.TrimSpace(x.Reason) != ""
		}
		if !slices.ContainsFunc(p.Exclusions, owned) && !slices.Contains(bare, id) {
			bare = append(bare, id)
			papers = append(papers, map[string]string{"id": id, "owner": "", "reason": "", "expires": date(c.Now.Add(90 * day))})
		}
	}
	if len(bare) == 0 {
		return
	}
	kept := []map[string]string{}
	for _, x := range p.Exclusions {
		if slices.Contains(bare, x.ID) {
			continue
		}
		one := map[string]string{"id": x.ID, "owner": x.Owner, "reason": x.Reason}
		if !x.Expires.IsZero() {
			one["expires"] = x.Expires.UTC().Format(time.RFC3339)
		}
		kept = append(kept, one)
	}
	c.add(Finding{ID: ExclusionUnowned, Severity: Note, Object: about(p), Pointer: "/portreeve/exclusions",
		Sentence: fmt.Sprintf("Nobody answers for excluding %s: there is no owner or no reason", c.listed(bare)),
		Fix:      Fix{Text: "say who asked for it, why and until when", JSON: patch(map[string]any{"portreeve": map[string]any{"exclusions": append(kept, papers...)}})}})
}

func whose(x policy.Exclusion) string {
	switch {
	case x.Owner != "" && x.Reason != "":
		return fmt.Sprintf(" (%s: %s)", x.Owner, x.Reason)
	case x.Owner+x.Reason != "":
		return " (" + x.Owner + x.Reason + ")"
	}
	return ""
}

func date(t time.Time) string { return t.UTC().Format(time.DateOnly) }

func days(n int) string {
	if n == 1 {
		return "1 day"
	}
	return fmt.Sprintf("%d days", n)
}

// listed names a few and counts the rest.
func (c *checker) listed(all []string) string {
	const most = 5
	quoted := make([]string, 0, most)
	for _, s := range all[:min(len(all), most)] {
		quoted = append(quoted, fmt.Sprintf("%q", c.called(s)))
	}
	s := strings.Join(quoted, ", ")
	if len(all) > most {
		s += fmt.Sprintf(" and %d more", len(all)-most)
	}
	return s
}

// patch is JSON that has been made here, so that it cannot fail.
func patch(v any) json.RawMessage {
	raw, err := json.Marshal(v)
	if err != nil {
		return nil
	}
	return raw
}
