package directory

import (
	"context"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-ldap/ldap/v3"

	"github.com/portreeve/portreeve/internal/secret"
	"github.com/portreeve/portreeve/internal/store"
)

// LDAPOptions say where a directory is and how to read it.
type LDAPOptions struct {
	Name         string // of the source, stands in people's rows
	URLs         []string
	StartTLS     bool
	CAs          *x509.CertPool // nil: the machine's
	ServerName   string
	BindDN       string
	BindPassword func() string
	Base, Filter string
	AD           bool

	Address, Aliases, Login []string // attributes
	DisplayName             string
	Domain                  string   // of names without one
	Changed                 []string // attributes that move with the password
	Disabled                []string // attribute=value

	GroupBase, GroupFilter, GroupName string
	ByMemberOf                        bool // who is in a group stands at the members, not at the group

	Domains     []string // routed here; none: every one
	Poll        time.Duration
	Timeout     time.Duration // of one answer
	GuessBudget int
	GuessWindow time.Duration // 0: until the next right password

	// Canonical makes a canonical address of one that the directory states.
	Canonical func(string) (string, error)
	// Everything is the grant whose revocation ends all that a person holds.
	Everything func(person string, at time.Time) string
	Store      MirrorStore
	Log        *slog.Logger
}

// LDAP is a directory server, or several of the same content: OpenLDAP, Active
// Directory and others. Who is in it is mirrored into the store, so that
// policies, commands and open sessions know its people as any others, and
// changes there reach them as changes here do. Passwords stay there: one is
// checked by signing in with it, as little and as rarely as can be.
type LDAP struct {
	LDAPOptions
	servers []*server
	probed  atomic.Int64 // when a server that rests was last tried, nanoseconds
	secrets *remembered
	asking  *secret.Pool  // shares the room for passwords that are sent up fairly
	looking chan struct{} // a place for each name that is being looked for
	misses  misses
	flights sync.WaitGroup

	kick     chan chan struct{}
	loading  sync.Mutex
	accounts atomic.Pointer[accounts]

	// Of the goroutine that polls alone.
	since, sinceServer string
	primaries          map[string]bool // AD: primary groups that somebody has
	fullAt             time.Time
	fullTook           time.Duration
	missing            time.Time                    // since when suspiciously much is gone
	applied            map[string][sha256.Size]byte // what was last mirrored, by entry
	appliedAt          time.Time

	mu    sync.Mutex
	state State
}

// account is what is needed to sign somebody in there.
type account struct{ entry, dn string }

// accounts is everybody who is mirrored from here. It is replaced, never changed.
type accounts struct {
	byPerson map[string]account
	entries  map[string]string // entry to person
}

const (
	askedAtOnce   = 16 // passwords that are being sent up
	lookedForOnce = 8  // names not known here that are being looked for
)

// NewLDAP makes the directory from what the store holds of it; Run keeps it up
// to date.
func NewLDAP(ctx context.Context, o LDAPOptions) (*LDAP, error) {
	l := &LDAP{LDAPOptions: o, secrets: newRemembered(o.GuessBudget, o.GuessWindow), asking: secret.NewPool(askedAtOnce), looking: make(chan struct{}, lookedForOnce),
		misses: misses{until: map[string]time.Time{}}, kick: make(chan chan struct{}), primaries: map[string]bool{}, applied: map[string][sha256.Size]byte{}}
	for _, u := range o.URLs {
		s, err := newServer(l, u)
		if err != nil {
			return nil, err
		}
		l.servers = append(l.servers, s)
	}
	for _, f := range []string{o.Filter, o.GroupFilter} {
		if _, err := ldap.CompileFilter(f); err != nil {
			return nil, fmt.Errorf("the filter %s: %w", f, err)
		}
	}
	if o.AD {
		l.secrets.grace = oldWorks
	}
	l.state = State{Name: o.Name, Kind: "ldap"}
	return l, l.load(ctx)
}

// load reads from the store who is whose.
func (l *LDAP) load(ctx context.Context) error {
	l.loading.Lock() // or an older reading could replace a newer one
	defer l.loading.Unlock()
	rows, err := l.Store.DirectoryPeople(ctx, l.Name)
	if err != nil {
		return fmt.Errorf("reading the people of %s: %w", l.Name, err)
	}
	all := &accounts{make(map[string]account, len(rows)), make(map[string]string, len(rows))}
	for _, r := range rows {
		all.byPerson[r.Person], all.entries[r.Entry] = account{r.Entry, r.DN}, r.Person
	}
	l.accounts.Store(all)
	l.mu.Lock()
	l.state.People = len(rows)
	l.mu.Unlock()
	return nil
}

// unfamiliar says that one of the people is not mirrored yet.
func (l *LDAP) unfamiliar(people []record) bool {
	known := l.accounts.Load().entries
	return slices.ContainsFunc(people, func(r record) bool { return known[r.entry] == "" })
}

// Serves says that an address is in a domain routed here.
func (l *LDAP) Serves(address string) bool {
	_, domain, _ := strings.Cut(address, "@")
	return len(l.Domains) == 0 || slices.Contains(l.Domains, domain)
}

// Run looks for changes until ctx ends.
func (l *LDAP) Run(ctx context.Context) error {
	defer l.close()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		var waiting []chan struct{}
		select {
		case <-ctx.Done():
			return nil
		case w := <-l.kick:
			waiting = append(waiting, w)
		case <-timer.C:
		}
		for more := true; more; { // who asks meanwhile is served by one look
			select {
			case w := <-l.kick:
				waiting = append(waiting, w)
			default:
				more = false
			}
		}
		l.look(ctx)
		for _, w := range waiting {
			close(w)
		}
		timer.Reset(l.Poll)
	}
}

func (l *LDAP) close() {
	l.flights.Wait()
	for _, s := range l.servers {
		s.close()
	}
}

// look takes one look and puts what it saw into the store. Everybody is read as
// often as that takes a twentieth of the time: each time in a small directory.
func (l *LDAP) look(ctx context.Context) {
	began := time.Now()
	all := l.ByMemberOf || l.since == "" || l.fullTook == 0 || began.Sub(l.fullAt) >= retake*l.fullTook
	limit, cancel := context.WithTimeout(ctx, readingTime)
	defer cancel()
	r, err := l.read(limit, all)
	if err == nil {
		err = l.apply(limit, r)
	}
	if ctx.Err() != nil {
		return // we are stopping: that is no fault of the directory
	}
	if err == nil {
		l.since, l.sinceServer = r.since, r.server
		if r.complete {
			l.fullAt, l.fullTook = began, max(r.took, time.Millisecond)
		}
	}
	l.told(r, err)
}

// told keeps how a look went, and tells the operator when that changes.
func (l *LDAP) told(r *reading, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	before := l.state.Fault
	if err != nil {
		if l.state.Fault = err.Error(); before == "" {
			l.Log.Error("the directory cannot be read; what it said last stays in force", "directory", l.Name, "err", err)
		}
		return
	}
	if l.state.Fault = ""; before != "" {
		l.Log.Info("the directory can be read again", "directory", l.Name)
	}
	l.state.Read, l.state.Server = time.Now(), r.server
	if r.complete {
		l.state.ReadAll, l.state.Took = time.Now(), r.took
	}
}

// errNotRunning is for who asks while the server is stopping.
var errNotRunning = errors.New("the directory is not being read")

// lookNow has a look taken and waits for it.
func (l *LDAP) lookNow(ctx context.Context) error {
	done := make(chan struct{})
	select {
	case l.kick <- done:
	case <-ctx.Done():
		return fmt.Errorf("%w: %w", errNotRunning, ctx.Err())
	}
	select {
	case <-done:
	case <-ctx.Done():
		return fmt.Errorf("%w: %w", errNotRunning, ctx.Err())
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.state.Fault != "" {
		return errors.New(l.state.Fault)
	}
	return nil
}

// State is how a source of people stands.
type State struct {
	Name     string        `json:"name"`
	Kind     string        `json:"kind"`
	Servers  []ServerState `json:"servers,omitempty"`
	Domains  []string      `json:"domains,omitempty"`
	People   int           `json:"people"`
	Groups   int           `json:"groups"`
	Read     time.Time     `json:"read,omitzero"`    // when changes were last looked for
	ReadAll  time.Time     `json:"readAll,omitzero"` // when everybody was last read
	Took     time.Duration `json:"took,omitempty"`   // for everybody, nanoseconds
	Server   string        `json:"server,omitempty"` // that was read
	Fault    string        `json:"fault,omitempty"`
	Warnings []string      `json:"warnings,omitempty"`
}

// ServerState is one server of a directory.
type ServerState struct {
	URL   string `json:"url"`
	Fault string `json:"fault,omitempty"`
}

// State is how the directory stands.
func (l *LDAP) State() State {
	l.mu.Lock()
	st := l.state
	l.mu.Unlock()
	st.Domains, st.Warnings = slices.Clone(l.Domains), slices.Clone(st.Warnings)
	for _, s := range l.servers {
		x := ServerState{URL: s.url}
		if err := s.state(); err != nil {
			x.Fault = err.Error()
		}
		st.Servers = append(st.Servers, x)
	}
	return st
}

// MirrorStore is what the mirror needs of the store.
type MirrorStore interface {
	DirectoryPeople(ctx context.Context, source string) ([]store.DirectoryPerson, error)
	DirectoryGroups(ctx context.Context, source string) ([]store.DirectoryGroup, error)
	People(ctx context.Context) ([]store.Person, error)
	Groups(ctx context.Context) ([]store.Group, error)
	Members(ctx context.Context) ([]store.Member, error)
	Change(ctx context.Context, who store.Actor, reason string, do func(*store.Tx) error) error
}
