package server

import (
	"context"
	"net/netip"
	"net/url"
	"sync"

	"github.com/portreeve/portreeve/internal/authn"
	"github.com/portreeve/portreeve/internal/factor"
	"github.com/portreeve/portreeve/internal/policy"
)

// openFactors opens the second factors. What proves them is kept under keys of
// their own, derived from the master key.
func (s *Server) openFactors(ctx context.Context) (err error) {
	o := factor.Options{Store: s.store, Box: s.box, Print: s.box.Prints("second factors"), Name: s.Config.Hostname, Everything: authn.Everything,
		Tell: s.factorNews}
	o.Registration = (&registration{gate: func() *policy.Snapshot { return s.gate.Snapshot() }}).judge
	o.RPID, o.Origins = passkeySite(string(s.Config.PublicURL))
	if s.factors, err = factor.New(ctx, o); err != nil {
		return err
	}
	s.followers = append(s.followers, s.factors.Apply)
	return nil
}

// registration judges setting up a factor, by the rules now in force.
type registration struct {
	gate func() *policy.Snapshot
	mu   sync.Mutex
	of   *policy.Snapshot // what made was made of
	made *policy.Snapshot
}

func (r *registration) judge(f *policy.Facts) policy.Verdict {
	r.mu.Lock()
	if now := r.gate(); r.of != now {
		r.of, r.made = now, now.ForAction(policy.ActionRegisterSecurityInfo)
	}
	made := r.made
	r.mu.Unlock()
	return policy.Judge(made, f, nil)
}

// passkeySite is the host name that passkeys are bound to, and the page that
// may ask for them: as the configuration says, never as a browser does. To an
// address none can be bound.
func passkeySite(publicURL string) (rpID string, origins []string) {
	u, err := url.Parse(publicURL)
	if err != nil || u.Hostname() == "" {
		return "", nil
	}
	if _, err := netip.ParseAddr(u.Hostname()); err == nil {
		return "", nil
	}
	return u.Hostname(), []string{u.Scheme + "://" + u.Host}
}
