package proxy

import (
	"errors"
	"io"
	"net"
	"os"
	"time"

	"github.com/portreeve/portreeve/internal/backend"
	"github.com/portreeve/portreeve/internal/session"
	"github.com/portreeve/portreeve/internal/signin"
)

// Times of a watched session, RFC 5321 section 4.5.3.2.
const (
	watchedIdle   = 10 * time.Minute // for the program's next command or octet
	watchedAnswer = 10 * time.Minute // for the server's answer to a message's end
)

// Watcher is a Dialect that can carry a session command by command, where what
// the program showed limits what it may send. Such a session is not the relay's.
type Watcher interface {
	// Watch carries until either side ends, and says how it came to an end.
	Watch(Watched) (reason string)
}

// Watched is a session that is carried command by command.
type Watched struct {
	// Client and Backend have deadlines of their own; neither can be read once
	// the session was told to end.
	Client, Backend io.ReadWriter
	Sending         *signin.Sending
	// Overstep writes down what is refused and returns the words to tell.
	Overstep func(code signin.Code, detail string) signin.Reply
}

// watch is a session that is to be carried so, from its sign-in on.
type watch struct {
	backend *backend.Conn
	session *session.Session
	out     signin.Outcome
}

// errWatched ends the talk before sign-in: from here on the session is watched.
var errWatched = errors.New("the session is watched")

// watchable says whether a session that may not send whatever it likes can be
// held to that here.
func watchable(d Dialect, out *signin.Outcome) bool {
	_, ok := d.(Watcher)
	return ok || out.Principal.Sending == nil
}

// watchOver carries the session that c was let in for, on this goroutine: there
// are few of them, and they are short.
func (s *Server) watchOver(c *Conn, d Dialect, w *watch) {
	b := w.backend
	if !c.alsoEnd(func() { _ = b.Socket.SetDeadline(time.Now()) }) {
		w.close("ended before it began", s)
		return
	}
	s.Journal.Session(signin.SessionEvent{ID: w.out.Attempt.ID, Opened: w.out.Attempt.At})
	var plain net.Conn = b.Socket
	if b.TLS != nil {
		plain = b.TLS
	}
	client := &paced{c: c, conn: c.stream, idle: watchedIdle}
	server := &paced{c: c, conn: plain, early: b.Early, idle: watchedAnswer}
	reason := d.(Watcher).Watch(Watched{Client: client, Backend: server, Sending: w.out.Principal.Sending,
		Overstep: func(code signin.Code, detail string) signin.Reply { return s.overstep(w.out, code, detail) }})
	if note := c.endedBy(); note != "" {
		reason = note
	}
	w.session.Done()
	_ = b.Close()
	s.Journal.Session(signin.SessionEvent{ID: w.out.Attempt.ID, Opened: w.out.Attempt.At, Closed: time.Now(), Reason: reason,
		FromClient: client.read, FromBackend: server.read})
}

func (w *watch) close(reason string, s *Server) {
	w.session.Done()
	_ = w.backend.Close()
	s.Journal.Session(signin.SessionEvent{ID: w.out.Attempt.ID, Opened: w.out.Attempt.At, Closed: time.Now(), Reason: reason})
}

func (s *Server) overstep(out signin.Outcome, code signin.Code, detail string) signin.Reply {
	if s.Overstep == nil {
		return signin.Reply{Tone: signin.Uniform, Code: code, Text: code.String() + " " + code.Meaning().User}
	}
	return s.Overstep(out, code, detail)
}

// alsoEnd has f called when the connection is told to end; false if it was already.
func (c *Conn) alsoEnd(f func()) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.wake = f
	return c.ended == ""
}

func (c *Conn) endedBy() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.ended
}

// paced is one side of a watched session: each read and write has its time,
// and none begins once the session was told to end.
type paced struct {
	c     *Conn
	conn  net.Conn
	early []byte
	idle  time.Duration
	read  uint64
}

func (p *paced) Read(b []byte) (int, error) {
	if len(p.early) > 0 {
		n := copy(b, p.early)
		p.early = p.early[n:]
		p.read += uint64(n)
		return n, nil
	}
	if err := p.until(p.conn.SetReadDeadline, p.idle); err != nil {
		return 0, err
	}
	n, err := p.conn.Read(b)
	p.read += uint64(n)
	return n, err
}

func (p *paced) Write(b []byte) (int, error) {
	if err := p.until(p.conn.SetWriteDeadline, writeTimeout); err != nil {
		return 0, err
	}
	return p.conn.Write(b)
}

func (p *paced) until(set func(time.Time) error, d time.Duration) error {
	p.c.mu.Lock()
	defer p.c.mu.Unlock()
	if p.c.ended != "" {
		return os.ErrDeadlineExceeded
	}
	return set(time.Now().Add(d))
}
