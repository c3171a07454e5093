package certs

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"slices"
	"strings"
)

// set is the certificates as they serve now; it never changes.
type set struct {
	byName map[string][]*tls.Certificate // "mail.example.org", "*.example.org"; ECDSA first
	other  []*tls.Certificate            // for a client that asks for no name we have: the first configured
}

// publish makes the set from the entries; m.mu is held, or m is not shared yet.
func (m *Manager) publish() {
	s := &set{byName: map[string][]*tls.Certificate{}}
	for _, e := range m.entries {
		if e.cert == nil {
			continue
		}
		for _, n := range names(e.cert.Leaf) {
			s.byName[n] = append(s.byName[n], e.cert)
		}
	}
	for _, list := range s.byName {
		slices.SortStableFunc(list, func(a, b *tls.Certificate) int { return cost(a) - cost(b) })
	}
	if len(m.entries) > 0 && m.entries[0].cert != nil {
		s.other = s.byName[names(m.entries[0].cert.Leaf)[0]]
	}
	m.current.Store(s)
}

// cost orders keys by what a handshake costs the server.
func cost(c *tls.Certificate) int {
	if c.Leaf.PublicKeyAlgorithm == x509.RSA {
		return 1
	}
	return 0
}

var errNoCertificate = errors.New("no certificate is configured")

// choose finds the certificate for one hello. Unknown names get the first
// certificate and leave no trace here: random names must not make tables grow.
func (m *Manager) choose(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	s := m.current.Load()
	if s == nil {
		return nil, errNoCertificate
	}
	name := strings.ToLower(strings.TrimSuffix(hello.ServerName, "."))
	list := s.byName[name]
	if _, parent, ok := strings.Cut(name, "."); ok && list == nil {
		list = s.byName["*."+parent]
	}
	if name == "" || list == nil {
		list = s.other
	}
	if len(list) == 0 {
		return nil, errNoCertificate
	}
	for _, c := range list {
		if speaks(hello, c) {
			return c, nil
		}
	}
	return list[0], nil
}

// speaks says that the client can check this kind of key. The name was
// settled by choose, so it is not asked again.
func speaks(hello *tls.ClientHelloInfo, c *tls.Certificate) bool {
	h := *hello
	h.ServerName = ""
	return h.SupportsCertificate(c) == nil
}
