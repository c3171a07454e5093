package backend

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/portreeve/portreeve/internal/mailtest"
	"github.com/portreeve/portreeve/internal/protocol"
	"github.com/portreeve/portreeve/internal/sasl"
	"github.com/portreeve/portreeve/internal/secret"
)

// minter makes tokens that a Dovecot with its key folder validates.
type minter struct {
	key *ecdsa.PrivateKey
	dir string
}

func newMinter(t *testing.T) *minter {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for path := dir; path != os.TempDir() && path != "/"; path = filepath.Dir(path) { // Dovecot is somebody else
		if err := os.Chmod(path, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.MkdirAll(filepath.Join(dir, "default", "ES256"), 0o755); err != nil {
		t.Fatal(err)
	}
	public := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
	if err := os.WriteFile(filepath.Join(dir, "default", "ES256", "k1"), public, 0o644); err != nil {
		t.Fatal(err)
	}
	return &minter{key, dir}
}

func (m *minter) mint(address string, p protocol.Protocol) (secret.Text, error) {
	now := time.Now()
	body := map[string]any{"iss": "https://gate.example", "aud": "dovecot", "sub": address, "scope": p.String(),
		"iat": now.Add(-5 * time.Second).Unix(), "nbf": now.Add(-5 * time.Second).Unix(), "exp": now.Add(time.Minute).Unix()}
	part := func(v any) string {
		b, _ := json.Marshal(v)
		return base64.RawURLEncoding.EncodeToString(b)
	}
	signed := part(map[string]string{"alg": "ES256", "typ": "JWT", "kid": "k1"}) + "." + part(body)
	sum := sha256.Sum256([]byte(signed))
	r, s, err := ecdsa.Sign(rand.Reader, m.key, sum[:])
	if err != nil {
		return secret.Text{}, err
	}
	token := signed + "." + base64.RawURLEncoding.EncodeToString(append(r.FillBytes(make([]byte, 32)), s.FillBytes(make([]byte, 32))...))
	return secret.NewText([]byte(token)), nil
}

func TestTokensOpenEveryProtocol(t *testing.T) {
	m := newMinter(t)
	d := mailtest.StartDovecot(t, mailtest.DovecotOptions{Hasty: true, TokenKeys: m.dir, TokenConf: "issuers = https://gate.example"})
	postfix := mailtest.StartPostfix(t, mailtest.PostfixOptions{Dovecot: d})
	endpoints := map[protocol.Protocol]Endpoint{
		protocol.IMAP: {Address: d.IMAP, TLS: TLSNone}, protocol.POP3: {Address: d.POP3, TLS: TLSNone},
		protocol.Sieve: {Address: d.Sieve, TLS: TLSNone}, protocol.Submission: {Address: postfix.Submission, TLS: TLSNone},
	}
	stranger := newMinter(t)
	for _, mechanism := range []string{sasl.OAuthBearer, sasl.XOAUTH2} {
		for p := range endpoints {
			o := Options{Endpoints: endpoints, Login: LoginToken, Mint: m.mint, TokenMechanism: mechanism}
			q := request(p, 1)
			q.Password = nil
			c, err := newPool(t, o).Dial(context.Background(), q)
			if err != nil {
				t.Errorf("%s %v: %v\n%s", mechanism, p, err, d.Log())
				continue
			}
			_ = c.Close()
			o.Mint = stranger.mint // Dovecot answers with a challenge, and refuses after ours
			if _, err := newPool(t, o).Dial(context.Background(), q); !errors.Is(err, ErrAway) || errors.Is(err, ErrRefused) {
				t.Errorf("%s %v with a stranger's token: %v", mechanism, p, err)
			}
		}
	}
	if !d.Logged("Login: user=<" + mailtest.Person + ">, method=OAUTHBEARER") {
		t.Error(d.Log())
	}
}
