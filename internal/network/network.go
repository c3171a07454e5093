// Package network tells which addresses count as one, and which are this very
// host: the one place where it is said what a host has to choose from, what a
// site has, and where a web address may go without TLS.
//
// Addresses and web addresses are values here. IPv4 inside IPv6 is IPv4, and
// zones count for nothing; no address is in no network, the zero prefix.
package network

import (
	"net/netip"
	"net/url"
)

// How many bits of an address are a host's and a site's. An IPv6 host has a whole
// /64 to choose from (RFC 4291, section 2.5.4), a site usually a /48 (RFC 6177).
const (
	host4, host6 = 32, 64
	site4, site6 = 24, 48
)

// Of is the network that an address is in, for purposes of familiarity: a /24, or
// a /48 of IPv6.
func Of(a netip.Addr) netip.Prefix { return first(a, site4, site6) }

// Host is what an address is counted by where strangers are bounded: the address
// itself, or a /64 of IPv6.
func Host(a netip.Addr) netip.Prefix { return first(a, host4, host6) }

func first(a netip.Addr, of4, of6 int) netip.Prefix {
	a = a.Unmap().WithZone("")
	bits := of4
	if a.Is6() {
		bits = of6
	}
	p, _ := a.Prefix(bits) // cannot fail: bits fits the family
	return p
}

// Parse reads a network as people write it, or a single address; bits beyond the
// mask are ignored. An address with a zone is in no network that can be named.
func Parse(s string) (netip.Prefix, bool) {
	p, err := netip.ParsePrefix(s)
	if err != nil {
		a, err := netip.ParseAddr(s)
		plain := a.Unmap()
		return netip.PrefixFrom(plain, plain.BitLen()), err == nil && a.Zone() == ""
	}
	if a := p.Addr(); a.Is4In6() {
		p = netip.PrefixFrom(a.Unmap(), p.Bits()-(a.BitLen()-a.Unmap().BitLen())) // not valid if it is wider than all of IPv4
	}
	return p.Masked(), p.IsValid()
}

// Here says that a host's name or address, without brackets, is this very host.
func Here(host string) bool {
	a, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && a.IsLoopback()
}

// Safe takes https, and http on this host, where nobody can sit in between.
func Safe(u *url.URL) bool {
	return u.Scheme == "https" || u.Scheme == "http" && Here(u.Hostname())
}
