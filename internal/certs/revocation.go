package certs

import (
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"math/big"
	"os"
	"time"
)

// revocations is one verified list.
type revocations struct {
	serials map[string]bool
	next    time.Time // when the list runs out
}

// filePrint tells a changed file from an unchanged one without reading it:
// revocation lists can be large.
type filePrint struct {
	size     int64
	modified time.Time
}

// Revoked says whether one of the lists names the certificate; an error means
// that nobody can tell.
func (ca *ClientCA) Revoked(leaf *x509.Certificate, now time.Time) (bool, error) {
	if len(ca.files) == 0 {
		return false, nil
	}
	ca.mu.Lock()
	defer ca.mu.Unlock()
	if now.Sub(ca.looked) >= pollEvery || now.Before(ca.looked) {
		_ = ca.reloadLocked(now)
	}
	list := ca.lists[string(leaf.RawIssuer)]
	if list == nil {
		return false, fmt.Errorf("%w: no list of %s", ErrRevocation, leaf.Issuer)
	}
	if list.serials[serial(leaf.SerialNumber)] {
		return true, nil
	}
	if now.After(list.next) {
		return false, fmt.Errorf("%w: the list of %s ran out on %s", ErrRevocation, leaf.Issuer, list.next.Format(time.DateTime))
	}
	return false, nil
}

// State tells when the first list runs out (zero without lists) and why the
// files as they are now are not used.
func (ca *ClientCA) State() (next time.Time, err error) {
	ca.mu.Lock()
	defer ca.mu.Unlock()
	for _, l := range ca.lists {
		if next.IsZero() || l.next.Before(next) {
			next = l.next
		}
	}
	return next, ca.err
}

func (ca *ClientCA) reload(now time.Time) error {
	ca.mu.Lock()
	defer ca.mu.Unlock()
	return ca.reloadLocked(now)
}

// reloadLocked reads all lists anew if any file changed; lists that cannot be
// used leave the old ones in place, which then run out by themselves.
func (ca *ClientCA) reloadLocked(now time.Time) error {
	ca.looked = now
	prints, same := map[string]filePrint{}, true
	for _, f := range ca.files {
		info, err := os.Stat(f)
		if err != nil {
			ca.err = err
			return err
		}
		prints[f] = filePrint{info.Size(), info.ModTime()}
		same = same && prints[f] == ca.prints[f]
	}
	if same && ca.err == nil {
		return nil
	}
	lists := map[string]*revocations{}
	for _, f := range ca.files {
		if ca.err = ca.readLists(f, lists); ca.err != nil {
			ca.err = fmt.Errorf("revocation list %s: %w", f, ca.err)
			return ca.err
		}
	}
	ca.lists, ca.prints = lists, prints
	return nil
}

func (ca *ClientCA) readLists(path string, into map[string]*revocations) error {
	b, err := readFile(path)
	if err != nil {
		return err
	}
	block, rest := pem.Decode(b)
	if block == nil {
		return ca.addList(b, into)
	}
	for ; block != nil; block, rest = pem.Decode(rest) {
		if err := ca.addList(block.Bytes, into); err != nil {
			return err
		}
	}
	return nil
}

func (ca *ClientCA) addList(der []byte, into map[string]*revocations) error {
	list, err := x509.ParseRevocationList(der)
	if err != nil {
		return err
	}
	for _, e := range list.Extensions {
		if e.Critical { // a delta or partial list: its silence would not mean "not revoked"
			return fmt.Errorf("it has the critical extension %s, which is not understood", e.Id)
		}
	}
	if !ca.signed(list) {
		return fmt.Errorf("not signed by the authority (%s)", list.Issuer)
	}
	r := &revocations{serials: make(map[string]bool, len(list.RevokedCertificateEntries)), next: list.NextUpdate}
	for _, e := range list.RevokedCertificateEntries {
		r.serials[serial(e.SerialNumber)] = true
	}
	into[string(list.RawIssuer)] = r
	return nil
}

func (ca *ClientCA) signed(list *x509.RevocationList) bool {
	for _, c := range ca.certs {
		if string(c.RawSubject) == string(list.RawIssuer) && list.CheckSignatureFrom(c) == nil {
			return true
		}
	}
	return false
}

func serial(n *big.Int) string { return string(n.Bytes()) }
