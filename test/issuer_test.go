package test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
)

// What the door's configuration says of the issuer.
const (
	issuerURL = "https://login.example.org"
	audience  = "mail"
)

// issuer makes tokens as an OpenID provider does.
type issuer struct {
	keysFile string // its JWKS
	signer   jose.Signer
}

func newIssuer(t testing.TB) *issuer {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	i := &issuer{keysFile: filepath.Join(t.TempDir(), "jwks.json")}
	private := jose.JSONWebKey{Key: key, KeyID: "k1", Algorithm: string(jose.ES256), Use: "sig"}
	public, err := json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{private.Public()}})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(i.keysFile, public, 0o644); err != nil {
		t.Fatal(err)
	}
	i.signer, err = jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: private}, (&jose.SignerOptions{}).WithType("JWT"))
	if err != nil {
		t.Fatal(err)
	}
	return i
}

// token is a good token for a person, with some claims changed.
func (i *issuer) token(t testing.TB, person string, changes ...map[string]any) string {
	t.Helper()
	now := time.Now()
	claims := map[string]any{"iss": issuerURL, "aud": audience, "sub": person, "email": person, "iat": now.Unix(),
		"exp": now.Add(time.Hour).Unix(), "jti": fmt.Sprint(now.UnixNano()), "amr": []string{"pwd", "otp"}}
	for _, c := range changes {
		maps.Copy(claims, c)
	}
	s, err := jwt.Signed(i.signer).Claims(claims).Serialize()
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// expired is a token whose time is over.
func (i *issuer) expired(t testing.TB, person string) string {
	then := time.Now().Add(-2 * time.Hour)
	return i.token(t, person, map[string]any{"iat": then.Unix(), "exp": then.Add(time.Hour).Unix()})
}
