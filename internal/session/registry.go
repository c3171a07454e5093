// Package session keeps every open connection with the facts it was let in
// on, and the means to end it. Any change (policy, location, switch, person,
// group, password, token) judges them all again and ends what no longer
// passes; ending never waits for a client.
//
// It knows no protocol, and it holds no rule: policy judges, the end function
// that came with a session closes it.
package session

import (
	"slices"
	"strings"
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
	shown     time.Time // when the first of what it hangs on was shown
	Protocol  protocol.Protocol
	Grant     string // what it hangs on: a token's grant, an app password
	Actor     string // address of who signed in, where the mailbox is somebody else's
	Client    string
	Backend   string
	Listener  string
	// Certificate is the client certificate that the session hangs on (DER), if it does.
	Certificate []byte

	registry *Registry
	facts    atomic.Pointer[policy.Facts]
	until    atomic.Int64 // unix nanoseconds when it must be judged anew; 0 is never
	proof    time.Time    // when the proof itself runs out, whatever policy says; zero is never
	end      End          // with carrier, under the registry's lock
	carrier  Carrier
	ended    atomic.Bool
	opened   policy.Facts // what facts points to until somebody learns more
}

// Carrier carries a connection whose sign-in is over. End closes it and must
// return at once, as an End must.
type Carrier interface{ End(note string) }

// Facts are the facts the session was last judged on.
func (s *Session) Facts() *policy.Facts { return s.facts.Load() }

// Of says that the session is a person's, or in their mailbox.
func (s *Session) Of(person string) bool {
	f := s.Facts()
	return f.Person == person || f.Mailbox == person
}

// Expires is when the proof that the session hangs on runs out; zero is never.
func (s *Session) Expires() time.Time { return s.proof }

// Registry holds the open sessions. Its zero value is ready.
type Registry struct {
	// Refresh brings facts up to date when a session opens; set before the first
	// does. Nil leaves them as they were judged.
	Refresh Refresh

	mu       sync.Mutex
	version  uint64
	snapshot *policy.Snapshot
	judged   time.Time // when everybody was last judged by it
	open     map[signin.ID]*Session
	orders   []order // to end sessions, the oldest first
}

// order is an order to end sessions, kept for those whose credential had been
// shown before it came and who open only now.
type order struct {
	at    time.Time
	match func(*Session) bool
}

// ordersKept is over what the longest sign-in takes from its first credential
// on: the portal waits 10 minutes for a second factor, and a slow check of the
// password and a slow mail server take 30 s each.
const ordersKept = 12 * time.Minute

// Open registers an allowed outcome. It returns false if that may no longer be
// so: the snapshot that judged it is not the one in force, the person is no
// longer as they were, or what they showed was taken back (see Outdated). Then
// the gate must judge again, or a change between verdict and registration would
// slip through.
func (r *Registry) Open(o *signin.Outcome, backend string, end End) (*Session, bool) {
	s := new(Session)
	if !r.OpenIn(s, o, backend, end) {
		return nil, false
	}
	return s, true
}

// OpenIn is Open in a place that the caller has, which must be empty.
func (r *Registry) OpenIn(s *Session, o *signin.Outcome, backend string, end End) bool {
	s.fill(r, o, backend, end)
	snap, orders, ok := r.register(s, o)
	if !ok {
		return false
	}
	// From here on every change finds the session; those that came before are looked at now.
	stays := !s.outdated(orders)
	if stays && r.Refresh != nil && snap != nil {
		_, stays = s.judge(snap, time.Now(), r.Refresh, new(policy.Facts))
	}
	if !stays {
		s.Done()
	}
	return stays
}

// CarriedBy says who carries the connection from now on and is told of its end.
func (s *Session) CarriedBy(c Carrier) {
	s.registry.mu.Lock()
	s.end, s.carrier = nil, c
	s.registry.mu.Unlock()
}

// fill makes s the session of an outcome. All that hangs on it and was made for
// this one sign-in is copied together, because a session that keeps small things
// from among a sign-in's litter keeps the litter's memory too.
func (s *Session) fill(r *Registry, o *signin.Outcome, backend string, end End) {
	*s = Session{ID: o.Attempt.ID, Reference: o.Reference, Opened: o.Attempt.At, Protocol: o.Attempt.Protocol,
		Grant: o.Principal.Grant, Actor: o.Actor, Client: o.Attempt.Client.String(), Backend: backend, Listener: o.Attempt.Listener, registry: r, proof: o.Principal.Until, end: end, shown: o.Attempt.At}
	if !o.Since.IsZero() {
		s.shown = o.Since
	}
	if o.Facts.Credential == policy.CredentialCertificate {
		s.Certificate = o.Attempt.TLS.Certificate
	}
	s.opened = o.Facts
	gather(&s.Client, (*string)(&s.Reference), &s.opened.Address, &s.opened.Domain)
	s.facts.Store(&s.opened)
	s.setUntil(o.Verdict.Until)
}

// gather makes several strings parts of one.
func gather(all ...*string) {
	n := 0
	for _, s := range all {
		n += len(*s)
	}
	var text strings.Builder
	text.Grow(n)
	for _, s := range all {
		text.WriteString(*s)
	}
	rest := text.String()
	for _, s := range all {
		*s, rest = rest[:len(*s)], rest[len(*s):]
	}
}

// register lets changes find a session, and returns those that came before.
func (r *Registry) register(s *Session, o *signin.Outcome) (*policy.Snapshot, []order, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if o.Verdict.Version < r.version {
		return nil, nil, false
	}
	if r.open == nil {
		r.open = map[signin.ID]*Session{}
	}
	r.open[s.ID] = s
	return r.snapshot, slices.Clone(r.orders), true
}

// outdated says that an order which came after the session's credential was
// shown would end it.
func (s *Session) outdated(orders []order) bool {
	return slices.ContainsFunc(orders, func(o order) bool { return !o.at.Before(s.shown) && o.match(s) })
}

// Outdated says that what somebody showed was taken back since (a new password,
// a revoked grant), so that only showing it again can help.
func (r *Registry) Outdated(o *signin.Outcome) bool {
	r.mu.Lock()
	orders := slices.Clone(r.orders)
	r.mu.Unlock()
	var s Session
	s.fill(r, o, "", nil)
	return s.outdated(orders)
}

// inForce is the snapshot in force.
func (r *Registry) inForce() *policy.Snapshot {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.snapshot
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
	s.registry.mu.Lock()
	end, carrier := s.end, s.carrier
	s.registry.mu.Unlock()
	if carrier != nil {
		carrier.End(note)
	} else {
		end(code, note)
	}
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
// Who is on the way in with a credential shown before now is not let in either.
func (r *Registry) Matching(match func(*Session) bool, code signin.Code, note string) int {
	n := 0
	for _, s := range r.ordered(match) {
		if match(s) && s.finish(code, note) {
			n++
		}
	}
	return n
}

// ordered keeps an order for those who are on the way in, and returns those who
// are in already.
func (r *Registry) ordered(match func(*Session) bool) []*Session {
	now := time.Now()
	r.mu.Lock()
	defer r.mu.Unlock()
	r.orders = slices.DeleteFunc(r.orders, func(o order) bool { return now.Sub(o.at) > ordersKept })
	r.orders = append(r.orders, order{now, match})
	return r.all()
}
