package signin

import (
	"fmt"

	"github.com/portreeve/portreeve/internal/policy"
)

// Credential is what was shown. It prints as [redacted] under every verb, in
// JSON and in logs, and is never recorded.
type Credential struct {
	Kind      policy.CredentialKind
	Mechanism string // SASL mechanism, or the protocol's own command ("LOGIN", "USER")
	// Authcid is the authentication identity as typed, Authzid the
	// authorization identity (empty: the same), RFC 4422 section 2.
	Authcid, Authzid string
	// secret is behind a func: fmt looks into the unexported members of whatever
	// struct holds a Credential without asking for Format, and prints no more of
	// a func than its address.
	secret func() []byte
}

// NewCredential makes a credential; it takes ownership of secret.
func NewCredential(kind policy.CredentialKind, mechanism, authcid, authzid string, secret []byte) Credential {
	return Credential{Kind: kind, Mechanism: mechanism, Authcid: authcid, Authzid: authzid, secret: func() []byte { return secret }}
}

// Secret is the password or token; empty for a certificate.
func (c Credential) Secret() []byte {
	if c.secret == nil {
		return nil
	}
	return c.secret()
}

// Name is who is meant: the authorization identity if there is one.
func (c Credential) Name() string {
	if c.Authzid != "" {
		return c.Authzid
	}
	return c.Authcid
}

// Clear overwrites the secret once it has been verified or passed on.
func (c Credential) Clear() { clear(c.Secret()) }

const redacted = "[redacted]"

// Format prints [redacted] under every verb.
func (c Credential) Format(s fmt.State, _ rune) { _, _ = s.Write([]byte(redacted)) }

// MarshalText prints [redacted].
func (c Credential) MarshalText() ([]byte, error) { return []byte(redacted), nil }
