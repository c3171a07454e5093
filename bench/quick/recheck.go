package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/portreeve/portreeve/internal/certs"
)

// affected is how many of the connections the change is about.
const affected = 95

// spare are descriptors left for everything but the connections.
const spare = 300

// recheck opens connections of distinct people through the built binary, blocks
// 95 of them by a policy, and times from the change to the last one closed.
func recheck(ctx context.Context, f figures, binary string, n int) error {
	var lim syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &lim); err != nil {
		return err
	}
	lim.Cur = lim.Max
	_ = syscall.Setrlimit(syscall.RLIMIT_NOFILE, &lim)
	if most := (int(lim.Max) - spare) / 2; n > most {
		fmt.Fprintf(os.Stderr, "the descriptor limit of %d allows %d connections, not %d\n", lim.Max, most, n)
		n = most
	}
	d, err := startDoor(ctx, binary)
	if err != nil {
		return err
	}
	defer d.stop()
	conns, err := d.openAll(ctx, n)
	if err != nil {
		return err
	}
	defer func() {
		for _, c := range conns {
			_ = c.Close()
		}
	}()
	return d.measure(ctx, f, conns)
}

// measure makes the change and waits for the last of the affected. Some of the
// others are pinged meanwhile: nobody else may notice.
func (d *doorway) measure(ctx context.Context, f figures, conns []*tls.Conn) error {
	closed := make(chan time.Time, affected)
	for i := range affected {
		c := conns[i*(len(conns)/affected)]
		go func() {
			_, _ = io.Copy(io.Discard, c)
			closed <- time.Now()
		}()
	}
	others := newPing(conns, affected)
	calm := others.run(300 * time.Millisecond)
	var blocked []string
	for i := range affected {
		blocked = append(blocked, person(i*(len(conns)/affected)))
	}
	body, _ := json.Marshal(map[string]any{
		"displayName": "Ninety-five", "state": "enabled",
		"conditions":    map[string]any{"clientAppTypes": []string{"all"}, "users": map[string]any{"includeUsers": blocked}, "applications": map[string]any{"includeApplications": []string{"All"}}},
		"grantControls": map[string]any{"operator": "OR", "builtInControls": []string{"block"}},
	})
	pinged := make(chan time.Duration, 1)
	go func() { pinged <- others.run(600 * time.Millisecond) }()
	time.Sleep(50 * time.Millisecond)
	began := time.Now()
	if err := d.post(ctx, "/v1.0/identity/conditionalAccess/policies", body); err != nil {
		return err
	}
	answered := time.Since(began)
	var last time.Time
	for range affected {
		select {
		case last = <-closed:
		case <-time.After(10 * time.Second):
			return errors.New("an affected connection is still open after 10 s")
		}
	}
	f["recheck_connections"] = float64(len(conns))
	f["recheck_9500_ms"] = ms(last.Sub(began))
	f["recheck_answered_ms"] = ms(answered)
	f["recheck_others_added_p99_ms"] = max(0, ms(<-pinged-calm))
	if others.lost > 0 {
		return fmt.Errorf("%d connections that the change was not about were disturbed", others.lost)
	}
	return nil
}

func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

func person(i int) string { return fmt.Sprintf("p%d@example.org", i) }

// ping measures round trips on a few connections that nothing should happen to.
type ping struct {
	conns []*tls.Conn
	lost  int
}

func newPing(conns []*tls.Conn, affected int) *ping {
	p := &ping{}
	step := len(conns) / affected
	for i := 1; i < len(conns) && len(p.conns) < 20; i += 7 * step {
		p.conns = append(p.conns, conns[i])
	}
	return p
}

// run pings in turn for a time and returns the 99th percentile.
func (p *ping) run(for_ time.Duration) time.Duration {
	var all []time.Duration
	buf := make([]byte, 256)
	for end := time.Now().Add(for_); time.Now().Before(end); {
		for _, c := range p.conns {
			_ = c.SetDeadline(time.Now().Add(5 * time.Second))
			t := time.Now()
			if _, err := io.WriteString(c, "n NOOP\r\n"); err != nil {
				p.lost++
				continue
			}
			if _, err := c.Read(buf); err != nil {
				p.lost++
				continue
			}
			all = append(all, time.Since(t))
		}
		time.Sleep(time.Millisecond)
	}
	slices.Sort(all)
	return all[len(all)*99/100]
}

// doorway is the built binary in front of a small IMAP server.
type doorway struct {
	dir    string
	cmd    *exec.Cmd
	addr   string
	roots  *tls.Config
	admin  *http.Client
	server net.Listener
}

func startDoor(ctx context.Context, binary string) (_ *doorway, err error) {
	d := &doorway{}
	if d.dir, err = os.MkdirTemp("", "portreeve-bench"); err != nil {
		return nil, err
	}
	if d.server, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		return nil, err
	}
	go serveIMAP(d.server)
	if err := d.configure(); err != nil {
		return nil, err
	}
	d.cmd = exec.CommandContext(ctx, binary, "serve", "--config", filepath.Join(d.dir, "portreeve.yaml"))
	log, err := os.Create(filepath.Join(d.dir, "log"))
	if err != nil {
		return nil, err
	}
	d.cmd.Stdout, d.cmd.Stderr = log, log
	if err := d.cmd.Start(); err != nil {
		return nil, err
	}
	for range 200 {
		if c, err := net.Dial("tcp", d.addr); err == nil {
			_ = c.Close()
			return d, nil
		}
		time.Sleep(25 * time.Millisecond)
	}
	text, _ := os.ReadFile(log.Name())
	d.stop()
	return nil, fmt.Errorf("the binary does not serve: %s", text)
}

func (d *doorway) configure() error {
	authority, err := certs.Local("localhost")
	if err != nil {
		return err
	}
	d.roots = &tls.Config{RootCAs: authority.Pool(), ServerName: "localhost"}
	pair, err := certs.Write(d.dir, "door", authority.Server)
	if err != nil {
		return err
	}
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	d.addr = free.Addr().String()
	_ = free.Close()
	socket := filepath.Join(d.dir, "s")
	d.admin = &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", socket)
	}}}
	text := fmt.Sprintf(`
default_domain: example.org
state: %[1]s/state
admin: {socket: %[1]s/s}
listeners: [{protocol: imap, address: %[2]q, tls: implicit}]
tls: [{certificate: %[3]s, key: %[4]s}]
limits: {per_source: 20000}
backends: {small: {imap: {address: %[5]q, tls: none}}}
`, d.dir, d.addr, pair.Certificate, pair.Key, d.server.Addr())
	return os.WriteFile(filepath.Join(d.dir, "portreeve.yaml"), []byte(text), 0o600)
}

func (d *doorway) stop() {
	if d.cmd != nil && d.cmd.Process != nil {
		_ = d.cmd.Process.Signal(syscall.SIGTERM)
		_ = d.cmd.Wait()
	}
	_ = d.server.Close()
	_ = os.RemoveAll(d.dir)
}

func (d *doorway) post(ctx context.Context, path string, body []byte) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://portreeve"+path, bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := d.admin.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode >= 300 {
		text, _ := io.ReadAll(resp.Body)
		return fmt.Errorf("the policy was not taken: %s %s", resp.Status, text)
	}
	return nil
}

// openAll signs n people in, a few at a time.
func (d *doorway) openAll(ctx context.Context, n int) ([]*tls.Conn, error) {
	conns := make([]*tls.Conn, n)
	next := make(chan int)
	var wg sync.WaitGroup
	var mu sync.Mutex
	var failed error
	for range 16 {
		wg.Go(func() {
			for i := range next {
				c, err := d.signIn(ctx, i)
				mu.Lock()
				if conns[i] = c; err != nil && failed == nil {
					failed = fmt.Errorf("signing in %s: %w", person(i), err)
				}
				mu.Unlock()
			}
		})
	}
	for i := range n {
		next <- i
	}
	close(next)
	wg.Wait()
	return conns, failed
}

func (d *doorway) signIn(ctx context.Context, i int) (*tls.Conn, error) {
	from := net.Dialer{Timeout: 20 * time.Second, LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 2, byte(1+i%100))}}
	nc, err := from.DialContext(ctx, "tcp", d.addr)
	if err != nil {
		return nil, err
	}
	c := tls.Client(nc, d.roots)
	_ = c.SetDeadline(time.Now().Add(30 * time.Second))
	r := bufio.NewReaderSize(c, 512)
	if _, err := r.ReadString('\n'); err != nil {
		return nil, err
	}
	if _, err := fmt.Fprintf(c, "a LOGIN %s x\r\n", person(i)); err != nil {
		return nil, err
	}
	got, err := r.ReadString('\n')
	if err != nil || !strings.HasPrefix(got, "a OK") {
		return nil, fmt.Errorf("heard %q %w", got, err)
	}
	return c, c.SetDeadline(time.Time{})
}

// serveIMAP is the mail server behind: everybody's password is right.
func serveIMAP(l net.Listener) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		go func() {
			defer c.Close()
			r := bufio.NewReaderSize(c, 512)
			_, _ = io.WriteString(c, "* OK [CAPABILITY IMAP4rev1 SASL-IR LITERAL+ AUTH=PLAIN] ready\r\n")
			for {
				line, err := r.ReadString('\n')
				if err != nil {
					return
				}
				tag, _, _ := strings.Cut(line, " ")
				if _, err := io.WriteString(c, strings.TrimSpace(tag)+" OK done\r\n"); err != nil {
					return
				}
			}
		}()
	}
}
