// Package session keeps every open connection with the facts it was let in
// on, and the means to end it. Any change (policy, location, switch, person,
// group, password, token) judges them all again and ends what no longer
// passes; ending never waits for a client.
//
// It knows no protocol, and it holds no rule: policy judges, the end function
// that came with a session closes it.
package session

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/portreeve/portreeve/internal/policy"
	"github.com/portreeve/portreeve/internal/protocol"
	"github.com/portreeve/portreeve/internal/signin"
)

// End closes a session's connection. It must return at once: closing goes on
// in the background.
type End func(code signin.Code, note string)

// Session is one open connection.
type Session struct {
	ID        signin.ID
	Reference signin.Reference
	Opened    time.Time
	Protocol  protocol.Protocol
	Grant     string // what it hangs on: a token's grant, an app password
	Client    string
	Backend   string
	Listener  string
	// Certificate is the client certificate that the session hangs on (DER), if it does.
	Certificate []byte

	registry *Registry
	facts    atomic.Pointer[policy.Facts]
	until    atomic.Int64 // unix nanoseconds when it must be judged anew; 0 is never
	proof    time.Time    // when the proof itself runs out, whatever policy says; zero is never
	end      End
	ended    atomic.Bool
}

// Facts are the facts the session was last judged on.
func (s *Session) Facts() *policy.Facts { return s.facts.Load() }

// Registry holds the open sessions. Its zero value is ready.
type Registry struct {
	mu       sync.Mutex
	version  uint64
	snapshot *policy.Snapshot
	open     map[signin.ID]*Session
}

// Open registers an allowed outcome. It returns false if the snapshot that
// judged it is no longer the one in force: then the gate must judge again,
// or a change between verdict and registration would slip through.
func (r *Registry) Open(o *signin.Outcome, backend string, end End) (*Session, bool) {
	s := &Session{ID: o.Attempt.ID, Reference: o.Reference, Opened: o.Attempt.At, Protocol: o.Attempt.Protocol,
		Grant: o.Principal.Grant, Client: o.Attempt.Client.String(), Backend: backend, Listener: o.Attempt.Listener, registry: r, proof: o.Principal.Until, end: end}
	if o.Facts.Credential == policy.CredentialCertificate {
		s.Certificate = o.Attempt.TLS.Certificate
	}
	f := o.Facts
	s.facts.Store(&f)
	s.setUntil(o.Verdict.Until)
	r.mu.Lock()
	defer r.mu.Unlock()
	if o.Verdict.Version < r.version {
		return nil, false
	}
	if r.open == nil {
		r.open = map[signin.ID]*Session{}
	}
	r.open[s.ID] = s
	return s, true
}

// Done takes a closed session off the registry.
func (s *Session) Done() {
	r := s.registry
	r.mu.Lock()
	delete(r.open, s.ID)
	r.mu.Unlock()
}

// setUntil keeps the earlier of the policy's time and the proof's.
func (s *Session) setUntil(t time.Time) {
	if t.IsZero() || !s.proof.IsZero() && s.proof.Before(t) {
		t = s.proof
	}
	if t.IsZero() {
		s.until.Store(0)
		return
	}
	s.until.Store(t.UnixNano())
}

// finish ends the session once.
func (s *Session) finish(code signin.Code, note string) bool {
	if s.ended.Swap(true) {
		return false
	}
	s.end(code, note)
	return true
}

// Len is the number of open sessions.
func (r *Registry) Len() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.open)
}

// List returns the open sessions in no order.
func (r *Registry) List() []*Session {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.all()
}

// all copies the open sessions; the caller holds the lock.
func (r *Registry) all() []*Session {
	list := make([]*Session, 0, len(r.open))
	for _, s := range r.open {
		list = append(list, s)
	}
	return list
}

// Matching ends every session that match names and returns how many it ended.
func (r *Registry) Matching(match func(*Session) bool, code signin.Code, note string) int {
	n := 0
	for _, s := range r.List() {
		if match(s) && s.finish(code, note) {
			n++
		}
	}
	return n
}
