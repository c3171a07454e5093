package proxy

import (
	"net"
	"testing"
	"time"

	"github.com/portreeve/portreeve/internal/backend"
	"github.com/portreeve/portreeve/internal/relay"
	"github.com/portreeve/portreeve/internal/session"
	"github.com/portreeve/portreeve/internal/signin"
)

// stuck is a dialect whose watched session waits for the mail server's answer.
type stuck struct {
	Dialect
	began chan struct{}
}

func (s stuck) Watch(w Watched) string {
	close(s.began)
	_, err := w.Backend.Read(make([]byte, 1))
	if err == nil {
		return "something was read"
	}
	if _, err := w.Client.Write([]byte("x")); err == nil {
		return "something was written after the end"
	}
	return "let go"
}

// unwatched is a dialect that can hold nobody to anything.
type unwatched struct{ Dialect }

type lastEvent chan signin.SessionEvent

func (l lastEvent) Session(e signin.SessionEvent) {
	if !e.Closed.IsZero() {
		l <- e
	}
}

func tcpPair(t *testing.T) (a, b *net.TCPConn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	near, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	far, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = near.Close(), far.Close() })
	return near.(*net.TCPConn), far.(*net.TCPConn)
}

// Ending a watched session does not wait for a mail server that says nothing.
func TestAWatchedSessionEndsWhileTheServerIsSilent(t *testing.T) {
	near, _ := tcpPair(t)
	back, _ := tcpPair(t)
	events := make(lastEvent, 1)
	s := New(Options{Journal: events})
	c := s.newConn(near)
	out := signin.Outcome{Attempt: signin.Attempt{ID: signin.NewID(1, [10]byte{1}), At: time.Now()}}
	var sessions session.Registry
	sess, ok := sessions.Open(&out, "main", c.end)
	if !ok {
		t.Fatal("the session does not open")
	}
	d := stuck{began: make(chan struct{})}
	over := make(chan struct{})
	go func() {
		defer close(over)
		s.watchOver(c, d, &watch{&backend.Conn{Socket: relay.NewSocket(back)}, sess, out})
	}()
	<-d.began
	sessions.Matching(func(*session.Session) bool { return true }, signin.SessionEnded, "taken back")
	select {
	case <-over:
	case <-time.After(10 * time.Second):
		t.Fatal("it waits for the mail server")
	}
	if e := <-events; e.Reason != "taken back" {
		t.Errorf("it ended for %q", e.Reason)
	}
	if sessions.Len() != 0 {
		t.Error("the session is still in the registry")
	}
}

// Who may send only some mail is not let in over a protocol that cannot hold
// them to it.
func TestALimitThatCannotBeHeldLetsNobodyIn(t *testing.T) {
	limited := &signin.Outcome{Principal: signin.Principal{Sending: &signin.Sending{PerHour: 1}}}
	if watchable(unwatched{}, limited) || !watchable(unwatched{}, &signin.Outcome{}) || !watchable(stuck{}, limited) {
		t.Error("limits that cannot be held are not refused")
	}
}
