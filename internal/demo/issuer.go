package demo

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
)

const (
	issuerName = "https://id." + domain
	audience   = "portreeve-demo"
	// tokenLife is long enough to play with a token after the story.
	tokenLife = 12 * time.Hour
)

// issuer stands for the OpenID provider of the house: it has asked each person
// for a password and a code from an app, and says so in its tokens.
type issuer struct {
	signer jose.Signer
	public []byte // JWKS
}

func newIssuer() (*issuer, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	private := jose.JSONWebKey{Key: key, KeyID: "demo", Algorithm: string(jose.ES256), Use: "sig"}
	i := &issuer{}
	i.signer, err = jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: private}, (&jose.SignerOptions{}).WithType("at+jwt"))
	if err != nil {
		return nil, fmt.Errorf("making the demo's issuer: %w", err)
	}
	i.public, err = json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{private.Public()}})
	return i, err
}

// token is what a mail program holds after its user signed in with a browser.
func (i *issuer) token(address string) (string, error) {
	now := time.Now()
	return jwt.Signed(i.signer).Claims(map[string]any{
		"iss": issuerName, "aud": audience, "sub": address, "email": address,
		"iat": now.Unix(), "exp": now.Add(tokenLife).Unix(),
		"auth_time": now.Unix(), "amr": []string{"pwd", "otp"}, // RFC 8176
	}).Serialize()
}
