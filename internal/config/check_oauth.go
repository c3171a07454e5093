package config

import (
	"net/url"
	"strings"
	"time"
)

// How long an access token may last: the longest is what a program that shows a
// refused one again is shut out for, the shortest what a slow one needs to use it.
const (
	longestAccess  = 10 * time.Minute
	shortestAccess = 30 * time.Second
	usualAccess    = 5 * time.Minute
	shortestIdle   = 24 * time.Hour
)

// oauth checks our own issuer of tokens.
func (k *checker) oauth() {
	o, at := &k.c.OAuth, "/oauth"
	switch {
	case o.AccessToken < shortestAccess || o.AccessToken > longestAccess:
		k.wrong(at+"/access_token", "an access token lasts from %s to %s", shortestAccess, longestAccess)
	case o.AccessToken < usualAccess:
		k.warn(at+"/access_token", "programs fetch a new token every %s: that is for trying things out", o.AccessToken)
	}
	if o.RefreshIdle < shortestIdle {
		k.wrong(at+"/refresh_idle", "people would have to sign in again each day: give 24h or more, and ask for more by policy (sign-in frequency)")
	}
	if o.RefreshMax < 0 || o.RefreshMax > 0 && o.RefreshMax < o.AccessToken {
		k.wrong(at+"/refresh_max", "a grant cannot end before its first access token")
	}
	if o.Registrations < 1 && o.Registration != "off" {
		k.wrong(at+"/registrations", "no program could register: say registration: off")
	}
	if !k.c.OwnIssuer() {
		return
	}
	u, err := url.Parse(string(k.c.PublicURL))
	if err == nil && (u.RawQuery != "" || u.Fragment != "" || strings.Trim(u.Path, "/") != "") {
		k.wrong("/public_url", "it is the name of our issuer of tokens, too, which programs look for at the root of a host: give it without a path, or say oauth: {enabled: false}")
	}
	for _, n := range sorted(k.c.Issuers) {
		if i := k.c.Issuers[n]; strings.TrimSuffix(i.Issuer, "/") == k.c.IssuerURL() && len(i.Audience) > 0 {
			k.wrong("/issuers", "issuer %s is ourselves: its tokens are taken anyway", n)
		}
	}
}

// OwnIssuer says that we issue tokens ourselves.
func (c *Config) OwnIssuer() bool {
	return c.OAuth.Enabled && c.Public.Address.IsValid() && (strings.HasPrefix(string(c.PublicURL), "https://") || loopback(c.PublicURL))
}

// IssuerURL is the name of our issuer of tokens: public_url without a slash at its end.
func (c *Config) IssuerURL() string { return strings.TrimSuffix(string(c.PublicURL), "/") }
