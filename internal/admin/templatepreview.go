package admin

import (
	"cmp"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/portreeve/portreeve/internal/approval"
	"github.com/portreeve/portreeve/internal/policy"
	"github.com/portreeve/portreeve/internal/policy/graph"
	"github.com/portreeve/portreeve/internal/signin"
	"github.com/portreeve/portreeve/internal/store"
)

// preview is what policies would have done to recorded sign-ins that were let in.
type preview struct {
	From    time.Time `json:"from"`
	SignIns int64     `json:"signIns"`
	Pass    int64     `json:"pass"`
	Asked   int64     `json:"asked"`  // of those that pass: they would have been asked for more, and could have been
	Share   float64   `json:"share"`  // 0 to 1
	People  int       `json:"people"` // who signed in
	Left    []refusal `json:"left"`   // what would be refused, most first
}

// refusal is what of one person's sign-ins would not pass.
type refusal struct {
	User     string    `json:"user"`
	Protocol string    `json:"protocol"`
	Program  string    `json:"program"`
	Country  string    `json:"country"`
	SignIns  int64     `json:"signIns"`
	Of       int64     `json:"of"` // the person's sign-ins in all
	Last     time.Time `json:"last"`
	Why      string    `json:"why"`
	Do       string    `json:"do"`
}

// preview judges every recorded sign-in that was let in by the policies as if
// they were enforced: the facts as they were, and what is granted now.
func (a *api) preview(r *http.Request, k *made, days int) (preview, error) {
	snap, err := a.alone(r, k)
	if err != nil {
		return preview{}, err
	}
	out := preview{From: time.Now().AddDate(0, 0, -days), Left: []refusal{}}
	type key struct{ person, protocol, program, country string }
	left, of := map[key]*refusal{}, map[string]int64{}
	for e, err := range a.Store.AllEvents(r.Context(), store.EventFilter{From: out.From, Outcome: signin.EndAllowed}) {
		if err != nil {
			return out, err
		}
		f, n := e.Facts, max(e.Count, 1)
		out.SignIns += n
		of[f.Address] += n
		knock := knockOf(e)
		f.Proven = true
		if f.Credential == policy.CredentialPassword {
			f.Methods |= policy.MethodPassword | a.Approvals.Methods(knock)
		}
		v := policy.Judge(snap, &f, nil)
		if v.Effect != policy.Block {
			out.Pass += n
			if v.Effect == policy.Interrupt {
				out.Asked += n
			}
			continue
		}
		id := key{f.Address, f.Protocol.String(), f.Program, f.Country}
		x := left[id]
		if x == nil {
			x = &refusal{User: id.person, Protocol: id.protocol, Program: id.program, Country: id.country}
			x.Why, x.Do = a.advice(k, v, &f, knock)
			left[id] = x
		}
		x.SignIns, x.Last = x.SignIns+n, e.At
	}
	for _, x := range left {
		x.Of = of[x.User]
		out.Left = append(out.Left, *x)
	}
	slices.SortFunc(out.Left, func(x, y refusal) int {
		return cmp.Or(cmp.Compare(y.SignIns, x.SignIns), strings.Compare(x.User+x.Protocol+x.Program+x.Country, y.User+y.Protocol+y.Program+y.Country))
	})
	out.People = len(of)
	if out.SignIns > 0 {
		out.Share = float64(out.Pass) / float64(out.SignIns)
	}
	return out, nil
}

// advice says why a sign-in would be refused and what helps: a window, where
// what is asked for can be granted to a password; else what the code says.
func (a *api) advice(k *made, v policy.Verdict, f *policy.Facts, knock approval.Knock) (why, do string) {
	code := signin.Code(v.Code)
	if k.strength != nil && f.Credential == policy.CredentialPassword && v.Code == mfaUnmet {
		return a.Approvals.Advice(knock)
	}
	m := code.Meaning()
	return fmt.Sprintf("%s (%s)", m.Title, code), m.Admin
}

// mfaUnmet is the code of a sign-in that did not show what was asked for.
const mfaUnmet = 50076

func knockOf(e *signin.Event) approval.Knock {
	f := &e.Facts
	return approval.Knock{ID: e.ID, At: e.At, Person: f.Person, Protocol: f.Protocol, Program: f.Program, JA4: e.TLS.JA4, Addr: f.Addr,
		Country: f.Country, ASN: f.ASN, Owner: e.NetOwner}
}

// alone is a snapshot of a template's policies, enforced, on the site's
// locations.
func (a *api) alone(r *http.Request, k *made) (*policy.Snapshot, error) {
	src := policy.Source{Zone: time.LoadLocation}
	docs, err := a.Store.Locations(r.Context())
	if err != nil {
		return nil, err
	}
	if k.location != nil && slices.Contains(k.fresh, k.location) {
		docs = append(docs, *k.location)
	}
	for _, x := range docs {
		if l, err := graph.Location(x.JSON); err == nil {
			src.Locations = append(src.Locations, l)
		}
	}
	if k.strength != nil {
		s, err := graph.Strength(k.strength.JSON)
		if err != nil {
			return nil, badObject(err)
		}
		src.Strengths = append(src.Strengths, s)
	}
	for _, x := range k.policies {
		p, err := graph.Policy(x.JSON)
		if err != nil {
			return nil, badObject(err)
		}
		p.State = policy.Enabled
		src.Policies = append(src.Policies, p)
	}
	snap, warnings := policy.Compile(src)
	if i := slices.IndexFunc(warnings, func(w policy.Warning) bool { return w.Object == "policy" }); i >= 0 {
		return nil, fmt.Errorf("the template is not enforced as it stands: %v", warnings[i])
	}
	return snap, nil
}
