package grant

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/url"
	"time"

	"github.com/portreeve/portreeve/internal/scope"
)

const (
	requestPurpose = "authorization requests"
	requestKept    = 10 * time.Minute // what a person takes to sign in and to read
	requestMost    = 16 << 10         // bytes of a sealed request
)

// Request is an authorization request that was checked, as the browser carries
// it, sealed, from page to page.
type Request struct {
	Client       string    `json:"client"`
	ClientName   string    `json:"clientName,omitempty"`
	Redirect     string    `json:"redirect"` // exactly as registered or as the rules for native programs allow
	State        string    `json:"state,omitempty"`
	Nonce        string    `json:"nonce,omitempty"`
	Challenge    string    `json:"challenge,omitempty"`    // PKCE, S256
	ResponseMode string    `json:"responseMode,omitempty"` // query, fragment or form_post; empty is query
	LoginHint    string    `json:"loginHint,omitempty"`
	Scope        scope.Set `json:"scope"`
	Resource     []string  `json:"resource,omitempty"`
	Prompt       []string  `json:"prompt,omitempty"`
	MaxAge       *int      `json:"maxAge,omitempty"` // seconds
	ACR          []string  `json:"acr,omitempty"`
	At           time.Time `json:"at"`
	Program      string    `json:"program,omitempty"`
}

// Seal makes a request into what the browser carries for ten minutes.
func (s *Service) Seal(q Request) (string, error) {
	if q.At.IsZero() {
		q.At = time.Now()
	}
	raw, err := json.Marshal(q)
	if err != nil {
		return "", fmt.Errorf("sealing an authorization request: %w", err)
	}
	sealed := base64.RawURLEncoding.EncodeToString(s.Box.Seal(requestPurpose, raw))
	if len(sealed) > requestMost {
		return "", fmt.Errorf("sealing an authorization request: %d bytes are too many", len(sealed))
	}
	return sealed, nil
}

// Unseal is Seal's inverse; ErrUnknown for what is too old or was not sealed here.
func (s *Service) Unseal(sealed string) (Request, error) {
	var q Request
	if len(sealed) > requestMost {
		return q, fmt.Errorf("an authorization request of %d bytes: %w", len(sealed), ErrUnknown)
	}
	raw, err := base64.RawURLEncoding.Strict().DecodeString(sealed)
	if err != nil {
		return q, fmt.Errorf("an authorization request is %w", ErrUnknown)
	}
	plain, err := s.Box.Open(requestPurpose, raw)
	if err != nil || json.Unmarshal(plain, &q) != nil {
		return Request{}, fmt.Errorf("an authorization request is %w", ErrUnknown)
	}
	if age := time.Since(q.At); age > requestKept || age < -time.Minute {
		return Request{}, fmt.Errorf("an authorization request of %s is %w", q.At.UTC().Format(time.RFC3339), ErrUnknown)
	}
	return q, nil
}

// Answer is the address that the browser is sent to with a code, or with an
// error and its description. Whom the answer is from stands in it (RFC 9207).
// A program that wants it posted is answered by a page with Fields instead.
func (s *Service) Answer(q Request, code, errorCode, description string) string {
	fields := s.Fields(q, code, errorCode, description)
	to, err := url.Parse(q.Redirect)
	if err != nil {
		return "" // checked before it was sealed
	}
	if q.ResponseMode == "fragment" {
		to.RawFragment, to.Fragment = "", ""
		return to.String() + "#" + fields.Encode()
	}
	if to.RawQuery != "" {
		to.RawQuery += "&"
	}
	to.RawQuery += fields.Encode()
	return to.String()
}

// Fields are what an answer says.
func (s *Service) Fields(q Request, code, errorCode, description string) url.Values {
	v := url.Values{"iss": {s.Issuer}}
	add := func(name, value string) {
		if value != "" {
			v.Set(name, value)
		}
	}
	add("state", q.State)
	if errorCode == "" {
		add("code", code)
		return v
	}
	add("error", errorCode)
	add("error_description", description)
	return v
}
