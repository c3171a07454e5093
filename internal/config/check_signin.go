package config

import (
	"cmp"
	"os"
	"slices"
	"strings"

	"github.com/portreeve/portreeve/internal/name"
	"github.com/portreeve/portreeve/internal/policyfile"
)

// fill sets what hangs on the provider's name, and canonical domains.
func (s *SignIn) fill(provider string) {
	if s == nil {
		return
	}
	s.Label = cmp.Or(s.Label, provider)
	for i := range s.Domains {
		if canonical, err := name.Domain(s.Domains[i]); err == nil {
			s.Domains[i] = canonical
		}
	}
}

// signIn checks how browsers sign in at one issuer.
func (k *checker) signIn(n string, i *Issuer, at string) {
	s := i.SignIn
	switch {
	case k.c.PublicURL == "" || !k.c.Public.Address.IsValid():
		k.wrong(at, "people come back from a provider to our pages: give public_url and public")
	case strings.ContainsAny(n, ":/?#%"):
		k.wrong(at, "%q stands in the address that people come back to: it must not hold : / ? # %%", n)
	case s.ClientID == "":
		k.wrong(at, "sign_in needs client_id, what the provider knows us by")
	case len(s.Domains)+len(s.People) == 0:
		k.wrong(at, "sign_in needs domains (or people): a provider speaks only for whom it is told to")
	}
	if strings.HasPrefix(i.Issuer, "http://") && !loopback(URL(i.Issuer)) {
		k.wrong(at, "a provider is spoken to over https")
	}
	for _, other := range sorted(k.c.Issuers) {
		if o := k.c.Issuers[other]; s.ClientID != "" && o.Issuer == i.Issuer && slices.Contains(o.Audience, s.ClientID) {
			k.wrong(at+"/client_id", "%s is an audience of issuer %s: what a browser gets to sign in with would open IMAP", s.ClientID, other)
		}
	}
	if i.Claims.Address != "email" && !s.TrustAddresses {
		k.wrong(at, "the provider says nothing of whether %s is verified: say trust_addresses: true if its administrators give it out, or read email", i.Claims.Address)
	}
	if len(s.Groups) > 0 && s.GroupsClaim == "" {
		k.wrong(at+"/groups", "say in groups_claim where the person's groups stand")
	}
	for _, v := range s.ACRValues {
		if v == "" || strings.ContainsFunc(v, func(r rune) bool { return r <= ' ' || r == 0x7f }) { // they are parted by spaces
			k.wrong(at+"/acr_values", "%q is no class of authentication: give each by itself, without spaces", v)
		}
	}
	if s.CA == "" {
		return
	}
	if b, err := os.ReadFile(string(s.CA)); err != nil {
		k.wrong(at+"/ca", "%v", err)
	} else if !strings.Contains(string(b), "-----BEGIN CERTIFICATE-----") {
		k.wrong(at+"/ca", "%s holds no certificate", s.CA)
	}
}

// signInRoutes checks that each domain and person is spoken for by one provider.
func (k *checker) signInRoutes() {
	taken := map[string]string{}
	route := func(what, provider, at string) {
		if other, twice := taken[what]; twice {
			k.wrong(at, "%s is routed to %s already", what, other)
		}
		taken[what] = provider
	}
	rules, _ := k.c.NameRules("")
	for _, n := range sorted(k.c.Issuers) {
		s := k.c.Issuers[n].SignIn
		if s == nil {
			continue
		}
		at := policyfile.Pointer("/issuers", n) + "/sign_in"
		for _, d := range s.Domains {
			canonical, err := name.Domain(d)
			if err != nil {
				k.wrong(at+"/domains", "%q is no domain", d)
			} else if of, alias := rules.DomainAliases[canonical]; alias {
				k.wrong(at+"/domains", "%s means %s: name that", d, of)
			}
			route(canonical, n, at+"/domains")
		}
		for _, p := range s.People {
			a, err := rules.Canonical(p)
			if err != nil || a.Full != p {
				k.wrong(at+"/people", "%q is nobody's own address here, such as mary@example.org", p)
			}
			route(p, n, at+"/people")
		}
	}
}
