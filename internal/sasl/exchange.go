package sasl

import (
	"bytes"
	"encoding/base64"

	"github.com/portreeve/portreeve/internal/signin"
)

// Exchange is a mechanism under the base64 that all line protocols wrap it in.
// It bounds the whole exchange by MaxBase64 and wipes what it decoded.
type Exchange struct {
	mechanism Mechanism
	taken     int // octets of base64 so far
}

// NewExchange begins an exchange with a mechanism, named in any case.
func NewExchange(name string) (*Exchange, error) {
	m, err := New(name)
	if err != nil {
		return nil, err
	}
	return &Exchange{mechanism: m}, nil
}

// Credential is what was shown; it is zero until the exchange is done.
func (x *Exchange) Credential() signin.Credential { return x.mechanism.Credential() }

// Start takes the initial response as it stood in the command: nil if there
// was none, "=" for an empty one (RFC 4954 section 4, RFC 4959 section 3,
// RFC 5034 section 4). ManageSieve's empty string is an empty one too. The
// challenge is in base64.
func (x *Exchange) Start(initial []byte) (challenge []byte, done bool, err error) {
	switch {
	case initial == nil:
		return x.next(nil)
	case string(initial) == "=":
		return x.next([]byte{})
	}
	return x.decode(initial)
}

// Line takes the client's answer to a challenge, without its line end. "*"
// cancels.
func (x *Exchange) Line(line []byte) (challenge []byte, done bool, err error) {
	if string(line) == "*" {
		return nil, false, ErrCancelled
	}
	return x.decode(line)
}

func (x *Exchange) decode(line []byte) ([]byte, bool, error) {
	if x.taken += len(line); x.taken > MaxBase64 {
		return nil, false, ErrTooLong
	}
	response, err := Decode(line)
	if err != nil {
		return nil, false, err
	}
	defer clear(response)
	return x.next(response)
}

func (x *Exchange) next(response []byte) ([]byte, bool, error) {
	challenge, done, err := x.mechanism.Next(response)
	if err != nil || done {
		return nil, done, err
	}
	return Encode(challenge), false, nil
}

// Decode reads base64 strictly: padded, nothing behind the padding, and no CR
// or LF inside, which the standard library would skip.
func Decode(line []byte) ([]byte, error) {
	if bytes.ContainsAny(line, "\r\n") {
		return nil, ErrBase64
	}
	out := make([]byte, base64.StdEncoding.DecodedLen(len(line)))
	n, err := base64.StdEncoding.Strict().Decode(out, line)
	if err != nil {
		clear(out)
		return nil, ErrBase64
	}
	return out[:n], nil
}

// Encode writes base64; of nothing it is empty, not nil.
func Encode(b []byte) []byte {
	return base64.StdEncoding.AppendEncode([]byte{}, b)
}
