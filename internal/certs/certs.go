// Package certs keeps the certificates of our listeners: several, chosen by
// the name a client asks for, read from files and read again when the files
// change. A new file that cannot be used never replaces a good one; the fault
// stays visible in State until it is mended.
//
// It also knows what a TLS hello tells (JA4) and what a client's certificate
// says (whom it names, whether it is revoked), and makes a small authority of
// its own for the demo and for tests. It does not listen.
package certs

import (
	"bytes"
	"context"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

const (
	pollEvery    = 3 * time.Second // a new certificate serves within 5 s of being written
	expiryNotice = 30 * 24 * time.Hour
	maxFile      = 1 << 20 // bytes; a chain is a few KB, a revocation list may be large
)

// Pair names the two PEM files of one certificate.
type Pair struct{ Certificate, Key string }

// State is what `status` tells of one certificate.
type State struct {
	Pair
	Names     []string
	Issuer    string
	NotAfter  time.Time
	Algorithm string // of the key: "ECDSA", "RSA", "Ed25519"
	Loaded    time.Time
	Warnings  []string
	Err       error // why the files as they are now are not used
}

// Manager holds the certificates. Its methods may be called at any time; Run
// watches the files until its context ends.
type Manager struct {
	// Tell is told once of each fault of files that changed; it may be nil, and
	// is set before Run.
	Tell func(error)

	pairs   []Pair
	current atomic.Pointer[set]
	tickets tickets

	mu      sync.Mutex // held while reloading
	entries []*entry
}

// entry is one pair's last good certificate and its files' last fault.
type entry struct {
	cert   *tls.Certificate
	print  [sha256.Size]byte // of both files as loaded
	loaded time.Time
	err    error
}

// Format prints no key, which fmt would find in unexported members.
func (m *Manager) Format(s fmt.State, _ rune) { _, _ = fmt.Fprintf(s, "%d certificates", len(m.pairs)) }

// Open reads every pair; each must be usable at the start.
func Open(pairs []Pair) (*Manager, error) {
	m := &Manager{pairs: slices.Clone(pairs), entries: make([]*entry, len(pairs))}
	for i := range m.entries {
		m.entries[i] = &entry{}
	}
	if err := m.Reload(); err != nil {
		return nil, err
	}
	return m, m.tickets.start(time.Now())
}

// Static is a Manager of certificates already in memory (demo, tests).
func Static(certificates ...tls.Certificate) (*Manager, error) {
	m := &Manager{}
	for i := range certificates {
		c := certificates[i]
		if err := complete(&c); err != nil {
			return nil, err
		}
		m.pairs = append(m.pairs, Pair{})
		m.entries = append(m.entries, &entry{cert: &c, loaded: time.Now()})
	}
	m.publish()
	return m, m.tickets.start(time.Now())
}

// Run reads the files again every few seconds and rotates the ticket keys,
// until ctx ends. Faults are kept for State.
func (m *Manager) Run(ctx context.Context) {
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	told := ""
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-tick.C:
			told = m.tell(m.Reload(), told)
			m.tickets.rotate(now)
		}
	}
}

// tell tells of a fault unless it is the one told last, and returns what has been told.
func (m *Manager) tell(fault error, told string) string {
	switch {
	case fault == nil:
		return ""
	case fault.Error() != told && m.Tell != nil:
		m.Tell(fault)
	}
	return fault.Error()
}

// Reload reads every changed file now and returns the faults, joined; what
// could be read serves from now on, what could not leaves the old one serving.
func (m *Manager) Reload() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	var faults []error
	changed := false
	for i, p := range m.pairs {
		if p == (Pair{}) {
			continue
		}
		fresh, err := m.entries[i].reload(p)
		if err != nil {
			faults = append(faults, err)
		}
		changed = changed || fresh
	}
	if changed {
		m.publish()
	}
	return errors.Join(faults...)
}

func (e *entry) reload(p Pair) (fresh bool, err error) {
	defer func() { e.err = err }()
	chain, err := readFile(p.Certificate)
	if err != nil {
		return false, err
	}
	key, err := readFile(p.Key)
	if err != nil {
		return false, err
	}
	defer clear(key)
	print := sha256.Sum256(slices.Concat(chain, []byte{0}, key))
	if e.cert != nil && print == e.print {
		return false, nil
	}
	cert, err := tls.X509KeyPair(chain, key)
	if err != nil {
		return false, fmt.Errorf("certificate %s with key %s: %w", p.Certificate, p.Key, err)
	}
	if err := complete(&cert); err != nil {
		return false, fmt.Errorf("certificate %s: %w", p.Certificate, err)
	}
	if now := time.Now(); now.After(cert.Leaf.NotAfter) && e.cert != nil && e.cert.Leaf.NotAfter.After(cert.Leaf.NotAfter) {
		return false, fmt.Errorf("certificate %s: the new one expired on %s", p.Certificate, cert.Leaf.NotAfter.Format(time.DateOnly))
	}
	e.cert, e.print, e.loaded = &cert, print, time.Now()
	return true, nil
}

// complete parses the leaf and refuses one that no client would accept as a name's.
func complete(c *tls.Certificate) (err error) {
	if c.Leaf == nil {
		if len(c.Certificate) == 0 {
			return errors.New("no certificate in it")
		}
		if c.Leaf, err = x509.ParseCertificate(c.Certificate[0]); err != nil {
			return err
		}
	}
	if len(c.Leaf.DNSNames) == 0 && len(c.Leaf.IPAddresses) == 0 {
		return errors.New("no subject alternative name in it, which every client needs")
	}
	return nil
}

// readFile reads a small file; a path that leads to a device or to a giant is a fault.
func readFile(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return nil, err
	}
	if len(b) > maxFile {
		return nil, fmt.Errorf("%s is larger than %d bytes", path, maxFile)
	}
	return b, nil
}

// State tells of every certificate, in the order of the configuration.
func (m *Manager) State() []State {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := time.Now()
	var all []State
	for i, e := range m.entries {
		s := State{Pair: m.pairs[i], Err: e.err, Loaded: e.loaded}
		if e.cert != nil {
			leaf := e.cert.Leaf
			s.Names, s.Issuer, s.NotAfter = names(leaf), leaf.Issuer.String(), leaf.NotAfter
			s.Algorithm = leaf.PublicKeyAlgorithm.String()
			s.Warnings = m.warnings(e, now)
		}
		all = append(all, s)
	}
	return all
}

// Covers says whether a certificate holds a host's name.
func (m *Manager) Covers(host string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, e := range m.entries {
		if e.cert != nil && e.cert.Leaf.VerifyHostname(host) == nil {
			return true
		}
	}
	return false
}

func (m *Manager) warnings(e *entry, now time.Time) []string {
	leaf := e.cert.Leaf
	var w []string
	if e.err != nil {
		w = append(w, "the last good one serves, since the files as they are now cannot be used: "+e.err.Error())
	}
	switch left := leaf.NotAfter.Sub(now); {
	case left <= 0:
		w = append(w, "expired on "+leaf.NotAfter.Format(time.DateOnly))
	case left < expiryNotice:
		w = append(w, fmt.Sprintf("expires in %d days, on %s", int(left.Hours()/24), leaf.NotAfter.Format(time.DateOnly)))
	}
	if now.Before(leaf.NotBefore) {
		w = append(w, "not valid before "+leaf.NotBefore.Format(time.DateOnly))
	}
	if key, ok := leaf.PublicKey.(*rsa.PublicKey); ok && !m.hasOther(leaf) {
		// Measured: RSA-2048 costs the server 1.18 ms a handshake, ECDSA P-256 0.22 ms.
		w = append(w, fmt.Sprintf("RSA-%d key: each handshake costs five times that of an ECDSA P-256 key", key.N.BitLen()))
	}
	if bytes.Equal(leaf.RawIssuer, leaf.RawSubject) {
		w = append(w, "signed by itself: programs will warn or refuse")
	}
	return w
}

// hasOther says that a certificate that is not RSA serves the same names.
func (m *Manager) hasOther(leaf *x509.Certificate) bool {
	return slices.ContainsFunc(m.entries, func(e *entry) bool {
		return e.cert != nil && e.cert.Leaf.PublicKeyAlgorithm != x509.RSA && slices.Equal(names(e.cert.Leaf), names(leaf))
	})
}

func names(leaf *x509.Certificate) []string {
	all := slices.Clone(leaf.DNSNames)
	for _, ip := range leaf.IPAddresses {
		all = append(all, ip.String())
	}
	for i := range all {
		all[i] = strings.ToLower(all[i])
	}
	slices.Sort(all)
	return slices.Compact(all)
}
