// Package location holds named locations: networks, and countries, that
// policies name. It matches an address and a country against them, one by one
// for explanations and all at once through a Set for decisions.
//
// It never looks up where an address is: the country comes in as a value, and
// an address without one matches a country location only if that location
// includes unknown countries.
package location

import (
	"net/netip"
	"strings"
)

// Kind is what a location is made of.
type Kind uint8

// The kinds.
const (
	Networks Kind = iota
	Countries
	// Elsewhere is a kind that cannot be seen from here (a compliant network,
	// a country told by a phone's GPS): an unknown country, no network.
	Elsewhere
)

// Named is one named location.
type Named struct {
	ID          string
	DisplayName string
	Kind        Kind
	// Trusted makes it part of AllTrusted.
	Trusted bool
	Ranges  []Range
	// Countries are ISO 3166-1 alpha-2.
	Countries []string
	// IncludeUnknown lets addresses without a country match.
	IncludeUnknown bool
}

// Contains says whether an address, or the country it is said to be in,
// belongs to the location.
func (n *Named) Contains(addr netip.Addr, country string) bool {
	if n.Kind == Networks {
		addr = plain(addr)
		for _, r := range n.Ranges {
			if r.Contains(addr) {
				return true
			}
		}
		return false
	}
	return n.ContainsCountry(country)
}

// ContainsCountry is Contains for a country; empty is unknown.
func (n *Named) ContainsCountry(country string) bool {
	if n.Kind == Networks {
		return false
	}
	if country == "" || n.Kind == Elsewhere {
		return n.IncludeUnknown
	}
	for _, c := range n.Countries {
		if strings.EqualFold(c, country) {
			return true
		}
	}
	return false
}

// plain makes one spelling of an address: IPv4 inside IPv6 and zones are undone.
func plain(a netip.Addr) netip.Addr { return a.Unmap().WithZone("") }

// privateNetworks are never in a country's file: RFC 1918, RFC 4193, RFC 6598,
// loopback and link-local.
var privateNetworks = []netip.Prefix{
	netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("172.16.0.0/12"), netip.MustParsePrefix("192.168.0.0/16"),
	netip.MustParsePrefix("fc00::/7"), netip.MustParsePrefix("100.64.0.0/10"),
	netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128"),
	netip.MustParsePrefix("169.254.0.0/16"), netip.MustParsePrefix("fe80::/10"),
}

// Private says that no country's file can know an address.
func Private(a netip.Addr) bool {
	a = plain(a)
	for _, p := range privateNetworks {
		if p.Contains(a) {
			return true
		}
	}
	return false
}

// CoversPrivate says that one of the location's networks holds private
// addresses: whoever wrote it has thought of them.
func (n *Named) CoversPrivate() bool {
	for _, r := range n.Ranges {
		if Private(r.From) || Private(r.To) {
			return true
		}
		for _, p := range privateNetworks {
			if r.Contains(p.Addr()) {
				return true
			}
		}
	}
	return false
}
