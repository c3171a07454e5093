package lint

import (
	"fmt"
	"strings"
	"sync"

	"github.com/portreeve/portreeve/internal/policy"
)

// ReportOnlyDays is how long a policy may only report before it is asked
// whether it was forgotten, or taken for one in force.
const ReportOnlyDays = 30

// reach finds policies that no sign-in can meet, that another one makes idle,
// or that say less than they seem to.
func (c *checker) reach(i int, p *policy.Policy) {
	if names, never := c.Rules.Never(i, c.Now); never {
		c.never(p, names)
		return
	}
	if !c.NoNotes {
		if by, shadowed := c.Rules.Shadowed(i, c.Now); shadowed {
			c.shadowed(p, &c.source.Policies[by])
			return
		}
	}
	c.narrowed(i, p)
}

func (c *checker) never(p *policy.Policy, names []string) {
	what := fmt.Sprintf("no sign-in meets its condition %s", names[0])
	if len(names) > 1 {
		what = fmt.Sprintf("no sign-in meets its conditions %s together", strings.Join(names, " and "))
	}
	f := Finding{ID: NeverApplies, Severity: Warning, Object: about(p), Pointer: pointerOf(names[0]),
		Sentence: "The policy never applies: " + what,
		Fix:      Fix{Text: "widen the condition, or delete the policy: it does nothing", Command: "portreeve policy delete " + ShellWord(p.DisplayName)}}
	c.add(f)
}

// pointerOf is where a condition stands in a policy's JSON.
func pointerOf(condition string) string {
	return "/conditions/" + strings.ReplaceAll(condition, ".", "/")
}

func (c *checker) shadowed(p, by *policy.Policy) {
	c.add(Finding{ID: Shadowed, Severity: Note, Object: about(p),
		Sentence: fmt.Sprintf("The policy decides nothing: %q is in force, applies wherever this one does and asks at least as much", by.DisplayName),
		Fix:      Fix{Text: "delete it; or, if the other one was to have an exception, except there what this one is for", Command: "portreeve policy delete " + ShellWord(p.DisplayName)},
		Evidence: []string{fmt.Sprintf("held for every person, place, program, time and proof by %q (%s)", by.DisplayName, by.ID)}})
}

// waits finds policies that have only reported for long.
func (c *checker) waits(p *policy.Policy) {
	since := c.Since[p.ID]
	if p.State != policy.ReportOnly || since.IsZero() || c.Now.Sub(since) < ReportOnlyDays*day {
		return
	}
	c.add(Finding{ID: ReportOnlyLong, Severity: Note, Object: about(p), Pointer: "/state",
		Sentence: fmt.Sprintf("The policy has only reported since %s (%d days): it stops nobody", date(since), int(c.Now.Sub(since)/day)),
		Fix: Fix{Text: "look at what it would have done (`portreeve policy replay`), then enforce it, or delete it", Command: "portreeve policy enable " + ShellWord(p.DisplayName),
			JSON: patch(map[string]string{"state": policy.Enabled.String()})}})
}

// narrowing are conditions that quietly take sign-ins out of a policy for
// everybody, and what is to be said of each. A place that is left out, a share
// and a period are not among them: such a policy says so itself.
type narrowing struct {
	condition, why string
	forged         bool // whoever wants to pass it by says something else
}

func narrowings(c *policy.Conditions) (found []narrowing) {
	add := func(is bool, name, why string) {
		if is {
			found = append(found, narrowing{name, why, why == forged})
		}
	}
	add(c.Platforms != nil && !(c.Platforms.AllIncluded && len(c.Platforms.Exclude) == 0 && !c.Platforms.AllExcluded), "platforms", forged)
	add(c.DeviceFilter != nil, "devices", "which a program with a password has none of")
	add(c.Locations != nil && !includes(c.Locations.Include, "All"), "locations", "which leaves every other place out")
	add(c.Portreeve.Programs != nil, "portreeve.programs", forged)
	add(c.Portreeve.ASNs != nil, "portreeve.asns", "which leaves every other network out")
	add(c.Portreeve.Hours != nil, "portreeve.hours", "and it is open at all other hours")
	add(c.Portreeve.NewClient != nil, "portreeve.newClient", "which leaves the other networks out")
	add(c.Portreeve.ViaWebmail != nil, "portreeve.viaWebmail", "which leaves the other road open")
	return found
}

func includes(list []string, word string) bool {
	for _, s := range list {
		if strings.EqualFold(s, word) {
			return true
		}
	}
	return false
}

const forged = "which is what the program says of itself"

// narrowed finds a policy in force that reads like one of the well-known ones
// for everybody (legacy authentication blocked, a second factor asked), and
// holds only where one more condition does. Audits that look at users, clients
// and controls pass it.
func (c *checker) narrowed(i int, p *policy.Policy) {
	u := p.Conditions.Users
	if p.State != policy.Enabled || u != nil && !u.Include.All || !guards(p) {
		return
	}
	more := narrowings(&p.Conditions)
	if len(more) != 1 {
		return // none, or a policy that is plainly for something of its own
	}
	severity := Note
	if more[0].forged {
		severity = Warning
	}
	f := Finding{ID: Narrowed, Severity: severity, Object: about(p), Pointer: pointerOf(more[0].condition),
		Sentence: fmt.Sprintf("The policy is for everybody, but holds only where %s does, %s; every other sign-in passes it by", more[0].condition, more[0].why),
		Fix:      Fix{Text: "take the condition out, or add a policy for the rest"}}
	widened := sync.OnceValue(func() without { return c.widened(i) })
	f.count = func(f *policy.Facts) bool { return widened().applies(f) && !widened().now(f) }
	f.tell = func(n, people int) string {
		return fmt.Sprintf("%s of %s in %s would meet it without the condition and do not with it", signIns(n), persons(people), days(c.Days))
	}
	c.add(f)
}

// guards says that a policy asks for a second factor, or blocks programs that
// can show none. A block of something else is meant for that alone.
func guards(p *policy.Policy) bool {
	const legacy = policy.ClientAppExchangeActiveSync | policy.ClientAppOther
	switch {
	case p.Grant == nil:
		return false
	case p.Grant.Controls&policy.ControlBlock != 0:
		return p.Conditions.ClientAppTypes == legacy || p.Conditions.ClientAppTypes == policy.ClientAppOther
	}
	return p.Grant.Controls&policy.ControlMFA != 0 || p.Grant.Strength != nil
}

// without is a policy in force alone, as it is and with the one condition taken out.
type without struct{ is, wide *policy.Snapshot }

func (c *checker) widened(i int) without {
	alone := c.source
	p := alone.Policies[i]
	alone.Policies = []policy.Policy{p}
	var w without
	w.is, _ = policy.Compile(alone)
	q := &p.Conditions
	q.Platforms, q.DeviceFilter, q.TransferMethods, q.Locations = nil, nil, 0, nil
	q.Portreeve = policy.Own{CredentialKinds: q.Portreeve.CredentialKinds, Share: q.Portreeve.Share}
	alone.Policies = []policy.Policy{p}
	w.wide, _ = policy.Compile(alone)
	return w
}

func (w without) applies(f *policy.Facts) bool { return applies(w.wide, f) }
func (w without) now(f *policy.Facts) bool     { return applies(w.is, f) }

// applies says whether the one policy of a snapshot applies.
func applies(s *policy.Snapshot, f *policy.Facts) bool {
	var b policy.Bits
	policy.Evaluate(s, f, &b)
	return len(b.Applied) > 0 && b.Applied[0]&1 != 0
}
