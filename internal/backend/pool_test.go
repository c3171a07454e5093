package backend

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/portreeve/portreeve/internal/mailtest"
	"github.com/portreeve/portreeve/internal/protocol"
)

// letsIn is a fake that lets everybody in, and then waits for a goodbye.
func letsIn(t *testing.T) *fake {
	return startFake(t, nil, steps(ready[protocol.IMAP], authenticate[protocol.IMAP], []string{"S: p OK in", "silence"})...)
}

func imapPool(t *testing.T, address string) *Pool {
	return newPool(t, Options{Endpoints: map[protocol.Protocol]Endpoint{protocol.IMAP: {Address: address, TLS: TLSNone}}})
}

// alive says whether the far end still holds the connection after a moment.
func alive(c *Conn) bool {
	_ = c.Socket.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
	_, err := c.Socket.Read(make([]byte, 1))
	var timeout net.Error
	return errors.As(err, &timeout) && timeout.Timeout()
}

func TestHeldConnections(t *testing.T) {
	f := letsIn(t)
	ctx := context.Background()
	q, other := request(protocol.IMAP, 1), request(protocol.IMAP, 2)
	login := func(p *Pool, q Request) *Conn {
		t.Helper()
		if err := p.Login(ctx, q); err != nil {
			t.Fatal(err)
		}
		return p.held.byID[q.ID].conn
	}
	t.Run("claimed once", func(t *testing.T) {
		p := imapPool(t, f.address)
		held := login(p, q)
		c, err := p.Dial(ctx, q)
		if err != nil || c != held || !alive(c) {
			t.Fatalf("%v, %p is not %p", err, c, held)
		}
		again, err := p.Dial(ctx, q)
		if err != nil || again == held {
			t.Fatalf("claimed twice: %v", err)
		}
		_, _ = c.Close(), again.Close()
	})
	t.Run("released", func(t *testing.T) {
		p := imapPool(t, f.address)
		held := login(p, q)
		p.Release(q.ID)
		p.Release(q.ID)
		if alive(held) || len(p.held.byID) > 0 {
			t.Error("still signed in")
		}
	})
	t.Run("not for another person", func(t *testing.T) {
		p := imapPool(t, f.address)
		held := login(p, q)
		thief := q
		thief.Address = mailtest.Another
		c, err := p.Dial(ctx, thief)
		if err != nil || c == held || alive(held) {
			t.Fatalf("%v: held for one, claimed by another", err)
		}
		_ = c.Close()
	})
	t.Run("not for another sign-in", func(t *testing.T) {
		p := imapPool(t, f.address)
		held := login(p, q)
		c, err := p.Dial(ctx, other)
		if err != nil || c == held {
			t.Fatal(err)
		}
		_ = c.Close()
	})
	t.Run("without an id", func(t *testing.T) {
		p := imapPool(t, f.address)
		q := q
		q.ID = [16]byte{}
		if err := p.Login(ctx, q); err != nil || len(p.held.byID) > 0 {
			t.Errorf("%v, %d held", err, len(p.held.byID))
		}
	})
	t.Run("expired", func(t *testing.T) {
		p := imapPool(t, f.address)
		held := login(p, q)
		p.held.expire(time.Now().Add(holdTime - time.Second))
		if !alive(held) {
			t.Fatal("logged out too early")
		}
		p.held.expire(time.Now().Add(holdTime + time.Second))
		if alive(held) {
			t.Error("held for ever")
		}
	})
	t.Run("closed", func(t *testing.T) {
		p := imapPool(t, f.address)
		held := login(p, q)
		_ = p.Close()
		if alive(held) {
			t.Error("signed in after Close")
		}
		if err := p.Login(ctx, other); err != nil || len(p.held.byID) > 0 {
			t.Errorf("%v: held after Close", err)
		}
	})
	t.Run("bounded", func(t *testing.T) {
		p := imapPool(t, f.address)
		held := login(p, q)
		p.held.byID[q.ID].since = time.Now().Add(-time.Second)
		for n := range maxHeld - 1 {
			id := q.ID
			id[0], id[1], id[15] = byte(n>>8), byte(n), 99
			p.held.byID[id] = &hold{conn: held, since: time.Now()}
		}
		login(p, other)
		if len(p.held.byID) != maxHeld || p.held.byID[q.ID] != nil || p.held.byID[other.ID] == nil {
			t.Errorf("%d held", len(p.held.byID))
		}
		_, _ = held.Close(), p.held.byID[other.ID].conn.Close()
		clear(p.held.byID)
	})
}

func TestSignInsInParallel(t *testing.T) {
	f := letsIn(t)
	p := imapPool(t, f.address)
	var all sync.WaitGroup
	for n := range 50 {
		all.Go(func() {
			q := request(protocol.IMAP, byte(n))
			if err := p.Login(context.Background(), q); err != nil {
				t.Error(err)
			}
			if n%2 == 0 {
				p.Release(q.ID)
				return
			}
			c, err := p.Dial(context.Background(), q)
			if err != nil {
				t.Error(err)
				return
			}
			_ = c.Close()
		})
	}
	all.Wait()
}

func TestRoutes(t *testing.T) {
	endpoints := map[protocol.Protocol]Endpoint{protocol.IMAP: {Address: "127.0.0.1:1", TLS: TLSNone}}
	all := []Options{{Name: "one", Endpoints: endpoints}, {Name: "two", Endpoints: endpoints}}
	p, err := New(all, Routes{Domains: map[string]string{"two.example": "two"}, Default: "one"})
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ address, backend, want string }{
		{"mary@one.example", "", "one"}, {"mary@two.example", "", "two"}, {"mary@TWO.example", "", "two"}, {"mary", "", "one"}, {"mary@one.example", "two", "two"},
	} {
		s, err := p.find(&Request{Address: tt.address, Protocol: protocol.IMAP, Backend: tt.backend})
		if err != nil || s.options.Name != tt.want {
			t.Errorf("%+v: %v", tt, err)
		}
	}
	for _, q := range []Request{{Address: "mary@one.example", Protocol: protocol.POP3}, {Address: "mary@one.example", Protocol: protocol.IMAP, Backend: "three"}} {
		if _, err := p.Dial(context.Background(), q); !errors.Is(err, ErrNoBackend) {
			t.Error(err)
		}
		if err := p.Login(context.Background(), q); !errors.Is(err, ErrNoBackend) {
			t.Error(err)
		}
	}
	if _, err := New(all, Routes{Default: "three"}); err == nil {
		t.Error("a route to nowhere")
	}
	if _, err := New(all, Routes{Domains: map[string]string{"x": "three"}}); err == nil {
		t.Error("a route to nowhere")
	}
}

func TestOptionsThatAreRefused(t *testing.T) {
	loopback := map[protocol.Protocol]Endpoint{protocol.IMAP: {Address: "127.0.0.1:143", TLS: TLSNone}}
	for name, o := range map[string]Options{
		"no name":                   {Endpoints: loopback},
		"passwords in clear":        {Name: "x", Endpoints: map[protocol.Protocol]Endpoint{protocol.IMAP: {Address: "192.0.2.1:143", TLS: TLSNone}}},
		"passwords in clear, named": {Name: "x", Endpoints: map[protocol.Protocol]Endpoint{protocol.IMAP: {Address: "mail.example:143", TLS: TLSNone}}},
		"no port":                   {Name: "x", Endpoints: map[protocol.Protocol]Endpoint{protocol.IMAP: {Address: "127.0.0.1"}}},
		"master without a password": {Name: "x", Endpoints: loopback, Login: LoginMaster, MasterUser: "gate"},
		"token without a mint":      {Name: "x", Endpoints: loopback, Login: LoginToken},
		"token by PLAIN":            {Name: "x", Endpoints: loopback, TokenMechanism: "PLAIN"},
		"PROXY 3":                   {Name: "x", Endpoints: loopback, Proxy: 3},
		"a protocol of HTTP":        {Name: "x", Endpoints: map[protocol.Protocol]Endpoint{protocol.EWS: {Address: "127.0.0.1:443"}}},
	} {
		if _, err := New([]Options{o}, Routes{}); err == nil {
			t.Errorf("%s was taken", name)
		}
	}
	if _, err := New([]Options{{Name: "x"}, {Name: "x"}}, Routes{}); err == nil {
		t.Error("two of one name were taken")
	}
}

func TestPasswordOnlyNeedsAPassword(t *testing.T) {
	f := letsIn(t)
	q := request(protocol.IMAP, 1)
	q.Password = nil
	if _, err := imapPool(t, f.address).Dial(context.Background(), q); !errors.Is(err, ErrAway) {
		t.Error(err)
	}
	if clear, _ := f.heard(); clear != "" {
		t.Errorf("it was asked: %q", clear)
	}
}

func TestCapabilitiesAreWhatAllBackendsHave(t *testing.T) {
	d := mailtest.StartDovecot(t, mailtest.DovecotOptions{Trusted: true})
	postfix := mailtest.StartPostfix(t, mailtest.PostfixOptions{Dovecot: d, XCLIENT: "127.0.0.0/8"})
	other := startFake(t, nil, "S: 220 x", "C: EHLO", "S: 250-x|250-SIZE 1000|250-8bitmime|250-AUTH PLAIN|250 HELP", "silence")
	p, err := New([]Options{
		{Name: "one", Endpoints: map[protocol.Protocol]Endpoint{
			protocol.IMAP: {Address: d.IMAPS, RootCAs: d.Authority.Pool()}, protocol.POP3: {Address: d.POP3, TLS: TLSNone},
			protocol.Sieve: {Address: d.Sieve, TLS: TLSStartTLS, RootCAs: d.Authority.Pool()}, protocol.Submission: {Address: postfix.Submission, TLS: TLSStartTLS, RootCAs: postfix.Authority.Pool()}}},
		{Name: "two", Endpoints: map[protocol.Protocol]Endpoint{protocol.Submission: {Address: other.address, TLS: TLSNone}},
			Capabilities: map[protocol.Protocol][]string{protocol.POP3: {"UIDL", "X-OURS"}}},
	}, Routes{Default: "one"})
	if err != nil {
		t.Fatal(err)
	}
	if p.Capabilities(protocol.IMAP) != nil {
		t.Error("known before anybody was asked")
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- p.Run(ctx) }()
	for end := time.Now().Add(20 * time.Second); p.States() == nil && time.Now().Before(end); {
		time.Sleep(5 * time.Millisecond)
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
	if got := p.Capabilities(protocol.IMAP); !slices.Contains(got, "LITERAL+") || slices.ContainsFunc(got, func(c string) bool { return strings.HasPrefix(c, "AUTH=") || c == "LOGIN-REFERRALS" || c == "SASL-IR" }) {
		t.Errorf("imap %q", got)
	}
	if got := p.Capabilities(protocol.POP3); !slices.Equal(got, []string{"UIDL"}) {
		t.Errorf("pop3 %q", got)
	}
	sieve := strings.Join(p.Capabilities(protocol.Sieve), "\n")
	if !strings.Contains(sieve, `SIEVE fileinto`) || !strings.Contains(sieve, `NOTIFY mailto`) || strings.Contains(sieve, "SASL") || strings.Contains(sieve, "XCLIENT") {
		t.Errorf("sieve %q", sieve)
	}
	if got := p.Capabilities(protocol.Submission); !slices.Equal(got, []string{"SIZE 1000", "8BITMIME"}) {
		t.Errorf("submission %q", got)
	}
	for _, s := range p.States() {
		if s.Fault != "" {
			t.Errorf("%+v", s)
		}
	}
	if got := p.known.pause(); got != probeTime {
		t.Errorf("asked again after %v, with everybody there", got)
	}
	d.Stop()
	p.known.refresh(context.Background(), p)
	if got := p.Capabilities(protocol.IMAP); !slices.Contains(got, "LITERAL+") {
		t.Errorf("forgotten because it is away: %q", got)
	}
	if s := p.States(); s[0].Fault == "" {
		t.Errorf("%+v", s[0])
	}
}

func TestNobodyWaitsForASilentEndpoint(t *testing.T) {
	silent, err := net.Listen("tcp", "127.0.0.1:0") // connects, and never says a word
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	there := startFake(t, nil, "S: 220 x", "C: EHLO", "S: 250-x|250 SIZE 1000", "silence")
	p := newPool(t, Options{Name: "x", Endpoints: map[protocol.Protocol]Endpoint{
		protocol.Submission: {Address: there.address, TLS: TLSNone}, protocol.POP3: {Address: silent.Addr().String(), TLS: TLSNone}}})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		p.known.refresh(ctx, p)
	}()
	for end := time.Now().Add(20 * time.Second); p.Capabilities(protocol.Submission) == nil && time.Now().Before(end); {
		time.Sleep(5 * time.Millisecond)
	}
	if got := p.Capabilities(protocol.Submission); !slices.Equal(got, []string{"SIZE 1000"}) {
		t.Errorf("%q while another endpoint is silent", got)
	}
	cancel()
	<-done
	if got := p.known.pause(); got != returnTime {
		t.Errorf("asked again after %v, with an endpoint away", got)
	}
}

func TestSourceAddressesTakeTurns(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	seen := make(chan string, 4)
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			seen <- c.RemoteAddr().(*net.TCPAddr).IP.String()
			_ = c.Close()
		}
	}()
	o := Options{Name: "x", SourceAddrs: []netip.Addr{netip.MustParseAddr("127.0.0.2"), netip.MustParseAddr("127.0.0.3"), netip.MustParseAddr("192.0.2.99")},
		Endpoints: map[protocol.Protocol]Endpoint{protocol.IMAP: {Address: l.Addr().String(), TLS: TLSNone}}}
	p := newPool(t, o)
	count := map[string]int{}
	for range 4 { // the third address is not ours, as one without ports: it is passed over
		_, _ = p.Dial(context.Background(), request(protocol.IMAP, 1))
		select {
		case from := <-seen:
			count[from]++
		case <-time.After(20 * time.Second):
			t.Fatal("no connection")
		}
	}
	if count["127.0.0.2"] == 0 || count["127.0.0.3"] == 0 || len(count) != 2 {
		t.Errorf("%v", count)
	}
}

func TestPortsLeftWhereBackendsShareAServer(t *testing.T) {
	f := letsIn(t)
	endpoints := map[protocol.Protocol]Endpoint{protocol.IMAP: {Address: f.address, TLS: TLSNone}}
	p, err := New([]Options{{Name: "one", Endpoints: endpoints, SourceAddrs: []netip.Addr{netip.MustParseAddr("127.0.0.8")}},
		{Name: "two", Endpoints: endpoints}}, Routes{Default: "one"})
	if err != nil {
		t.Fatal(err)
	}
	ports, err := p.PortsLeft(context.Background())
	if err != nil || len(ports) != 2 {
		t.Fatalf("%v %+v", err, ports)
	}
	for _, x := range ports {
		if x.Left < 1000 {
			t.Errorf("%+v", x)
		}
	}
}

func TestPortsLeft(t *testing.T) {
	f := letsIn(t)
	from := netip.MustParseAddr("127.0.0.9")
	o := Options{Name: "x", SourceAddrs: []netip.Addr{from}, Endpoints: map[protocol.Protocol]Endpoint{protocol.IMAP: {Address: f.address, TLS: TLSNone}}}
	p := newPool(t, o)
	left := func() int {
		t.Helper()
		ports, err := p.PortsLeft(context.Background())
		if err != nil || len(ports) != 1 || ports[0].Source != from {
			t.Fatalf("%v %+v", err, ports)
		}
		return ports[0].Left
	}
	before := left()
	for n := range 10 {
		c, err := p.Dial(context.Background(), request(protocol.IMAP, byte(n)))
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
	}
	if after := left(); before < 1000 || after != before-10 {
		t.Errorf("%d, then %d", before, after)
	}
}

func TestManyConnectionsOfOnePersonOnDovecotsDefaults(t *testing.T) {
	d := mailtest.StartDovecot(t, mailtest.DovecotOptions{Trusted: true})
	p := newPool(t, Options{ID: true, Endpoints: map[protocol.Protocol]Endpoint{protocol.IMAP: {Address: d.IMAP, TLS: TLSNone}}})
	for n := range 25 {
		q := request(protocol.IMAP, byte(n))
		q.Client = netip.MustParseAddrPort(fmt.Sprintf("203.0.113.%d:%d", n%3+1, 40000+n))
		c, err := p.Dial(context.Background(), q)
		if err != nil {
			t.Fatalf("connection %d: %v\n%s", n+1, err, d.Log())
		}
		defer c.Close()
		exchange(t, c, "x NOOP", "x OK")
	}
}

func TestDovecotsPenaltyNeverActsOnTheGate(t *testing.T) {
	d := mailtest.StartDovecot(t, mailtest.DovecotOptions{Trusted: true})
	p := newPool(t, Options{ID: true, Endpoints: map[protocol.Protocol]Endpoint{protocol.IMAP: {Address: d.IMAP, TLS: TLSNone}}})
	var all sync.WaitGroup
	for n := range 40 { // from one address, each of a kind that Dovecot counts
		all.Go(func() {
			q := request(protocol.IMAP, byte(n))
			q.Client, q.Password = netip.MustParseAddrPort("198.51.100.1:50000"), fmt.Appendf(nil, "wrong %d", n)
			if err := p.Login(context.Background(), q); !errors.Is(err, ErrRefused) {
				t.Error(err)
			}
		})
	}
	all.Wait()
	begin := time.Now()
	if err := p.Login(context.Background(), request(protocol.IMAP, 99)); err != nil {
		t.Errorf("%v\n%s", err, d.Log())
	}
	if took := time.Since(begin); took > 5*time.Second { // Dovecot's penalty would be 15 s
		t.Errorf("somebody else had to wait for %v", took)
	}
}
