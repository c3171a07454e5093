// Package notify sends people short notices by mail, through the mail server
// behind us: that a program waits for approval, that a second factor is new. It
// says what it is told to say, to whom it is told, in plain text.
//
// Much of what a notice tells was written by a stranger (the name of a program,
// say), so nothing of it can become a header, a line of its own, or a link: see
// clean.go. And a stranger can cause notices, so that they are few: one a
// day of a kind, person and program, from a queue with an end. What does not fit is
// dropped and counted; a mail server that is away is tried again for an hour.
package notify

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/mail"
	"strconv"
	"strings"
	"sync"
	"time"

	gomail "github.com/wneessen/go-mail"

	"github.com/portreeve/portreeve/internal/store"
)

// Bounds on what strangers can cause.
const (
	sendTime   = 30 * time.Second // one mail, from the connection on
	queueMost  = 256              // notices that wait
	toldMost   = 20_000           // notices of the last day that are remembered, about 150 bytes each
	oncePer    = 24 * time.Hour
	maxSubject = 120             // characters
	maxText    = 8 << 10         // bytes
	keepTime   = 2 * time.Second // to write that a notice was sent, also while stopping
)

// tries are how long after a failure a notice is sent again; then it is dropped.
var tries = []time.Duration{time.Minute, 10 * time.Minute, time.Hour}

// Options say where notices go and whose they are.
type Options struct {
	// Address is the mail server's, host:port, which must take mail for our
	// people from us without AUTH.
	Address string
	// TLS is implicit, starttls, or none.
	TLS string
	// RootCAs verify the mail server's certificate; nil: the machine's.
	RootCAs *x509.CertPool
	// ServerName is the name in it; empty: the host of Address.
	ServerName string
	// From is the sender's address, Name the one people read beside it.
	From, Name string
	// PublicURL is the only address that may stand in a text as a link.
	PublicURL string
	// Fault is told of a notice that could not be sent, in the end, or not be
	// remembered; it may be nil.
	Fault func(to string, err error)
	// Store remembers over a restart who was told; nil: only memory does.
	Store *store.Store
}

// Notice is one mail to a person.
type Notice struct {
	Person  string // id; notices are counted by it
	To      string // their address
	Kind    string // "approval", "factor" …: one a day of each
	Program string // for kinds that are about one, else empty
	Subject string
	Text    string
}

// Mailer sends notices. It is safe for concurrent use.
type Mailer struct {
	o     Options
	host  string
	port  int
	queue chan Notice
	mu    sync.Mutex
	told  map[subject]time.Time
	state State
}

// subject is what there is one notice a day of.
type subject struct{ person, kind, program string }

// State is what became of notices since the start.
type State struct {
	Sent    int64 `json:"sent"`
	Failed  int64 `json:"failed"`  // given up
	Dropped int64 `json:"dropped"` // the queue or the memory of a day was full
	Waiting int   `json:"waiting"`
}

// New makes a mailer, which knows what was told before; nothing is sent before Run.
func New(ctx context.Context, o Options) (*Mailer, error) {
	host, port, err := net.SplitHostPort(o.Address)
	if err != nil {
		return nil, fmt.Errorf("notices: %w", err)
	}
	m := &Mailer{o: o, host: host, queue: make(chan Notice, queueMost), told: map[subject]time.Time{}}
	if m.port, err = strconv.Atoi(port); err != nil {
		return nil, fmt.Errorf("notices: port %q is no number", port)
	}
	if err := address(o.From); err != nil {
		return nil, fmt.Errorf("notices: from: %w", err)
	}
	if _, err := m.connect(); err != nil {
		return nil, fmt.Errorf("notices: %w", err)
	}
	return m, m.remember(ctx)
}

// remember takes up what was told on the day before a restart.
func (m *Mailer) remember(ctx context.Context) error {
	if m.o.Store == nil {
		return nil
	}
	now := time.Now()
	told, err := m.o.Store.Notices(ctx, now.Add(-oncePer), toldMost)
	if err != nil {
		return fmt.Errorf("reading which notices were sent: %w", err)
	}
	for _, n := range told {
		if n.At.After(now) { // the clock was wrong, then or now
			n.At = now
		}
		m.told[subject{n.Person, n.Kind, n.About}] = n.At
	}
	return nil
}

// keep writes that somebody was told, once the mail server has the notice: one
// that was lost with us is told anew.
func (m *Mailer) keep(ctx context.Context, n Notice) error {
	if m.o.Store == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), keepTime)
	defer cancel()
	now := time.Now()
	return m.o.Store.Write(ctx, func(tx *store.Tx) error {
		if err := tx.ForgetNotices(now.Add(-oncePer)); err != nil {
			return err
		}
		return tx.PutNotice(store.Notice{Person: n.Person, Kind: n.Kind, About: n.Program, At: now})
	})
}

// connect prepares a connection; nothing is dialled yet.
func (m *Mailer) connect() (*gomail.Client, error) {
	name := m.o.ServerName
	if name == "" {
		name = m.host
	}
	_, domain, _ := strings.Cut(m.o.From, "@")
	options := []gomail.Option{gomail.WithPort(m.port), gomail.WithTimeout(sendTime), gomail.WithHELO(domain),
		gomail.WithTLSConfig(&tls.Config{ServerName: name, RootCAs: m.o.RootCAs, MinVersion: tls.VersionTLS12})}
	switch m.o.TLS {
	case "implicit":
		options = append(options, gomail.WithSSL())
	case "starttls":
		options = append(options, gomail.WithTLSPolicy(gomail.TLSMandatory))
	case "none":
		options = append(options, gomail.WithTLSPolicy(gomail.NoTLS))
	default:
		return nil, fmt.Errorf("tls is implicit, starttls or none, not %q", m.o.TLS)
	}
	return gomail.NewClient(m.host, options...)
}

// address says what is wrong with an address that is to stand in a header.
func address(s string) error {
	a, err := mail.ParseAddress(s)
	if err != nil || a.Address != s || strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return fmt.Errorf("%q is no plain address", s)
	}
	return nil
}

// Send sends one mail now.
func (m *Mailer) Send(ctx context.Context, to, subject, text string) error {
	if err := address(to); err != nil {
		return err
	}
	msg, err := m.compose(to, subject, text)
	if err != nil {
		return fmt.Errorf("writing a notice: %w", err)
	}
	client, err := m.connect()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, sendTime)
	defer cancel()
	if err := client.DialAndSendWithContext(ctx, msg); err != nil {
		return fmt.Errorf("sending a notice: %w", err)
	}
	return nil
}

func (m *Mailer) compose(to, subject, text string) (*gomail.Msg, error) {
	msg := gomail.NewMsg(gomail.WithNoDefaultUserAgent())
	_, domain, _ := strings.Cut(m.o.From, "@")
	err := errors.Join(msg.FromFormat(cleanLine(m.o.Name, maxSubject), m.o.From), msg.To(to))
	msg.SetMessageIDWithValue(rand.Text() + "@" + domain)
	msg.SetDate()
	msg.Subject(cleanLine(subject, maxSubject))
	msg.SetGenHeader("Auto-Submitted", "auto-generated") // RFC 3834: no out-of-office answers
	msg.SetGenHeader("X-Auto-Response-Suppress", "All")  // the same for Exchange
	msg.SetBodyString(gomail.TypeTextPlain, cleanText(text, m.o.PublicURL))
	return msg, err
}

// Tell puts a notice into the queue, unless this person was told of the same
// within a day. It never waits, and says whether the notice will be sent.
func (m *Mailer) Tell(n Notice) bool {
	if address(n.To) != nil || n.Person == "" {
		return false
	}
	now, s := time.Now(), subject{n.Person, n.Kind, n.Program}
	m.mu.Lock()
	defer m.mu.Unlock()
	if at, told := m.told[s]; told && now.Sub(at) < oncePer {
		return false
	}
	if len(m.told) >= toldMost {
		m.forget(now)
	}
	if len(m.told) >= toldMost {
		m.state.Dropped++
		return false
	}
	select {
	case m.queue <- n:
		m.told[s] = now
		return true
	default:
		m.state.Dropped++
		return false
	}
}

// forget makes room of what is older than a day.
func (m *Mailer) forget(now time.Time) {
	for s, at := range m.told {
		if now.Sub(at) >= oncePer {
			delete(m.told, s)
		}
	}
}

// State is what became of notices.
func (m *Mailer) State() State {
	m.mu.Lock()
	defer m.mu.Unlock()
	s := m.state
	s.Waiting = len(m.queue)
	return s
}

// waiting is a notice that was tried already.
type waiting struct {
	Notice
	failed int
	due    time.Time
}

// Run sends what is told until ctx ends; what waits then is lost.
func (m *Mailer) Run(ctx context.Context) error {
	var again []waiting
	tick := time.NewTicker(10 * time.Second)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case n := <-m.queue:
			again = m.try(ctx, again, waiting{Notice: n})
		case now := <-tick.C:
			due := again
			again = nil
			for _, w := range due {
				if w.due.After(now) || ctx.Err() != nil {
					again = append(again, w)
					continue
				}
				again = m.try(ctx, again, w)
			}
		}
	}
}

// try sends a notice, or adds it to those that are tried again.
func (m *Mailer) try(ctx context.Context, again []waiting, w waiting) []waiting {
	err := m.Send(ctx, w.To, w.Subject, w.Text)
	if err == nil {
		if lost := m.keep(ctx, w.Notice); lost != nil && m.o.Fault != nil {
			m.o.Fault(w.To, lost)
		}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	switch {
	case err == nil:
		m.state.Sent++
		return again
	case w.failed < len(tries) && len(again) < queueMost && ctx.Err() == nil:
		w.due = time.Now().Add(tries[w.failed])
		w.failed++
		return append(again, w)
	}
	m.state.Failed++
	if m.o.Fault != nil {
		m.o.Fault(w.To, err)
	}
	return again
}
