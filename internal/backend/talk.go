package backend

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"time"

	"github.com/portreeve/portreeve/internal/relay"
	"github.com/portreeve/portreeve/internal/wire/line"
)

// talk is a conversation with a backend up to its answer to the sign-in. Each
// line has its own time, the whole another, and its context ends it at once.
type talk struct {
	ctx    context.Context
	socket *relay.Socket
	tls    *tls.Conn
	conn   net.Conn // the upper of the two
	lines  *line.Reader
	wait   time.Duration // for the next answer
	stop   func() bool   // forgets the context
}

// newTalk takes over socket. ctx has the deadline of the whole.
func newTalk(ctx context.Context, socket *relay.Socket) *talk {
	t := &talk{ctx: ctx, socket: socket, conn: socket, lines: line.New(socket, line.Limits{}), wait: stepTime}
	t.stop = context.AfterFunc(ctx, func() { _ = socket.SetDeadline(time.Unix(1, 0)) })
	return t
}

// arm sets the deadline of one step. The context is looked at afterwards, since
// its own deadline may just have been overwritten.
func (t *talk) arm() error {
	_ = t.socket.SetDeadline(time.Now().Add(t.wait))
	return t.ctx.Err()
}

// send writes s.
func (t *talk) send(s string) error { return t.sendBytes([]byte(s)) }

// sendBytes writes b and wipes it.
func (t *talk) sendBytes(b []byte) error {
	defer clear(b)
	if err := t.arm(); err != nil {
		return err
	}
	_, err := t.conn.Write(b)
	return err
}

// read returns the next line, good until the next call.
func (t *talk) read() ([]byte, error) {
	if err := t.arm(); err != nil {
		return nil, err
	}
	b, err := t.lines.ReadLine(line.MaxSASL) // a refused token's reason may be long
	if err != nil && t.ctx.Err() != nil {
		return nil, t.ctx.Err()
	}
	return b, err
}

// receive reads something longer than a line, within the time of one answer.
func receive[T any](t *talk, read func(*line.Reader) (T, error)) (T, error) {
	var none T
	if err := t.arm(); err != nil {
		return none, err
	}
	v, err := read(t.lines)
	if err != nil && t.ctx.Err() != nil {
		return none, t.ctx.Err()
	}
	return v, err
}

var errEarlyBytes = errors.New("bytes before TLS was spoken")

// startTLS begins TLS and verifies the server. What came in clear behind the
// answer to STARTTLS would be read as if it were sealed (CVE-2011-0411), so it
// ends the connection.
func (t *talk) startTLS(conf *tls.Config) error {
	if t.lines.Pending() > 0 {
		return errEarlyBytes
	}
	if err := t.arm(); err != nil {
		return err
	}
	t.tls = tls.Client(t.socket, conf)
	if err := t.tls.HandshakeContext(t.ctx); err != nil {
		return err
	}
	t.conn = t.tls
	t.lines.Reset(t.tls)
	return nil
}

// finish hands the connection on; whatever was read ahead comes with it.
func (t *talk) finish() (*Conn, error) {
	if !t.stop() {
		return nil, t.ctx.Err()
	}
	if err := t.socket.SetDeadline(time.Time{}); err != nil {
		return nil, err
	}
	return &Conn{Socket: t.socket, TLS: t.tls, Early: t.lines.Buffered()}, nil
}

// abandon closes the connection without a word.
func (t *talk) abandon() {
	t.stop()
	t.lines.Forget()
	_ = t.socket.Close()
}
