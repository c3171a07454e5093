package certs

import (
	"crypto/tls"
	"net"
	"strconv"
	"strings"
	"testing"
)

func values(t *testing.T, list string) (v []uint16) {
	for _, w := range strings.Split(list, ",") {
		n, err := strconv.ParseUint(w, 16, 16)
		if err != nil {
			t.Fatal(err)
		}
		v = append(v, uint16(n))
	}
	return v
}

// Published values, each with the raw lists they were made from: FoxIO's own
// example, Chrome 143 as browserleaks.com shows it, and an OpenSSL-like one
// with the renegotiation suite 00ff, which counts as a cipher suite.
func TestJA4GivesPublishedValues(t *testing.T) {
	for _, c := range []struct{ want, ciphers, extensions, schemes, alpn string }{
		{"t13d1516h2_8daaf6152771_e5627efa2ab1",
			"1a1a,1301,1302,1303,c02b,c02f,c02c,c030,cca9,cca8,c013,c014,009c,009d,002f,0035",
			"0a0a,001b,0000,0033,0010,4469,0017,002d,000d,0005,0023,0012,002b,ff01,000b,000a,0015,5a5a",
			"0403,0804,0401,0503,0805,0501,0806,0601", "h2"},
		{"t13d1516h2_8daaf6152771_d8a2da3f94cd",
			"1301,1302,1303,c02b,c02f,c02c,c030,cca9,cca8,c013,c014,009c,009d,002f,0035",
			"002d,0033,0010,fe0d,0017,44cd,0000,000b,000a,002b,ff01,0023,0012,0005,000d,001b",
			"0403,0804,0401,0503,0805,0501,0806,0601", "h2"},
		{"t13d1011h2_61a7ad8aa9b6_3fcd1a44f3e3",
			"c02b,c02f,c02c,c030,cca9,cca8,1301,1302,1303,00ff",
			"0000,0010,0005,000a,000b,000d,0017,0023,002b,002d,0033",
			"0503,0403,0807,0806,0805,0804,0601,0501,0401", "h2"},
	} {
		hello := &tls.ClientHelloInfo{
			CipherSuites: values(t, c.ciphers), Extensions: values(t, c.extensions),
			SupportedVersions: []uint16{0x7a7a, tls.VersionTLS12, tls.VersionTLS13}, SupportedProtos: []string{c.alpn, "http/1.1"},
		}
		for _, s := range values(t, c.schemes) {
			hello.SignatureSchemes = append(hello.SignatureSchemes, tls.SignatureScheme(s))
		}
		if got := JA4(hello); got != c.want {
			t.Errorf("got %s, want %s", got, c.want)
		}
	}
}

func TestJA4Corners(t *testing.T) {
	for want, h := range map[string]*tls.ClientHelloInfo{
		"t00i000000_000000000000_000000000000": {},
		"t12i000000_000000000000_000000000000": {SupportedVersions: []uint16{tls.VersionTLS12, tls.VersionTLS10}},
		"t11i000000_000000000000_000000000000": {SupportedVersions: []uint16{tls.VersionTLS11, 0xfafa}},
		"t10i0000i4_000000000000_000000000000": {SupportedVersions: []uint16{tls.VersionTLS10}, SupportedProtos: []string{"imap4"}},
		"t13i00006d_000000000000_000000000000": {SupportedVersions: []uint16{tls.VersionTLS13}, SupportedProtos: []string{"imap-"}},
		"t13d000100_000000000000_000000000000": {SupportedVersions: []uint16{tls.VersionTLS13}, Extensions: []uint16{0, 0x1a1a}},
	} {
		if got := JA4(h); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

func TestHelloIsShownToTheListener(t *testing.T) {
	a := authority(t, "mail.example.org")
	m, err := Static(a.Server)
	if err != nil {
		t.Fatal(err)
	}
	var seen string
	server := m.TLSConfig(Options{Hello: func(h *tls.ClientHelloInfo) { seen = JA4(h) }})
	handshake(t, server, &tls.Config{ServerName: "mail.example.org", RootCAs: a.Pool()})
	if !strings.HasPrefix(seen, "t13d") || !strings.Contains(seen[4:], "00_") || strings.Contains(seen, "000000000000") {
		t.Errorf("Go's own client reads as %q", seen)
	}
}

// handshake runs one over net.Pipe and returns the client's view.
func handshake(t *testing.T, server, client *tls.Config) (tls.ConnectionState, error) {
	t.Helper()
	a, b := net.Pipe()
	defer a.Close()
	done := make(chan error, 1)
	go func() {
		s := tls.Server(b, server)
		err := s.Handshake()
		if err == nil {
			_, err = s.Write([]byte("x")) // lets the client read its session ticket
		}
		b.Close()
		done <- err
	}()
	c := tls.Client(a, client)
	err := c.Handshake()
	if err == nil {
		_, err = c.Read(make([]byte, 1))
	}
	a.Close()
	<-done
	return c.ConnectionState(), err
}
