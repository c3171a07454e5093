package demo

import (
	"crypto/subtle"
	"fmt"
	"io"
	"log"
	"net"
	"sync"
	"time"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"
)

// maxLetter bounds a letter, in bytes.
const maxLetter = 1 << 20

// mailOut is the part of the demo's mail server that takes mail from people who
// signed in. Like the other, it lets the gate in as anybody, and nobody else.
type mailOut struct {
	addr     string
	password string // of master
	server   *smtp.Server

	mu   sync.Mutex
	sent []letter
}

// letter is one that was taken.
type letter struct{ who, from, to string }

// startMailOut serves submission on a loopback port.
func startMailOut(password string) (*mailOut, error) {
	m := &mailOut{password: password}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("starting the demo's mail server: %w", err)
	}
	m.addr = l.Addr().String()
	m.server = smtp.NewServer(smtp.BackendFunc(func(*smtp.Conn) (smtp.Session, error) { return &outSession{m: m}, nil }))
	m.server.Domain, m.server.AllowInsecureAuth, m.server.MaxMessageBytes = "localhost", true, maxLetter
	m.server.ReadTimeout, m.server.WriteTimeout = time.Minute, time.Minute
	m.server.ErrorLog = log.New(io.Discard, "", 0)
	go func() { _ = m.server.Serve(l) }() // ends when close closes the server
	return m, nil
}

func (m *mailOut) close() { _ = m.server.Close() }

// taken is how many letters of somebody were taken.
func (m *mailOut) taken(who string) (n int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, l := range m.sent {
		if l.who == who {
			n++
		}
	}
	return n
}

// outSession is one connection.
type outSession struct {
	m *mailOut
	letter
}

// AuthMechanisms and Auth let the gate act for a person (RFC 4616).
func (s *outSession) AuthMechanisms() []string { return []string{sasl.Plain} }

// Auth checks the gate's own password.
func (s *outSession) Auth(string) (sasl.Server, error) {
	return sasl.NewPlainServer(func(identity, username, password string) error {
		if username != master || identity == "" || subtle.ConstantTimeCompare([]byte(password), []byte(s.m.password)) != 1 {
			return smtp.ErrAuthFailed
		}
		s.who = identity
		return nil
	}), nil
}

// Mail begins a letter.
func (s *outSession) Mail(from string, _ *smtp.MailOptions) error {
	if s.who == "" {
		return smtp.ErrAuthRequired
	}
	s.from = from
	return nil
}

// Rcpt takes a recipient.
func (s *outSession) Rcpt(to string, _ *smtp.RcptOptions) error {
	s.to = to
	return nil
}

// Data takes the letter.
func (s *outSession) Data(r io.Reader) error {
	if _, err := io.Copy(io.Discard, r); err != nil {
		return err
	}
	s.m.mu.Lock()
	defer s.m.mu.Unlock()
	s.m.sent = append(s.m.sent, s.letter)
	return nil
}

// Reset forgets the letter, not who it is.
func (s *outSession) Reset() { s.from, s.to = "", "" }

// Logout ends it.
func (s *outSession) Logout() error { return nil }
