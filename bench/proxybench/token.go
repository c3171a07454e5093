package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"flag"
	"log"
	"os"
	"path/filepath"
	"time"
)

// tokenMain makes an issuer's key and one bearer token of it, valid for a day:
// proxybench token -dir DIR writes DIR/jwks.json and DIR/token.
func tokenMain(args []string) {
	fs := flag.NewFlagSet("token", flag.ExitOnError)
	dir := fs.String("dir", ".", "where to")
	issuer := fs.String("issuer", "https://id.example.test", "iss")
	audience := fs.String("audience", "mail", "aud")
	person := fs.String("person", "user1@example.org", "email")
	fs.Parse(args)
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		log.Fatal(err)
	}
	public, err := key.PublicKey.Bytes() // 4, then x and y of 32 bytes each
	if err != nil {
		log.Fatal(err)
	}
	jwks, _ := json.Marshal(map[string]any{"keys": []any{map[string]any{"kty": "EC", "crv": "P-256", "kid": "bench", "alg": "ES256", "use": "sig",
		"x": b64url(public[1:33]), "y": b64url(public[33:])}}})
	now := time.Now()
	head, _ := json.Marshal(map[string]any{"alg": "ES256", "typ": "JWT", "kid": "bench"})
	body, _ := json.Marshal(map[string]any{"iss": *issuer, "aud": *audience, "sub": *person, "email": *person,
		"iat": now.Unix(), "exp": now.Add(24 * time.Hour).Unix()})
	text := b64url(head) + "." + b64url(body)
	sum := sha256.Sum256([]byte(text))
	r, s, err := ecdsa.Sign(rand.Reader, key, sum[:])
	if err != nil {
		log.Fatal(err)
	}
	signature := append(r.FillBytes(make([]byte, 32)), s.FillBytes(make([]byte, 32))...)
	for name, b := range map[string][]byte{"jwks.json": jwks, "token": []byte(text + "." + b64url(signature) + "\n")} {
		if err := os.WriteFile(filepath.Join(*dir, name), b, 0o600); err != nil {
			log.Fatal(err)
		}
	}
}

func b64url(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }
