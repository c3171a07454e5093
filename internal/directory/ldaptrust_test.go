package directory

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"math/big"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/portreeve/portreeve/internal/mailtest"
)

// expired makes a certificate whose time is over, by an authority that is trusted.
func expired(t *testing.T) (tls.Certificate, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "Late"}, NotBefore: time.Now().Add(-2 * time.Hour), NotAfter: time.Now().Add(-time.Hour),
		IsCA: true, BasicConstraintsValid: true, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(cert)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, pool
}

// listening notes what strangers are sent before they have proven who they are.
type listening struct {
	net.Listener
	mu   sync.Mutex
	sent []byte
}

func (l *listening) serve(config *tls.Config) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		go func() {
			defer c.Close()
			if config != nil {
				c = tls.Server(c, config)
			}
			buffer := make([]byte, 4096)
			for {
				n, err := c.Read(buffer)
				l.mu.Lock()
				l.sent = append(l.sent, buffer[:n]...)
				l.mu.Unlock()
				if err != nil {
					return
				}
			}
		}()
	}
}

func (l *listening) heard() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return string(l.sent)
}

func listenFor(t *testing.T, config *tls.Config) *listening {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	x := &listening{Listener: l}
	go x.serve(config)
	t.Cleanup(func() { _ = l.Close() })
	return x
}

func TestNothingIsSaidToAServerThatCannotProveWhoItIs(t *testing.T) {
	t.Parallel()
	s := openStore(t)
	slapd := mailtest.StartSlapd(t, mailtest.SlapdOptions{LDIF: maryAndOmar(), Names: []string{"ldap.example.org"}})
	port := slapd.TLSURL[strings.LastIndexByte(slapd.TLSURL, ':'):]
	plain := slapd.URL[strings.LastIndexByte(slapd.URL, ':'):]
	late, lateCAs := expired(t)
	stranger := listenFor(t, &tls.Config{Certificates: []tls.Certificate{late}})
	mute := listenFor(t, nil)
	for name, c := range map[string]struct {
		url   string
		tls   bool // STARTTLS
		named string
		cas   *x509.CertPool
		ok    bool
	}{
		"right":                 {"ldaps://127.0.0.1" + port, false, "ldap.example.org", slapd.Authority.Pool(), true},
		"right with STARTTLS":   {"ldap://127.0.0.1" + plain, true, "ldap.example.org", slapd.Authority.Pool(), true},
		"wrong name":            {"ldaps://127.0.0.1" + port, false, "", slapd.Authority.Pool(), false},
		"wrong name, STARTTLS":  {"ldap://127.0.0.1" + plain, true, "", slapd.Authority.Pool(), false},
		"wrong authority":       {"ldaps://127.0.0.1" + port, false, "ldap.example.org", mailtest.NewAuthority(t).Pool(), false},
		"wrong CA, STARTTLS":    {"ldap://127.0.0.1" + plain, true, "ldap.example.org", mailtest.NewAuthority(t).Pool(), false},
		"the machine's CAs":     {"ldaps://127.0.0.1" + port, false, "ldap.example.org", nil, false},
		"expired":               {"ldaps://" + stranger.Addr().String(), false, "", lateCAs, false},
		"no TLS behind ldaps":   {"ldaps://127.0.0.1" + plain, false, "ldap.example.org", slapd.Authority.Pool(), false},
		"no answer to STARTTLS": {"ldap://" + mute.Addr().String(), true, "", slapd.Authority.Pool(), false},
	} {
		t.Run(name, func(t *testing.T) {
			o := ldapOptions(t, s, slapd)
			o.URLs, o.StartTLS, o.ServerName, o.CAs, o.Timeout = []string{c.url}, c.tls, c.named, c.cas, 2*time.Second
			l, err := NewLDAP(t.Context(), o)
			if err != nil {
				t.Fatal(err)
			}
			r, err := l.read(t.Context(), true)
			if c.ok != (err == nil) || c.ok && len(r.people) != 2 {
				t.Errorf("%v", err)
			}
			l.close()
		})
	}
	for _, l := range []*listening{stranger, mute} {
		if heard := l.heard(); strings.Contains(heard, mailtest.SlapdReaderSecret) || strings.Contains(heard, "portreeve") {
			t.Errorf("a stranger was told %q", heard)
		}
	}
}

func TestPlaintextLeavesThisMachineNever(t *testing.T) {
	t.Parallel()
	server, client := net.Pipe()
	defer server.Close()
	defer client.Close()
	s := openStore(t)
	o := ldapOptions(t, s, &mailtest.Slapd{Authority: mailtest.NewAuthority(t), TLSURL: "ldap://192.0.2.1"})
	l, err := NewLDAP(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := l.servers[0].seal(t.Context(), faraway{client}, searching); err == nil || !strings.Contains(err.Error(), "clear") {
		t.Errorf("a far server without TLS: %v", err)
	}
}

type faraway struct{ net.Conn }

func (faraway) RemoteAddr() net.Addr { return &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 389} }

// A directory can point elsewhere: from a place in the tree, from everything
// outside it, and in answer to a bind. Nobody goes there.
func TestReferralsAreNotFollowed(t *testing.T) {
	t.Parallel()
	stranger := listenFor(t, nil)
	elsewhere := "ldap://" + stranger.Addr().String()
	ldif := maryAndOmar() + "dn: uid=lure,ou=people," + mailtest.SlapdBase + "\nobjectClass: referral\nobjectClass: extensibleObject\nuid: lure\nref: " + elsewhere + "/uid=mary,dc=stranger,dc=example\n\n" +
		"dn: cn=lure,ou=groups," + mailtest.SlapdBase + "\nobjectClass: referral\nobjectClass: extensibleObject\ncn: lure\nref: " + elsewhere + "/cn=all,dc=stranger,dc=example\n\n"
	s := openStore(t)
	slapd := mailtest.StartSlapd(t, mailtest.SlapdOptions{LDIF: ldif, Global: "referral " + elsewhere})
	x := startLDAP(t, s, slapd, ldapOptions(t, s, slapd))
	x.until("all are mirrored", func() bool { return x.Local.Len() == 2 })
	if _, known, err := x.Lookup(t.Context(), "lure@example.org"); known || err != nil {
		t.Errorf("the lure: %v, %v", known, err)
	}
	mary := x.find("mary@example.org")
	// Mary's place becomes a reference to a stranger, who would be shown her password.
	x.slapd.Modify(t, "dn: "+mailtest.PersonDN("mary")+"\nchangetype: delete\n")
	x.slapd.Modify(t, "dn: "+mailtest.PersonDN("mary")+"\nchangetype: add\nobjectClass: referral\nobjectClass: extensibleObject\nuid: mary\nref: "+elsewhere+"/"+mailtest.PersonDN("mary")+"\n")
	if err := x.check(mary, "mary's secret word", home); err == nil {
		t.Error("let in by a referral")
	}
	o := ldapOptions(t, s, slapd)
	o.Name, o.Base = "outside", "dc=stranger,dc=example" // all of it is elsewhere
	l, err := NewLDAP(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	if r, err := l.read(t.Context(), true); err == nil {
		t.Errorf("a referral is no answer, and gave %+v", r)
	}
	l.close()
	if heard := stranger.heard(); heard != "" {
		t.Errorf("the stranger was told %q", heard)
	}
}

// Names that would mean something else in a filter or a DN find nobody, or the
// one who really has them.
func TestNamesCannotChangeTheQuestion(t *testing.T) {
	t.Parallel()
	odd := `a,b+c="d" \e(*)`
	ldif := maryAndOmar() + "dn: cn=a\\,b\\+c\\3D\\22d\\22 \\5Ce(*),ou=people," + mailtest.SlapdBase + "\nobjectClass: inetOrgPerson\ncn: " + odd + "\nsn: odd\nmail: odd@example.org\nuserPassword: odd word\n\n" +
		mailtest.LDIFGroup("odd", "cn=a\\,b\\+c\\3D\\22d\\22 \\5Ce(*),ou=people,"+mailtest.SlapdBase)
	x := startWith(t, ldif, 3, nil)
	for _, typed := range []string{"*@example.org", "mary)(uid=*@example.org", "*)(mail=*", "mary@example.org)(|(uid=*", `m\61ry@example.org`, "mary\x00@example.org",
		"mary,ou=people,dc=example,dc=org", "(|(uid=mary))@example.org", "mar*", "mary@example.org\\2a", "nobody)(objectClass=*@example.org"} {
		if p, known, err := x.Lookup(t.Context(), typed); known || err != nil {
			t.Errorf("%q found %+v (%v)", typed, p, err)
		}
	}
	p := x.find("odd@example.org")
	if err := x.check(p, "odd word", home); err != nil {
		t.Errorf("an odd place in the tree: %v", err)
	}
	if len(p.Groups) != 1 {
		t.Errorf("and its group: %v", p.Groups)
	}
	for _, password := range []string{"", "\x00", "odd word\x00", "x\r\ny", strings.Repeat("x", maxPassword+1)} {
		if err := x.check(p, password, home); !errors.Is(err, ErrWrong) {
			t.Errorf("%.20q: %v", password, err)
		}
	}
	if _, n := locked(t, x.slapd, "cn=a\\,b\\+c\\3D\\22d\\22 \\5Ce(*),ou=people,"+mailtest.SlapdBase); n != 0 {
		t.Errorf("%d of those were sent up", n)
	}
}
