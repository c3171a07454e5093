package certs

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func authority(t *testing.T, names ...string) *Authority {
	t.Helper()
	a, err := Local(names...)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func issue(t *testing.T, a *Authority, l Leaf) tls.Certificate {
	t.Helper()
	c, err := a.Issue(l)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func write(t *testing.T, dir, name string, c tls.Certificate) Pair {
	t.Helper()
	p, err := Write(dir, name, c)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func open(t *testing.T, pairs ...Pair) *Manager {
	t.Helper()
	m, err := Open(pairs)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// served is the serial number of the certificate that a client of a name gets.
func served(t *testing.T, server *tls.Config, client *tls.Config) int64 {
	t.Helper()
	client.InsecureSkipVerify = true
	state, err := handshake(t, server, client)
	if err != nil {
		t.Fatal(err)
	}
	return state.PeerCertificates[0].SerialNumber.Int64()
}

func TestTheNameAskedForChoosesTheCertificate(t *testing.T) {
	a, dir := authority(t), t.TempDir()
	first := issue(t, a, Leaf{Names: []string{"mail.example.org"}, RSA: true})
	ec := issue(t, a, Leaf{Names: []string{"mail.example.org"}})
	wild := issue(t, a, Leaf{Names: []string{"*.example.net", "127.0.0.1"}})
	m := open(t, write(t, dir, "rsa", first), write(t, dir, "ec", ec), write(t, dir, "wild", wild))
	server := m.TLSConfig(Options{})
	serial := func(c tls.Certificate) int64 { return c.Leaf.SerialNumber.Int64() }
	rsaOnly := []uint16{tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256}
	for _, c := range []struct {
		what string
		ask  *tls.Config
		want int64
	}{
		{"ECDSA first", &tls.Config{ServerName: "mail.example.org"}, serial(ec)},
		{"case", &tls.Config{ServerName: "MAIL.Example.org"}, serial(ec)},
		{"RSA only", &tls.Config{ServerName: "mail.example.org", MaxVersion: tls.VersionTLS12, CipherSuites: rsaOnly}, serial(first)},
		{"wildcard", &tls.Config{ServerName: "imap.example.net"}, serial(wild)},
		{"wildcard is one label", &tls.Config{ServerName: "a.b.example.net"}, serial(ec)},
		{"unknown name", &tls.Config{ServerName: "nobody.example"}, serial(ec)},
		{"no name", &tls.Config{}, serial(ec)},
	} {
		if got := served(t, server, c.ask); got != c.want {
			t.Errorf("%s: certificate %d, want %d", c.what, got, c.want)
		}
	}
	if n := len(m.current.Load().byName); n != 3 {
		t.Errorf("asking for names made the table %d long", n)
	}
}

func TestChangedFilesServeAndBadOnesDoNot(t *testing.T) {
	a, dir := authority(t), t.TempDir()
	old := issue(t, a, Leaf{Names: []string{"mail.example.org"}})
	fresh := issue(t, a, Leaf{Names: []string{"mail.example.org"}})
	p := write(t, dir, "mail", old)
	m := open(t, p)
	server := m.TLSConfig(Options{})
	is := func(c tls.Certificate) bool {
		return served(t, server, &tls.Config{ServerName: "mail.example.org"}) == c.Leaf.SerialNumber.Int64()
	}
	freshPair := write(t, t.TempDir(), "mail", fresh)
	copyFile(t, freshPair.Certificate, p.Certificate) // half of a renewal: the old key does not fit
	if err := m.Reload(); err == nil || !is(old) || m.State()[0].Err == nil {
		t.Fatalf("a certificate without its key: %v", err)
	}
	if w := strings.Join(m.State()[0].Warnings, "; "); !strings.Contains(w, "last good one serves") {
		t.Errorf("nobody is told in the status: %q", w)
	}
	told := 0
	m.Tell = func(error) { told++ }
	once := m.tell(m.Reload(), "")
	if once = m.tell(m.Reload(), once); told != 1 || once == "" {
		t.Errorf("told %d times of one fault", told)
	}
	copyFile(t, freshPair.Key, p.Key)
	if err := m.Reload(); err != nil || !is(fresh) || m.State()[0].Err != nil {
		t.Fatalf("after the renewal: %v", err)
	}
	for what, bad := range map[string][]byte{"empty": nil, "text": []byte("hello"), "giant": make([]byte, maxFile+1)} {
		if err := os.WriteFile(p.Certificate, bad, 0o644); err != nil {
			t.Fatal(err)
		}
		if err := m.Reload(); err == nil || !is(fresh) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if err := os.Remove(p.Certificate); err != nil {
		t.Fatal(err)
	}
	if err := m.Reload(); !errors.Is(err, os.ErrNotExist) || !is(fresh) {
		t.Errorf("removed: %v", err)
	}
	expired := issue(t, a, Leaf{Names: []string{"mail.example.org"}, Until: time.Now().Add(-time.Hour)})
	write(t, dir, "mail", expired)
	if err := m.Reload(); err == nil || !strings.Contains(err.Error(), "expired") || !is(fresh) {
		t.Errorf("an expired one replaced a good one: %v", err)
	}
	if _, err := Open([]Pair{{filepath.Join(dir, "none"), p.Key}}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("opening without a file: %v", err)
	}
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	b, err := os.ReadFile(from)
	if err == nil {
		err = os.WriteFile(to, b, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func TestRunSeesANewFileWithinFiveSeconds(t *testing.T) {
	a, dir := authority(t, "mail.example.org"), t.TempDir()
	p := write(t, dir, "mail", a.Server)
	synctest.Test(t, func(t *testing.T) {
		m := open(t, p)
		done := make(chan struct{})
		go func() { defer close(done); m.Run(t.Context()) }()
		fresh := issue(t, a, Leaf{Names: []string{"mail.example.org"}})
		write(t, dir, "mail", fresh)
		time.Sleep(5 * time.Second)
		synctest.Wait()
		c, err := m.choose(&tls.ClientHelloInfo{ServerName: "mail.example.org"})
		if err != nil || c.Leaf.SerialNumber.Cmp(fresh.Leaf.SerialNumber) != 0 {
			t.Errorf("still the old one: %v", err)
		}
	})
}

func TestStateWarns(t *testing.T) {
	a, dir := authority(t), t.TempDir()
	soon := issue(t, a, Leaf{Names: []string{"soon.example"}, Until: time.Now().Add(29*24*time.Hour + time.Hour)})
	later := issue(t, a, Leaf{Names: []string{"later.example"}, Until: time.Now().Add(31 * 24 * time.Hour)})
	slow := issue(t, a, Leaf{Names: []string{"slow.example"}, RSA: true})
	both := issue(t, a, Leaf{Names: []string{"both.example"}, RSA: true})
	bothEC := issue(t, a, Leaf{Names: []string{"both.example"}})
	over := issue(t, a, Leaf{Names: []string{"over.example"}, Until: time.Now().Add(-time.Hour)})
	var pairs []Pair
	for i, c := range []tls.Certificate{soon, later, slow, both, bothEC, over} {
		pairs = append(pairs, write(t, dir, string(rune('a'+i)), c))
	}
	want := []string{"expires in 29 days", "", "RSA-2048", "", "", "expired on"}
	for i, s := range open(t, pairs...).State() {
		got := strings.Join(s.Warnings, "; ")
		if got != want[i] && (want[i] == "" || !strings.Contains(got, want[i])) {
			t.Errorf("%v: %q, want %q", s.Names, got, want[i])
		}
	}
}

func TestVersions(t *testing.T) {
	a := authority(t, "mail.example.org")
	m, err := Static(issue(t, a, Leaf{Names: []string{"mail.example.org"}, RSA: true}))
	if err != nil {
		t.Fatal(err)
	}
	try := func(min uint16, client *tls.Config) error {
		client.ServerName, client.RootCAs = "mail.example.org", a.Pool()
		_, err := handshake(t, m.TLSConfig(Options{MinVersion: min}), client)
		return err
	}
	old := &tls.Config{MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS10, CipherSuites: []uint16{tls.TLS_RSA_WITH_AES_128_CBC_SHA}}
	if try(0, old) == nil {
		t.Error("TLS 1.0 was taken by default")
	}
	if try(tls.VersionTLS13, &tls.Config{MaxVersion: tls.VersionTLS12}) == nil {
		t.Error("TLS 1.2 was taken where 1.3 is asked")
	}
	if err := try(tls.VersionTLS10, old); err != nil {
		t.Errorf("an old scanner at its own listener: %v", err)
	}
	if err := try(0, &tls.Config{MaxVersion: tls.VersionTLS12}); err != nil {
		t.Errorf("TLS 1.2: %v", err)
	}
}

func TestTicketsAreSharedAndRotatedButNotAcrossAuthorities(t *testing.T) {
	a, other := authority(t, "mail.example.org"), authority(t)
	m, err := Static(a.Server)
	if err != nil {
		t.Fatal(err)
	}
	imap, pop := m.TLSConfig(Options{}), m.TLSConfig(Options{})
	ca, err := NewClientCA(other.PEM())
	if err != nil {
		t.Fatal(err)
	}
	certs := m.TLSConfig(Options{ClientCA: ca})
	client := &tls.Config{ServerName: "mail.example.org", RootCAs: a.Pool(), ClientSessionCache: tls.NewLRUClientSessionCache(4)}
	resumed := func(server *tls.Config) bool {
		state, err := handshake(t, server, client)
		if err != nil {
			t.Fatal(err)
		}
		return state.DidResume
	}
	if resumed(imap) || !resumed(pop) || resumed(certs) {
		t.Error("tickets are not shared as they should be")
	}
	resumed(imap)
	for i := range 2 {
		m.tickets.rotate(m.tickets.made.Add(ticketRotation))
		if i == 0 && !resumed(pop) {
			t.Error("a rotation forgot the tickets of the day before")
		}
	}
	client.ClientSessionCache = tls.NewLRUClientSessionCache(4)
	resumed(imap)
	for range ticketGenerations {
		m.tickets.rotate(m.tickets.made.Add(ticketRotation))
	}
	if resumed(pop) {
		t.Error("a ticket older than every key still resumes")
	}
}

func TestClientCertificates(t *testing.T) {
	a, strangers, dir := authority(t, "mail.example.org"), authority(t), t.TempDir()
	mary := issue(t, a, Leaf{Emails: []string{"mary@example.org"}})
	gone := issue(t, a, Leaf{Principals: []string{"gone@corp.example", "other@corp.example"}})
	now := time.Now()
	crl := func(from *Authority, next time.Time, revoked ...tls.Certificate) {
		t.Helper()
		der, err := from.Revoke(now, next, revoked...)
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, "ca.crl"), der, 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	crl(a, now.Add(time.Hour), gone)
	if err := os.WriteFile(filepath.Join(dir, "ca.pem"), a.PEM(), 0o644); err != nil {
		t.Fatal(err)
	}
	ca, err := LoadClientCA(filepath.Join(dir, "ca.pem"), filepath.Join(dir, "ca.crl"))
	if err != nil {
		t.Fatal(err)
	}

	if got := People(mary.Leaf); !slices.Equal(got, []string{"mary@example.org"}) {
		t.Errorf("rfc822Name: %v", got)
	}
	if got := People(gone.Leaf); !slices.Equal(got, []string{"gone@corp.example", "other@corp.example"}) {
		t.Errorf("principal names: %v", got)
	}
	if got := People(a.Server.Leaf); len(got) != 0 {
		t.Errorf("a server's certificate names %v", got)
	}

	if err := ca.Check(mary.Leaf, now); err != nil {
		t.Errorf("a good one: %v", err)
	}
	if err := ca.Check(gone.Leaf, now); !errors.Is(err, ErrRevoked) {
		t.Errorf("a revoked one: %v", err)
	}
	if err := ca.Check(mary.Leaf, localUntil.Add(time.Hour)); !errors.Is(err, ErrNotNow) {
		t.Errorf("an expired one: %v", err)
	}
	if err := ca.Check(mary.Leaf, now.Add(2*time.Hour)); !errors.Is(err, ErrRevocation) {
		t.Errorf("when the list has run out: %v", err)
	}
	foreign := issue(t, strangers, Leaf{Emails: []string{"mary@example.org"}})
	foreign.Leaf.RawIssuer = []byte("another")
	if err := ca.Check(foreign.Leaf, now); !errors.Is(err, ErrRevocation) {
		t.Errorf("an issuer without a list: %v", err)
	}

	crl(a, now.Add(3*time.Hour), gone, mary)
	if err := ca.Check(mary.Leaf, now.Add(time.Minute)); !errors.Is(err, ErrRevoked) {
		t.Errorf("after the list changed: %v", err)
	}
	crl(strangers, now.Add(4*time.Hour))
	if err := ca.Check(mary.Leaf, now.Add(2*time.Minute)); !errors.Is(err, ErrRevoked) {
		t.Errorf("a stranger's list replaced ours: %v", err)
	}
	if _, err := ca.State(); err == nil {
		t.Error("state hides the bad list")
	}
	if _, err := LoadClientCA(filepath.Join(dir, "ca.pem"), filepath.Join(dir, "ca.crl")); err == nil {
		t.Error("a stranger's list was loaded")
	}
}

func TestClientCertificateAtTheListener(t *testing.T) {
	a, strangers := authority(t, "mail.example.org"), authority(t)
	m, err := Static(a.Server)
	if err != nil {
		t.Fatal(err)
	}
	ca, err := NewClientCA(a.PEM())
	if err != nil {
		t.Fatal(err)
	}
	server := m.TLSConfig(Options{ClientCA: ca})
	shown := 0
	server.VerifyConnection = func(s tls.ConnectionState) error { shown = len(s.PeerCertificates); return nil }
	try := func(c ...tls.Certificate) error {
		_, err := handshake(t, server, &tls.Config{ServerName: "mail.example.org", RootCAs: a.Pool(), Certificates: c})
		return err
	}
	if err := try(); err != nil || shown != 0 {
		t.Errorf("without one: %v, %d", err, shown)
	}
	if err := try(issue(t, a, Leaf{Emails: []string{"mary@example.org"}})); err != nil || shown != 1 {
		t.Errorf("with one: %v, %d", err, shown)
	}
	mary := issue(t, strangers, Leaf{Emails: []string{"mary@example.org"}})
	client := &tls.Config{ServerName: "mail.example.org", RootCAs: a.Pool(),
		GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &mary, nil }}
	if _, err := handshake(t, server, client); err == nil {
		t.Error("a stranger's certificate was taken")
	}
	if _, err := NewClientCA([]byte("no PEM")); err == nil {
		t.Error("an empty authority was taken")
	}
}

func TestLocalIsValidWhereSynctestBegins(t *testing.T) {
	a := authority(t, "mail.example.org", "127.0.0.1")
	for _, at := range []time.Time{time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC), time.Now()} {
		if _, err := a.Server.Leaf.Verify(x509.VerifyOptions{DNSName: "mail.example.org", Roots: a.Pool(), CurrentTime: at}); err != nil {
			t.Errorf("%s: %v", at, err)
		}
	}
	if err := a.Server.Leaf.VerifyHostname(net.IPv4(127, 0, 0, 1).String()); err != nil {
		t.Error(err)
	}
	p := write(t, t.TempDir(), "x", a.Server)
	if info, err := os.Stat(p.Key); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the key's mode: %v, %v", info, err)
	}
}

func FuzzPrincipalNames(f *testing.F) {
	f.Add([]byte{0x30, 0x00})
	f.Fuzz(func(t *testing.T, der []byte) { principalNames(der) })
}
