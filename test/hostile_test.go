package test

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"
)

// mostBefore is more than any program may send before it has signed in (64 KiB,
// and what the kernel holds on the way).
const mostBefore = 8 << 20

// hastySite is a site of a test's own whose answers do not wait.
func hastySite(t testing.TB, o siteOptions) *site {
	t.Helper()
	o.Login, o.Hasty, o.Floor = masterLogin, true, "300ms"
	if o.People == nil {
		o.People = map[string]string{"mary@example.org": password}
	}
	return startSite(t, o)
}

// swallowed sends endlessly and says how much was taken until the door hung up.
func swallowed(t testing.TB, k *knock, piece string) int {
	t.Helper()
	go func() { _, _ = io.Copy(io.Discard, k.r) }()
	_ = k.SetDeadline(time.Now().Add(20 * time.Second))
	sent := 0
	for sent < mostBefore {
		n, err := k.Write([]byte(piece))
		if sent += n; err != nil {
			return sent
		}
	}
	t.Errorf("%d bytes were taken without signing in, and the connection is still open", sent)
	return sent
}

// What is sent without signing in is bounded, whatever it is.
func TestNobodyCanSendForEver(t *testing.T) {
	t.Parallel()
	s := shared()
	long := strings.Repeat("a", 4096)
	for _, c := range []struct{ what, protocol, first, piece string }{
		{"endless line", "imap", "", long},
		{"endless line", "pop3", "", long},
		{"endless line", "submission", "", long},
		{"endless line", "sieve", "", long},
		{"endless literal", "imap", "a LOGIN {99999999+}\r\n", long},
		{"endless literal", "sieve", "AUTHENTICATE \"PLAIN\" {99999999+}\r\n", long},
		{"endless base64", "imap", "a AUTHENTICATE PLAIN\r\n", long},
		{"endless base64", "submission", "AUTH PLAIN ", long},
		{"many parentheses", "imap", "a ID ", strings.Repeat("(", 4096)},
		{"100,000 pipelined commands", "imap", "", strings.Repeat("a NOOP\r\n", 1000)},
		{"100,000 pipelined commands", "pop3", "", strings.Repeat("NOOP\r\n", 1000)},
		{"100,000 pipelined commands", "submission", "", strings.Repeat("NOOP\r\n", 1000)},
		{"100,000 pipelined commands", "sieve", "", strings.Repeat("NOOP\r\n", 1000)},
	} {
		t.Run(c.what+"/"+c.protocol, func(t *testing.T) {
			t.Parallel()
			k := s.mustKnock(t, c.protocol, netip.MustParseAddr("127.8.0.1"))
			_, err := k.Write([]byte(c.first))
			check(t, err)
			swallowed(t, k, c.piece)
		})
	}
}

// After signing in, a flood is the mail server's: every command is answered.
func TestAFloodAfterSignInIsRelayed(t *testing.T) {
	t.Parallel()
	s := shared()
	k := s.mustKnock(t, "imap", netip.Addr{})
	if answer, _, err := k.signIn(newPerson(t), password); err != nil || !in(answer) {
		t.Fatalf("%q, %v", answer, err)
	}
	const commands = 100_000
	_ = k.SetDeadline(time.Now().Add(2 * time.Minute))
	go func() { _, _ = k.Write(bytes.Repeat([]byte("a NOOP\r\n"), commands)) }()
	for n := range commands {
		if answer, err := k.read(dialogues["imap"].last); err != nil || !in(answer) {
			t.Fatalf("answer %d: %q, %v", n+1, answer, err)
		}
	}
}

// A byte now and then does not hold a connection longer than the time to sign in.
func TestSlowBytesRunOutOfTime(t *testing.T) {
	t.Parallel()
	s := hastySite(t, siteOptions{Door: doorOptions{Extra: "limits: {sign_in_time: 3s}"}})
	for protocol := range dialogues {
		t.Run(protocol, func(t *testing.T) {
			t.Parallel()
			began := time.Now()
			k := s.mustKnock(t, protocol, netip.Addr{})
			gone := make(chan struct{})
			go func() {
				defer close(gone)
				_, _ = io.Copy(io.Discard, k.r)
			}()
			for tick := time.NewTicker(50 * time.Millisecond); ; {
				select {
				case <-tick.C:
					_, _ = k.Write([]byte("a"))
					if time.Since(began) < 15*time.Second {
						continue
					}
					t.Error("still open after 15 s")
				case <-gone:
				}
				break
			}
			if took := time.Since(began); took < 2*time.Second {
				t.Errorf("hung up after %v already", took)
			}
		})
	}
	t.Run("handshake", func(t *testing.T) {
		t.Parallel()
		c, err := from(netip.Addr{}, s.IMAPS)
		check(t, err)
		defer c.Close()
		_ = c.SetDeadline(time.Now().Add(15 * time.Second))
		_, err = c.Write([]byte{0x16, 0x03, 0x01})
		check(t, err)
		if _, err = c.Read(make([]byte, 1)); err != io.EOF {
			t.Errorf("half a handshake ended with %v", err)
		}
	})
}

// A PROXY header is taken from the configured networks and from nobody else,
// and from there it must come.
func TestPROXYFromAStranger(t *testing.T) {
	t.Parallel()
	s := shared()
	const header = "PROXY TCP4 192.0.2.44 127.0.0.1 1000 993\r\n"
	balancer, stranger := netip.MustParseAddr("127.9.0.1"), netip.MustParseAddr("127.9.9.9")
	try := func(source netip.Addr, address, first, person string) bool {
		c, err := from(source, address)
		check(t, err)
		defer c.Close()
		_ = c.SetDeadline(time.Now().Add(20 * time.Second))
		_, err = c.Write([]byte(first))
		check(t, err)
		tc := tls.Client(c, s.tls())
		if tc.Handshake() != nil {
			return false
		}
		k := &knock{Conn: tc, r: bufio.NewReader(tc), protocol: "imap"}
		if _, err := k.read(func(l string) bool { return strings.HasPrefix(l, "* ") }); err != nil {
			return false
		}
		answer, _, err := k.signIn(person, password)
		return err == nil && in(answer)
	}
	person := newPerson(t)
	if !try(balancer, s.Proxied, header, person) {
		t.Fatal("a header of the balancer's is not taken")
	}
	if e := s.signIn(t, person, "PR0"); e.IPAddress != "192.0.2.44" {
		t.Errorf("from %s in the log, want 192.0.2.44", e.IPAddress)
	}
	for what, c := range map[string]struct {
		source         netip.Addr
		address, first string
	}{
		"a stranger's header":                        {stranger, s.Proxied, header},
		"a header where none is configured":          {stranger, s.IMAPS, header},
		"the balancer's where none is configured":    {balancer, s.IMAPS, header},
		"no header from the balancer":                {balancer, s.Proxied, ""},
		"a header in two parts from a stranger":      {stranger, s.Proxied, "PROXY UNKNOWN\r\n"},
		"a broken header from the balancer":          {balancer, s.Proxied, "PROXY TCP4 192.0.2.44\r\n"},
		"a second header behind the balancer's one":  {balancer, s.Proxied, header + header},
		"version 2 with a length beyond all measure": {balancer, s.Proxied, "\r\n\r\n\x00\r\nQUIT\n\x21\x11\xff\xff"},
	} {
		if try(c.source, c.address, c.first, newPerson(t)) {
			t.Errorf("%s: signed in", what)
		}
	}
}

// Descriptors used up: nobody crashes, nothing spins, and once connections end
// people sign in again.
func TestDescriptorsUsedUp(t *testing.T) {
	t.Parallel()
	s := hastySite(t, siteOptions{Door: doorOptions{Descriptors: 256, Extra: "limits: {per_source: 1000}"}})
	var open []net.Conn
	for n := range 600 {
		c, err := from(source(n), s.IMAPS)
		if err != nil {
			break // the backlog is full too
		}
		open = append(open, c)
	}
	if len(open) < 260 {
		t.Fatalf("only %d connections", len(open))
	}
	time.Sleep(500 * time.Millisecond)
	before := s.processorTime(t)
	const watched = 2 * time.Second
	time.Sleep(watched)
	if used := s.processorTime(t) - before; used > watched/4 {
		t.Errorf("with no descriptor left it worked %v in %v", used, watched)
	}
	if !s.running() {
		t.Fatalf("it ended:\n%s", tail(s.log(), 40))
	}
	for _, c := range open {
		_ = c.Close()
	}
	for end := time.Now().Add(15 * time.Second); ; time.Sleep(100 * time.Millisecond) {
		if k, err := s.knock("imap", netip.Addr{}); err == nil {
			answer, _, err := k.signIn("mary@example.org", password)
			_ = k.Close()
			if err == nil && in(answer) {
				return
			}
		}
		if time.Now().After(end) {
			t.Fatalf("nobody is let in after the connections ended:\n%s", tail(s.log(), 20))
		}
	}
}

// processorTime is what the door's process has used.
func (d *door) processorTime(t testing.TB) time.Duration {
	t.Helper()
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", d.cmd.Process.Pid))
	check(t, err)
	f := strings.Fields(string(raw[bytes.LastIndexByte(raw, ')')+1:])) // from field 3 on
	var ticks int
	for _, i := range []int{11, 12} { // utime, stime
		n, err := strconv.Atoi(f[i])
		check(t, err)
		ticks += n
	}
	return time.Duration(ticks) * time.Second / 100 // USER_HZ
}

// A mail server that goes away in the middle of a sign-in is told as such, in
// words that no program takes for a wrong password.
func TestTheMailServerGoesInTheMiddle(t *testing.T) {
	t.Parallel()
	stage := map[string]func(c net.Conn, r *bufio.Reader){
		"at once":              func(net.Conn, *bufio.Reader) {},
		"after its greeting":   func(c net.Conn, _ *bufio.Reader) { _, _ = io.WriteString(c, "* OK ready\r\n") },
		"after the password":   func(c net.Conn, r *bufio.Reader) { untilLogin(c, r) },
		"in a half answer":     func(c net.Conn, r *bufio.Reader) { fmt.Fprintf(c, "%s OK", untilLogin(c, r)) },
		"with nonsense":        func(c net.Conn, r *bufio.Reader) { untilLogin(c, r); _, _ = io.WriteString(c, "\x00\xff lorem\r\n") },
		"with endless answers": func(c net.Conn, r *bufio.Reader) { untilLogin(c, r); endless(c) },
		"with a temporary no":  func(c net.Conn, r *bufio.Reader) { fmt.Fprintf(c, "%s NO [UNAVAILABLE] x\r\n", untilLogin(c, r)) },
	}
	for what, play := range stage {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			l, err := net.Listen("tcp", "127.0.0.1:0")
			check(t, err)
			t.Cleanup(func() { _ = l.Close() })
			go func() {
				for {
					c, err := l.Accept()
					if err != nil {
						return
					}
					go func() {
						defer c.Close()
						_ = c.SetDeadline(time.Now().Add(30 * time.Second))
						play(c, bufio.NewReader(c))
					}()
				}
			}()
			backend := "    " + passwordLogin
			for protocol := range dialogues {
				backend += fmt.Sprintf("\n    %s: {address: %q, tls: none}", protocol, l.Addr())
			}
			d := startDoor(t, doorOptions{Floor: "300ms", Backend: backend})
			k := d.mustKnock(t, "imap", netip.Addr{})
			answer, _, err := k.signIn("mary@example.org", d.use(password))
			if err != nil || !strings.Contains(answer, "a NO [UNAVAILABLE] PR1010 ") || strings.Contains(answer, "AUTHENTICATIONFAILED") {
				t.Errorf("told %q, %v", answer, err)
			}
			d.signIn(t, "mary@example.org", "PR1010")
		})
	}
}

// untilLogin greets, answers everything up to the login, and returns its tag.
func untilLogin(c net.Conn, r *bufio.Reader) string {
	_, _ = io.WriteString(c, "* OK [CAPABILITY IMAP4rev1 SASL-IR AUTH=PLAIN ID] ready\r\n")
	for {
		l, err := r.ReadString('\n')
		if err != nil {
			return "x"
		}
		tag, rest, _ := strings.Cut(l, " ")
		if strings.HasPrefix(strings.ToUpper(rest), "AUTHENTICATE") || strings.HasPrefix(strings.ToUpper(rest), "LOGIN") {
			return tag
		}
		fmt.Fprintf(c, "%s OK done\r\n", tag)
	}
}

func endless(c net.Conn) {
	for {
		if _, err := io.WriteString(c, "* OK still thinking\r\n"); err != nil {
			return
		}
	}
}

// What is not a secret but looks like one in a log's line must not end the line.
func TestNamesCannotForgeTheLog(t *testing.T) {
	t.Parallel()
	s := shared()
	for n, name := range []string{"eve\r\nlevel=INFO msg=forged", "eve\u202egro.elpmaxe@", "eve\x1b[2J@example.org", "eve\x00@example.org", strings.Repeat("e", 4000) + "@example.org"} {
		k := s.mustKnock(t, "imap", netip.AddrFrom4([4]byte{127, 10, 0, byte(1 + n)}))
		plain := base64.StdEncoding.EncodeToString([]byte("\x00" + name + "\x00" + password))
		answer, _, err := k.say("a AUTHENTICATE PLAIN " + plain)
		if err != nil || in(answer) {
			t.Errorf("%.20q: %q, %v", name, answer, err)
		}
		_ = k.Close()
	}
	for _, bad := range []string{"\u202e", "\x1b[2J", "\nlevel=INFO msg=forged"} {
		if strings.Contains(s.log(), bad) {
			t.Errorf("the operator's log holds %q", bad)
		}
		if list := s.do(t, "signins", "list", "--limit", "0"); strings.Contains(list, bad) {
			t.Errorf("`signins list` prints %q", bad)
		}
	}
}
