package relay

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"math/big"
	"net"
	"runtime"
	"sync"
	"testing"
	"time"
)

// patience bounds every wait of these tests.
const patience = 20 * time.Second

// forms are the implementations that the suite runs over.
var forms = map[string]Options{
	"parked":     {Workers: 2},
	"goroutines": {Goroutines: true},
}

// kind says on which sides TLS is spoken.
type kind struct{ clientTLS, backendTLS bool }

func (k kind) String() string {
	name := map[bool]string{false: "plain", true: "tls"}
	return name[k.clientTLS] + "-" + name[k.backendTLS]
}

var kinds = []kind{{false, false}, {true, false}, {false, true}, {true, true}}

// conformance runs one test over every form and every mixture of TLS.
func conformance(t *testing.T, test func(*testing.T, *rig, kind)) {
	for name, o := range forms {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, o)
			for _, k := range kinds {
				t.Run(k.String(), func(t *testing.T) { test(t, r.in(t), k) })
			}
		})
	}
}

// rig is a running pool and what is needed to put pairs into it.
type rig struct {
	testing.TB
	pool *Pool
}

func newRig(t testing.TB, o Options) *rig {
	t.Helper()
	p, err := NewPool(o)
	if err != nil {
		t.Fatal(err)
	}
	ran := make(chan error, 1)
	go func() { ran <- p.Run(context.Background()) }()
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
		if err := <-ran; err != nil && err != errClosed {
			t.Error(err)
		}
		if n := p.Len(); n != 0 {
			t.Errorf("%d pairs are left in a closed pool", n)
		}
	})
	return &rig{t, p}
}

func (r *rig) in(t testing.TB) *rig { return &rig{t, r.pool} }

// peer is the far end of one side: the mail program, or the mail server.
type peer struct {
	net.Conn
	tcp *net.TCPConn
}

// closeWrite finishes as a careful program does: in TLS, then in TCP.
func (p *peer) closeWrite() error {
	if t, ok := p.Conn.(*tls.Conn); ok {
		if err := t.CloseWrite(); err != nil {
			return err
		}
	}
	return p.tcp.CloseWrite()
}

// told and peek are an Owner and a Peeker of one function each.
type (
	told func(Result)
	peek func([]byte) bool
)

func (f told) Done(r Result)      { f(r) }
func (f peek) Peek(b []byte) bool { return f(b) }

// joint is one carried pair with both far ends.
type joint struct {
	client, backend *peer
	handle          *Handle
	done            chan Result
}

// result waits for Done.
func (j *joint) result(t testing.TB) Result {
	t.Helper()
	select {
	case r := <-j.done:
		return r
	case <-time.After(patience):
		t.Fatal("the pair did not end")
		return Result{}
	}
}

// join makes both connections of a pair and hands them over.
func (r *rig) join(k kind, change ...func(*Pair)) *joint {
	r.Helper()
	j := &joint{done: make(chan Result, 2)}
	pair := Pair{Owner: told(func(res Result) { j.done <- res })}
	pair.Client, j.client = r.side(k.clientTLS, true)
	pair.Backend, j.backend = r.side(k.backendTLS, false)
	for _, f := range change {
		f(&pair)
	}
	j.handle = r.pool.Carry(pair)
	return j
}

// side makes one connection; a client's handshake has us as the server.
func (r *rig) side(withTLS, fromClient bool) (Side, *peer) {
	r.Helper()
	ours, theirs := connect(r)
	s := Side{Socket: NewSocket(ours)}
	p := &peer{Conn: theirs, tcp: theirs}
	if withTLS {
		near, far := tls.Server, tls.Client
		if !fromClient {
			near, far = tls.Client, tls.Server
		}
		s.TLS = near(s.Socket, tlsConfig())
		t := far(theirs, tlsConfig())
		p.Conn = t
		shake(r, s.TLS, t)
	}
	p.SetDeadline(time.Now().Add(patience))
	return s, p
}

func shake(t testing.TB, near, far *tls.Conn) {
	t.Helper()
	err := make(chan error, 1)
	go func() { err <- far.Handshake() }()
	if e := near.Handshake(); e != nil {
		t.Fatal(e)
	}
	if e := <-err; e != nil {
		t.Fatal(e)
	}
}

// connect makes a TCP connection over loopback; both ends close with the test.
func connect(t testing.TB) (ours, theirs *net.TCPConn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	a, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { a.Close(); c.Close() })
	return a.(*net.TCPConn), c.(*net.TCPConn)
}

var tlsConfig = sync.OnceValue(func() *tls.Config {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	crt := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{"localhost"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, crt, crt, &key.PublicKey, key)
	if err != nil {
		panic(err)
	}
	return &tls.Config{
		Certificates:           []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}},
		InsecureSkipVerify:     true, // the suite is about bytes, not about who sends them
		SessionTicketsDisabled: true, // so that the tests' own record layer knows all sequence numbers
		CurvePreferences:       []tls.CurveID{tls.X25519},
	}
})

// eventually waits until a statement holds.
func eventually(t testing.TB, what string, holds func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(2 * time.Millisecond) {
		if holds() {
			return
		}
	}
	buf := make([]byte, 64<<10)
	t.Fatalf("%s: never\n%s", what, buf[:runtime.Stack(buf, true)])
}
