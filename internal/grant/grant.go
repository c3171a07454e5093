// Package grant keeps what the tokens of programs hang on: who allowed which
// program what, how they proved it, and until when. Authorization codes, device
// codes and refresh tokens are redeemed here, each once, and access tokens are
// made here; a mail session hangs on the grant and not on any token's expiry.
//
// Whatever may be used once is decided by one conditional change in the
// database, durable before anybody is answered. Live grants are also held in
// memory, so that the door asks about one in less than a microsecond.
//
// It judges no policy: who asks for a token is judged by the gate, which the
// caller brings. It knows no HTTP.
package grant

import (
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/portreeve/portreeve/internal/policy"
	"github.com/portreeve/portreeve/internal/scope"
	"github.com/portreeve/portreeve/internal/signin"
)

// Prefix begins what a sign-in with a token hangs on; the grant's id follows.
const Prefix = "oauth:"

// The kinds of grant, by how a program came by it.
const (
	KindCode              = "authorization_code"
	KindDevice            = "device_code"
	KindClientCredentials = "client_credentials"
)

// Grant is what a person allows a program.
type Grant struct {
	ID       string // UUID
	Person   string // id
	Address  string
	Client   string // id
	Scope    scope.Set
	Resource []string // RFC 8707, as asked for

	// How the person proved who they are.
	Methods  policy.Methods
	Key      string // model of the passkey
	AuthTime time.Time
	Flow     policy.TransferMethods

	Network     netip.Prefix // the only one that it may be used from; the zero prefix is any
	Nonce       string
	Session     string // of the browser that it was given in
	Correlation signin.ID
	Offline     bool // a refresh token was asked for
	Created     time.Time
	Used        time.Time // last
	Until       time.Time // zero is without end
	Kind        string

	seed       [seedSize]byte
	generation uint32 // of the refresh token that is valid now
	rotated    time.Time
	rotatedIn  netip.Prefix // network that the last refresh came from
}

// Format prints the grant without what tokens are made of.
func (g Grant) Format(s fmt.State, _ rune) {
	_, _ = fmt.Fprintf(s, "grant %s of %s to %q for %q, by %d, %s", g.ID, g.Address, g.Client, g.Scope, g.Methods, g.Kind)
}

// Standing is what the door learns of a grant that holds.
type Standing struct {
	Person   string
	Address  string
	Client   string
	Methods  policy.Methods
	Key      string
	AuthTime time.Time
	Flow     policy.TransferMethods
	Until    time.Time // zero is without end
}

// Refusal says why nothing is handed out. Any other error means that it could
// not be found out, and is no word about what was shown.
type Refusal struct {
	OAuth  string // the error's name of RFC 6749 or RFC 8628
	Code   signin.Code
	Detail string // for administrators; holds nothing secret
	Grant  string // id, if what was shown belongs to one
	Person string // id, likewise
}

func (r *Refusal) Error() string { return fmt.Sprintf("%s (%s): %s", r.OAuth, r.Code, r.Detail) }

// The errors of OAuth that are told here.
const (
	InvalidGrant         = "invalid_grant"
	AuthorizationPending = "authorization_pending"
	SlowDown             = "slow_down"
	ExpiredToken         = "expired_token"
	AccessDenied         = "access_denied"
)

// ErrUnknown says that there is no such grant that lives, or no such request.
var ErrUnknown = errors.New("not known, or over")

// allows says that a grant may be used from an address.
func (g *Grant) allows(from netip.Addr) bool {
	return !g.Network.IsValid() || g.Network.Contains(from.Unmap().WithZone(""))
}
