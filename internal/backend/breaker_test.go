package backend

import (
	"bufio"
	"context"
	"errors"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/portreeve/portreeve/internal/protocol"
)

// slowOver is a mail server that greets one client never (its name server does
// not answer, say) and lets everybody else in at once.
func slowOver(t *testing.T, client string) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	serve := func(c net.Conn) {
		defer c.Close()
		r := bufio.NewReader(c)
		say := func(s string) { _, _ = c.Write([]byte(s + "\r\n")) }
		header, err := r.ReadString('\n')
		if err != nil || strings.Contains(header, client) {
			_, _ = r.ReadString('\n') // until the other end goes
			return
		}
		say("220 mail.example.org")
		for {
			line, err := r.ReadString('\n')
			switch {
			case err != nil:
				return
			case strings.HasPrefix(line, "EHLO"):
				say("250-mail.example.org\r\n250 AUTH PLAIN")
			case strings.HasPrefix(line, "AUTH"):
				say("235 in")
			default:
				say("250 ok")
			}
		}
	}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go serve(c)
		}
	}()
	return l.Addr().String()
}

// Whoever can make the mail server wait for their own name server must not
// close the door for everybody else.
func TestAServerThatIsSlowOverOneClientIsNotAway(t *testing.T) {
	p := newPool(t, Options{Proxy: 1, LoginTimeout: 2 * time.Second,
		Endpoints: map[protocol.Protocol]Endpoint{protocol.Submission: {Address: slowOver(t, "198.51.100.66"), TLS: TLSNone}}})
	lame, good := request(protocol.Submission, 1), request(protocol.Submission, 2)
	lame.Client = netip.MustParseAddrPort("198.51.100.66:4000")
	for range breakerLimit {
		if err := p.Login(context.Background(), lame); !errors.Is(err, ErrAway) {
			t.Fatal(err)
		}
	}
	stop := make(chan struct{})
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			select {
			case <-stop:
				return
			default:
				_ = p.Login(context.Background(), lame)
			}
		}
	}()
	for range 20 {
		begin := time.Now()
		if err := p.Login(context.Background(), good); err != nil {
			t.Errorf("somebody else was kept out: %v", err)
		}
		if took := time.Since(begin); took > 1500*time.Millisecond {
			t.Errorf("somebody else waited %v", took)
		}
		time.Sleep(30 * time.Millisecond)
	}
	close(stop)
	<-done
}
