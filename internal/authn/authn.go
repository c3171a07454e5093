// Package authn takes one credential and says who proved to be somebody: a
// password that we keep or that the mail server keeps, a bearer token of a
// configured issuer, a client certificate. It sees no policy.
//
// A *Refusal says that the credential does not prove it, and why; any other
// error means that it could not be found out, which refuses as well, but in
// other words. Names that nobody has cost what known ones cost; what is left of
// a difference disappears in the gate's floor.
package authn

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/portreeve/portreeve/internal/backend"
	"github.com/portreeve/portreeve/internal/directory"
	"github.com/portreeve/portreeve/internal/network"
	"github.com/portreeve/portreeve/internal/policy"
	"github.com/portreeve/portreeve/internal/protocol"
	"github.com/portreeve/portreeve/internal/secret"
	"github.com/portreeve/portreeve/internal/signin"
	"github.com/portreeve/portreeve/internal/token"
)

// Names makes one canonical address of whatever was typed at a listener.
type Names interface {
	Canonical(listener, typed string) (address string, err error)
}

// Vouchers makes one canonical address of a name that a token or a certificate
// states, to the letter.
type Vouchers interface {
	Vouched(listener, stated string) (address string, err error)
}

// Backends check passwords that only the mail server knows. A connection
// opened for it is held under the sign-in's id until it is claimed or released.
type Backends interface {
	Login(ctx context.Context, q backend.Request) error
	Release(id signin.ID)
}

// Newcomers makes a person of a name that the mail server or an issuer vouched
// for.
type Newcomers interface {
	Create(ctx context.Context, address string) (directory.Person, error)
}

// Tokens checks a bearer token.
type Tokens interface {
	Verify(ctx context.Context, bearer []byte) (token.Claims, error)
}

// Upstream checks the ID tokens that browsers bring from OpenID providers. No
// other door takes them, and no other token is taken from a browser.
type Upstream interface {
	Tokens
	// Vouches says whether a provider speaks for a canonical address.
	Vouches(provider, address string) bool
	// Arrived takes over what the provider says of a person who is proven.
	Arrived(ctx context.Context, person string, c token.Claims) error
}

// Certificates says whose a client certificate is: the names it was issued to,
// by the authority of the listener where it was shown, and what it proves.
// Errors are as Verify's.
type Certificates interface {
	People(ctx context.Context, listener string, der []byte) ([]string, policy.Methods, error)
}

// AppPasswords checks one of our app passwords, which is known by its form: the
// secret, and whether it may be used here. It fills in Methods, Grant, Until and
// Sending of a principal. Errors are as Verify's.
type AppPasswords interface {
	Check(ctx context.Context, a signin.Attempt, p directory.Person, secret []byte) (signin.Principal, error)
}

// Factors checks what proves a person without a password. The secret of a
// passkey is the browser's answer to our challenge.
type Factors interface {
	Passkey(ctx context.Context, person string, secret []byte) (policy.Methods, error)
	Pass(ctx context.Context, person string, secret []byte) (policy.Methods, error)
	// PassGrant is what a session hangs on that the pass shown has opened, and until when.
	PassGrant(ctx context.Context, person string, shown []byte) (grant string, until time.Time, err error)
}

// Delegates says whether one person may open another's mailbox over a
// protocol at a time, and until when; zero is without end.
type Delegates interface {
	MayOpen(person, mailbox string, p protocol.Protocol, at time.Time) (until time.Time, may bool)
}

// Networks says whether a person has signed in from a network before.
type Networks interface {
	KnownNetwork(person string, addr netip.Addr) bool
}

// Revocations says whether a grant, or all that a person had when something
// was issued, has been ended.
type Revocations interface {
	Revoked(person, grant string, issued time.Time) bool
}

// Options are the verifier's parts. Names, Vouchers, Directory, Networks and
// Pool must be set; what is nil proves nobody.
type Options struct {
	Names        Names
	Vouchers     Vouchers
	Directory    directory.Directory
	Networks     Networks
	Pool         *secret.Pool
	Backends     Backends
	Newcomers    Newcomers
	Tokens       Tokens
	Grants       Grants
	ClientName   func(id string) string // of a program that we gave a token
	Upstream     Upstream
	Certificates Certificates
	AppPasswords AppPasswords
	Factors      Factors
	Delegates    Delegates
	Revocations  Revocations
}

// Verifier verifies credentials. It is safe for concurrent use.
type Verifier struct{ Options }

// New makes a verifier.
func New(o Options) *Verifier { return &Verifier{o} }

// claim is one credential while it is being verified: who is meant, and what
// was shown.
type claim struct {
	attempt signin.Attempt
	cred    signin.Credential
	mailbox directory.Person // whose mailbox is asked for; its Address is set even if nobody has it
	known   bool
	until   time.Time // when the right to open it ends; zero is never
}

// Verify says who showed c, who is a delegate if not p: the person whose mailbox
// is asked for, which is the credential's authorization identity if it has one;
// known is false if nobody has that name.
func (v *Verifier) Verify(ctx context.Context, a signin.Attempt, p directory.Person, known bool, c signin.Credential) (signin.Principal, error) {
	if err := readable(c); err != nil {
		return signin.Principal{}, err
	}
	q := &claim{attempt: a, cred: c, mailbox: p, known: known}
	if !known {
		address, err := v.Names.Canonical(a.Listener, c.Name())
		if err != nil {
			return signin.Principal{}, refuse(signin.CredentialMalformed, "%v", err)
		}
		q.mailbox = directory.Person{Address: address}
	}
	switch c.Kind {
	case policy.CredentialPassword:
		return v.password(ctx, q)
	case policy.CredentialAppPassword:
		return v.appPassword(ctx, q)
	case policy.CredentialPasskey, policy.CredentialPass:
		return v.factor(ctx, q)
	case policy.CredentialBearer:
		return v.bearer(ctx, q)
	case policy.CredentialCertificate:
		return v.certificate(ctx, q)
	}
	return signin.Principal{}, refuse(signin.CredentialMalformed, "a credential of unknown kind")
}

// Release gives up what a verification held for a sign-in that is refused after
// all.
func (v *Verifier) Release(id signin.ID) {
	if v.Backends != nil {
		v.Backends.Release(id)
	}
}

// breakers are the characters that end a line or a SASL field. What holds one
// is refused before anything else looks at it, since it could become a command
// or another name further on.
const breakers = "\x00\r\n"

func readable(c signin.Credential) error {
	for _, s := range []string{c.Authcid, c.Authzid} {
		if bytes.ContainsAny([]byte(s), breakers) {
			return refuse(signin.CredentialMalformed, "the name holds NUL, CR or LF")
		}
	}
	if c.Name() == "" {
		return refuse(signin.CredentialMalformed, "no name was given")
	}
	if c.Kind != policy.CredentialPasskey && bytes.ContainsAny(c.Secret(), breakers) { // a passkey's is JSON that goes nowhere
		return refuse(signin.CredentialMalformed, "the secret holds NUL, CR or LF")
	}
	return nil
}

// authenticating is the canonical name of who shows the credential, which is
// the mailbox's own unless an authorization identity names another's.
func (v *Verifier) authenticating(q *claim) (string, error) {
	c := q.cred
	if c.Authzid == "" || c.Authcid == "" || c.Authcid == c.Authzid {
		return q.mailbox.Address, nil
	}
	address, err := v.Names.Canonical(q.attempt.Listener, c.Authcid)
	if err != nil {
		return "", refuse(signin.CredentialMalformed, "authentication identity: %v", err)
	}
	return address, nil
}

// lookup finds a person by canonical name; of nobody, the name is all that is known.
func (v *Verifier) lookup(ctx context.Context, address string) (who directory.Person, known bool, err error) {
	who, known, err = v.Directory.Lookup(ctx, address)
	switch {
	case err != nil:
		return directory.Person{}, false, trouble(signin.DirectoryAway, fmt.Errorf("looking up %s: %w", address, err))
	case !known:
		who = directory.Person{Address: address}
	}
	return who, known, nil
}

// mayOpen refuses with code unless who is the mailbox's person or has the right
// to open it.
func (v *Verifier) mayOpen(who directory.Person, q *claim, code signin.Code) error {
	if who.Address == q.mailbox.Address {
		return nil
	}
	if v.Delegates != nil && who.ID != "" && q.known {
		if until, may := v.Delegates.MayOpen(who.ID, q.mailbox.ID, q.attempt.Protocol, q.attempt.At); may {
			q.until = until
			return nil
		}
	}
	return refuse(code, "%s may not open %s", who.Address, q.mailbox.Address)
}

// principal is who, proven. A disabled person is kept out whatever was shown;
// that a mailbox's own person is disabled keeps no delegate out.
func (q *claim) principal(who directory.Person, methods policy.Methods) (signin.Principal, error) {
	if who.Disabled {
		return signin.Principal{}, refuse(signin.UserDisabled, "%s is disabled", who.Address)
	}
	return signin.Principal{Person: who.ID, Address: who.Address, Methods: methods, AuthTime: q.attempt.At, Until: q.until}, nil
}

// earlier is the earlier of two times of which zero is never.
func earlier(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

func (v *Verifier) source(q *claim, who directory.Person) secret.Source {
	addr := q.attempt.Client.Addr().Unmap()
	return secret.Source{Network: network.Of(addr), Familiar: who.ID != "" && v.Networks.KnownNetwork(who.ID, addr)}
}

// Refusal says why a credential proves nothing.
type Refusal = signin.Refusal

func refuse(code signin.Code, format string, args ...any) error {
	return signin.Refuse(code, format, args...)
}

// Trouble is a fault of ours or of what we ask, with the code that the log gets.
type Trouble struct {
	Code signin.Code
	Err  error
}

func (t *Trouble) Error() string { return t.Err.Error() }

// Unwrap gives the cause.
func (t *Trouble) Unwrap() error { return t.Err }

func trouble(code signin.Code, err error) error { return &Trouble{code, err} }

// TroubleCode is the code of an error of Verify that is no refusal.
func TroubleCode(err error) signin.Code {
	var t *Trouble
	switch {
	case errors.Is(err, secret.ErrBusy):
		return signin.Busy
	case errors.As(err, &t):
		return t.Code
	}
	return signin.InternalFault
}
