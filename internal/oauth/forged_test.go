package oauth

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"maps"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/portreeve/portreeve/internal/client"
	"github.com/portreeve/portreeve/internal/token"
)

// forgeries are tokens that look like a real one and are none, by name.
func (w *world) forgeries(real string) map[string]string {
	w.t.Helper()
	parts := strings.Split(real, ".")
	var header, claims map[string]any
	for i, v := range []*map[string]any{&header, &claims} {
		raw, err := base64.RawURLEncoding.DecodeString(parts[i])
		must(w.t, err)
		must(w.t, json.Unmarshal(raw, v))
	}
	coded := func(v map[string]any) string {
		raw, err := json.Marshal(v)
		must(w.t, err)
		return base64.RawURLEncoding.EncodeToString(raw)
	}
	with := func(m map[string]any, name string, value any) map[string]any {
		m = maps.Clone(m)
		m[name] = value
		return m
	}
	signed := func(typ string, c map[string]any) string {
		s, err := w.Keyring.Sign(jose.ES256, typ, c)
		must(w.t, err)
		return s
	}
	own, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(w.t, err)
	foreign := func(h map[string]any) string {
		signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: own}, nil)
		must(w.t, err)
		text := coded(h) + "." + parts[1]
		jws, err := signer.Sign([]byte(text))
		must(w.t, err)
		return text + "." + base64.RawURLEncoding.EncodeToString(jws.Signatures[0].Signature)
	}
	public, err := x509.MarshalPKIXPublicKey(w.Keyring.Set().Keys[0].Key)
	must(w.t, err)
	mac := hmac.New(sha256.New, public)
	hs := coded(with(header, "alg", "HS256")) + "." + parts[1]
	mac.Write([]byte(hs))
	jwk := map[string]any{"kty": "EC", "crv": "P-256", "x": base64.RawURLEncoding.EncodeToString(own.X.Bytes()), "y": base64.RawURLEncoding.EncodeToString(own.Y.Bytes())}
	return map[string]string{
		"alg none":                      coded(with(header, "alg", "none")) + "." + parts[1] + ".",
		"alg NoNe":                      coded(with(header, "alg", "NoNe")) + "." + parts[1] + "." + parts[2],
		"the public key as a secret":    hs + "." + base64.RawURLEncoding.EncodeToString(mac.Sum(nil)),
		"RS256 of an ES256 key":         coded(with(header, "alg", "RS256")) + "." + parts[1] + "." + parts[2],
		"a key of its own":              foreign(header),
		"a key in the header":           foreign(with(with(header, "jwk", jwk), "kid", "x")),
		"a key elsewhere":               foreign(with(header, "jku", "https://evil.example/keys")),
		"a key in a file":               foreign(with(header, "kid", "../../../../dev/null")),
		"no key's name":                 foreign(with(header, "kid", "")),
		"other claims":                  parts[0] + "." + coded(with(claims, "sub", service)) + "." + parts[2],
		"another issuer":                signed(token.TypeAccess, with(claims, "iss", "https://evil.example")),
		"another audience":              signed(token.TypeAccess, with(claims, "aud", "dovecot")),
		"two audiences":                 signed(token.TypeAccess, with(claims, "aud", []string{issuer, issuer + "/mail"})),
		"another type":                  signed(token.TypeID, claims),
		"a logout token's type":         signed(token.TypeLogout, claims),
		"expired":                       signed(token.TypeAccess, with(claims, "exp", time.Now().Add(-time.Hour).Unix())),
		"exp as text":                   signed(token.TypeAccess, with(claims, "exp", "9999999999")),
		"exp that never comes":          signed(token.TypeAccess, with(claims, "exp", 1e300)),
		"no exp":                        signed(token.TypeAccess, with(claims, "exp", nil)),
		"of tomorrow":                   signed(token.TypeAccess, with(claims, "iat", time.Now().Add(time.Hour*24).Unix())),
		"a grant of nobody's":           signed(token.TypeAccess, with(claims, "sid", "11111111-1111-4111-8111-111111111111")),
		"oversized":                     signed(token.TypeAccess, with(claims, "pad", strings.Repeat("x", 20_000))),
		"with a line break":             parts[0] + ".\n" + parts[1] + "." + parts[2],
		"with padding":                  parts[0] + "." + parts[1] + "=." + parts[2],
		"four parts":                    real + ".x",
		"half a token":                  parts[0] + "." + parts[1],
		"a crit header":                 foreign(with(header, "crit", []string{"exp"})),
		"a header that is repeated":     base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"ES256","alg":"none","typ":"at+jwt"}`)) + "." + parts[1] + "." + parts[2],
		"a signature of nothing at all": parts[0] + "." + parts[1] + ".AA",
	}
}

// No forged token tells who somebody is, is worth anything to a mail server, or
// ends anybody's sign-in.
func TestForgedTokens(t *testing.T) {
	w := newWorld(t)
	dovecot, secret := w.added(client.New{Name: "dovecot", Redirects: []string{"https://localhost"}})
	a := w.signedIn()
	for name, forged := range w.forgeries(a.text("access_token")) {
		w.slow = newSlow() // there are more forgeries than may be wrong at once
		if b := w.send("GET", pathUserinfo, nil, func(r *http.Request) { r.Header["Authorization"] = []string{"Bearer " + forged} }); b.StatusCode != http.StatusUnauthorized || b.json["sub"] != nil {
			t.Errorf("%s: %d %s", name, b.StatusCode, b.body)
		}
		if b := w.send("POST", pathIntrospect, values("token", forged), basic(dovecot.ID, secret)); strings.TrimSpace(b.body) != `{"active":false}` {
			t.Errorf("%s: %d %s", name, b.StatusCode, b.body)
		}
		if b := w.send("POST", pathRevoke, values("token", forged, "client_id", client.Mail), nil); b.StatusCode != http.StatusOK || len(w.grants.Of(leela)) != 1 {
			t.Errorf("%s: %d %s, and %d grants are left", name, b.StatusCode, b.body, len(w.grants.Of(leela)))
		}
	}
	if b := w.send("GET", pathUserinfo, nil, bearing(a.text("access_token"))); b.text("sub") != leela {
		t.Errorf("the real one: %d %s", b.StatusCode, b.body)
	}
}
