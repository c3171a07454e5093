package config

import (
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"github.com/portreeve/portreeve/internal/certs"
	"github.com/portreeve/portreeve/internal/protocol"
)

func (k *checker) listeners() {
	c := k.c
	if len(c.Listeners) == 0 && !c.Observe.Address.IsValid() {
		k.wrong("", "there is nothing to do: give listeners, or observe")
	}
	names, addresses := map[string]bool{}, map[netip.AddrPort]bool{}
	for i := range c.Listeners {
		l, at := &c.Listeners[i], fmt.Sprintf("/listeners/%d", i)
		switch {
		case l.Protocol == protocol.Unknown:
			k.wrong(at, "a listener needs a protocol")
		case !l.Protocol.Row().Line:
			k.wrong(at+"/protocol", "%s has no listener of its own: use imap, pop3, submission or sieve", l.Protocol)
		}
		if !l.Address.IsValid() {
			k.wrong(at, "a listener needs an address")
		} else if addresses[l.Address] && l.Address.Port() != 0 {
			k.wrong(at+"/address", "another listener has this address")
		}
		if names[l.Name] {
			k.wrong(at+"/name", "another listener is called %s", l.Name)
		}
		names[l.Name], addresses[l.Address] = true, true
		k.sealing(l, at)
		k.refusals(&l.Refusals, at+"/refusals")
		if len(c.Backends) > 0 && !slices.ContainsFunc(sorted(c.Backends), func(n string) bool { return endpointOf(c.Backends[n], l.Protocol) != nil }) {
			k.wrong(at, "no backend speaks %s", l.Protocol)
		}
	}
	if len(c.Listeners) > 0 && len(c.Backends) == 0 {
		k.wrong("/listeners", "there is no backend behind the listeners: give backends")
	}
	k.refusals(&c.Refusals, "/refusals")
}

// sealing checks what a listener's TLS settings mean together.
func (k *checker) sealing(l *Listener, at string) {
	switch {
	case l.TLS == "implicit" && l.Protocol == protocol.Sieve:
		k.warn(at+"/tls", "programs speak ManageSieve with STARTTLS; few know implicit TLS")
	case l.TLS == "none" && len(l.PlaintextFrom) == 0:
		k.warn(at+"/tls", "without TLS and without plaintext_from no password is taken here")
	}
	if l.TLS == "none" && (l.ClientCA != "" || len(l.LegacyTLSFrom) > 0) {
		k.wrong(at+"/tls", "client_ca and legacy_tls_from need TLS")
	}
	for _, list := range []struct {
		name     string
		prefixes []netip.Prefix
		danger   string
	}{
		{"plaintext_from", l.PlaintextFrom, "everybody's password could be read on the way"},
		{"proxy_from", l.ProxyFrom, "everybody could claim any address"},
		{"legacy_tls_from", l.LegacyTLSFrom, "old TLS would be open to everybody"},
	} {
		if slices.ContainsFunc(list.prefixes, func(p netip.Prefix) bool { return p.Bits() == 0 }) {
			k.wrong(at+"/"+list.name, "this is every address: %s", list.danger)
		}
	}
	if l.ClientCA != "" {
		if _, err := certs.LoadClientCA(string(l.ClientCA), Strings(l.CRL)...); err != nil {
			k.wrong(at+"/client_ca", "%v", err)
		}
	} else if len(l.CRL) > 0 {
		k.wrong(at+"/crl", "a revocation list needs its client_ca")
	}
	if l.TwoFactorCA == "" {
		return
	}
	if l.ClientCA == "" {
		k.wrong(at+"/two_factor_ca", "an issuer of certificates that prove two factors needs a client_ca, which takes them in the first place")
	} else if _, err := certs.LoadClientCA(string(l.TwoFactorCA)); err != nil {
		k.wrong(at+"/two_factor_ca", "%v", err)
	}
}

const maxFloor = 10e9 // nanoseconds; programs give up after 30 s, people sooner

func (k *checker) refusals(r *Refusals, at string) {
	if r.Floor > maxFloor {
		k.wrong(at+"/floor", "no program waits so long: at most 10s")
	}
	if r.Floor < floorWithBackend && k.c.BackendChecksPasswords() {
		k.warn(at+"/floor", "a mail server that delays wrong passwords (Dovecot: 2s) takes longer than this, so that time tells a wrong password from other refusals")
	}
}

func (k *checker) public() {
	c := k.c
	if c.Public.Address.IsValid() && c.Public.TLS == "none" && !c.Public.Address.Addr().IsLoopback() {
		k.wrong("/public/tls", "without TLS the public pages may only listen on this machine, behind a reverse proxy")
	}
	if strings.HasPrefix(string(c.PublicURL), "http://") && !loopback(c.PublicURL) {
		k.wrong("/public_url", "https is needed here")
	}
	if n := len(c.HelpURL) + len("/r/7K4Q-9ZMD-2XWT"); n > maxHelp {
		k.warn("/help_url", "with /r/REFERENCE it has %d characters; a refusal has room for %d", n, maxHelp)
	}
}

// publicName warns of a certificate that browsers would not take for public_url.
func (k *checker) publicName(m *certs.Manager) {
	u, err := url.Parse(string(k.c.PublicURL))
	if err != nil || u.Scheme != "https" || len(k.c.TLS) == 0 || !k.c.Public.Address.IsValid() || k.c.Public.TLS == "none" {
		return
	}
	if !m.Covers(u.Hostname()) {
		k.warn("/public_url", "no certificate under tls holds the name %s: browsers and programs will refuse it", u.Hostname())
	}
}

const maxHelp = 100 // of the 200 bytes of a refusal

func (k *checker) certificates() {
	var pairs []certs.Pair
	for i, p := range k.c.TLS {
		at := fmt.Sprintf("/tls/%d", i)
		if p.Certificate == "" || p.Key == "" {
			k.wrong(at, "a certificate and its key are needed")
			continue
		}
		pair := certs.Pair{Certificate: string(p.Certificate), Key: string(p.Key)}
		if _, err := certs.Open([]certs.Pair{pair}); err != nil {
			k.wrong(at, "%v", err)
			continue
		}
		pairs = append(pairs, pair)
	}
	if m, err := certs.Open(pairs); err == nil {
		for i, s := range m.State() {
			for _, w := range s.Warnings {
				k.warn(fmt.Sprintf("/tls/%d", i), "the certificate of %s: %s", strings.Join(s.Names, ", "), w)
			}
		}
		k.publicName(m)
	}
	if len(k.c.TLS) > 0 {
		return
	}
	if k.c.Public.Address.IsValid() && k.c.Public.TLS != "none" {
		k.wrong("/public", "this listener needs a certificate: give tls")
	}
	if k.c.Admin.Address.IsValid() {
		k.wrong("/admin", "the listener for administrators needs a certificate: give tls")
	}
	for i, l := range k.c.Listeners {
		if l.TLS != "none" {
			k.wrong(fmt.Sprintf("/listeners/%d", i), "this listener needs a certificate: give tls, a list of {certificate, key}")
			return
		}
	}
}
