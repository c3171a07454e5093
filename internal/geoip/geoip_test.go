package geoip

import (
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/maxmind/mmdbwriter"
	"github.com/maxmind/mmdbwriter/mmdbtype"
)

// write makes a small MMDB file of networks and their records.
func write(t testing.TB, path, kind string, built time.Time, records map[string]mmdbtype.DataType) {
	t.Helper()
	tree, err := mmdbwriter.New(mmdbwriter.Options{DatabaseType: kind, BuildEpoch: built.Unix(), IncludeReservedNetworks: true})
	if err != nil {
		t.Fatal(err)
	}
	for network, record := range records {
		_, n, err := net.ParseCIDR(network)
		if err == nil {
			err = tree.Insert(n, record)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := tree.WriteTo(f); err != nil {
		t.Fatal(err)
	}
}

func iso(code string) mmdbtype.DataType {
	return mmdbtype.Map{"country": mmdbtype.Map{"iso_code": mmdbtype.String(code)}, "registered_country": mmdbtype.Map{"iso_code": mmdbtype.String("ZZ")}}
}

func network(n uint32, name string) mmdbtype.DataType {
	return mmdbtype.Map{"autonomous_system_number": mmdbtype.Uint32(n), "autonomous_system_organization": mmdbtype.String(name)}
}

func TestLookup(t *testing.T) {
	dir := t.TempDir()
	countries, networks := filepath.Join(dir, "country.mmdb"), filepath.Join(dir, "asn.mmdb")
	write(t, countries, "GeoLite2-Country", time.Now(), map[string]mmdbtype.DataType{
		"81.2.69.0/24": iso("GB"), "2a02:1::/32": iso("nl"), "203.0.113.0/24": iso("NO"),
		"10.0.0.0/8": iso("US"), "100.64.0.0/10": iso("US"), "127.0.0.0/8": iso("US"), "fd00::/8": iso("US"),
		"9.0.0.0/8":  mmdbtype.Map{"registered_country": mmdbtype.Map{"iso_code": mmdbtype.String("US")}},
		"11.0.0.0/8": mmdbtype.Map{"country": mmdbtype.String("DE")},
		"12.0.0.0/8": mmdbtype.Map{"country_code": mmdbtype.String("fr")},
		"13.0.0.0/8": iso("Europe"), "14.0.0.0/8": iso("1*"), "15.0.0.0/8": mmdbtype.String("x"),
	})
	write(t, networks, "GeoLite2-ASN", time.Now(), map[string]mmdbtype.DataType{
		"81.2.0.0/16": network(20712, "Andrews & Arnold"), "10.0.0.0/8": network(1, "me"),
		"11.0.0.0/8": mmdbtype.Map{"asn": mmdbtype.String("AS15169"), "as_name": mmdbtype.String("Google LLC")},
		"12.0.0.0/8": mmdbtype.Map{"asn": mmdbtype.String("none")},
	})
	db, err := Open(Options{Country: countries, ASN: networks})
	if err != nil {
		t.Fatal(err)
	}
	for addr, want := range map[string]Place{
		"81.2.69.142":        {"GB", 20712, "Andrews & Arnold"},
		"::ffff:81.2.69.142": {"GB", 20712, "Andrews & Arnold"},
		"2a02:1::1":          {"NL", 0, ""},
		"203.0.113.9":        {"NO", 0, ""},
		"11.1.1.1":           {"DE", 15169, "Google LLC"},
		"12.1.1.1":           {"FR", 0, ""},
		"9.9.9.9":            {}, // only where the owner is registered
		"13.1.1.1":           {},
		"14.1.1.1":           {},
		"15.1.1.1":           {},
		"10.1.2.3":           {},
		"100.64.1.1":         {},
		"127.0.0.1":          {},
		"fd00::1":            {},
		"fe80::1%eth0":       {},
		"8.8.8.8":            {},
		"0.1.2.3":            {},
		"255.255.255.255":    {},
		"::1":                {},
	} {
		if got := db.Lookup(netip.MustParseAddr(addr)); got != want {
			t.Errorf("%s: got %+v, want %+v", addr, got, want)
		}
	}
	if asn, owner := db.Network(netip.MustParseAddr("81.2.69.142")); asn != 20712 || owner == "" || db.Country(netip.MustParseAddr("2a02:1::1")) != "NL" {
		t.Errorf("the parts: %d %q", asn, owner)
	}
	var none *DB
	if got := none.Lookup(netip.MustParseAddr("81.2.69.142")); got != (Place{}) || none.Reload() != nil || len(none.State()) != 0 {
		t.Errorf("no files: %+v", got)
	}
	if got := db.Lookup(netip.Addr{}); got != (Place{}) {
		t.Errorf("no address: %+v", got)
	}
}

func TestChangedFilesAreReadAndBadOnesAreNot(t *testing.T) {
	path := filepath.Join(t.TempDir(), "country.mmdb")
	write(t, path, "Country", time.Now().Add(-91*24*time.Hour), map[string]mmdbtype.DataType{"81.2.69.0/24": iso("GB")})
	db, err := Open(Options{Country: path})
	if err != nil {
		t.Fatal(err)
	}
	where := func() string { return db.Lookup(netip.MustParseAddr("81.2.69.1")).Country }
	if s := db.State(); len(s) != 1 || s[0].Kind != "Country" || len(s[0].Warnings) != 1 || s[0].Err != nil {
		t.Errorf("state: %+v", s)
	}
	good, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for what, bad := range map[string][]byte{"empty": {}, "text": []byte("hello"), "cut": good[len(good)/2:], "cut short": good[:len(good)-10]} {
		if err := os.WriteFile(path, bad, 0o644); err != nil {
			t.Fatal(err)
		}
		if db.Reload() == nil || where() != "GB" || db.State()[0].Err == nil {
			t.Errorf("%s: %q, %+v", what, where(), db.State())
		}
	}
	write(t, path, "Country", time.Now(), map[string]mmdbtype.DataType{"81.2.69.0/24": iso("SE"), "1.2.3.0/24": iso("SE")})
	if err := db.Reload(); err != nil || where() != "SE" || db.State()[0].Err != nil || len(db.State()[0].Warnings) != 0 {
		t.Errorf("after mending: %q, %v", where(), err)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if db.Reload() == nil || where() != "SE" {
		t.Error("a removed file is no fault, or took the country along")
	}
	if _, err := Open(Options{ASN: path}); err == nil || !strings.Contains(err.Error(), path) {
		t.Errorf("opening nothing: %v", err)
	}
}

func TestRunReadsChangedFiles(t *testing.T) {
	path := filepath.Join(t.TempDir(), "country.mmdb")
	write(t, path, "Country", time.Now(), map[string]mmdbtype.DataType{"81.2.69.0/24": iso("GB")})
	synctest.Test(t, func(t *testing.T) {
		db, err := Open(Options{Country: path, ASN: path})
		if err != nil {
			t.Fatal(err)
		}
		go db.Run(t.Context())
		write(t, path, "Country", time.Now(), map[string]mmdbtype.DataType{"81.2.69.0/24": iso("SE"), "1.2.3.0/24": iso("SE")})
		time.Sleep(pollEvery + time.Second)
		synctest.Wait()
		if got := db.Lookup(netip.MustParseAddr("81.2.69.1")); got.Country != "SE" {
			t.Errorf("still %+v", got)
		}
	})
}

func BenchmarkLookup(b *testing.B) {
	path := filepath.Join(b.TempDir(), "country.mmdb")
	write(b, path, "Country", time.Now(), map[string]mmdbtype.DataType{"81.2.69.0/24": iso("GB")})
	db, err := Open(Options{Country: path})
	if err != nil {
		b.Fatal(err)
	}
	addr := netip.MustParseAddr("81.2.69.1")
	for b.Loop() {
		db.Lookup(addr)
	}
}
