// Package backend opens a signed-in connection to the mail server for somebody
// who may enter, checks passwords that only the mail server knows, and learns
// what the mail server can do. It decides nothing.
//
// Whatever a mail server says is read within limits of size and time, and none
// of its words ever reach a client: they become ErrRefused (it said that the
// credentials are wrong) or ErrAway (anything else), with the words kept in the
// error for the operator's log. Where TLS is configured nothing secret is
// written before the server's certificate has been verified, and credentials
// are written only as SASL base64 or literals, so that none can become a
// command.
//
// By which name a mail server knows a person in the end it says in no answer of
// IMAP, POP3, submission or ManageSieve; Dovecot says it over its auth socket,
// so OtherName is found only where Options.AuthSocket is set.
//
// A connection that was opened to check a password is held under the sign-in's
// id, at most holdTime and maxHeld of them (over that the oldest is logged
// out), until Dial claims it or Release logs it out: nobody signs in twice.
package backend

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/portreeve/portreeve/internal/protocol"
	"github.com/portreeve/portreeve/internal/relay"
	"github.com/portreeve/portreeve/internal/secret"
	"github.com/portreeve/portreeve/internal/signin"
)

// How a sign-in at the backend can fail.
var (
	// ErrRefused means that the mail server knows the name and says that the
	// password is wrong, or does not know the name.
	ErrRefused = errors.New("the mail server refused the credentials")
	// ErrAway is every other failure: down, slow, a temporary refusal, a
	// certificate that does not verify, words that are not its protocol's.
	ErrAway = errors.New("the mail server is away")
	// ErrNoBackend means that no backend is routed for this name, or that it
	// does not have this protocol.
	ErrNoBackend = errors.New("no mail server for this name and protocol")
)

// OtherName is the error when the mail server calls the person otherwise than
// we do: what was judged would not be who is let in.
type OtherName struct{ Final string }

func (e *OtherName) Error() string {
	return fmt.Sprintf("the mail server knows this person as %q", e.Final)
}

// LoginKind is how we sign in at a backend.
type LoginKind uint8

// The kinds of login.
const (
	// LoginPassword passes the person's own password on.
	LoginPassword LoginKind = iota
	// LoginMaster signs in as a master user who acts for the person.
	LoginMaster
	// LoginToken signs in with a token minted for this backend.
	LoginToken
)

// TLSKind is how a backend speaks TLS. The zero value is the safest.
type TLSKind uint8

// The kinds of TLS.
const (
	TLSImplicit TLSKind = iota
	TLSStartTLS
	// TLSNone is refused for addresses that are not loopback unless Endpoint.Plaintext says so.
	TLSNone
)

// Endpoint is where one protocol of a backend is served.
type Endpoint struct {
	Address string // host:port
	TLS     TLSKind
	// ServerName is the name in the certificate; empty: the host of Address.
	ServerName string
	// RootCAs verify the certificate; nil: the machine's.
	RootCAs *x509.CertPool
	// Plaintext allows TLSNone on a network that is not loopback.
	Plaintext bool
	// Proxy is the version of the PROXY header sent here; 0: the backend's.
	Proxy int
}

// Options describe one backend.
type Options struct {
	Name      string
	Endpoints map[protocol.Protocol]Endpoint

	Login                      LoginKind
	MasterUser, MasterPassword string
	// MasterSeparator stands between person and master user, Dovecot's
	// auth_master_user_separator, usually "*". Empty: the person is given as
	// SASL authorization identity (RFC 4616).
	MasterSeparator string
	// Mint makes a token for one person and protocol.
	Mint func(address string, p protocol.Protocol) (secret.Text, error)
	// TokenMechanism is OAUTHBEARER (if empty) or XOAUTH2.
	TokenMechanism string

	// AuthSocket is Dovecot's auth client socket, a path or host:port. Where it
	// is given, passwords are checked there, and so is the name that the mail
	// server knows a person by.
	AuthSocket string
	// Canonical says who is meant by a name that the mail server reported, so
	// that an alias it knows is the same person; nil: only the very same name is.
	Canonical func(name string) (address string, ok bool)

	// SourceAddrs are bound in turn; one address has about 28,000 ports.
	SourceAddrs []netip.Addr
	// Proxy is the version of the PROXY header that is sent: 0 (none), 1 or 2.
	Proxy int
	// ID passes the client's address as Dovecot takes it from its
	// login_trusted_networks: in IMAP's ID, and in XCLIENT before the sign-in of
	// POP3 and ManageSieve. Servers that do not know it are not told.
	ID bool
	// XCLIENT passes it to submission, where that is advertised. Such a server
	// takes XCLIENT from the same connection later too: see Conn.XCLIENT.
	XCLIENT bool
	// Hello is our own name in EHLO; empty: the machine's.
	Hello string

	DialTimeout  time.Duration // 0: dialTime
	LoginTimeout time.Duration // 0: loginTime
	// Capabilities overrides what a protocol is said to offer; nothing is asked for it.
	Capabilities map[protocol.Protocol][]string
}

// Format prints the name only: there is a password beside it.
func (o Options) Format(s fmt.State, _ rune) { _, _ = fmt.Fprintf(s, "backend %q", o.Name) }

// Times of one connection. Together they stay under the time a program waits.
const (
	dialTime  = 5 * time.Second  // TCP connect; a SYN is sent again after 1 s and after 3 s
	stepTime  = 5 * time.Second  // each answer before the credentials: greeting, capabilities, TLS
	answerTTL = 20 * time.Second // the answer to the credentials; Dovecot's penalty alone may take 15 s
	loginTime = 30 * time.Second // everything together
	holdTime  = 60 * time.Second // how long a checked connection waits to be claimed
	byeTime   = time.Second      // for a goodbye that nobody waits for
)

// Request is one person's way in.
type Request struct {
	ID       signin.ID // the sign-in; zero: nothing is held or claimed
	Address  string    // the person's canonical name, sent upstream
	Protocol protocol.Protocol
	Client   netip.AddrPort
	Local    netip.AddrPort
	TLS      bool   // the client's own connection is sealed
	EHLO     string // as the client said it
	Password []byte // the person's own; only where it was shown
	Backend  string // which backend; empty: by route
}

// Format prints whose it is only: there may be a password beside it.
func (q Request) Format(s fmt.State, _ rune) {
	_, _ = fmt.Fprintf(s, "the way in of %q over %s", q.Address, q.Protocol)
}

// Conn is a signed-in connection to a backend.
type Conn struct {
	Name   string // the backend's
	Socket *relay.Socket
	TLS    *tls.Conn // on top of Socket; nil without TLS
	// Early are bytes the backend sent after its answer to the sign-in; they
	// are the client's.
	Early []byte
	// Capability is what the backend offers after sign-in: the text of IMAP's
	// [CAPABILITY …], without the word; empty if it did not say.
	Capability string
	// XCLIENT says that the backend would take XCLIENT from this connection,
	// so that it must be kept from the client's hands.
	XCLIENT bool
	// Chunking says that the backend's last EHLO offered CHUNKING.
	Chunking bool

	goodbye string
}

// Close ends the connection, with a goodbye that is not waited for.
func (c *Conn) Close() error {
	_ = c.Socket.SetDeadline(time.Now().Add(byeTime))
	if c.TLS != nil {
		_, _ = c.TLS.Write([]byte(c.goodbye))
		_ = c.TLS.Close()
	} else {
		_, _ = c.Socket.Write([]byte(c.goodbye))
	}
	return c.Socket.Close()
}

func awayError(doing string, err error) error {
	return fmt.Errorf("%w: %s: %w", ErrAway, doing, err)
}
