package server

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"github.com/portreeve/portreeve/internal/config"
	"github.com/portreeve/portreeve/internal/policy"
	"github.com/portreeve/portreeve/internal/signin"
	"github.com/portreeve/portreeve/internal/token"
)

// TestEverySettingOfAnIssuerIsHeeded would catch a setting that is read from
// the file and then dropped, which lets in what was meant to be kept out.
func TestEverySettingOfAnIssuerIsHeeded(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	keys, err := json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: key.Public(), KeyID: "k"}}})
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "jwks.json")
	if err := os.WriteFile(file, keys, 0o600); err != nil {
		t.Fatal(err)
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: jose.JSONWebKey{Key: key, KeyID: "k"}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	s := &Server{Options: Options{Config: &config.Config{Issuers: map[string]config.Issuer{"idp": {
		Issuer: "https://id.example", JWKSFile: config.Path(file), Audience: []string{"mail"}, Algorithms: []string{"ES256"},
		Clients: []string{"thunderbird"}, Scopes: []string{"mail"}, SessionMax: time.Hour, Claims: config.Claims{Address: "upn"}, Domain: "example.org",
		AMR: map[string][]string{"otp": {"softwareOath"}}, ACR: map[string][]string{"high": {"fido2"}}, Proves: []string{"password"},
	}}}}}
	if err := s.openIssuers(t.Context()); err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	show := func(change map[string]any) (token.Claims, error) {
		claims := map[string]any{"iss": "https://id.example", "aud": "mail", "sub": "1", "upn": "mary", "azp": "thunderbird", "scope": "mail",
			"amr": []string{"otp"}, "acr": "high", "auth_time": now.Unix(), "exp": now.Add(time.Minute).Unix()}
		for k, v := range change {
			claims[k] = v
		}
		raw, err := jwt.Signed(signer).Claims(claims).Serialize()
		if err != nil {
			t.Fatal(err)
		}
		return s.tokens.Verify(t.Context(), []byte(raw))
	}
	c, err := show(nil)
	want := policy.MethodSoftwareOath | policy.MethodFIDO2 | policy.MethodPassword
	if err != nil || c.Address != "mary@example.org" || c.Methods != want || c.Session != time.Hour || !c.AuthTime.IsZero() || c.Issuer != "idp" {
		t.Errorf("%+v, %v", c, err)
	}
	for claim, value := range map[string]any{"aud": "other", "azp": "other", "scope": "other"} {
		var r *token.Refusal
		if _, err := show(map[string]any{claim: value}); !errors.As(err, &r) || r.Code != signin.TokenAtWrongDoor {
			t.Errorf("%s: %v", claim, err)
		}
	}
}
