package server

import (
	"cmp"
	"context"
	"maps"
	"net"
	"net/http"
	"net/netip"
	"os"
	"runtime"
	"slices"
	"syscall"
	"time"

	"github.com/portreeve/portreeve/internal/admin"
	"github.com/portreeve/portreeve/internal/alarm"
	"github.com/portreeve/portreeve/internal/backend"
	"github.com/portreeve/portreeve/internal/certs"
	"github.com/portreeve/portreeve/internal/change"
	"github.com/portreeve/portreeve/internal/config"
	"github.com/portreeve/portreeve/internal/decide/dovecot"
	"github.com/portreeve/portreeve/internal/directory"
	"github.com/portreeve/portreeve/internal/lint"
	"github.com/portreeve/portreeve/internal/lockout"
	"github.com/portreeve/portreeve/internal/notify"
	"github.com/portreeve/portreeve/internal/policy"
	"github.com/portreeve/portreeve/internal/protocol"
	"github.com/portreeve/portreeve/internal/proxy"
	"github.com/portreeve/portreeve/internal/secret"
	"github.com/portreeve/portreeve/internal/signin"
	"github.com/portreeve/portreeve/internal/token"
	"github.com/portreeve/portreeve/internal/upstream"
)

// Status is one screen about the running server.
type Status struct {
	Version       string                 `json:"version"`
	PID           int                    `json:"pid"`
	Began         time.Time              `json:"began"`
	PolicyVersion uint64                 `json:"policyVersion"`
	Incomplete    []string               `json:"incomplete,omitempty"` // what was begun in the configuration and lacks a piece
	Warnings      []policy.Warning       `json:"warnings"`
	Findings      []lint.Finding         `json:"findings"`          // what the authors of rules may not have meant, without notes
	Waiting       []change.State         `json:"waiting,omitempty"` // changes that are taken back unless they are confirmed, the next first
	People        int                    `json:"people"`
	Sessions      int                    `json:"sessions"`
	SigningIn     int                    `json:"signingIn"`
	Hashing       int                    `json:"passwordsWaiting"`
	Memory        uint64                 `json:"heapBytes"`
	Descriptors   Descriptors            `json:"descriptors"`
	Doors         []DoorState            `json:"listeners"`
	Backends      []backend.State        `json:"backends"`
	Ports         []backend.Ports        `json:"portsLeft,omitempty"` // of each source address to each backend, the scarcest first
	Guard         lockout.State          `json:"guard"`
	Log           LogState               `json:"log"`
	Certificates  []certs.State          `json:"certificates,omitempty"`
	Issuers       []token.State          `json:"issuers,omitempty"`
	Issuer        *IssuerState           `json:"issuer,omitempty"` // our own; nil where it is off
	Directories   []directory.State      `json:"directories,omitempty"`
	Providers     []upstream.Health      `json:"providers,omitempty"`
	Forwarders    []proxy.ForwarderState `json:"forwarders,omitempty"`
	Notices       *notify.State          `json:"notices,omitempty"`
	Audit         *badge                 `json:"audit,omitempty"`  // how much `audit self` finds
	Alarms        *alarm.State           `json:"alarms,omitempty"` // nil where they go nowhere
	Observe       *dovecot.State         `json:"observe,omitempty"`
	Disowned      []DisownedState        `json:"disowned,omitempty"` // sign-ins of the last week that their person says were not theirs, the newest first
}

// Descriptors are the file descriptors in use and how many there may be.
type Descriptors struct {
	Used  int    `json:"used"`
	Limit uint64 `json:"limit"`
}

// DoorState is one open listener.
type DoorState struct {
	Name     string `json:"name"`
	Protocol string `json:"protocol"`
	Address  string `json:"address"`
}

// IssuerState is our own issuer of tokens.
type IssuerState struct {
	Issuer   string `json:"issuer"`
	Programs int    `json:"programs"` // clients that may ask
	Grants   int    `json:"grants"`   // that live
	// Doors says that its tokens open doors: some backend can be signed in to
	// without the person's own password.
	Doors bool `json:"opensDoors"`
	// Damaged are grants that cannot be read, and count as ended; the first ones by
	// id (consents by person and client), and how many there are.
	Damaged []string `json:"damaged,omitempty"`
	Damages int      `json:"damages,omitempty"`
}

func (s *Server) issuerState() *IssuerState {
	if s.issuer == nil {
		return nil
	}
	st := &IssuerState{Issuer: s.issuer.url, Grants: len(s.issuer.grants.List()), Doors: s.takesTokens()}
	damaged := s.issuer.grants.Damaged()
	st.Damaged, st.Damages = damaged[:min(len(damaged), damagedTold)], len(damaged)
	for _, c := range s.issuer.clients.List() {
		if s.issuer.clients.Admit(c) == nil {
			st.Programs++
		}
	}
	return st
}

// LogState is how the sign-in log stands.
type LogState struct {
	Database     string  `json:"database"`
	Journal      bool    `json:"journalInUse"`
	Fill         float64 `json:"journalFill"`
	Unrecorded   int64   `json:"unrecorded"`
	Lost         int64   `json:"lost"`
	FileBytes    int64   `json:"fileBytes"`
	Warning      string  `json:"warning,omitempty"`
	LinesDropped int64   `json:"linesDropped"`
}

func (s *Server) status(ctx context.Context) any {
	var mem runtime.MemStats
	runtime.ReadMemStats(&mem)
	st := Status{Version: s.Version, PID: os.Getpid(), Began: s.began, PolicyVersion: s.gate.Snapshot().Version(), Warnings: s.keeper.named(),
		People: s.people.Len(), Sessions: s.sessions.Len(), SigningIn: s.admission.Len(), Hashing: s.hashing.Waiting(), Memory: mem.HeapAlloc,
		Descriptors: descriptors(), Backends: s.backends.States(), Guard: s.guard.State(), Log: s.logState(ctx)}
	for _, d := range s.doors {
		st.Doors = append(st.Doors, DoorState{d.server.Name, d.server.Protocol.String(), d.listener.Addr().String()})
	}
	for name, l := range map[string]net.Listener{"public": s.public, "admin": s.remote} {
		if l != nil {
			st.Doors = append(st.Doors, DoorState{name, "http", l.Addr().String()})
		}
	}
	for _, p := range s.Config.Incomplete() {
		if s.issuer == nil || p.Text != config.TokensOpenNothing { // that stands with the issuer
			st.Incomplete = append(st.Incomplete, p.Brief())
		}
	}
	slices.SortFunc(st.Doors, func(a, b DoorState) int { return cmp.Compare(a.Name, b.Name) })
	st.Issuer = s.issuerState()
	for _, f := range s.forwarders {
		st.Forwarders = append(st.Forwarders, f.State())
	}
	if ports, err := s.backends.PortsLeft(ctx); err == nil {
		st.Ports = ports
	}
	st.Findings = append([]lint.Finding{}, s.found.of(s.gate.Snapshot(), time.Now())...)
	if s.certs != nil {
		st.Certificates = s.certs.State()
	}
	if s.tokens != nil {
		st.Issuers = s.tokens.States()
	}
	if s.sources != nil {
		st.Directories = s.sources.States()
	}
	if s.upstream != nil {
		st.Providers = s.upstream.Health()
	}
	if s.observer != nil {
		o := s.observer.State()
		st.Observe = &o
	}
	if s.notices != nil {
		n := s.notices.State()
		st.Notices = &n
	}
	if alarms, err := s.alarms.State(ctx); err == nil && alarms.Targets > 0 {
		st.Alarms = &alarms
	}
	st.Audit = s.badge(ctx)
	st.Disowned = s.disowned(ctx)
	if waiting, err := s.changes.Waiting(ctx); err == nil {
		st.Waiting = waiting
	}
	return st
}

func (s *Server) logState(ctx context.Context) LogState {
	e := s.events.State()
	l := LogState{Database: "ok", Journal: e.Journal, Fill: e.Fill, Unrecorded: e.Unrecorded, Lost: e.Lost, Warning: e.Warning()}
	if e.Database != nil {
		l.Database = e.Database.Error()
	}
	if file, _, err := s.store.Size(ctx); err == nil {
		l.FileBytes = file
	}
	for _, w := range s.writers {
		l.LinesDropped += w.Dropped()
	}
	return l
}

// descriptors counts them where the system tells (Linux).
func descriptors() Descriptors {
	var d Descriptors
	if entries, err := os.ReadDir("/proc/self/fd"); err == nil {
		d.Used = len(entries)
	}
	var lim syscall.Rlimit
	if syscall.Getrlimit(syscall.RLIMIT_NOFILE, &lim) == nil {
		d.Limit = uint64(lim.Cur) // its type differs by system
	}
	return d
}

// adminHandler is the administrators' interface.
func (s *Server) adminHandler() *admin.Interface {
	o := admin.Options{Store: s.store, Changes: s.changes, Events: s.events, Gate: s.gate, Sessions: s.sessions, Log: s.Log,
		Apply: s.keeper.apply, Would: s.keeper.would, Warnings: s.keeper.named, SnapshotAt: s.keeper.at, Guard: s.guard.List, Status: s.status,
		CheckBackends: s.checkBackends, ExportKeys: s.exportKeys,
		AppPasswords: s.appPasswords, Tokens: s.adminTokens, Alarms: s.alarms, SelfAudit: s.selfAudit, Factors: s.factors, Approvals: s.approvals,
		Canonical:    func(typed string) (string, error) { return s.names.Canonical("", typed) },
		HashPassword: func(p []byte) (string, error) { return secret.Hash(p), nil },
		CheckHash:    func(h string) error { _, err := secret.Import(h, false); return err },
		Directories:  s.directories, TestDirectory: s.testDirectory,
		PublicURL: s.portalURL(), Replies: s.replies, Names: s.names.site, Backends: slices.Sorted(maps.Keys(s.Config.Backends)),
	}
	if s.portalURL() != "" {
		o.Site = s.site
	}
	if s.issuer != nil {
		o.Clients, o.Grants, o.IssuerKeys = s.issuer.clients, s.issuer.grants, turningKeys{s.issuer.keys}
	}
	if s.minter != nil {
		o.MintedKeys = s.minter
	}
	return admin.New(o)
}

// replies are how a listener tells refusals; the first of the protocol's if none is named.
func (s *Server) replies(p protocol.Protocol, listener string) proxy.Settings {
	for _, c := range s.Config.Listeners {
		if c.Name == listener || listener == "" && c.Protocol == p {
			return s.settings(c)
		}
	}
	return s.settings(config.Listener{Refusals: s.Config.Refusals})
}

// errNoBackends keeps a check of nothing from being taken for a good one.
var errNoBackends = &admin.Error{Status: http.StatusConflict, Code: "Conflict", Message: "the running server has no backends, so nothing was checked",
	Next: "if the configuration names them, start the server again: it reads the file when it starts"}

func (s *Server) checkBackends(ctx context.Context, from string) (any, error) {
	if len(s.Config.Backends) == 0 {
		return nil, errNoBackends
	}
	o := backend.CheckOptions{}
	if from != "" {
		addr, err := netip.ParseAddr(from)
		if err != nil {
			return nil, &admin.Error{Status: http.StatusBadRequest, Code: "BadRequest", Message: "from is an address such as 192.0.2.1", Target: "from"}
		}
		o.From = addr
	}
	for _, d := range s.doors {
		if ap, err := netip.ParseAddrPort(d.listener.Addr().String()); err == nil {
			o.Own = append(o.Own, ap)
		}
	}
	return s.backends.Check(ctx, o), nil
}

// errNoMinter is what administrators are told where no backend takes tokens.
var errNoMinter = &admin.Error{Status: http.StatusConflict, Code: "Conflict", Message: "no backend takes tokens (login: token), so there are no keys"}

// exportKeys writes the public keys of minted tokens as Dovecot reads them.
func (s *Server) exportKeys(dir string) error {
	if s.minter == nil {
		return errNoMinter
	}
	return s.minter.ExportDovecot(dir, "")
}

// fault tells the operator of our own trouble in a sign-in.
func (s *Server) fault(a signin.Attempt, step signin.StepName, err error) {
	s.Log.Error("sign-in failed through our own trouble", "listener", a.Listener, "client", a.Client.String(), "step", string(step), "err", err)
}

// slow tells the operator that refusals wait longer than configured, and what
// makes wrong passwords faster.
func (s *Server) slow(listener string, took, floor time.Duration) {
	s.Log.Warn("wrong passwords take longer than refusals.floor; every refusal waits as long from now on. backends[].auth_socket makes them faster (docs/backends.md)",
		"listener", listener, "took", took.Round(time.Millisecond), "floor", floor.Round(time.Millisecond))
}
