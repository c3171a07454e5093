package certs

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net/netip"
	"os"
	"path/filepath"
	"time"
)

// The times of what we sign ourselves. The start lies before 2000, where the
// clock of testing/synctest begins.
var (
	localFrom  = time.Date(1999, 1, 1, 0, 0, 0, 0, time.UTC)
	localUntil = time.Date(2049, 12, 31, 0, 0, 0, 0, time.UTC)
)

// Authority is a small authority in memory, for the demo and for tests. Its
// key is never written to a file.
type Authority struct {
	Certificate *x509.Certificate
	// Server is the certificate of the names given to Local.
	Server tls.Certificate

	key    crypto.Signer
	serial int64
}

// Leaf is what an authority is asked to sign. Zero times mean the authority's own.
type Leaf struct {
	Names      []string // DNS names and addresses
	Emails     []string // rfc822Names, for a client
	Principals []string // user principal names, for a client
	From       time.Time
	Until      time.Time
	RSA        bool // an RSA-2048 key in place of ECDSA P-256
}

// Local makes an authority and, signed by it, a server's certificate for the
// names (DNS names or addresses; none means localhost and loopback).
func Local(names ...string) (*Authority, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	t := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "Portreeve local authority"},
		NotBefore: localFrom, NotAfter: localUntil, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, t, t, key.Public(), key)
	if err != nil {
		return nil, err
	}
	a := &Authority{key: key, serial: 1}
	if a.Certificate, err = x509.ParseCertificate(der); err != nil {
		return nil, err
	}
	if len(names) == 0 {
		names = []string{"localhost", "127.0.0.1", "::1"}
	}
	a.Server, err = a.Issue(Leaf{Names: names})
	return a, err
}

// Issue signs a certificate for a new key.
func (a *Authority) Issue(l Leaf) (tls.Certificate, error) {
	key, err := newKey(l.RSA)
	if err != nil {
		return tls.Certificate{}, err
	}
	a.serial++
	t := &x509.Certificate{
		SerialNumber: big.NewInt(a.serial), NotBefore: l.From, NotAfter: l.Until,
		KeyUsage: x509.KeyUsageDigitalSignature, EmailAddresses: l.Emails,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	if l.RSA {
		t.KeyUsage |= x509.KeyUsageKeyEncipherment
	}
	if t.NotBefore.IsZero() {
		t.NotBefore = localFrom
	}
	if t.NotAfter.IsZero() {
		t.NotAfter = localUntil
	}
	for _, n := range l.Names {
		if ip, err := netip.ParseAddr(n); err == nil {
			t.IPAddresses = append(t.IPAddresses, ip.AsSlice())
		} else {
			t.DNSNames = append(t.DNSNames, n)
		}
	}
	if len(l.Principals) > 0 {
		if err := addPrincipals(t, l); err != nil {
			return tls.Certificate{}, err
		}
	}
	der, err := x509.CreateCertificate(rand.Reader, t, a.Certificate, key.Public(), a.key)
	if err != nil {
		return tls.Certificate{}, err
	}
	leaf, err := x509.ParseCertificate(der)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}, err
}

func newKey(wantRSA bool) (crypto.Signer, error) {
	if wantRSA {
		return rsa.GenerateKey(rand.Reader, 2048)
	}
	return ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
}

// addPrincipals writes a subjectAltName of user principal names, which
// crypto/x509 cannot write.
func addPrincipals(t *x509.Certificate, l Leaf) error {
	if len(l.Names)+len(l.Emails) > 0 {
		return errors.New("principal names do not go with other names here")
	}
	var list []asn1.RawValue
	for _, p := range l.Principals {
		id, err := asn1.Marshal(oidUPN)
		if err != nil {
			return err
		}
		name, err := asn1.MarshalWithParams(p, "utf8")
		if err != nil {
			return err
		}
		value, err := asn1.Marshal(asn1.RawValue{Class: asn1.ClassContextSpecific, Tag: 0, IsCompound: true, Bytes: name})
		if err != nil {
			return err
		}
		list = append(list, asn1.RawValue{Class: asn1.ClassContextSpecific, Tag: 0, IsCompound: true, Bytes: append(id, value...)})
	}
	der, err := asn1.Marshal(list)
	t.ExtraExtensions = []pkix.Extension{{Id: oidSAN, Value: der}}
	return err
}

// Revoke makes the authority's revocation list (DER) of the given certificates.
func (a *Authority) Revoke(now, next time.Time, revoked ...tls.Certificate) ([]byte, error) {
	t := &x509.RevocationList{Number: big.NewInt(now.Unix()), ThisUpdate: now, NextUpdate: next}
	for _, c := range revoked {
		t.RevokedCertificateEntries = append(t.RevokedCertificateEntries,
			x509.RevocationListEntry{SerialNumber: c.Leaf.SerialNumber, RevocationTime: now})
	}
	return x509.CreateRevocationList(rand.Reader, t, a.Certificate, a.key)
}

// Pool trusts the authority.
func (a *Authority) Pool() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(a.Certificate)
	return pool
}

// PEM is the authority's certificate, for programs to trust.
func (a *Authority) PEM() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.Certificate.Raw})
}

// Write puts a certificate and its key (0600) into dir as name.pem and name.key.
func Write(dir, name string, c tls.Certificate) (Pair, error) {
	p := Pair{filepath.Join(dir, name+".pem"), filepath.Join(dir, name+".key")}
	var chain []byte
	for _, der := range c.Certificate {
		chain = append(chain, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})...)
	}
	key, err := x509.MarshalPKCS8PrivateKey(c.PrivateKey)
	if err != nil {
		return p, fmt.Errorf("writing key %s: %w", p.Key, err)
	}
	defer clear(key)
	if err := os.WriteFile(p.Key, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key}), 0o600); err != nil {
		return p, err
	}
	return p, os.WriteFile(p.Certificate, chain, 0o644)
}
