package main

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"
)

// Where everything is. The suite has an address of loopback that is not 127.0.0.1,
// so that to the issuer it is a site like any other: on 127.0.0.1 and localhost the
// port of an address is left open, as native programs need it.
const (
	issuerHost = "localhost"
	suiteHost  = "127.0.0.2"
)

// certificate is one of the issuer's and the suite's, which is its own authority.
type certificate struct {
	cert, key string // files
	pool      *x509.CertPool
}

func newCertificate(folder string) (c certificate, err error) {
	k, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return c, err
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "conformance"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour), IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		DNSNames: []string{issuerHost}, IPAddresses: []net.IP{net.ParseIP(suiteHost), net.IPv4(127, 0, 0, 1)}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &k.PublicKey, k)
	if err != nil {
		return c, err
	}
	raw, err := x509.MarshalPKCS8PrivateKey(k)
	if err != nil {
		return c, err
	}
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	c = certificate{filepath.Join(folder, "server.pem"), filepath.Join(folder, "server.key"), x509.NewCertPool()}
	c.pool.AppendCertsFromPEM(text)
	if err := os.WriteFile(c.cert, text, 0o600); err != nil {
		return c, fmt.Errorf("keeping the certificate: %w", err)
	}
	return c, os.WriteFile(c.key, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: raw}), 0o600)
}

// http is a client that trusts it.
func (c *certificate) http() *http.Client {
	return &http.Client{Timeout: time.Minute, Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: c.pool}}}
}
