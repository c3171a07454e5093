// Package apppassword keeps app passwords: generated secrets of one program or
// device, for programs that know only a password. Each is known by its form, so
// that no directory and no mail server is ever asked about one, and may do what
// its scope says and no more: some protocols, networks, countries and senders,
// so many recipients an hour, until a day, from one program.
//
// What is kept of one is a fingerprint under a key derived from the master key.
// All of them are in memory; a check is one step in a map and one HMAC. Only
// the first use waits for the database, since it binds the password; later uses
// are written behind, and a hard stop may lose the last seconds of them.
//
// It judges nothing: an app password that is right and within its scope still
// meets every policy.
package apppassword

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"time"

	"github.com/portreeve/portreeve/internal/geoip"
	"github.com/portreeve/portreeve/internal/protocol"
	"github.com/portreeve/portreeve/internal/secret"
	"github.com/portreeve/portreeve/internal/store"
)

// The bindings: what of its first use an app password is bound to.
const (
	BindNone    = "none"
	BindProgram = "program" // the program's TLS fingerprint: a phone that travels
	BindOwner   = "owner"   // the network's owner: a device whose software is updated
	BindStrict  = "strict"  // both
)

// Bindings lists them.
var Bindings = []string{BindNone, BindProgram, BindOwner, BindStrict}

// Scope is what an app password may be used for. Empty members do not limit.
type Scope struct {
	Protocols []protocol.Protocol `json:"protocols,omitempty"`
	Networks  []netip.Prefix      `json:"networks,omitempty"`
	Countries []string            `json:"countries,omitempty"` // ISO 3166-1 alpha-2; an address in no known country is in none of them
	Senders   []string            `json:"senders,omitempty"`   // addresses, or a whole domain as "@example.org"
	PerHour   int                 `json:"perHour,omitempty"`   // recipients
	SendOnly  bool                `json:"sendOnly,omitempty"`  // submission and nothing else
	Expires   time.Time           `json:"expires,omitzero"`
	IdleDays  int                 `json:"idleDays,omitempty"` // dead when unused for so long
	Binding   string              `json:"binding,omitempty"`  // one of Bindings; empty: program
	// FirstUseBy is when it dies if it was not used before: for one that was
	// handed out in a file.
	FirstUseBy time.Time `json:"firstUseBy,omitzero"`
}

// Password is one app password, as its owner and administrators see it. Its
// text was shown once and can be read nowhere.
type Password struct {
	ID     string `json:"id"`
	Person string `json:"person"` // id
	Name   string `json:"name"`
	Scope
	Created      time.Time `json:"created"`
	CreatedBy    string    `json:"createdBy"`
	FirstUsed    time.Time `json:"firstUsed,omitzero"`
	LastUsed     time.Time `json:"lastUsed,omitzero"`
	LastAddr     string    `json:"lastAddress,omitempty"`
	LastProgram  string    `json:"lastProgram,omitempty"`
	BoundProgram string    `json:"boundProgram,omitempty"` // several are parted by commas
	BoundOwner   string    `json:"boundOwner,omitempty"`
	Revoked      time.Time `json:"revoked,omitzero"`
	// Pending says that it was shown, right and within its scope, by another
	// program or from another network than it is bound to: Approve allows those.
	Pending        bool      `json:"pending"`
	PendingProgram string    `json:"pendingProgram,omitempty"`
	PendingOwner   string    `json:"pendingOwner,omitempty"`
	PendingAddr    string    `json:"pendingAddress,omitempty"`
	PendingSince   time.Time `json:"pendingSince,omitzero"`
	PendingMark    string    `json:"pendingMark,omitempty"` // what Approve would bind it to
}

// State is what became of it, in a word: active, revoked, expired, idle.
func (p *Password) State(now time.Time) string {
	e := entry{row: store.AppPassword{Created: p.Created, Used: p.FirstUsed, Last: p.LastUsed}, scope: p.Scope}
	switch {
	case !p.Revoked.IsZero():
		return "revoked"
	case e.expired(now):
		return "expired"
	case e.idle(now):
		return "idle"
	}
	return "active"
}

// Store is what the service needs of the store.
type Store interface {
	AppPasswords(ctx context.Context) ([]store.AppPassword, error)
	AppPasswordsOf(ctx context.Context, person string) ([]store.AppPassword, error)
	Change(ctx context.Context, who store.Actor, reason string, do func(*store.Tx) error) error
	Write(ctx context.Context, do func(*store.Tx) error) error
}

// Places says where an address is.
type Places interface {
	Lookup(netip.Addr) geoip.Place
}

// Factors says when a person enrolled their first second factor, zero if they
// have none, and whether that came by a pass.
type Factors interface {
	Since(person string) (first time.Time, byPass bool)
}

// Backends says whether the mail server of an address takes nothing but the
// person's own password, by its name in the configuration.
type Backends interface {
	OwnPasswordOnly(address, backend string) (name string, only bool)
}

// Options are the service's parts. Store and Prints must be set.
type Options struct {
	Store Store
	// Prints are made under a key derived from the master key: they are kept.
	Prints *secret.Prints
	// Places may be nil: then no address has a country or an owner.
	Places Places
	// Factors may be nil: then nobody has any, and people make none themselves.
	Factors Factors
	// Backends may be nil: then every mail server can be signed in at without the person's password.
	Backends Backends
}

// Service keeps the app passwords. It is safe for concurrent use.
type Service struct {
	Options
	rates rates

	making   sync.Mutex // held while one is made
	writing  sync.Mutex // held while uses are written down
	load     sync.Mutex // held while the store is read, so that no older reading replaces a newer one
	mu       sync.RWMutex
	byID     map[string]*entry
	byPerson map[string]map[string]*entry
	dirty    map[string]bool // ids whose last use is not written yet
}

// entry is one app password in memory. It is replaced as a whole, under the lock.
type entry struct {
	row     store.AppPassword
	scope   Scope
	print   secret.Print
	bound   bound
	pending *pending
}

// New reads every app password from the store.
func New(ctx context.Context, o Options) (*Service, error) {
	s := &Service{Options: o, byID: map[string]*entry{}, byPerson: map[string]map[string]*entry{}, dirty: map[string]bool{}}
	return s, s.reload(ctx)
}

func entryOf(row store.AppPassword) (*entry, error) {
	e := &entry{row: row}
	if len(row.Print) != len(e.print) {
		return nil, fmt.Errorf("app password %s: its fingerprint has %d bytes", row.ID, len(row.Print))
	}
	copy(e.print[:], row.Print)
	errs := []error{json.Unmarshal(row.Scope, &e.scope)}
	if len(row.Bound) > 0 {
		errs = append(errs, json.Unmarshal(row.Bound, &e.bound))
	}
	if len(row.Pending) > 0 {
		errs = append(errs, json.Unmarshal(row.Pending, &e.pending))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, fmt.Errorf("app password %s: %w", row.ID, err)
	}
	return e, nil
}

// put takes an entry in; the caller holds the lock.
func (s *Service) put(e *entry) {
	s.byID[e.row.ID] = e
	mine := s.byPerson[e.row.Person]
	if mine == nil {
		mine = map[string]*entry{}
		s.byPerson[e.row.Person] = mine
	}
	mine[e.row.ID] = e
}

// amend changes an entry, if it is still there, under the lock.
func (s *Service) amend(id string, change func(*entry)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if e := s.byID[id]; e != nil {
		next := *e
		change(&next)
		s.put(&next)
	}
}

// find is a copy of an entry.
func (s *Service) find(id string) (entry, bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	e, ok := s.byID[id]
	if !ok {
		return entry{}, false
	}
	return *e, true
}

// shown is an entry as its owner sees it.
func (e *entry) shown() Password {
	p := Password{ID: e.row.ID, Person: e.row.Person, Name: e.row.Name, Scope: e.scope, Created: e.row.Created, CreatedBy: e.row.CreatedBy,
		FirstUsed: e.row.Used, LastUsed: e.row.Last, LastAddr: e.row.LastAddr, LastProgram: e.row.LastProgram, Revoked: e.row.Revoked,
		BoundProgram: e.bound.programs(), BoundOwner: e.bound.owners()}
	if p.Binding == "" {
		p.Binding = BindProgram
	}
	if w := e.pending; w != nil {
		p.Pending, p.PendingProgram, p.PendingOwner, p.PendingAddr, p.PendingSince = true, w.Program.Label, w.Owner.Label, w.Addr, w.At
		p.PendingMark = w.mark(&e.scope)
	}
	return p
}

// String names an app password in details of the log: nothing of its text.
func (e *entry) String() string { return fmt.Sprintf("app password %s (%.64s)", e.row.ID, e.row.Name) }
