package proxy

import (
	"time"
	"unique"

	"github.com/portreeve/portreeve/internal/backend"
	"github.com/portreeve/portreeve/internal/gate"
	"github.com/portreeve/portreeve/internal/policy"
	"github.com/portreeve/portreeve/internal/relay"
	"github.com/portreeve/portreeve/internal/session"
	"github.com/portreeve/portreeve/internal/signin"
)

// carried is all of ours that stays in memory of a connection whose sign-in is
// over: one object, made at the end, that refers to nothing of the sign-in. What
// is kept from among its litter would keep the pages that the litter lay in.
type carried struct {
	session session.Session
	server  *Server
	opened  time.Time
	hello   unique.Handle[string] // the JA4; many connections have the same
}

// hand gives both connections to the relay. From here on nothing of ours runs
// for them until they end.
func (k *carried) hand(c *Conn, d Dialect, b *backend.Conn) {
	k.opened, k.hello = time.Now(), unique.Make(c.facts.JA4)
	_ = c.socket.SetDeadline(time.Time{})
	k.server.Journal.Session(signin.SessionEvent{ID: k.session.ID, Opened: k.opened})
	pair := relay.Pair{
		Client:  relay.Side{Socket: c.socket, TLS: c.tls, Early: d.Buffered()},
		Backend: relay.Side{Socket: b.Socket, TLS: b.TLS, Early: b.Early},
		Owner:   k,
	}
	if p, ok := d.(Peeker); ok {
		pair.Peek = p.Peek(k)
	}
	if f, ok := d.(Filterer); ok {
		pair.Filter, pair.Watch = f.Filter(b)
	}
	c.mu.Lock() // from here on end must not touch the socket, which is the relay's
	c.handle = k.server.Relay.Carry(pair)
	if c.ended != "" {
		c.handle.End(c.ended)
	}
	c.mu.Unlock()
	k.session.CarriedBy(c.handle) // and the session lets go of c
}

// Done implements relay.Owner.
func (k *carried) Done(r relay.Result) {
	k.session.Done()
	reason := r.Reason.String()
	if r.Note != "" {
		reason = r.Note
	}
	k.server.Journal.Session(signin.SessionEvent{ID: k.session.ID, Opened: k.opened, Closed: time.Now(), Reason: reason,
		FromClient: r.FromClient, FromBackend: r.FromBackend})
}

// Learn implements Learner: hints that came after sign-in are facts, too, and
// what they say is held against the TLS hello as before it. The
// session is judged again elsewhere than on the relay's worker, which must not wait.
func (k *carried) Learn(h signin.Hints) {
	go k.session.Learn(func(f *policy.Facts) { gate.Recognised(f, h, k.hello.Value()) })
}
