package sasl

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/portreeve/portreeve/internal/policy"
	"github.com/portreeve/portreeve/internal/signin"
)

// kvsep stands between and behind the fields of both token mechanisms.
const kvsep = "\x01"

// parseXOAUTH2 reads user=NAME ^A auth=Bearer TOKEN ^A ^A (Google, "OAuth 2.0
// Mechanism"). The name becomes the credential's Authcid.
func parseXOAUTH2(response []byte) (signin.Credential, error) {
	fields, err := splitFields(response)
	if err != nil {
		return signin.Credential{}, err
	}
	name := fields["user"]
	if err := checkName(name); err != nil {
		return signin.Credential{}, err
	}
	return bearer(XOAUTH2, name, fields["auth"])
}

// parseOAuthBearer reads a GS2 header and fields: n,a=NAME, ^A host=H ^A
// port=P ^A auth=Bearer TOKEN ^A ^A (RFC 7628, section 3.1). a=, host= and
// port= are optional; a foreign host or port is not refused, since programs
// behind port forwards name those. Without a= the name is the token's, and the
// credential has none.
func parseOAuthBearer(response []byte) (signin.Credential, error) {
	header, rest, found := bytes.Cut(response, []byte(kvsep))
	if !found {
		return signin.Credential{}, fmt.Errorf("%w: no field after the GS2 header", ErrMalformed)
	}
	name, err := parseGS2(header)
	if err != nil {
		return signin.Credential{}, err
	}
	fields, err := splitFields(rest)
	if err != nil {
		return signin.Credential{}, err
	}
	return bearer(OAuthBearer, name, fields["auth"])
}

// parseGS2 reads gs2-cb-flag "," [ "a=" saslname ] "," (RFC 5801, section 4).
// Channel binding ("p=") is asked for by no bearer client and is refused.
func parseGS2(header []byte) ([]byte, error) {
	parts := bytes.Split(header, []byte{','})
	if len(parts) != 3 || len(parts[2]) != 0 {
		return nil, fmt.Errorf("%w: GS2 header", ErrMalformed)
	}
	if flag := string(parts[0]); flag != "n" && flag != "y" {
		return nil, fmt.Errorf("%w: channel binding in GS2 header", ErrMalformed)
	}
	if len(parts[1]) == 0 {
		return nil, nil
	}
	escaped, ok := bytes.CutPrefix(parts[1], []byte("a="))
	if !ok {
		return nil, fmt.Errorf("%w: GS2 header", ErrMalformed)
	}
	name, err := unescapeSASLName(escaped)
	if err != nil {
		return nil, err
	}
	return name, checkName(name)
}

// unescapeSASLName reads =2C and =3D; any other "=" is an error (RFC 5801, section 4).
func unescapeSASLName(escaped []byte) ([]byte, error) {
	var name []byte
	for i := 0; i < len(escaped); i++ {
		if escaped[i] != '=' {
			name = append(name, escaped[i])
			continue
		}
		switch {
		case bytes.HasPrefix(escaped[i:], []byte("=2C")):
			name = append(name, ',')
		case bytes.HasPrefix(escaped[i:], []byte("=3D")):
			name = append(name, '=')
		default:
			return nil, fmt.Errorf("%w: escape in GS2 header", ErrMalformed)
		}
		i += 2
	}
	return name, nil
}

func escapeSASLName(name string) string {
	return strings.NewReplacer("=", "=3D", ",", "=2C").Replace(name)
}

// splitFields reads key=value fields, each ended by ^A, the last by two. A key
// that comes twice is refused, since two readers might each believe another
// one; unknown keys are ignored, as RFC 7628, section 3.1 demands.
func splitFields(b []byte) (map[string][]byte, error) {
	body, ok := bytes.CutSuffix(b, []byte(kvsep+kvsep))
	if !ok {
		return nil, fmt.Errorf("%w: fields do not end with two ^A", ErrMalformed)
	}
	fields := map[string][]byte{}
	for field := range bytes.SplitSeq(body, []byte(kvsep)) {
		key, value, ok := bytes.Cut(field, []byte{'='})
		if !ok || !isAlpha(key) {
			return nil, fmt.Errorf("%w: field without a key", ErrMalformed)
		}
		k := strings.ToLower(string(key))
		if _, twice := fields[k]; twice {
			return nil, fmt.Errorf("%w: repeated field", ErrMalformed)
		}
		fields[k] = value
	}
	return fields, nil
}

func isAlpha(b []byte) bool {
	for _, c := range b {
		if c|0x20 < 'a' || c|0x20 > 'z' {
			return false
		}
	}
	return len(b) > 0
}

// bearer reads the value of auth=, "Bearer" in any case and a token.
func bearer(mechanism string, name, value []byte) (signin.Credential, error) {
	scheme, token, _ := bytes.Cut(value, []byte{' '})
	if !bytes.EqualFold(scheme, []byte("Bearer")) {
		return signin.Credential{}, fmt.Errorf("%w: no bearer token", ErrMalformed)
	}
	if err := checkToken(token); err != nil {
		return signin.Credential{}, err
	}
	return signin.NewCredential(policy.CredentialBearer, mechanism, string(name), "", bytes.Clone(token)), nil
}

// checkToken holds a token to RFC 6750's b64token (section 2.1).
func checkToken(token []byte) error {
	body := bytes.TrimRight(token, "=")
	switch {
	case len(body) == 0:
		return fmt.Errorf("%w: empty token", ErrMalformed)
	case len(token) > maxToken:
		return fmt.Errorf("%w: token", ErrTooLong)
	}
	for _, c := range body {
		if !isAlpha([]byte{c}) && (c < '0' || c > '9') && strings.IndexByte("-._~+/", c) < 0 {
			return fmt.Errorf("%w: token is not of RFC 6750's characters", ErrMalformed)
		}
	}
	return nil
}

// OAuthError is what a refused token is told, in JSON.
type OAuthError struct {
	// Configuration is the address of the issuer's openid-configuration; the
	// only way for a program to find the issuer from a mail server.
	Configuration string
	Scope         string
}

// BearerChallenge is OAUTHBEARER's (RFC 7628, section 3.2.2). The client
// answers with one line, which is to be read whatever it holds, before the
// refusal itself is sent.
func (e OAuthError) BearerChallenge() []byte {
	return challenge(struct {
		Status        string `json:"status"`
		Scope         string `json:"scope,omitempty"`
		Configuration string `json:"openid-configuration,omitempty"`
	}{"invalid_token", e.Scope, e.Configuration})
}

// XOAUTH2Challenge is XOAUTH2's, in Google's form. Off by default: seven
// programs hang on it or show it to their user.
func (e OAuthError) XOAUTH2Challenge() []byte {
	return challenge(struct {
		Status  string `json:"status"`
		Schemes string `json:"schemes"`
		Scope   string `json:"scope"`
	}{"401", "bearer", e.Scope})
}

func challenge(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil { // strings always marshal
		return []byte(`{"status":"invalid_token"}`)
	}
	return b
}
