package portal

import (
	"net/http"
	"strings"
	"time"

	"github.com/portreeve/portreeve/internal/policy"
	"github.com/portreeve/portreeve/internal/signin"
	"github.com/portreeve/portreeve/internal/upstream"
	"github.com/portreeve/portreeve/internal/web"
)

// Upstream signs people in at OpenID providers.
type Upstream interface {
	Offers() []upstream.Offer
	For(address string) (provider string, ok bool)
	Handler(upstream.Pages) http.Handler
}

type elsewherePage struct {
	web.Page
	Address, Provider, Label, Next string
	Program                        string // that waits for somebody to sign in; empty if none does
}

// elsewhere sends on whoever signs in at a provider. Which addresses do is the
// configuration's: it tells nothing of the person. The page has a link, since
// browsers keep a form from leading to another site.
func (c *call) elsewhere(address, next string) bool {
	if c.Upstream == nil {
		return false
	}
	name, ok := c.Upstream.For(strings.ToLower(address))
	if !ok {
		return false
	}
	d := elsewherePage{Page: c.framed(""), Address: address, Provider: name, Next: web.LocalPath(next, "/")}
	d.Label = c.labelOf(name)
	if q := c.waitingProgram(d.Next); q != nil {
		d.Program, d.Path = q.name, withNext("/signin", d.Next)
	}
	c.show(http.StatusOK, "elsewhere", d)
	return true
}

// labelOf is what people call a provider.
func (c *call) labelOf(provider string) string {
	for _, o := range c.Upstream.Offers() {
		if o.Name == provider && o.Label != "" {
			return o.Label
		}
	}
	return provider
}

// provenAt is when the person proved who they are. A provider may have asked
// them nothing just now: then it is when it last did, as far as that is known.
func (c *call) provenAt(out *signin.Outcome) time.Time {
	if out.Facts.Credential != policy.CredentialBearer || c.fresh {
		return out.Attempt.At
	}
	if out.Principal.AuthTime.IsZero() {
		return out.Attempt.At.Add(-longestLife)
	}
	return out.Principal.AuthTime
}

// arrivals takes those who come back from a provider to the gate.
func (p *Portal) arrivals() upstream.Pages {
	return upstream.Pages{
		SignedIn: func(w http.ResponseWriter, r *http.Request, a upstream.Arrival) {
			c := p.begin(w, r)
			c.fresh = a.Fresh
			c.knock(signin.NewCredential(policy.CredentialBearer, "openid", a.Address, "", a.IDToken), "signin", a.Return)
		},
		Failed: func(w http.ResponseWriter, r *http.Request, err error) {
			c := p.begin(w, r)
			status, told := http.StatusForbidden, c.page.T("elsewhere.failed")
			if refused(err) == signin.OK {
				status, told = http.StatusServiceUnavailable, c.page.T("elsewhere.away")
			}
			c.showSignIn(status, signInPage{Error: told})
		},
	}
}
