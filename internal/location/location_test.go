package location

import (
	"net/netip"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

func ranges(t *testing.T, texts ...string) (all []Range) {
	t.Helper()
	for _, s := range texts {
		r, err := ParseRange(s)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, r)
	}
	return all
}

func TestRangesAreReadAndWritten(t *testing.T) {
	for in, want := range map[string]string{
		"192.0.2.0/25":                    "192.0.2.0/25",
		"192.0.2.77/24":                   "192.0.2.0/24",
		"192.0.2.10-192.0.2.19":           "192.0.2.10-192.0.2.19",
		"192.0.2.0-192.0.2.255":           "192.0.2.0/24",
		"198.51.100.77/32":                "198.51.100.77",
		"2001:db8:a0::/48":                "2001:db8:a0::/48",
		"2001:db8:b0::10-2001:db8:b0::1f": "2001:db8:b0::10/124",
		"::ffff:192.0.2.1":                "192.0.2.1",
		"::ffff:192.0.2.0/120":            "192.0.2.0/24",
		"0.0.0.0/0":                       "0.0.0.0/0",
		"fe80::1%eth0":                    "fe80::1",
	} {
		r, err := ParseRange(in)
		if err != nil || r.String() != want {
			t.Errorf("%s: %s, %v; want %s", in, r, err, want)
		}
	}
	for _, bad := range []string{"", "/", "-", "192.0.2.0/33", "192.0.2.9-192.0.2.1", "192.0.2.1-2001:db8::1", "::ffff:192.0.2.0/64", "example.org", "192.0.2"} {
		if r, err := ParseRange(bad); err == nil {
			t.Errorf("%q was read as %s", bad, r)
		}
	}
}

func TestCountriesAndUnknownOnes(t *testing.T) {
	work := Named{ID: "work", Kind: Countries, Countries: []string{"DE", "FR"}}
	open := Named{ID: "open", Kind: Countries, Countries: []string{"DE"}, IncludeUnknown: true}
	gps := Named{ID: "gps", Kind: Elsewhere, Countries: []string{"DE"}}
	for _, c := range []struct {
		n       Named
		country string
		want    bool
	}{
		{work, "DE", true}, {work, "de", true}, {work, "US", false}, {work, "", false},
		{open, "", true}, {open, "US", false}, {gps, "DE", false}, {gps, "", false},
	} {
		if got := c.n.Contains(netip.MustParseAddr("192.0.2.1"), c.country); got != c.want {
			t.Errorf("%s, country %q: %v", c.n.ID, c.country, got)
		}
	}
}

func TestPrivateAddresses(t *testing.T) {
	for s, want := range map[string]bool{"10.1.2.3": true, "192.168.0.1": true, "172.31.0.1": true, "172.32.0.1": false,
		"fd00::1": true, "2001:db8::1": false, "192.0.2.1": false, "::ffff:10.0.0.1": true, "127.0.0.1": true} {
		if Private(netip.MustParseAddr(s)) != want {
			t.Errorf("%s: %v", s, !want)
		}
	}
	office := Named{Ranges: ranges(t, "192.0.2.0/24", "10.20.0.0/16")}
	outside := Named{Ranges: ranges(t, "192.0.2.0/24")}
	everywhere := Named{Ranges: ranges(t, "0.0.0.0/0")}
	if !office.CoversPrivate() || outside.CoversPrivate() || !everywhere.CoversPrivate() {
		t.Error("a location with a private network, and only such a one, covers private addresses")
	}
}

// The set must agree with asking every location in turn, at random and at every border.
func TestSetAgreesWithEveryLocationInTurn(t *testing.T) {
	addr := rapid.Custom(func(t *rapid.T) netip.Addr {
		if rapid.Bool().Draw(t, "six") {
			return netip.AddrFrom16([16]byte{0: 0x20, 1: 1, 15: rapid.Byte().Draw(t, "low")})
		}
		b := rapid.SampledFrom([]byte{0, 10, 255}).Draw(t, "net")
		return netip.AddrFrom4([4]byte{b, b, b, rapid.Byte().Draw(t, "low")})
	})
	named := rapid.Custom(func(t *rapid.T) Named {
		n := Named{Kind: rapid.SampledFrom([]Kind{Networks, Networks, Countries, Elsewhere}).Draw(t, "kind")}
		n.Countries = rapid.SliceOfN(rapid.SampledFrom([]string{"DE", "FR", "PT"}), 0, 2).Draw(t, "countries")
		n.IncludeUnknown = rapid.Bool().Draw(t, "unknown")
		for range rapid.IntRange(0, 4).Draw(t, "ranges") {
			a, b := addr.Draw(t, "from"), addr.Draw(t, "to")
			if a.BitLen() != b.BitLen() {
				b = a
			}
			if b.Less(a) {
				a, b = b, a
			}
			n.Ranges = append(n.Ranges, Range{a, b})
		}
		return n
	})
	rapid.Check(t, func(t *rapid.T) {
		all := rapid.SliceOfN(named, 0, 8).Draw(t, "locations")
		s := NewSet(all)
		probes := []netip.Addr{{}, addr.Draw(t, "addr"), netip.MustParseAddr("255.255.255.255"), netip.MustParseAddr("::ffff:10.10.10.10")}
		for _, n := range all {
			for _, r := range n.Ranges {
				probes = append(probes, r.From, r.To, r.From.Prev(), r.To.Next())
			}
		}
		country := rapid.SampledFrom([]string{"", "DE", "FR", "US"}).Draw(t, "country")
		for _, p := range probes {
			var want []int
			for i := range all {
				if all[i].Contains(p, country) {
					want = append(want, i)
				}
			}
			if got := s.Match(p, country); !slices.Equal(got, want) {
				t.Fatalf("%s in %q: %v, want %v", p, country, got, want)
			}
		}
	})
}
