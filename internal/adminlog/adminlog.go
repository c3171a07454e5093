// Package adminlog writes one line per sign-in to journald or syslog, in their
// own protocols, for people and programs that read those: as JSON, or in the
// `rip= user=<>` form that packaging/fail2ban reads.
//
// It makes nobody wait: lines go through a bounded queue, what finds it full
// is dropped and counted, and the count is told once there is room. What a
// stranger typed is escaped, so that a name can neither forge a line nor turn
// its direction.
package adminlog

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"sync/atomic"
	"time"

	"github.com/portreeve/portreeve/internal/signin"
)

// Target is where lines go.
type Target string

// The targets.
const (
	Journald Target = "journald" // native protocol, with fields PORTREEVE_*
	Syslog   Target = "syslog"   // RFC 3164 as local daemons read it, without a host name
	RFC5424  Target = "rfc5424"  // RFC 5424
)

// Form is what a line looks like.
type Form string

// The forms.
const (
	Line Form = "line" // imap: wrong secret: rip=192.0.2.7, user=<leela@example.org>, …
	JSON Form = "json"
)

// Where the targets listen unless Options say otherwise.
const (
	journalSocket = "/run/systemd/journal/socket"
	syslogSocket  = "/dev/log"
)

const (
	// queueRoom is how many sign-ins may wait: half a second at 8,000 a second.
	queueRoom = 4096
	// writeTime bounds one write to a daemon that does not read; it is dropped then.
	writeTime = time.Second
	// redialAfter is how long a socket that is gone is left alone.
	redialAfter = time.Second
)

// Options say where lines go; the zero value is the line form to journald.
type Options struct {
	Target Target
	Form   Form
	Socket string // path of the daemon's unix datagram socket; empty is the usual one
}

// Writer takes sign-ins. Run must be running for them to be written.
type Writer struct {
	o       Options
	host    string
	queue   chan *signin.Event
	dropped atomic.Int64
	told    int64 // of dropped
	conn    *net.UnixConn
	next    time.Time // when a lost socket is tried again
	buf     []byte
}

// New checks the options; it opens nothing yet.
func New(o Options) (*Writer, error) {
	if o.Target == "" {
		o.Target = Journald
	}
	if o.Form == "" {
		o.Form = Line
	}
	if o.Socket == "" {
		o.Socket = syslogSocket
		if o.Target == Journald {
			o.Socket = journalSocket
		}
	}
	switch {
	case o.Target != Journald && o.Target != Syslog && o.Target != RFC5424:
		return nil, fmt.Errorf("%q is no target of sign-in lines: use journald, syslog or rfc5424", o.Target)
	case o.Form != Line && o.Form != JSON:
		return nil, fmt.Errorf("%q is no form of sign-in lines: use line or json", o.Form)
	}
	host, err := os.Hostname()
	if err != nil {
		host = "-" // RFC 5424's nil
	}
	return &Writer{o: o, host: host, queue: make(chan *signin.Event, queueRoom)}, nil
}

// Record queues a sign-in and returns at once. The event is not copied: it
// must not change any more.
func (w *Writer) Record(e *signin.Event) {
	select {
	case w.queue <- e:
	default:
		w.dropped.Add(1)
	}
}

// Dropped is how many lines were not written.
func (w *Writer) Dropped() int64 { return w.dropped.Load() }

// Run writes until the context ends, and then what is still queued.
func (w *Writer) Run(ctx context.Context) error {
	defer w.hangUp()
	for {
		select {
		case e := <-w.queue:
			w.write(e)
		case <-ctx.Done():
			for len(w.queue) > 0 {
				w.write(<-w.queue)
			}
			return nil
		}
	}
}

func (w *Writer) write(e *signin.Event) {
	if lost := w.dropped.Load() - w.told; lost > 0 {
		if w.send(w.notice(fmt.Sprintf("%d sign-in lines were dropped; the sign-in log has them", lost))) == nil {
			w.told += lost
		}
	}
	if w.send(w.record(e)) != nil {
		w.dropped.Add(1)
	}
}

var errNoDaemon = errors.New("nobody reads sign-in lines")

// send writes one datagram. A daemon that was started anew is dialled anew; one
// that is gone, or does not read, is left alone for a while.
func (w *Writer) send(b []byte) (err error) {
	for range 2 {
		if err = w.dial(); err != nil {
			return err
		}
		_ = w.conn.SetWriteDeadline(time.Now().Add(writeTime))
		if _, err = w.conn.Write(b); err == nil {
			return nil
		}
		w.hangUp()
		if os.IsTimeout(err) {
			break
		}
	}
	w.next = time.Now().Add(redialAfter)
	return err
}

func (w *Writer) dial() error {
	if w.conn != nil {
		return nil
	}
	if time.Now().Before(w.next) {
		return errNoDaemon
	}
	conn, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: w.o.Socket, Net: "unixgram"})
	if err != nil {
		w.next = time.Now().Add(redialAfter)
		return fmt.Errorf("%w: %w", errNoDaemon, err)
	}
	w.conn = conn
	return nil
}

func (w *Writer) hangUp() {
	if w.conn != nil {
		_ = w.conn.Close()
		w.conn = nil
	}
}
