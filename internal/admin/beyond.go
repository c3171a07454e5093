package admin

import (
	"net/http"
	"slices"

	"github.com/portreeve/portreeve/internal/policy"
	"github.com/portreeve/portreeve/internal/signin"
	"github.com/portreeve/portreeve/internal/whatif"
)

// beyond is what more can be said of an imagined sign-in than its verdict.
type beyond struct {
	// Verdict is allowed, asked or refused; or depends, where what was not stated may change it.
	Verdict   string              `json:"verdict"`
	DependsOn []whatif.Dependence `json:"dependsOn"`
	Whole     bool                `json:"everyCombination"` // of what was not stated was tried, not each by itself
	// ReportOnly is what it would come to if every report-only policy were enforced.
	ReportOnly ending `json:"withReportOnly"`
	// Flips are single changes, each judged, that would turn the answer round.
	Flips []whatif.Flip `json:"flips"`
}

type ending struct {
	Effect string `json:"effect"`
	Code   string `json:"code"`
	By     string `json:"by,omitempty"`
	ByName string `json:"byName,omitempty"`
}

// beyond works out the rest. code is the imagined sign-in's own.
func (a *api) beyond(r *http.Request, q *imagined, f *policy.Facts, code signin.Code) *beyond {
	s := a.Gate.Snapshot()
	n := a.naming(r.Context())
	v := policy.Judge(s, f, nil)
	out := &beyond{Verdict: whatif.EndWord(v.Effect), DependsOn: []whatif.Dependence{}, Flips: []whatif.Flip{}}
	out.ReportOnly = endingOf(n, v)
	if all, any := enforcedAll(s); any {
		out.ReportOnly = endingOf(n, policy.Judge(all, f, nil))
	}
	if !f.Proven || f.Person == "" || code == signin.UserDisabled { // refused whatever the rules say
		out.Verdict = whatif.EndWord(policy.Block)
		return out
	}
	out.DependsOn, out.Whole = whatif.Depends(s, f, whatif.Unstated(s, f, q.stated(f)))
	if len(out.DependsOn) > 0 {
		out.Verdict = "depends"
	}
	out.Flips = whatif.Flips(s, f, v, n.text)
	return out
}

// stated says which facts stand as they are: all of a recorded sign-in.
func (q *imagined) stated(f *policy.Facts) whatif.Stated {
	recorded := q.Reference != ""
	return whatif.Stated{Protocol: recorded || q.Protocol != "", Credential: recorded || q.Credential != "", Address: recorded || q.IP != "",
		Country: recorded || q.Country != "" || q.IP != "" && f.Country != "", ASN: recorded || q.ASN != 0, Program: recorded || q.Program != "",
		Platform: recorded || q.Platform != "", KnownNetwork: recorded || q.KnownNetwork != nil, Methods: recorded || len(q.Methods) > 0,
		Device: recorded || q.Device != nil || f.Credential == policy.CredentialPassword, Time: recorded || q.At != nil}
}

func endingOf(n *naming, v policy.Verdict) ending {
	x := ending{Effect: v.Effect.String(), Code: signin.Code(v.Code).String(), By: v.By}
	if v.By != "" {
		x.ByName = n.text(v.By)
	}
	return x
}

// enforcedAll is the snapshot with every report-only policy enforced.
func enforcedAll(s *policy.Snapshot) (all *policy.Snapshot, any bool) {
	src := s.Source()
	src.Policies = slices.Clone(src.Policies)
	for i := range src.Policies {
		if src.Policies[i].State == policy.ReportOnly {
			src.Policies[i].State, any = policy.Enabled, true
		}
	}
	if any {
		all, _ = policy.Compile(src)
	}
	return all, any
}
