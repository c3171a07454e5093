package token

import (
	"time"

	"github.com/portreeve/portreeve/internal/signin"
)

// Minted is what one of the tokens says that we mint for backends.
type Minted struct {
	Audience string // the backend that it was minted for
	Address  string // the mailbox
	Scope    string // the protocol
	Issued   time.Time
	Expires  time.Time
}

// Verify says what a token minted here says, for a backend that asks us instead
// of checking the signature itself. A *Refusal says why it is none of ours; our
// own door never asks this.
func (m *Minter) Verify(minted []byte) (Minted, error) {
	if len(minted) > maxToken {
		return Minted{}, refuse(signin.TokenInvalid, "a token of %d bytes", len(minted))
	}
	t, err := parse(string(minted), func(typ string) bool { return typ == "JWT" })
	if err != nil {
		return Minted{}, err
	}
	key, ours := m.public()[t.kid]
	if !ours || t.algorithm != m.algorithm {
		return Minted{}, refuse(signin.TokenInvalid, "no token that was minted here for a backend")
	}
	if _, err := t.jws.Verify(key); err != nil {
		return Minted{}, refuse(signin.TokenInvalid, "the signature is wrong")
	}
	return m.judge(&t.claims)
}

func (m *Minter) judge(c *claimSet) (out Minted, err error) {
	if iss, err := c.text("iss"); err != nil || iss != m.issuer {
		return out, refuse(signin.TokenInvalid, "issuer %.200q is not this one", iss)
	}
	if out.Issued, out.Expires, err = c.times(time.Now()); err != nil {
		return Minted{}, err
	}
	for name, into := range map[string]*string{"aud": &out.Audience, "email": &out.Address, "scope": &out.Scope} {
		if *into, err = c.text(name); err != nil {
			return Minted{}, err
		}
	}
	return out, nil
}
