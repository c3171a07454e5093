package proxy

import (
	"cmp"
	"context"
	"errors"
	"net"
	"net/netip"
	"runtime/debug"
	"time"

	"github.com/portreeve/portreeve/internal/backend"
	"github.com/portreeve/portreeve/internal/gate"
	"github.com/portreeve/portreeve/internal/policy"
	"github.com/portreeve/portreeve/internal/relay"
	"github.com/portreeve/portreeve/internal/signin"
)

// serve is one connection's life up to the relay.
func (s *Server) serve(ctx context.Context, tc *net.TCPConn) {
	c := s.newConn(tc)
	handed := false
	defer func() {
		if r := recover(); r != nil {
			s.Log.Error("fault while signing in", "listener", s.Name, "client", c.client, "fault", r, "stack", string(debug.Stack()))
		}
		if !handed {
			c.close()
		}
	}()
	if err := c.arrive(); err != nil {
		return
	}
	admitted := s.Admission.Enter(c.source(), c.evict) // before TLS: a handshake left half done takes a place too
	defer admitted.Leave()
	// Programs hold idle connections for minutes: a server that stops does not wait for them.
	defer context.AfterFunc(ctx, c.stop)()
	if err := c.seal(ctx); err != nil {
		return
	}
	d := s.Dialect(c)
	err := d.Greet()
	for err == nil && !handed {
		handed, err = s.round(ctx, c, d)
	}
	if errors.Is(err, errWatched) {
		admitted.Leave()
		s.watchOver(c, d, c.watch)
		return
	}
	if why := goodbye(err); why != "" {
		_ = d.Goodbye(why)
	}
}

// goodbye is what may be said when we hang up.
func goodbye(err error) string {
	var late net.Error
	switch {
	case errors.Is(err, errTooManyBad):
		return "too many bad commands"
	case errors.Is(err, errTooManyRefusals):
		return "too many refused sign-ins"
	case errors.As(err, &late) && late.Timeout():
		return "too slow"
	}
	return ""
}

var errTooManyRefusals = errors.New("too many refused sign-ins")

func (s *Server) newConn(tc *net.TCPConn) *Conn {
	c := &Conn{server: s, socket: relay.NewTuned(tc), deadline: time.Now().Add(cmp.Or(s.SignInTime, signInTimeout)), correlation: gate.NewID(time.Now())}
	c.stream = c.socket
	c.peer = addrPort(tc.RemoteAddr())
	c.origin, c.client, c.local = c.peer, c.peer, addrPort(tc.LocalAddr())
	return c
}

func addrPort(a net.Addr) netip.AddrPort {
	t, ok := a.(*net.TCPAddr)
	if !ok {
		return netip.AddrPort{}
	}
	ap := t.AddrPort()
	return netip.AddrPortFrom(ap.Addr().Unmap().WithZone(""), ap.Port())
}

// round is one try to sign in. It returns true once the pair is the relay's.
func (s *Server) round(ctx context.Context, c *Conn, d Dialect) (bool, error) {
	cred, err := d.ReadCredential(ctx)
	if err != nil {
		return false, err
	}
	defer cred.Clear()
	out := s.Gate.SignIn(ctx, c.attempt(), cred)
	if !out.Allowed() {
		return false, s.refuse(c, d, out.Reply)
	}
	return s.letIn(ctx, c, d, cred, out)
}

func (s *Server) refuse(c *Conn, d Dialect, r signin.Reply) error {
	if err := d.Refuse(r); err != nil {
		return err
	}
	if c.refusals++; c.refusals >= maxRefusals {
		return errTooManyRefusals
	}
	return nil
}

// letIn opens the backend, registers the session and hands both connections to
// the relay. A change of policy on the way is judged before anything is told.
func (s *Server) letIn(ctx context.Context, c *Conn, d Dialect, cred signin.Credential, out signin.Outcome) (bool, error) {
	if !watchable(d, &out) {
		return false, s.refuse(c, d, s.Gate.Trouble(signin.InternalFault, out.Reference))
	}
	b, err := s.Backends.Dial(ctx, request(c, cred, &out))
	if err != nil {
		s.Journal.Session(signin.SessionEvent{ID: out.Attempt.ID, Opened: out.Attempt.At, Closed: time.Now(), Reason: "open failed: " + err.Error(), Code: signin.BackendAway})
		s.Log.Warn("cannot open the backend", "listener", s.Name, "user", out.Facts.Address, "err", err)
		return false, s.refuse(c, d, s.Gate.Trouble(troubleOf(err), out.Reference))
	}
	in := &carried{server: s}
	ok := s.Sessions.OpenIn(&in.session, &out, b.Name, c.end)
	for tries := 0; !ok && tries < maxRejudge && !s.Sessions.Outdated(&out); tries++ {
		if out = s.Gate.Rejudge(ctx, out); !out.Allowed() {
			_ = b.Close()
			return false, s.refuse(c, d, out.Reply)
		}
		in = &carried{server: s}
		ok = s.Sessions.OpenIn(&in.session, &out, b.Name, c.end)
	}
	if !ok {
		_ = b.Close()
		return false, s.refuse(c, d, s.Gate.Trouble(signin.Busy, out.Reference))
	}
	if err := d.Accept(b); err != nil {
		in.session.Done()
		_ = b.Close()
		s.Journal.Session(signin.SessionEvent{ID: out.Attempt.ID, Opened: out.Attempt.At, Closed: time.Now(), Reason: "client gone before it was told"})
		return false, err
	}
	if out.Principal.Sending != nil {
		c.watch = &watch{b, &in.session, out}
		return false, errWatched
	}
	in.hand(c, d, b)
	return true, nil
}

// maxRejudge bounds how often policy may change between verdict and
// registration before we ask the client to come again.
const maxRejudge = 5

func request(c *Conn, cred signin.Credential, out *signin.Outcome) backend.Request {
	q := backend.Request{ID: out.Attempt.ID, Address: out.Facts.Address, Backend: out.Backend, Protocol: c.server.Protocol, Client: c.client, Local: c.local,
		TLS: c.Secure(), EHLO: c.Hints.EHLO}
	if out.Facts.Credential == policy.CredentialPassword && out.Facts.Mailbox == "" { // a token or an app password is ours to check, and no backend's to see; a delegate's is not the mailbox's
		q.Password = cred.Secret()
	}
	return q
}

func troubleOf(err error) signin.Code {
	var other *backend.OtherName
	switch {
	case errors.As(err, &other):
		return signin.BackendName
	case errors.Is(err, backend.ErrNoBackend):
		return signin.NoBackend
	}
	return signin.BackendAway
}
