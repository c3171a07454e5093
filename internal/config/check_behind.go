package config

import (
	"net"
	"net/netip"
	"net/url"
	"os"
	"slices"
	"strings"

	"github.com/portreeve/portreeve/internal/name"
	"github.com/portreeve/portreeve/internal/network"
	"github.com/portreeve/portreeve/internal/policyfile"
	"github.com/portreeve/portreeve/internal/protocol"
	"github.com/portreeve/portreeve/internal/spelling"
	"github.com/portreeve/portreeve/internal/token"
)

func (k *checker) backends() {
	for _, n := range sorted(k.c.Backends) {
		b, at := k.c.Backends[n], policyfile.Pointer("/backends", n)
		any := false
		for _, p := range protocol.All() {
			if e := endpointOf(b, p); e != nil {
				any = true
				k.endpoint(e, policyfile.Pointer(at, p.String()))
			}
		}
		if !any {
			k.wrong(at, "this backend speaks nothing: give imap, pop3, submission or sieve")
		}
		switch {
		case b.Login == "master" && (b.Master.User == "" || !b.Master.Password.Set()):
			k.wrong(at, "login: master needs master: {user, password}")
		case b.Login != "master" && b.Master.User != "":
			k.warn(at+"/master", "not used: login is %s", b.Login)
		case b.Login == "token" && k.c.PublicURL == "":
			k.wrong(at+"/login", "tokens name public_url as their issuer: give it")
		}
		if b.Login == "token" && k.c.BackendChecksPasswords() && b.AuthSocket == "" {
			k.warn(at+"/login", "the backend is asked whether passwords are right, but takes tokens: give auth_socket, or directories without backend")
		}
		if b.XCLIENT {
			k.warn(at+"/xclient", "an address that Postfix takes XCLIENT from can become anybody; proxy: 2 needs no such trust")
		}
	}
}

func (k *checker) endpoint(e *Endpoint, at string) {
	if e.Address == "" {
		k.wrong(at, "an endpoint needs an address")
		return
	}
	host, _, _ := net.SplitHostPort(string(e.Address)) // it was read as host and port
	if e.TLS == "none" && !network.Here(host) && !e.Plaintext {
		k.wrong(at, "passwords would go to %s in clear: use tls: implicit or starttls, or say plaintext: true", e.Address)
	}
	if e.CA == "" {
		return
	}
	if b, err := os.ReadFile(string(e.CA)); err != nil {
		k.wrong(at+"/ca", "%v", err)
	} else if !strings.Contains(string(b), "-----BEGIN CERTIFICATE-----") {
		k.wrong(at+"/ca", "%s holds no certificate", e.CA)
	}
}

func (k *checker) routes() {
	for _, domain := range sorted(k.c.Routes) {
		at := policyfile.Pointer("/routes", domain)
		if _, err := name.Domain(domain); err != nil && domain != "*" {
			k.wrong(at, "%q is no domain", domain)
		}
		if b := k.c.Routes[domain]; !has(k.c.Backends, b) {
			k.wrong(at, "there is no backend %q%s", b, spelling.DidYouMean(b, sorted(k.c.Backends)))
		}
	}
	if len(k.c.Backends) > 1 && len(k.c.Routes) == 0 {
		k.wrong("/backends", "with several backends, routes must say whose is whose")
	}
}

// ownGrants begin the names of what sessions hang on and is ours, as an
// issuer's name begins those of its sessions.
var ownGrants = []string{"all", "apppw", "oauth", "pass", "window"}

func (k *checker) issuers() {
	for _, n := range sorted(k.c.Issuers) {
		i, at := k.c.Issuers[n], policyfile.Pointer("/issuers", n)
		switch {
		case i.Issuer == "":
			k.wrong(at, "an issuer needs its issuer, to the letter")
		case len(i.Audience) == 0 && i.SignIn != nil: // browsers only: the provider is asked for its keys
		case len(i.Audience) == 0:
			k.wrong(at, "an issuer needs audience: without it, tokens made for others would open our door")
		case i.JWKSURL == "" && i.JWKSFile == "":
			k.wrong(at, "an issuer needs its keys: jwks_url or jwks_file")
		case i.JWKSURL != "" && i.JWKSFile != "":
			k.wrong(at+"/jwks_file", "give jwks_url or jwks_file, not both")
		}
		if i.JWKSFile != "" {
			if _, err := os.Stat(string(i.JWKSFile)); err != nil {
				k.wrong(at+"/jwks_file", "%v", err)
			}
		}
		if strings.HasPrefix(string(i.JWKSURL), "http://") && !loopback(i.JWKSURL) {
			k.wrong(at+"/jwks_url", "keys fetched without TLS could be anybody's: https is needed")
		}
		k.mapping(i.AMR, at+"/amr")
		k.mapping(i.ACR, at+"/acr")
		if word, no := noMethod(i.Proves); no {
			k.wrong(at+"/proves", "%q is no method that a token can prove", word)
		}
		if i.SessionMax == 0 {
			k.wrong(at+"/session_max", "connections opened with a token must end some time")
		}
		if slices.Contains(ownGrants, n) {
			k.wrong(at, "an issuer cannot be called %s: what hangs on its sessions could be taken for something of ours", n)
		}
		if i.SignIn != nil {
			k.signIn(n, &i, at+"/sign_in")
		}
	}
	k.signInRoutes()
}

func (k *checker) mapping(m map[string][]string, at string) {
	for _, value := range sorted(m) {
		if word, no := noMethod(m[value]); no {
			k.wrong(policyfile.Pointer(at, value), "%q is no method that a token can prove", word)
		}
	}
}

// noMethod finds the first word that is no method a token can prove.
func noMethod(words []string) (string, bool) {
	for _, w := range words {
		if _, ok := token.ParseMethods(w); !ok {
			return w, true
		}
	}
	return "", false
}

func loopback(u URL) bool {
	p, err := url.Parse(string(u))
	if err != nil {
		return false
	}
	return network.Here(p.Hostname())
}

func (k *checker) forwarders() {
	for _, n := range sorted(k.c.Forwarders) {
		f, at := k.c.Forwarders[n], policyfile.Pointer("/forwarders", n)
		if len(f.From) == 0 {
			k.wrong(at, "a forwarder needs from, its networks")
		}
		if slices.ContainsFunc(f.From, func(p netip.Prefix) bool { return p.Bits() == 0 }) {
			k.wrong(at+"/from", "this is every address: everybody could claim any")
		}
		if f.Pass == "none" {
			k.warn(at, "it passes no address on, so its people all come from one: location policies see the webmail host")
		}
	}
}
