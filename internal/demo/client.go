package demo

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"time"
)

// Times of a mail program.
const (
	dialTime   = 5 * time.Second
	answerTime = 20 * time.Second // a refusal leaves after half a second, on a slow machine within ten
)

var loopback = netip.AddrFrom4([4]byte{127, 0, 0, 1})

// program is a mail program: real IMAP over a real connection. What it says
// and hears is shown on its screen, if it has one.
type program struct {
	conn   net.Conn
	r      *bufio.Reader
	screen *screen
	tag    int
}

// answer is what came back for one command.
type answer struct {
	lines []string // untagged and tagged, without line ends
	ok    bool
	took  time.Duration
}

// last is the tagged line.
func (a answer) last() string {
	if len(a.lines) == 0 {
		return ""
	}
	return a.lines[len(a.lines)-1]
}

// refusal is the line of a refusal without its tag, code word and reference, so
// that two can be compared, and the reference.
func (a answer) refusal() (words, reference string) {
	_, words, _ = strings.Cut(a.last(), "] ")
	words, reference, _ = strings.Cut(words, " Ref ")
	return words, reference
}

// connect opens a connection from a loopback address and reads the greeting.
func (w *world) connect(ctx context.Context, from netip.Addr, sealed bool, s *screen) (*program, error) {
	to := w.plain
	if sealed {
		to = w.sealed
	}
	d := net.Dialer{Timeout: dialTime, LocalAddr: net.TCPAddrFromAddrPort(netip.AddrPortFrom(from, 0))}
	conn, err := d.DialContext(ctx, "tcp", to.String())
	if err != nil {
		return nil, err
	}
	if sealed {
		conn = tls.Client(conn, &tls.Config{RootCAs: w.authority.Pool(), ServerName: "localhost"})
	}
	p := &program{conn: conn, r: bufio.NewReader(conn), screen: s}
	if _, err := p.line(answerTime); err != nil {
		_ = conn.Close()
		return nil, fmt.Errorf("reading the greeting: %w", err)
	}
	return p, nil
}

func (p *program) close() { _ = p.conn.Close() }

// line reads one line.
func (p *program) line(within time.Duration) (string, error) {
	_ = p.conn.SetReadDeadline(time.Now().Add(within))
	s, err := p.r.ReadString('\n')
	return strings.TrimRight(s, "\r\n"), err
}

// say sends a command and reads what comes back, up to its tagged line or, for
// IDLE, the go-ahead.
func (p *program) say(command string) (a answer, err error) {
	p.tag++
	tag := fmt.Sprintf("a%d", p.tag)
	p.show('C', tag+" "+command)
	return p.answered(tag, tag+" "+command)
}

// answered sends a line and reads what comes back for the command of a tag.
func (p *program) answered(tag, line string) (a answer, err error) {
	began := time.Now()
	if _, err := p.conn.Write([]byte(line + "\r\n")); err != nil {
		return a, err
	}
	for {
		s, err := p.line(answerTime)
		if err != nil {
			return a, fmt.Errorf("waiting for an answer to %s: %w", tag, err)
		}
		p.show('S', s)
		a.lines = append(a.lines, s)
		if done := strings.HasPrefix(s, tag+" "); done || strings.HasPrefix(s, "+") {
			a.ok, a.took = !done || strings.HasPrefix(s, tag+" OK"), time.Since(began)
			return a, nil
		}
	}
}

func (p *program) show(who byte, line string) {
	if p.screen != nil && line != "" {
		p.screen.wire(who, line)
	}
}

// introduce sends what programs say of themselves (RFC 2971).
func (p *program) introduce(name, version string) error {
	id := fmt.Sprintf(`ID ("name" "%s" "version" "%s")`, name, version)
	p.show('C', fmt.Sprintf("a%d %s", p.tag+1, id))
	_, err := p.quietly(id)
	return err
}

// quietly says something without showing it.
func (p *program) quietly(command string) (answer, error) {
	shown := p.screen
	p.screen = nil
	defer func() { p.screen = shown }()
	return p.say(command)
}

// login signs in with a password.
func (p *program) login(who, password string) (answer, error) {
	return p.say("LOGIN " + address(who) + " " + password)
}

// bearer signs in with a token. Why one is refused comes before the refusal, and
// is answered with an empty line (RFC 7628, section 3.2.3).
func (p *program) bearer(who, token string) (answer, error) {
	a, err := p.say("AUTHENTICATE XOAUTH2 " + base64.StdEncoding.EncodeToString([]byte("user="+address(who)+"\x01auth=Bearer "+token+"\x01\x01")))
	if err != nil || !strings.HasPrefix(a.last(), "+") {
		return a, err
	}
	return p.answered(fmt.Sprintf("a%d", p.tag), "")
}

// ended waits until the other end closes, and says how long that took.
func (p *program) ended(within time.Duration) (time.Duration, error) {
	began := time.Now()
	for {
		_, err := p.line(within - time.Since(began))
		var late net.Error
		switch {
		case errors.As(err, &late) && late.Timeout():
			return time.Since(began), fmt.Errorf("still open after %s", within)
		case err != nil:
			return time.Since(began), nil
		}
	}
}
