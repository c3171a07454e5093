package signin

import (
	"time"

	"github.com/portreeve/portreeve/internal/policy"
)

// Principal is who proved to be somebody, and how.
type Principal struct {
	Person   string // id
	Address  string // canonical
	Methods  policy.Methods
	AuthTime time.Time
	Flow     policy.TransferMethods
	Key      string // model of the passkey among the methods, where a grant remembers it
	Device   *policy.Device
	// Issuer names the configured OpenID issuer that vouched, empty for our own checks.
	Issuer string
	// Client is the program, by name, that a token of our own was given to.
	Client string
	// Grant is the id of what the sign-in hangs on (a grant, an app password); ending it ends the session.
	Grant string
	// Until is when the proof runs out (issuers[].session_max); zero is never.
	Until time.Time
	// Sending limits what may be sent in this session; nil does not.
	Sending *Sending
	// Held says that the backend login made to check the password is kept under the attempt's id.
	Held bool
}
