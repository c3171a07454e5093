package demo

import (
	"crypto/rand"
	"crypto/subtle"
	"encoding/hex"
	"fmt"
	"io"
	"log"
	"net"
	"strings"
	"sync/atomic"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapserver"
	"github.com/emersion/go-imap/v2/imapserver/imapmemserver"
	"github.com/emersion/go-sasl"
)

// master is the user as whom the gate signs in at the demo's mail server.
const master = "gate"

// mailServer is a small IMAP server in memory. It knows nothing of tokens,
// policies or second factors: it lets the gate in as anybody, and nobody else.
type mailServer struct {
	addr     string
	password string // of master
	listener net.Listener
	server   *imapserver.Server
	users    map[string]*imapmemserver.User
	knocks   atomic.Int64 // sign-ins tried, whatever they came to
}

// startMailServer serves mailboxes with a few messages on a loopback port.
func startMailServer(addresses []string) (*mailServer, error) {
	var random [16]byte
	_, _ = rand.Read(random[:]) // never fails on the systems we run on
	m := &mailServer{password: hex.EncodeToString(random[:]), users: map[string]*imapmemserver.User{}}
	for _, a := range addresses {
		u, err := mailbox(a)
		if err != nil {
			return nil, fmt.Errorf("making %s's mailbox: %w", a, err)
		}
		m.users[a] = u
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("starting the demo's mail server: %w", err)
	}
	m.listener, m.addr = l, l.Addr().String()
	m.server = imapserver.New(&imapserver.Options{
		NewSession: func(*imapserver.Conn) (imapserver.Session, *imapserver.GreetingData, error) {
			return &mailSession{m: m}, nil, nil
		},
		Caps:         imap.CapSet{imap.CapIMAP4rev1: {}, imap.CapIMAP4rev2: {}},
		InsecureAuth: true, // loopback only
		Logger:       log.New(io.Discard, "", 0),
	})
	go func() { _ = m.server.Serve(l) }() // ends when close closes the server
	return m, nil
}

func (m *mailServer) close() { _ = m.server.Close() }

// welcome is what is in every mailbox.
var welcome = []string{"Welcome", "Minutes of Tuesday", "Lunch?"}

func mailbox(address string) (*imapmemserver.User, error) {
	u := imapmemserver.NewUser(address, "")
	if err := u.Create("INBOX", nil); err != nil {
		return nil, err
	}
	for _, subject := range welcome {
		msg := fmt.Sprintf("From: office@planet.example\r\nTo: %s\r\nSubject: %s\r\n\r\nHello.\r\n", address, subject)
		if _, err := u.Append("INBOX", literal{strings.NewReader(msg), int64(len(msg))}, &imap.AppendOptions{}); err != nil {
			return nil, err
		}
	}
	return u, nil
}

// literal is a message of known size.
type literal struct {
	io.Reader
	size int64
}

func (l literal) Size() int64 { return l.size }

// mailSession is one connection; it has a mailbox once the gate signed in.
type mailSession struct {
	*imapmemserver.UserSession
	m *mailServer
}

// Login is closed: only the gate comes in.
func (s *mailSession) Login(string, string) error {
	s.m.knocks.Add(1)
	return imapserver.ErrAuthFailed
}

// Close ends the session; before sign-in there is nothing to end.
func (s *mailSession) Close() error {
	if s.UserSession == nil {
		return nil
	}
	return s.UserSession.Close()
}

// AuthenticateMechanisms and Authenticate let the gate act for a person (RFC 4616).
func (s *mailSession) AuthenticateMechanisms() []string { return []string{sasl.Plain} }

// Authenticate checks the gate's own password.
func (s *mailSession) Authenticate(string) (sasl.Server, error) {
	s.m.knocks.Add(1)
	return sasl.NewPlainServer(func(identity, username, password string) error {
		u := s.m.users[identity]
		if username != master || u == nil || subtle.ConstantTimeCompare([]byte(password), []byte(s.m.password)) != 1 {
			return imapserver.ErrAuthFailed
		}
		s.UserSession = imapmemserver.NewUserSession(u)
		return nil
	}), nil
}
