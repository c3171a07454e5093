package certs

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/asn1"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"
)

// Why a client's certificate is not taken though its chain is right.
var (
	ErrRevoked    = errors.New("the certificate is revoked")
	ErrNotNow     = errors.New("the certificate is not valid at this time")
	ErrRevocation = errors.New("whether the certificate is revoked cannot be told")
)

// ClientCA is the authority that signs a listener's client certificates, with
// its revocation lists. crypto/tls checks no list, and skips every callback
// when a session is resumed: who signs somebody in calls Check each time.
type ClientCA struct {
	pool  *x509.CertPool
	certs []*x509.Certificate
	id    string // of the authority's certificates
	files []string

	mu     sync.Mutex
	lists  map[string]*revocations // by the issuer's raw subject
	prints map[string]filePrint
	looked time.Time
	err    error // why the lists as they are now are not used
}

// LoadClientCA reads the authority's certificates (PEM) and its revocation
// lists (PEM or DER), which are read again when they change.
func LoadClientCA(path string, crls ...string) (*ClientCA, error) {
	b, err := readFile(path)
	if err != nil {
		return nil, err
	}
	ca, err := NewClientCA(b)
	if err != nil {
		return nil, fmt.Errorf("client authority %s: %w", path, err)
	}
	ca.files = slices.Clone(crls)
	if err := ca.reload(time.Now()); err != nil {
		return nil, err
	}
	return ca, nil
}

// NewClientCA is an authority without revocation lists, from PEM.
func NewClientCA(pemCerts []byte) (*ClientCA, error) {
	ca := &ClientCA{pool: x509.NewCertPool()}
	sum := sha256.New()
	for block, rest := pem.Decode(pemCerts); block != nil; block, rest = pem.Decode(rest) {
		if block.Type != "CERTIFICATE" {
			return nil, fmt.Errorf("a %s block in it: only certificates belong here", block.Type)
		}
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, err
		}
		if !c.IsCA {
			return nil, fmt.Errorf("%s is no authority's certificate", c.Subject)
		}
		ca.certs = append(ca.certs, c)
		ca.pool.AddCert(c)
		sum.Write(c.Raw)
	}
	if len(ca.certs) == 0 {
		return nil, errors.New("no certificate in it")
	}
	ca.id = hex.EncodeToString(sum.Sum(nil))
	return ca, nil
}

// Check says whether a certificate whose chain crypto/tls has verified is
// still good at a time: in its own time, and on no revocation list. Where
// lists are configured, an issuer without one and a list that has run out
// mean no.
func (ca *ClientCA) Check(leaf *x509.Certificate, now time.Time) error {
	if now.Before(leaf.NotBefore) || now.After(leaf.NotAfter) {
		return ErrNotNow
	}
	revoked, err := ca.Revoked(leaf, now)
	if err == nil && revoked {
		err = ErrRevoked
	}
	return err
}

// Issued says that one of the authority's own certificates signed this one,
// nothing standing between.
func (ca *ClientCA) Issued(leaf *x509.Certificate) bool {
	return slices.ContainsFunc(ca.certs, func(c *x509.Certificate) bool { return leaf.CheckSignatureFrom(c) == nil })
}

var (
	oidSAN = asn1.ObjectIdentifier{2, 5, 29, 17}
	oidUPN = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 311, 20, 2, 3} // Microsoft's user principal name
)

// People lists whom a client certificate names: its rfc822Names, else its
// user principal names. None means that it names nobody here; the common name
// is not read, since authorities put anything there.
func People(leaf *x509.Certificate) []string {
	if len(leaf.EmailAddresses) > 0 {
		return slices.Clone(leaf.EmailAddresses)
	}
	var all []string
	for _, e := range leaf.Extensions {
		if e.Id.Equal(oidSAN) {
			all = append(all, principalNames(e.Value)...)
		}
	}
	return all
}

// principalNames reads the UPNs of a subjectAltName (RFC 5280 section 4.2.1.6:
// GeneralName otherName [0], with the value behind an explicit [0]).
func principalNames(der []byte) (all []string) {
	var list []asn1.RawValue
	if rest, err := asn1.Unmarshal(der, &list); err != nil || len(rest) > 0 {
		return nil
	}
	for _, v := range list {
		if v.Class != asn1.ClassContextSpecific || v.Tag != 0 {
			continue
		}
		var id asn1.ObjectIdentifier
		rest, err := asn1.Unmarshal(v.Bytes, &id)
		if err != nil || !id.Equal(oidUPN) {
			continue
		}
		var outer asn1.RawValue
		if _, err := asn1.Unmarshal(rest, &outer); err != nil || outer.Class != asn1.ClassContextSpecific || outer.Tag != 0 {
			continue
		}
		var name string
		if rest, err := asn1.UnmarshalWithParams(outer.Bytes, &name, "utf8"); err == nil && len(rest) == 0 {
			all = append(all, name)
		}
	}
	return all
}
