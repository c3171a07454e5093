// Package geoip tells an address's country and network owner, from MMDB files
// that the administrator provides (MaxMind, DB-IP, IPinfo and others write
// them). Files are read again when they change; a bad new one never replaces
// a good one. It never goes online, and an address that no file knows, or
// that is private, has no country: unknown, which no condition takes for a
// reason to let somebody in.
package geoip

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/oschwald/maxminddb-golang/v2"
)

const (
	pollEvery = 30 * time.Second // files change weekly at most
	maxFile   = 512 << 20        // bytes; the largest country files have about 100 MB
	staleAge  = 90 * 24 * time.Hour
)

// Place is what is known of an address; zero values are unknown.
type Place struct {
	Country string // ISO 3166-1 alpha-2, upper case
	ASN     uint32
	Owner   string // of the network, for people to read
}

// Options name the files; either may be empty.
type Options struct {
	Country string
	ASN     string
}

// State is what `status` tells of one file.
type State struct {
	File     string
	Kind     string // the file's own name for what it is
	Built    time.Time
	Warnings []string
	Err      error // why the file as it is now is not used
}

// DB answers from the files. The zero value and nil know nothing.
type DB struct {
	country, asn *file
}

// file is one MMDB file. It is held in memory and not mapped: a mapped file
// that somebody overwrites in place would end the process with SIGBUS.
type file struct {
	path   string
	reader atomic.Pointer[maxminddb.Reader]

	mu       sync.Mutex // held while reloading
	size     int64
	modified time.Time
	err      error
}

// Open reads the files; each must be usable at the start.
func Open(o Options) (*DB, error) {
	db := &DB{}
	if o.Country != "" {
		db.country = &file{path: o.Country}
	}
	if o.ASN == o.Country {
		db.asn = db.country
	} else if o.ASN != "" {
		db.asn = &file{path: o.ASN}
	}
	return db, db.Reload()
}

// Run reads changed files again until ctx ends.
func (db *DB) Run(ctx context.Context) {
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			_ = db.Reload() // kept for State
		}
	}
}

// Reload reads every changed file now and returns the faults, joined.
func (db *DB) Reload() error {
	var faults []error
	for _, f := range db.files() {
		faults = append(faults, f.reload())
	}
	return errors.Join(faults...)
}

func (db *DB) files() (all []*file) {
	if db == nil {
		return nil
	}
	if db.country != nil {
		all = append(all, db.country)
	}
	if db.asn != nil && db.asn != db.country {
		all = append(all, db.asn)
	}
	return all
}

// Lookup tells what the files know of an address.
func (db *DB) Lookup(addr netip.Addr) Place {
	var p Place
	addr = addr.Unmap().WithZone("")
	if db == nil || !Public(addr) {
		return p
	}
	if r := db.country.open(); r != nil {
		p.Country = country(r.Lookup(addr))
	}
	if r := db.asn.open(); r != nil {
		p.ASN, p.Owner = owner(r.Lookup(addr))
	}
	return p
}

// Country is Lookup's country alone.
func (db *DB) Country(addr netip.Addr) string { return db.Lookup(addr).Country }

// Network is Lookup's network alone.
func (db *DB) Network(addr netip.Addr) (asn uint32, owner string) {
	p := db.Lookup(addr)
	return p.ASN, p.Owner
}

// special are the networks that are in no country and that netip does not
// name (RFC 6890 and its registry). The documentation networks are left out:
// no client lives there, but the demo's people do, with a file to match.
var special = []netip.Prefix{
	netip.MustParsePrefix("0.0.0.0/8"),
	netip.MustParsePrefix("100.64.0.0/10"), // carrier-grade NAT
	netip.MustParsePrefix("192.0.0.0/24"),
	netip.MustParsePrefix("198.18.0.0/15"), // benchmarks
	netip.MustParsePrefix("240.0.0.0/4"),
}

// Public says that an address can be in a country at all.
func Public(a netip.Addr) bool {
	a = a.Unmap()
	if !a.IsValid() || a.IsPrivate() || a.IsLoopback() || a.IsLinkLocalUnicast() || a.IsMulticast() || a.IsUnspecified() {
		return false
	}
	for _, p := range special {
		if p.Contains(a) {
			return false
		}
	}
	return true
}

// country reads the layouts of MaxMind and DB-IP (country.iso_code) and of
// flat files (country_code, country). A registered country is not taken: it
// says where the owner has its office.
func country(r maxminddb.Result) string {
	for _, path := range [][]any{{"country", "iso_code"}, {"country_code"}, {"country"}} {
		var code string
		if r.DecodePath(&code, path...) == nil && len(code) == 2 {
			code = strings.ToUpper(code)
			if letter(code[0]) && letter(code[1]) {
				return code
			}
		}
	}
	return ""
}

func letter(b byte) bool { return b >= 'A' && b <= 'Z' }

func owner(r maxminddb.Result) (asn uint32, name string) {
	for _, key := range []string{"autonomous_system_number", "asn"} {
		var number uint32
		if r.DecodePath(&number, key) == nil && number != 0 {
			asn = number
			break
		}
		var word string // IPinfo: "AS15169"
		if r.DecodePath(&word, key) == nil && word != "" {
			n, err := strconv.ParseUint(strings.TrimPrefix(strings.ToUpper(word), "AS"), 10, 32)
			if err == nil {
				asn = uint32(n)
				break
			}
		}
	}
	for _, key := range []string{"autonomous_system_organization", "as_name", "organization", "name"} {
		if r.DecodePath(&name, key) == nil && name != "" {
			break
		}
	}
	return asn, strings.ToValidUTF8(name, "")
}

func (f *file) open() *maxminddb.Reader {
	if f == nil {
		return nil
	}
	return f.reader.Load()
}

func (f *file) reload() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	info, err := os.Stat(f.path)
	if err != nil {
		f.err = err
		return err
	}
	if info.Size() == f.size && info.ModTime().Equal(f.modified) && f.reader.Load() != nil {
		f.err = nil
		return nil
	}
	r, err := read(f.path, info.Size())
	if err != nil {
		f.err = fmt.Errorf("reading %s: %w", f.path, err)
		return f.err
	}
	f.reader.Store(r) // readers in flight keep the old one until they are done
	f.size, f.modified, f.err = info.Size(), info.ModTime(), nil
	return nil
}

// read opens a file. Its metadata stands at the end, so a file still being
// written is no file yet; a whole walk would take seconds and is left out,
// since what cannot be decoded later reads as unknown.
func read(path string, size int64) (*maxminddb.Reader, error) {
	if size > maxFile {
		return nil, fmt.Errorf("it has more than %d bytes", maxFile)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	return maxminddb.OpenBytes(b)
}

// State tells of each file.
func (db *DB) State() (all []State) {
	for _, f := range db.files() {
		f.mu.Lock()
		s := State{File: f.path, Err: f.err}
		f.mu.Unlock()
		if r := f.reader.Load(); r != nil {
			s.Kind = r.Metadata.DatabaseType
			s.Built = time.Unix(int64(r.Metadata.BuildEpoch), 0).UTC()
			if age := time.Since(s.Built); age > staleAge {
				s.Warnings = append(s.Warnings, fmt.Sprintf("made %d days ago: addresses change hands", int(age.Hours()/24)))
			}
		}
		all = append(all, s)
	}
	return all
}
