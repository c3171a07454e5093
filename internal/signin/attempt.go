// Package signin holds the words of one sign-in: somebody knocks (Attempt),
// shows something (Credential), is known (Principal), is judged (a verdict of
// package policy), and is let in or not (Outcome); what is written down is the
// Event. Each is complete when made and never changed after.
//
// It formats and names things and does nothing else.
package signin

import (
	"net/netip"
	"time"

	"github.com/portreeve/portreeve/internal/program"
	"github.com/portreeve/portreeve/internal/protocol"
)

// Attempt is one knock at the door: where, by whom as far as the wire tells,
// and from where. A front-end makes it; it holds nothing secret.
type Attempt struct {
	ID       ID
	At       time.Time // when the credential was fully read (T0 of the refusal's floor)
	Protocol protocol.Protocol
	Listener string         // the listener's name in the configuration
	Client   netip.AddrPort // the client's address, from the socket, a PROXY header or a configured forwarder
	Local    netip.AddrPort
	// Peer is who speaks to us, a balancer's header believed: Client itself, or a forwarder.
	Peer netip.AddrPort
	// Forwarder names the configured forwarder (webmail host) that passed Client on, empty if none.
	Forwarder string
	TLS       TLS
	Hints     Hints
	// Correlation ties the attempts of one connection together.
	Correlation ID
}

// TLS is what the handshake told; the zero value is a connection without TLS.
type TLS struct {
	Version    uint16 // crypto/tls's number, 0 without TLS
	Cipher     uint16
	ServerName string
	JA4        string // fingerprint of the client's hello
	Resumed    bool
	// Certificate is the client's, DER, if it sent one that chained to the listener's client CA.
	Certificate []byte
}

// Hints is what the program said of itself; all of it can be forged.
type Hints struct {
	IMAPID    []Pair // RFC 2971, keys in lower case
	EHLO      string
	UserAgent string
}

// Program is the program that the hints and the TLS hello's fingerprint point to.
func (h Hints) Program(ja4 string) program.Program {
	pairs := make([]program.Pair, len(h.IMAPID))
	for i, p := range h.IMAPID {
		pairs[i] = program.Pair(p)
	}
	return program.Recognise(program.Hints{ID: pairs, EHLO: h.EHLO, UserAgent: h.UserAgent, JA4: ja4})
}

// Pair is a key and its value.
type Pair struct{ Key, Value string }
