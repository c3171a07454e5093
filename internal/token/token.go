// Package token checks the bearer tokens that programs hold, which are JWTs of
// configured OpenID issuers, and mints the tokens that we show to backends.
//
// What a token says counts only after its signature was verified with a key of
// the one issuer that it names, by an algorithm that this issuer is allowed,
// and a key fits only its own algorithms. How somebody signed in (amr, acr,
// auth_time) is a fact only where the issuer's configuration maps it to one.
// Everything unknown is a no.
//
// It knows no OAuth endpoint, no page and no person.
package token

import (
	"fmt"
	"time"

	"github.com/portreeve/portreeve/internal/policy"
	"github.com/portreeve/portreeve/internal/scope"
	"github.com/portreeve/portreeve/internal/signin"
)

// Claims is what a verified token says, as far as we believe it.
type Claims struct {
	Issuer   string // the issuer's name in the configuration
	Subject  string
	Address  string // of the configured claim, not yet canonical
	ID       string // the sign-in at the issuer (sid), else the token (jti); empty if it names neither
	ClientID string
	Issued   time.Time
	Expires  time.Time
	Methods  policy.Methods
	Groups   []string  // of the configured claim
	AuthTime time.Time // zero is unknown
	// Session is how long a sign-in with this token lasts at most, from the issuer's session_max.
	Session time.Duration
	// Own says that the token is one of ours: what the person proved is known by
	// the grant alone, and Methods, AuthTime and Session are not set.
	Own   bool
	Scope string // of a token of ours, as it was granted
	// Scopes is Scope, read.
	Scopes scope.Set
	Grant  string // id of the grant that a token of ours hangs on (sid)
}

// Refusal says why a token is not accepted. Detail is for administrators and
// holds nothing secret.
type Refusal struct {
	Code   signin.Code
	Detail string
}

func (r *Refusal) Error() string { return fmt.Sprintf("%s: %s", r.Code, r.Detail) }

func refuse(code signin.Code, format string, args ...any) error {
	return &Refusal{code, fmt.Sprintf(format, args...)}
}
