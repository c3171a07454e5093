package signin

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/portreeve/portreeve/internal/policy"
)

// Event is the record of one sign-in, or of several equal ones counted
// together. It holds the very facts that were judged, so it can be judged again.
type Event struct {
	ID          ID
	At          time.Time // first
	Last        time.Time // last of the merged ones; equal to At for one
	Count       int64
	Correlation ID
	Source      string // "gate", "dovecot", "postfix", "entra" …: who decided and where it comes from
	Observed    bool   // reported by another server, not decided by us

	Typed     string // as typed; for names that belong to nobody a keyed hash after 24 h
	Actor     string // who signed in, by address, where Facts.Address is a mailbox of somebody else's
	Mechanism string
	Facts     policy.Facts
	Verdict   policy.Verdict
	Applied   policy.Bits
	Code      Code
	Detail    string
	Steps     []Step

	Listener  string
	Client    string // address:port
	Forwarder string
	// Unnamed says that Client is the forwarder's own address: it did not say
	// whose sign-in it passed on. It is for those who are told at once, and not kept.
	Unnamed  bool
	NetOwner string // of the network, from the ASN file
	TLS      TLS
	Hints    Hints
	Backend  string
	Methods  policy.Methods
	// Grant is what the sign-in hung on (an app password, a window, a token's
	// grant), so that it can be taken back by whoever sees it in the log.
	Grant string
}

// User is the address of who signed in, or of whom the name typed was meant for.
func (e *Event) User() string {
	if e.Actor != "" {
		return e.Actor
	}
	return e.Facts.Address
}

// Succeeded says that the person was let in.
func (e *Event) Succeeded() bool { return e.Code == OK }

// Interrupted says that what was shown was right and more was asked for: a second
// factor, a newer proof, terms. It is no refusal, and nobody's attack: the sign-in
// goes on with another event. A service cannot be asked, and so is refused.
func (e *Event) Interrupted() bool {
	if e.Code == FactorNeeded {
		return true
	}
	return slices.Contains(Asking, e.Code) && e.Verdict.Effect == policy.Interrupt && e.Facts.Proven && e.Mechanism != ClientCredentials
}

// Ending is how a sign-in ended: let in, not let in, neither for now, or for the
// reason alone that we or a mail server could not do our part.
type Ending uint8

// The endings. EndAny is none in particular.
const (
	EndAny Ending = iota
	EndAllowed
	EndRefused
	EndInterrupted
	EndTrouble
)

var endings = [...]string{"any", "allowed", "refused", "interrupted", "trouble"}

// String is the ending as people see it and ask for it.
func (o Ending) String() string { return endings[o] }

// Endings are the words of all endings.
func Endings() []string { return endings[1:] }

// ParseEnding reads such a word; false for any other.
func ParseEnding(s string) (Ending, bool) {
	i := slices.Index(endings[1:], strings.ToLower(s))
	return Ending(i + 1), i >= 0
}

// Troubles are the codes of our own faults and of the mail server's.
var Troubles = []Code{BackendAway, BackendName, LogUnavailable, Busy, DirectoryAway, InternalFault, AppPasswordBackend}

// Ending is how the sign-in ended.
func (e *Event) Ending() Ending {
	switch {
	case e.Succeeded():
		return EndAllowed
	case e.Interrupted():
		return EndInterrupted
	case slices.Contains(Troubles, e.Code):
		return EndTrouble
	}
	return EndRefused
}

const forClient = "client "

// ForClient is the detail of a sign-in by which a program is given tokens: the
// program by name, and what else there is to say.
func ForClient(name, why string) string {
	if why != "" {
		why = ": " + why
	}
	return forClient + strconv.Quote(name) + why
}

// ForClient is the program that was to be given tokens by this sign-in.
func (e *Event) ForClient() (name string, ok bool) {
	rest, ok := strings.CutPrefix(e.Detail, forClient)
	quoted, err := strconv.QuotedPrefix(rest)
	if !ok || err != nil {
		return "", false
	}
	name, err = strconv.Unquote(quoted)
	return name, err == nil
}

// Interactive says that the person supplied a factor with this sign-in.
func (e *Event) Interactive() bool {
	return e.Facts.Credential == policy.CredentialPassword || e.Mechanism == AuthorizationCode || e.Mechanism == DeviceCode
}

// Mechanisms of tokens that somebody in front of a page has a program given, in
// OAuth's words (RFC 6749 section 4.1, RFC 8628).
const (
	AuthorizationCode = "authorization_code"
	DeviceCode        = "device_code"
)

// ClientCredentials is the mechanism of tokens that a service is given (RFC 6749
// section 4.4).
const ClientCredentials = "client_credentials"

// SessionEvent is the row of a session: opened, and later how it ended.
type SessionEvent struct {
	ID          ID // the sign-in's
	Session     string
	Opened      time.Time
	Closed      time.Time // zero while open
	Reason      string    // "client closed", "policy changed", "open failed" …
	Code        Code
	FromClient  uint64 // payload bytes
	FromBackend uint64
	Program     string // if it became known only after sign-in
}
