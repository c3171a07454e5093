package proxy

import (
	"crypto/x509"
	"errors"

	"github.com/portreeve/portreeve/internal/certs"
	"github.com/portreeve/portreeve/internal/policy"
	"github.com/portreeve/portreeve/internal/sasl"
	"github.com/portreeve/portreeve/internal/signin"
)

// ErrInjected is bytes sent in the clear behind STARTTLS: whoever sent them
// hopes that they will be taken as sent under TLS.
var ErrInjected = errors.New("bytes behind STARTTLS")

// Mechanisms are what may be offered on this connection. Password mechanisms
// stay advertised even where policy refuses them: a program that is offered
// nothing shows its user nothing. Tokens are offered where somebody's are taken.
func (c *Conn) Mechanisms() []string {
	if !c.PasswordsAllowed() {
		return nil
	}
	offered := []string{sasl.Plain, sasl.Login}
	if !c.server.Settings.NoTokens {
		offered = append(offered, sasl.XOAUTH2, sasl.OAuthBearer)
	}
	if len(c.facts.Certificate) > 0 {
		offered = append(offered, sasl.External)
	}
	return offered
}

// Exchange drives a SASL mechanism to its credential. initial is the decoded
// initial response, nil for none; ask sends a challenge in base64 and returns
// the line that answers it.
func (c *Conn) Exchange(mechanism string, initial []byte, ask func(challenge []byte) ([]byte, error)) (signin.Credential, error) {
	x, err := sasl.NewExchange(mechanism)
	if err != nil {
		return signin.Credential{}, err
	}
	if mechanism == sasl.External && len(c.facts.Certificate) == 0 {
		return signin.Credential{}, sasl.ErrUnknownMechanism
	}
	challenge, done, err := x.Start(encoded(initial))
	for err == nil && !done {
		var answer []byte
		if answer, err = ask(challenge); err == nil {
			challenge, done, err = x.Line(answer)
		}
	}
	if err != nil {
		return signin.Credential{}, err
	}
	return c.named(x.Credential()), nil
}

// named gives EXTERNAL without an authorization identity the one name that the
// certificate holds (RFC 4422, appendix A.1). With several it has to be said.
func (c *Conn) named(cred signin.Credential) signin.Credential {
	if cred.Kind != policy.CredentialCertificate || cred.Name() != "" {
		return cred
	}
	leaf, err := x509.ParseCertificate(c.facts.Certificate)
	if err != nil {
		return cred
	}
	if people := certs.People(leaf); len(people) == 1 {
		return signin.NewCredential(cred.Kind, cred.Mechanism, people[0], people[0], nil)
	}
	return cred
}

// SASLFault says that err is a fault of a SASL exchange, after which the next
// command can be read.
func SASLFault(err error) bool {
	for _, known := range []error{sasl.ErrUnknownMechanism, sasl.ErrMalformed, sasl.ErrCancelled, sasl.ErrBase64, sasl.ErrTooLong} {
		if errors.Is(err, known) {
			return true
		}
	}
	return false
}

// ErrorChallenge sends the error challenge that comes before the refusal of a
// token, where one is due: always for OAUTHBEARER (RFC 7628, section 3.2.3),
// for XOAUTH2 only if switched on. Whatever line answers it is taken.
func (c *Conn) ErrorChallenge(mechanism string, r signin.Reply, ask func(challenge []byte) ([]byte, error)) error {
	if r.Tone == signin.Trouble {
		return nil
	}
	e := sasl.OAuthError{Configuration: c.server.Settings.OpenIDConfiguration, Scope: c.server.Settings.TokenScope}
	var challenge []byte
	switch {
	case mechanism == sasl.OAuthBearer:
		challenge = e.BearerChallenge()
	case mechanism == sasl.XOAUTH2 && c.server.Settings.XOAUTH2Challenge:
		challenge = e.XOAUTH2Challenge()
	default:
		return nil
	}
	_, err := ask(sasl.Encode(challenge))
	return err
}

// encoded is an initial response as the exchange takes it: nil for none, "="
// for an empty one.
func encoded(initial []byte) []byte {
	if initial == nil {
		return nil
	}
	if len(initial) == 0 {
		return []byte("=")
	}
	return sasl.Encode(initial)
}
