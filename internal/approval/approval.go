// Package approval is how a program that knows only a password comes to more
// than that: the person approves it once (an approval window), or the log shows
// that they have used it all along (a known program). Either is granted to one
// person, some protocols, one program and one place, and is never won by a
// password alone.
//
// It lets nobody in by itself: it says what a proven sign-in has been granted
// beforehand, policy judges by it, and what was refused for want of it becomes
// a request that its owner finds in the portal.
package approval

import (
	"net/netip"
	"time"

	"github.com/portreeve/portreeve/internal/policy"
	"github.com/portreeve/portreeve/internal/protocol"
	"github.com/portreeve/portreeve/internal/signin"
)

// Knock is one sign-in with a right password, as far as a grant is concerned.
type Knock struct {
	ID        signin.ID
	Reference signin.Reference // what the program was told; empty before it was
	At        time.Time
	Person    string // id
	Protocol  protocol.Protocol
	// Program is the family that the program seems to be, empty if unknown; JA4
	// the fingerprint of its TLS hello, empty without TLS or where another
	// server reported the sign-in.
	Program, JA4 string
	Addr         netip.Addr
	Country      string // ISO 3166-1 alpha-2, empty if unknown
	ASN          uint32 // 0 if unknown
	Owner        string // of the network

	common bool // many of the organisation's people are in that owner's networks
	moved  bool // it is let in because another program of the person was before
}

// Pass is what a knock has been granted.
type Pass struct {
	Methods policy.Methods // MethodApprovalWindow or MethodKnownProgram
	Grant   string         // what the session hangs on; taking it back ends it
	Until   time.Time      // when the grant ends by itself; zero is never
}
