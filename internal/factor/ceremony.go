package factor

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"time"

	"github.com/portreeve/portreeve/internal/secret"
)

// ceremony is something begun that its answer must fit: a setup or a
// challenge. It is given away sealed and comes back with the answer, so that
// strangers who begin thousands fill nothing. What may be finished only once is
// marked as answered in the database when it is.
type ceremony struct {
	Person    string `json:"p,omitempty"` // id; empty: whoever answers
	Challenge string `json:"c,omitempty"` // of a passkey, base64url as browsers send it
	Seed      []byte `json:"s,omitempty"` // of an authenticator app
	Expires   int64  `json:"x"`           // seconds since 1970
}

// Format prints [redacted] under every verb: there may be a seed in it.
func (ceremony) Format(s fmt.State, _ rune) { _, _ = s.Write([]byte(secret.Redacted)) }

// The purposes that ceremonies are sealed for: none can be taken for another.
const (
	sealSetup    = "factor: totp setup"
	sealCreation = "factor: passkey creation"
	sealAnswer   = "factor: passkey assertion"
)

// maxState bounds what is read of a sealed ceremony, in bytes; one has about 300.
const maxState = 2048

func (s *Service) begin(purpose string, c ceremony, within time.Duration) (state string, err error) {
	c.Expires = time.Now().Add(within).Unix()
	plain, err := json.Marshal(c)
	if err != nil {
		return "", fmt.Errorf("sealing a ceremony: %w", err)
	}
	return base64.RawURLEncoding.EncodeToString(s.Box.Seal(purpose, plain)), nil
}

// resume opens what begin sealed, unless its time is over: ErrSetupOld.
func (s *Service) resume(purpose, state string) (c ceremony, err error) {
	if len(state) > maxState {
		return c, ErrSetupOld
	}
	sealed, err := base64.RawURLEncoding.Strict().DecodeString(state)
	if err != nil {
		return c, ErrSetupOld
	}
	plain, err := s.Box.Open(purpose, sealed)
	if err != nil {
		return c, ErrSetupOld
	}
	if err := json.Unmarshal(plain, &c); err != nil {
		return ceremony{}, fmt.Errorf("reading a sealed ceremony: %w", err)
	}
	if time.Now().Unix() >= c.Expires {
		return ceremony{}, ErrSetupOld
	}
	return c, nil
}

// ends is when the ceremony runs out.
func (c *ceremony) ends() time.Time { return time.Unix(c.Expires, 0) }
