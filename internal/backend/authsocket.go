package backend

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"strings"
	"sync"
	"time"

	"github.com/portreeve/portreeve/internal/protocol"
	"github.com/portreeve/portreeve/internal/sasl"
	"github.com/portreeve/portreeve/internal/wire/line"
)

// Dovecot's auth client protocol, as its login processes, Postfix and Exim
// speak it (doc/auth-protocol.txt): lines of fields between TABs. It checks a
// credential without opening a mailbox, and it is the only place where Dovecot
// says by which name it knows a person: no answer to a sign-in over IMAP, POP3,
// submission or ManageSieve does.
const (
	authVersion   = "VERSION\t1\t1\n"
	authHandshake = 64      // lines a server may say before DONE; Dovecot says about ten
	authClients   = 1 << 30 // our client ids begin here: Dovecot's own are process ids, and no two may be equal
)

// authServices are Dovecot's names of the protocols.
var authServices = map[protocol.Protocol]string{
	protocol.IMAP: "imap", protocol.POP3: "pop3", protocol.Submission: "submission", protocol.Sieve: "sieve",
}

// askAuth checks a credential over the socket and returns the name by which
// Dovecot knows the person.
func (s *server) askAuth(ctx context.Context, q *Request, c credential) (string, error) {
	response, err := sasl.Response(c.mechanism, c.identity, c.secret)
	if err != nil {
		return "", fmt.Errorf("%w: %w", ErrRefused, err)
	}
	defer clear(response)
	a, err := s.dialAuth(ctx)
	if err != nil {
		return "", awayError("auth socket", err)
	}
	defer a.close()
	reply, err := a.check(q, c.mechanism, response)
	if err != nil {
		return "", awayError("auth socket", err)
	}
	return reply.verdict()
}

type authConn struct {
	conn  net.Conn
	lines *line.Reader
	stop  func() bool
}

func (s *server) dialAuth(ctx context.Context) (*authConn, error) {
	network := "tcp"
	if strings.HasPrefix(s.options.AuthSocket, "/") {
		network = "unix"
	}
	dialer := net.Dialer{Timeout: s.options.DialTimeout}
	conn, err := dialer.DialContext(ctx, network, s.options.AuthSocket)
	if err != nil {
		return nil, err
	}
	a := &authConn{conn: conn, lines: line.New(conn, line.Limits{BareLF: true})}
	_ = conn.SetDeadline(time.Now().Add(answerTTL))
	a.stop = context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	if err := a.shakeHands(); err != nil {
		a.close()
		return nil, err
	}
	return a, nil
}

func (a *authConn) close() {
	a.stop()
	a.lines.Forget()
	_ = a.conn.Close()
}

func (a *authConn) shakeHands() error {
	if _, err := fmt.Fprintf(a.conn, "%sCPID\t%d\n", authVersion, authClients+rand.Uint32N(authClients)); err != nil {
		return err
	}
	for range authHandshake {
		f, err := a.fields()
		switch {
		case err != nil:
			return err
		case f[0] == "VERSION" && (len(f) < 2 || f[1] != "1"):
			return fmt.Errorf("it speaks version %q of the protocol", strings.Join(f[1:], "."))
		case f[0] == "DONE":
			return nil
		}
	}
	return errors.New("handshake without an end")
}

// fields reads a line; there is at least one field.
func (a *authConn) fields() ([]string, error) {
	b, err := a.lines.ReadLine(0)
	if err != nil {
		return nil, err
	}
	f := strings.Split(string(b), "\t")
	for i := range f {
		f[i] = authUnescape(f[i])
	}
	return f, nil
}

// authUnescape undoes Dovecot's escapes (str_tabunescape): ^A and a letter.
func authUnescape(s string) string {
	return strings.NewReplacer("\x010", "\x00", "\x011", "\x01", "\x01t", "\t", "\x01r", "\r", "\x01n", "\n").Replace(s)
}

// check sends one request. resp must be the last field; no-penalty is asked
// for, because the gate has its own guard and Dovecot's would act on addresses
// that many people share; nologin, because no sign-in follows.
func (a *authConn) check(q *Request, mechanism string, response []byte) (authReply, error) {
	id := "1"
	fields := []string{"AUTH", id, mechanism, "service=" + authServices[q.Protocol], "secured", "nologin", "no-penalty"}
	if q.Client.IsValid() {
		fields = append(fields, "rip="+addrText(q.Client), "rport="+portText(q.Client))
	}
	if q.Local.IsValid() {
		fields = append(fields, "lip="+addrText(q.Local), "lport="+portText(q.Local))
	}
	if !q.ID.IsZero() {
		fields = append(fields, "session="+sessionID(q))
	}
	request := append([]byte(strings.Join(fields, "\t")+"\tresp="), sasl.Encode(response)...)
	defer clear(request)
	if _, err := a.conn.Write(append(request, '\n')); err != nil {
		return authReply{}, err
	}
	for range authHandshake {
		f, err := a.fields()
		switch {
		case err != nil:
			return authReply{}, err
		case len(f) < 2 || f[1] != id: // news of other mechanisms or of itself
		case f[0] == "CONT": // the reason of a refused token
			if _, err := a.conn.Write([]byte("CONT\t" + id + "\t" + dummyResponse + "\n")); err != nil {
				return authReply{}, err
			}
		default:
			return authReply{f[0], f[2:]}, nil
		}
	}
	return authReply{}, errors.New("no answer among its lines")
}

type authReply struct {
	word   string
	fields []string
}

func (r authReply) field(name string) (value string, ok bool) {
	for _, f := range r.fields {
		if k, v, _ := strings.Cut(f, "="); k == name {
			return v, true
		}
	}
	return "", false
}

func (r authReply) verdict() (final string, err error) {
	final, named := r.field("user")
	_, nologin := r.field("nologin")
	_, temp := r.field("temp")
	code, _ := r.field("code")
	reason, _ := r.field("reason")
	words := line.Text(r.word+" "+code+" "+reason, maxWords)
	switch {
	case r.word == "OK" && named && !nologin:
		return final, nil
	case r.word == "OK" && nologin, r.word == "FAIL" && !temp && code != "temp_fail":
		return "", fmt.Errorf("%w: %s", ErrRefused, words)
	}
	return "", awayError("auth socket", errors.New(words))
}

// sameName says whether Dovecot's name is the person's.
func (o *Options) sameName(final, address string) error {
	if final == address {
		return nil
	}
	if o.Canonical != nil {
		if name, ok := o.Canonical(final); ok && name == address {
			return nil
		}
	}
	return &OtherName{Final: line.Text(final, maxWords)}
}

// confirm asks, where there is a socket, whom our own credential would open the
// door for, before it does. The answer holds for confirmTime.
func (s *server) confirm(ctx context.Context, q *Request, c credential) error {
	if s.options.AuthSocket == "" || s.confirmed.fresh(q.Address, time.Now()) {
		return nil
	}
	final, err := s.askAuth(ctx, q, c)
	if err == nil {
		err = s.options.sameName(final, q.Address)
	}
	if err == nil {
		s.confirmed.note(q.Address, time.Now())
	}
	return err
}

const (
	confirmTime  = 5 * time.Minute
	maxConfirmed = 10_000 // people; over that all are asked for again
)

// names remembers who was confirmed, and when.
type names struct {
	mu sync.Mutex
	at map[string]time.Time
}

func (n *names) fresh(address string, now time.Time) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	at, ok := n.at[address]
	return ok && now.Sub(at) < confirmTime
}

func (n *names) note(address string, now time.Time) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.at == nil || len(n.at) >= maxConfirmed {
		n.at = map[string]time.Time{}
	}
	n.at[address] = now
}
