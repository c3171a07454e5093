package server

import (
	"fmt"
	"net/http"

	"github.com/portreeve/portreeve/internal/discovery"
	"github.com/portreeve/portreeve/internal/oauth"
	"github.com/portreeve/portreeve/internal/web"
)

// openEndpoints makes what programs speak to at the issuer.
func (s *Server) openEndpoints() (err error) {
	if s.issuer == nil {
		return nil
	}
	c := &s.Config.OAuth
	o := oauth.Options{Issuer: s.issuer.url, Listener: browsers, Hosts: []string{s.hostname()}, Gate: s.gate, Grants: s.issuer.grants, Clients: s.issuer.clients,
		Keyring: s.issuer.keys, People: s.store, Changes: s.store.Subscribe, Box: s.box, Algorithm: c.Algorithm, DeviceCode: c.DeviceCode, Registration: c.Registration != "off",
		Fault: s.Log}
	if s.minter != nil {
		o.Minted = s.minter
	}
	for _, w := range s.languages.All() {
		o.Languages = append(o.Languages, w.Lang)
	}
	if s.issuer.endpoints, err = oauth.New(o); err != nil {
		return fmt.Errorf("making the issuer's endpoints: %w", err)
	}
	s.runs = append(s.runs, s.issuer.endpoints.Run)
	return nil
}

// withPrograms puts what programs ask for before the pages that people see: the
// documents that tell them how to set a mailbox up, and the issuer's endpoints.
func (s *Server) withPrograms(pages http.Handler) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/", pages)
	if s.issuer != nil {
		bounded := web.NewLimiter().Limit(s.issuer.endpoints, s.issuer.endpoints.Free)
		for _, pattern := range s.issuer.endpoints.Patterns() {
			mux.Handle(pattern, bounded)
		}
	}
	documents := discovery.New(discovery.Options{Site: s.site})
	return web.NewLimiter().Limit(documents.Before(mux), func(r *http.Request) bool { return !documents.Serves(r) })
}
