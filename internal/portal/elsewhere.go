package portal

import (
	"net/http"
	"strings"

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
}

// elsewhere sends on whoever signs in at a provider. Which addresses do is the
// configuration's: it tells nothing of the person. The page has a link, since
// browsers keep a form from leading to another site.
func (c *call) elsewhere(address string) bool {
	if c.Upstream == nil {
		return false
	}
	name, ok := c.Upstream.For(strings.ToLower(address))
	if !ok {
		return false
	}
	d := elsewherePage{Page: c.framed(""), Address: address, Provider: name, Label: name, Next: web.LocalPath(c.value("next"), "/")}
	for _, o := range c.Upstream.Offers() {
		if o.Name == name && o.Label != "" {
			d.Label = o.Label
		}
	}
	c.show(http.StatusOK, "elsewhere", d)
	return true
}

// arrivals takes those who come back from a provider to the gate.
func (p *Portal) arrivals() upstream.Pages {
	return upstream.Pages{
		SignedIn: func(w http.ResponseWriter, r *http.Request, a upstream.Arrival) {
			p.begin(w, r).knock(signin.NewCredential(policy.CredentialBearer, "openid", a.Address, "", a.IDToken), "signin", a.Return)
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
