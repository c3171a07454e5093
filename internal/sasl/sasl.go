// Package sasl turns SASL responses into credentials and credentials into
// SASL responses: PLAIN (RFC 4616), LOGIN (draft-murchison-sasl-login),
// XOAUTH2 (Google), OAUTHBEARER (RFC 7628) and EXTERNAL (RFC 4422 appendix A).
//
// The server side serves the front-ends, the client side the backends; both
// hold to the same limits, so nothing that is refused at the door could be
// sent on. Mechanisms work on decoded bytes; Exchange is the base64 around
// them that IMAP, POP3, SMTP and ManageSieve share. Whether a password or a
// token is right is for others to say.
package sasl

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/portreeve/portreeve/internal/policy"
	"github.com/portreeve/portreeve/internal/signin"
)

// The mechanisms' registered names.
const (
	Plain       = "PLAIN"
	Login       = "LOGIN"
	XOAUTH2     = "XOAUTH2"
	OAuthBearer = "OAUTHBEARER"
	External    = "EXTERNAL"
)

// Limits in octets.
const (
	MaxBase64   = 12288             // one exchange on the wire; RFC 4954 section 4 demands this much
	maxResponse = MaxBase64 / 4 * 3 // the same, decoded
	maxName     = 512               // RFC 4616 section 2 asks for 255; twice that for "user*master" forms
	maxPassword = 1024              // RFC 4616 section 2 asks for 255; generated ones are longer
	maxToken    = 8192              // what fits one exchange with a name beside it
)

// What can be wrong with a response. None of them says what was in it.
var (
	// ErrUnknownMechanism is an AUTH with a mechanism that is not ours.
	ErrUnknownMechanism = errors.New("unknown SASL mechanism")
	// ErrMalformed is a response that its mechanism's grammar does not allow,
	// or a name or password that must not be passed on to anybody.
	ErrMalformed = errors.New("malformed SASL response")
	// ErrCancelled is the client's "*".
	ErrCancelled = errors.New("SASL exchange cancelled by the client")
	// ErrBase64 is a line that is no base64.
	ErrBase64 = errors.New("invalid base64 in SASL response")
	// ErrTooLong is more than MaxBase64 in one exchange, or a name or secret over its own limit.
	ErrTooLong = errors.New("SASL response too long")
)

// Mechanism is the server's side of one exchange.
type Mechanism interface {
	// Name is the mechanism's registered name.
	Name() string
	// Next takes the client's response and gives the next challenge, or says
	// that the exchange is done. A nil response says that the client sent no
	// initial one; an empty initial response is not nil. The response is
	// copied where it is kept.
	Next(response []byte) (challenge []byte, done bool, err error)
	// Credential is what was shown; it is zero until Next said done.
	Credential() signin.Credential
}

// Names lists the mechanisms New knows, in the order in which they are advertised.
func Names() []string { return []string{Plain, Login, OAuthBearer, XOAUTH2, External} }

// New makes the server's side of a mechanism, named in any case.
func New(name string) (Mechanism, error) {
	switch strings.ToUpper(name) {
	case Plain:
		return &single{name: Plain, parse: parsePlain}, nil
	case Login:
		return &login{}, nil
	case XOAUTH2:
		return &single{name: XOAUTH2, parse: parseXOAUTH2}, nil
	case OAuthBearer:
		return &single{name: OAuthBearer, parse: parseOAuthBearer}, nil
	case External:
		return &single{name: External, parse: parseExternal}, nil
	}
	return nil, ErrUnknownMechanism
}

// single is a mechanism whose client says everything in one response.
type single struct {
	name       string
	parse      func([]byte) (signin.Credential, error)
	asked      bool
	over       bool
	credential signin.Credential
}

func (m *single) Name() string                  { return m.name }
func (m *single) Credential() signin.Credential { return m.credential }

func (m *single) Next(response []byte) ([]byte, bool, error) {
	if m.over {
		return nil, false, fmt.Errorf("%w: a response after the exchange", ErrMalformed)
	}
	if response == nil && !m.asked {
		m.asked = true
		return []byte{}, false, nil
	}
	m.over = true
	if len(response) > maxResponse {
		return nil, false, ErrTooLong
	}
	c, err := m.parse(response)
	if err != nil {
		return nil, false, err
	}
	m.credential = c
	return nil, true, nil
}

// parsePlain reads authzid NUL authcid NUL passwd (RFC 4616, section 2).
func parsePlain(response []byte) (signin.Credential, error) {
	parts := bytes.Split(response, []byte{0})
	if len(parts) != 3 {
		return signin.Credential{}, fmt.Errorf("%w: PLAIN has three parts, this has %d", ErrMalformed, len(parts))
	}
	if len(parts[0]) > 0 {
		if err := checkName(parts[0]); err != nil {
			return signin.Credential{}, err
		}
	}
	return password(Plain, parts[1], parts[0], parts[2])
}

// parseExternal reads the authorization identity, which may be empty
// (RFC 4422, appendix A). Who the certificate is, is for others to find out.
func parseExternal(response []byte) (signin.Credential, error) {
	if len(response) > 0 {
		if err := checkName(response); err != nil {
			return signin.Credential{}, err
		}
	}
	return signin.NewCredential(policy.CredentialCertificate, External, "", string(response), nil), nil
}

// login is LOGIN: two prompts, whose texts clients ignore but some expect to
// the letter (draft-murchison-sasl-login-00, section 2.1.1).
type login struct {
	name       []byte
	state      int
	credential signin.Credential
}

const (
	loginStart = iota
	loginName
	loginPassword
	loginOver
)

func (m *login) Name() string                  { return Login }
func (m *login) Credential() signin.Credential { return m.credential }

func (m *login) Next(response []byte) ([]byte, bool, error) {
	switch m.state {
	case loginStart:
		if response == nil {
			m.state = loginName
			return []byte("Username:"), false, nil
		}
		return m.takeName(response) // Outlook and others send the name as initial response
	case loginName:
		return m.takeName(response)
	case loginPassword:
		m.state = loginOver
		c, err := password(Login, m.name, nil, response)
		m.credential = c
		return nil, err == nil, err
	}
	return nil, false, fmt.Errorf("%w: a response after the exchange", ErrMalformed)
}

func (m *login) takeName(response []byte) ([]byte, bool, error) {
	m.state = loginOver
	if err := checkName(response); err != nil {
		return nil, false, err
	}
	m.name, m.state = bytes.Clone(response), loginPassword
	return []byte("Password:"), false, nil
}

// Password makes a credential from a name and a password that a protocol's own
// command carried (IMAP LOGIN, POP3 USER and PASS), under the same rules as
// PLAIN. The secret is copied.
func Password(mechanism string, name, secret []byte) (signin.Credential, error) {
	return password(mechanism, name, nil, secret)
}

func password(mechanism string, authcid, authzid, secret []byte) (signin.Credential, error) {
	if err := checkName(authcid); err != nil {
		return signin.Credential{}, err
	}
	if err := checkPassword(secret); err != nil {
		return signin.Credential{}, err
	}
	return signin.NewCredential(policy.CredentialPassword, mechanism, string(authcid), string(authzid), bytes.Clone(secret)), nil
}

// checkName refuses what no backend, directory or log line should ever see in
// a name: nothing at all, control characters, and bytes that are no UTF-8.
func checkName(name []byte) error {
	switch {
	case len(name) == 0:
		return fmt.Errorf("%w: empty name", ErrMalformed)
	case len(name) > maxName:
		return fmt.Errorf("%w: name", ErrTooLong)
	case !utf8.Valid(name):
		return fmt.Errorf("%w: name is not UTF-8", ErrMalformed)
	case bytes.ContainsFunc(name, func(r rune) bool { return r < 0x20 || r == 0x7f }):
		return fmt.Errorf("%w: control character in name", ErrMalformed)
	}
	return nil
}

// checkPassword refuses what could end a line or a string further on. An empty
// password is refused because LDAP takes it for an anonymous bind that
// succeeds (RFC 4513, section 5.1.2). Passwords need not be UTF-8: old ones are not.
func checkPassword(secret []byte) error {
	switch {
	case len(secret) == 0:
		return fmt.Errorf("%w: empty password", ErrMalformed)
	case len(secret) > maxPassword:
		return fmt.Errorf("%w: password", ErrTooLong)
	case bytes.ContainsAny(secret, "\x00\r\n"):
		return fmt.Errorf("%w: NUL, CR or LF in password", ErrMalformed)
	}
	return nil
}
