package portal

import (
	"slices"

	"github.com/portreeve/portreeve/internal/factor"
	"github.com/portreeve/portreeve/internal/grant"
)

// proofs are the classes of authentication that a program can ask for, the
// weakest first.
var proofs = []string{grant.ACROneFactor, grant.ACRSeveralFactors, grant.ACRPhishingResistant}

// provesLess says that a program asks for a better proof than the person gave,
// and that they may be able to give it. It is asked for once for each request: a
// program's acr_values are a wish (OpenID Connect Core 1.0, section 3.1.2.1), and
// its ID token says what came of it. What must be is a policy's to say.
func (c *call) provesLess(q *connecting) bool {
	wanted := -1
	for _, class := range q.ACR { // the best first, as the program sees it
		if wanted = slices.Index(proofs, class); wanted >= 0 {
			break
		}
	}
	v := c.visit
	p := &v.outcome.Principal
	given := slices.Index(proofs, grant.ACR(p.Methods))
	if wanted <= given {
		return false
	}
	v.mu.Lock()
	asked := v.bettered == q.mark()
	v.bettered = q.mark()
	v.mu.Unlock()
	if asked {
		return false
	}
	if c.Upstream != nil && p.Issuer != "" { // may show more there
		return true
	}
	list, err := c.Factors.List(c.ctx(), v.person())
	if err != nil {
		c.Fault.Error("cannot read what somebody could prove: a program is told of less than it wished for", "client", q.Client, "err", err)
	}
	return slices.ContainsFunc(list, func(f factor.Factor) bool {
		return f.Kind == factor.KindPasskey || f.Kind == factor.KindTOTP && given < slices.Index(proofs, grant.ACRSeveralFactors)
	})
}
