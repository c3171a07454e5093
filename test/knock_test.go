package test

import (
	"bufio"
	"crypto/tls"
	"encoding/base64"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"
)

// knock is one connection of a guesser's, up to where it could sign in.
type knock struct {
	net.Conn
	r        *bufio.Reader
	protocol string
}

// dialogues are what is said at each door before the credential, and with it.
var dialogues = map[string]struct {
	at     func(*door) string
	hello  []string // what we say; each is answered
	signIn string   // %s is PLAIN's response in base64
	last   func(line string) bool
}{
	"imap":       {func(d *door) string { return d.IMAPS }, nil, "a AUTHENTICATE PLAIN %s", func(l string) bool { return strings.HasPrefix(l, "a ") }},
	"pop3":       {func(d *door) string { return d.POP3S }, nil, "AUTH PLAIN %s", func(string) bool { return true }},
	"submission": {func(d *door) string { return d.Submissions }, []string{"EHLO me.test"}, "AUTH PLAIN %s", func(l string) bool { return len(l) > 3 && l[3] == ' ' }},
	"sieve": {func(d *door) string { return d.Sieves }, nil, "AUTHENTICATE \"PLAIN\" \"%s\"",
		func(l string) bool {
			return strings.HasPrefix(l, "OK") || strings.HasPrefix(l, "NO") || strings.HasPrefix(l, "BYE")
		}},
}

// from dials an address from a source address.
func from(source netip.Addr, address string) (net.Conn, error) {
	d := net.Dialer{Timeout: 20 * time.Second}
	if source.IsValid() {
		d.LocalAddr = &net.TCPAddr{IP: source.AsSlice()}
	}
	return d.Dial("tcp", address)
}

// knock connects to a protocol's TLS door and says what comes before a credential.
func (d *door) knock(protocol string, source netip.Addr) (*knock, error) {
	w := dialogues[protocol]
	c, err := from(source, w.at(d))
	if err != nil {
		return nil, err
	}
	_ = c.SetDeadline(time.Now().Add(time.Minute))
	s := tls.Client(c, d.tls())
	k := &knock{Conn: s, r: bufio.NewReader(s), protocol: protocol}
	greeted := w.last
	if protocol == "imap" {
		greeted = func(l string) bool { return strings.HasPrefix(l, "* ") }
	}
	if _, err := k.read(greeted); err != nil {
		_ = c.Close()
		return nil, fmt.Errorf("greeting: %w", err)
	}
	for _, h := range w.hello {
		if _, _, err := k.say(h); err != nil {
			_ = c.Close()
			return nil, err
		}
	}
	return k, nil
}

// say sends a line and returns the answer, all its lines, and how long it took.
func (k *knock) say(line string) (answer string, took time.Duration, err error) {
	began := time.Now()
	if _, err = k.Write([]byte(line + "\r\n")); err != nil {
		return "", 0, err
	}
	answer, err = k.read(dialogues[k.protocol].last)
	return answer, time.Since(began), err
}

func (k *knock) read(last func(string) bool) (string, error) {
	var all strings.Builder
	for {
		l, err := k.r.ReadString('\n')
		all.WriteString(l)
		if err != nil || last(l) {
			return all.String(), err
		}
	}
}

// signIn shows a name and a password.
func (k *knock) signIn(name, secret string) (answer string, took time.Duration, err error) {
	plain := base64.StdEncoding.EncodeToString([]byte("\x00" + name + "\x00" + secret))
	return k.say(fmt.Sprintf(dialogues[k.protocol].signIn, plain))
}

// in says that an answer lets somebody in.
func in(answer string) bool {
	for _, yes := range []string{"a OK", "+OK", "235", "OK"} {
		if strings.HasPrefix(answer, yes) {
			return true
		}
	}
	return strings.Contains(answer, "\na OK")
}

// sources hands out addresses of loopback, each in a /24 of its own, so that
// neither the guard's limit of an address nor that of a network is met.
func source(n int) netip.Addr {
	return netip.AddrFrom4([4]byte{127, byte(16 + n/250), byte(1 + n%250), 7})
}

// mustKnock is knock where a failure ends the test.
func (d *door) mustKnock(t testing.TB, protocol string, source netip.Addr) *knock {
	t.Helper()
	k, err := d.knock(protocol, source)
	check(t, err)
	t.Cleanup(func() { _ = k.Close() })
	return k
}
