package network

import (
	"net"
	"net/netip"
	"net/url"
	"strings"
	"testing"
)

func TestWhichAddressesCountAsOne(t *testing.T) {
	for _, test := range []struct{ addr, of, host string }{
		{"198.51.100.77", "198.51.100.0/24", "198.51.100.77/32"},
		{"::ffff:198.51.100.77", "198.51.100.0/24", "198.51.100.77/32"},
		{"2001:db8:1:2:3::1", "2001:db8:1::/48", "2001:db8:1:2::/64"},
		{"fe80::1%eth0", "fe80::/48", "fe80::/64"},
		{"::1", "::/48", "::/64"},
		{"0.0.0.0", "0.0.0.0/24", "0.0.0.0/32"},
	} {
		a := netip.MustParseAddr(test.addr)
		if of, host := Of(a).String(), Host(a).String(); of != test.of || host != test.host {
			t.Errorf("%s is in %s and counted by %s; want %s and %s", a, of, host, test.of, test.host)
		}
	}
	if none := (netip.Addr{}); Of(none).IsValid() || Host(none).IsValid() {
		t.Error("no address is in a network")
	}
}

func TestNetworksAsPeopleWriteThem(t *testing.T) {
	for typed, want := range map[string]string{
		"192.0.2.0/24": "192.0.2.0/24", "192.0.2.7/24": "192.0.2.0/24", "192.0.2.7": "192.0.2.7/32", "2001:db8::7": "2001:db8::7/128", "2001:db8::7/48": "2001:db8::/48",
		"::ffff:192.0.2.7": "192.0.2.7/32", "::ffff:192.0.2.7/120": "192.0.2.0/24", "::ffff:192.0.2.7/96": "0.0.0.0/0",
		"": "", "192.0.2": "", "192.0.2.0/33": "", "192.0.2.0/": "", "::ffff:192.0.2.7/64": "", "fe80::1%eth0": "", "::ffff:192.0.2.7%eth0": "", "fe80::1%eth0/64": "", "example.org": "",
	} {
		p, ok := Parse(typed)
		if ok != (want != "") || ok && p.String() != want {
			t.Errorf("%q is %s, %v; want %q", typed, p, ok, want)
		}
	}
}

func TestWhichHostIsThisOne(t *testing.T) {
	for host, want := range map[string]bool{
		"localhost": true, "127.0.0.1": true, "127.9.9.9": true, "::1": true, "::ffff:127.0.0.1": true,
		"": false, "[::1]": false, "localhost.": false, "localhost.example.org": false, "127.example.org": false, "127.1": false,
		"0.0.0.0": false, "::": false, "10.0.0.1": false, "128.0.0.1": false, "::ffff:10.0.0.1": false, "0127.0.0.1": false,
	} {
		if Here(host) != want {
			t.Errorf("%q is this host: %v", host, !want)
		}
	}
}

func TestWhereNobodySitsInBetween(t *testing.T) {
	for address, want := range map[string]bool{
		"https://mail.example.org": true, "HTTPS://mail.example.org": true, "https://127.0.0.1:1": true,
		"http://127.0.0.1:8080/keys": true, "http://[::1]:8080": true, "http://localhost": true,
		"http://mail.example.org": false, "http://127.0.0.1.example.org": false, "http://127.0.0.1@example.org": false,
		"http://localhost:1@example.org/": false, "http:localhost": false, "//localhost": false, "ftp://localhost": false, "httpss://localhost": false, "": false,
	} {
		u, err := url.Parse(address)
		if err != nil {
			t.Fatal(err)
		}
		if Safe(u) != want {
			t.Errorf("%s is safe: %v", address, !want)
		}
	}
}

// FuzzHere asks the other reader of addresses that Go has.
func FuzzHere(f *testing.F) {
	for _, s := range []string{"localhost", "127.0.0.1", "::1", "::ffff:127.0.0.1", "::1%lo", "[::1]", "127.1", "2130706433", "example.org", "fe80::1"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, host string) {
		plain, _, zoned := strings.Cut(host, "%")
		ip := net.ParseIP(plain)
		if zoned && ip.To4() != nil {
			ip = nil // IPv4 has no zones
		}
		if got := Here(host); got && host != "localhost" && !ip.IsLoopback() {
			t.Errorf("%q is this host", host)
		} else if !got && !zoned && ip.IsLoopback() {
			t.Errorf("%q is not this host", host)
		}
	})
}

// FuzzOf holds that an address is in its own networks, and its host in its site.
func FuzzOf(f *testing.F) {
	for _, s := range []string{"192.0.2.7", "2001:db8::7", "::ffff:192.0.2.7", "fe80::7%eth0"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		a, err := netip.ParseAddr(s)
		if err != nil {
			return
		}
		plain, host, of := a.Unmap().WithZone(""), Host(a), Of(a)
		if !host.Contains(plain) || !of.Contains(plain) || !of.Contains(host.Addr()) || of.Bits() > host.Bits() {
			t.Errorf("%s is in %s and counted by %s", a, of, host)
		}
	})
}
