package server

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/portreeve/portreeve/internal/config"
	"github.com/portreeve/portreeve/internal/policy"
)

// authority signs certificates in a test.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

// issue makes a certificate of somebody, or of an authority below.
func (a *authority) issue(t *testing.T, name string, isCA bool) *authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name}, NotBefore: time.Now().Add(-time.Hour),
		NotAfter: time.Now().Add(time.Hour), BasicConstraintsValid: true, IsCA: isCA, KeyUsage: x509.KeyUsageDigitalSignature}
	if isCA {
		template.KeyUsage = x509.KeyUsageCertSign
	} else {
		template.EmailAddresses = []string{name}
	}
	parent, signer := template, key
	if a != nil {
		parent, signer = a.cert, a.key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), signer)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return &authority{cert, key}
}

func (a *authority) file(t *testing.T) config.Path {
	t.Helper()
	path := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.cert.Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	return config.Path(path)
}

// Only what the named issuer signed itself proves two factors: not what its own
// authority signed by another road, nor what names it.
func TestACertificateProvesTwoFactorsOnlyIfItsIssuerSaysSo(t *testing.T) {
	root := (*authority)(nil).issue(t, "root", true)
	cards, laptops := root.issue(t, "issuer", true), root.issue(t, "issuer", true) // of one name
	for _, c := range []struct {
		what   string
		issuer *authority
		two    config.Path
		want   policy.Methods
	}{
		{"a card's", cards, cards.file(t), policy.MethodX509SingleFactor | policy.MethodX509MultiFactor},
		{"a laptop's", laptops, cards.file(t), policy.MethodX509SingleFactor},
		{"one of the root itself", root, cards.file(t), policy.MethodX509SingleFactor},
		{"a card's where only the root is named", cards, root.file(t), policy.MethodX509SingleFactor},
		{"a card's where nothing is named", cards, "", policy.MethodX509SingleFactor},
	} {
		ca, err := openClientCA(config.Listener{ClientCA: root.file(t), TwoFactorCA: c.two})
		if err != nil {
			t.Fatal(err)
		}
		mary := c.issuer.issue(t, "mary@example.org", false)
		names, methods, err := clientCAs{"imap-993": ca}.People(t.Context(), "imap-993", mary.cert.Raw)
		if err != nil || len(names) != 1 || methods != c.want {
			t.Errorf("%s certificate: %v proves %v, %v; want %v", c.what, names, methods.Names(), err, c.want.Names())
		}
	}
}
