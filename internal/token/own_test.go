package token

import (
	"context"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/portreeve/portreeve/internal/protocol"
	"github.com/portreeve/portreeve/internal/secret"
	"github.com/portreeve/portreeve/internal/signin"
)

const (
	ownIssuer   = "https://door.example.org"
	ownAudience = ownIssuer + "/mail"
)

func openKeyring(t testing.TB) (*Keyring, KeyringOptions, *secret.Box) {
	t.Helper()
	o, box := KeyringOptions{Path: filepath.Join(t.TempDir(), "oauth.keys")}, secret.NewBox()
	k, err := OpenKeyring(o, box)
	if err != nil {
		t.Fatal(err)
	}
	return k, o, box
}

// sharedRing is made once: RSA keys take their time. No test changes it.
var sharedRing = sync.OnceValue(func() *Keyring {
	dir, err := os.MkdirTemp("", "keyring")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	k, err := OpenKeyring(KeyringOptions{Path: filepath.Join(dir, "keys")}, secret.NewBox())
	if err != nil {
		panic(err)
	}
	return k
})

// pairOf is the ring's current key, to sign with whatever a forger likes.
func (k *Keyring) pairOf(a jose.SignatureAlgorithm) pair {
	key := k.keys.Load().of[a][0]
	return pair{key.ID, a, key.private}
}

func ownHeader(p pair) members { return p.header().with("typ", "at+jwt") }

func ownClaims() members {
	now := time.Now().Unix()
	return members{"iss": ownIssuer, "aud": ownAudience, "sub": "person-1", "client_id": "portreeve-mail", "scope": "imap smtp", "jti": "one",
		"sid": "grant-1", "iat": now, "exp": now + 600, "auth_time": now - 60, "amr": []string{"pwd"}, "email": "mary@example.org"}
}

func TestOwnTokensAreTaken(t *testing.T) {
	k := sharedRing()
	o := NewOwn(ownIssuer, ownAudience, k)
	for _, a := range []jose.SignatureAlgorithm{"", jose.ES256, jose.RS256} {
		text, err := k.Sign(a, TypeAccess, ownClaims())
		if err != nil {
			t.Fatal(err)
		}
		for range 2 { // cold, and seen
			c, err := o.Verify(t.Context(), []byte(text))
			if err != nil || !c.Own || c.Subject != "person-1" || c.Grant != "grant-1" || c.ID != "one" || c.Scope != "imap smtp" || !c.Scopes.Covers(protocol.IMAP) ||
				c.Address != "mary@example.org" || c.ClientID != "portreeve-mail" || c.Issuer != "" || c.Methods != 0 || !c.AuthTime.IsZero() || c.Expires.IsZero() {
				t.Errorf("%s: %+v, %v", a, c, err)
			}
		}
		if !o.Mine([]byte(text)) {
			t.Errorf("%s: not known as ours", a)
		}
	}
}

// ownForgeries are tokens that we gave to no program.
func ownForgeries(t *testing.T) map[string]string {
	k := sharedRing()
	ec, rs, stranger := k.pairOf(jose.ES256), k.pairOf(jose.RS256), otherPair()
	stranger.kid = ec.kid
	whole := ec.sign(t, ownHeader(ec), ownClaims())
	p := strings.Split(whole, ".")
	head, body, sig := p[0], p[1], p[2]
	der, err := x509.MarshalPKIXPublicKey(rs.private.Public())
	if err != nil {
		t.Fatal(err)
	}
	public, err := json.Marshal(rs.jwk())
	if err != nil {
		t.Fatal(err)
	}
	enc := base64.RawURLEncoding.EncodeToString
	hs := encode(t, members{"alg": "HS256", "kid": rs.kid, "typ": "at+jwt"}) + "." + body
	with := func(name string, value any) string { return ec.sign(t, ownHeader(ec).with(name, value), ownClaims()) }
	says := func(name string, value any) string { return ec.sign(t, ownHeader(ec), ownClaims().with(name, value)) }
	id, _ := k.Sign(jose.ES256, TypeID, ownClaims())
	logout, _ := k.Sign(jose.ES256, TypeLogout, ownClaims())
	now := time.Now().Unix()
	all := map[string]string{
		"alg none":                     encode(t, ownHeader(ec).with("alg", "none")) + "." + body + ".",
		"alg none, signed":             encode(t, ownHeader(ec).with("alg", "none")) + "." + body + "." + sig,
		"alg nOnE":                     encode(t, ownHeader(ec).with("alg", "nOnE")) + "." + body + ".",
		"alg empty":                    encode(t, ownHeader(ec).with("alg", "")) + "." + body + ".",
		"alg missing":                  encode(t, ownHeader(ec).with("alg", nil)) + "." + body + "." + sig,
		"HS256, the public key in DER": hs256(hs, der),
		"HS256, the public key as JWK": hs256(hs, public),
		"HS256, no key":                hs256(hs, nil),
		"RS256 by the ES256 key's id":  rs.sign(t, ownHeader(rs).with("kid", ec.kid), ownClaims()),
		"ES256 by the RS256 key's id":  ec.sign(t, ownHeader(ec).with("kid", rs.kid), ownClaims()),
		"PS256 by the RS256 key":       rs.sign(t, ownHeader(rs).with("alg", "PS256"), ownClaims()),
		"RS256 header, ES256 signed":   ec.sign(t, ownHeader(rs), ownClaims()),
		"a stranger's key":             stranger.sign(t, ownHeader(stranger), ownClaims()),
		"no signature":                 head + "." + body + ".",
		"two parts":                    head + "." + body,
		"one part":                     head,
		"a signature of zeros":         head + "." + body + "." + enc(make([]byte, 64)),
		"claims changed":               head + "." + encode(t, ownClaims().with("sub", "person-2")) + "." + sig,
		"signature changed":            head + "." + body + "." + enc(make([]byte, 32)) + sig[43:],
		"kid missing":                  with("kid", nil),
		"kid empty":                    with("kid", ""),
		"kid unknown":                  with("kid", "nope"),
		"kid that is a path":           with("kid", "../../../../../../dev/null"),
		"kid that is our file":         with("kid", "./oauth.keys"),
		"kid that is SQL":              with("kid", "x' OR '1'='1"),
		"kid that is a number":         with("kid", 7),
		"kid with NUL":                 with("kid", ec.kid+"\x00"),
		"jwk":                          stranger.sign(t, ownHeader(stranger).with("jwk", stranger.jwk()), ownClaims()),
		"jwk beside a good signature":  with("jwk", ec.jwk()),
		"jku":                          with("jku", "https://evil.example/jwks"),
		"x5u":                          with("x5u", "https://evil.example/c"),
		"x5c":                          with("x5c", []string{enc(der)}),
		"x5t":                          with("x5t", "AAAA"),
		"crit":                         with("crit", []string{"exp"}),
		"b64":                          with("b64", false),
		"zip":                          with("zip", "DEF"),
		"cty":                          with("cty", "JWT"),
		"type missing":                 with("typ", nil),
		"type JWT":                     with("typ", "JWT"),
		"type in capitals":             with("typ", "AT+JWT"),
		"type no text":                 with("typ", 1),
		"an ID token":                  id,
		"a logout token":               logout,
		"no JSON header":               "AAAA." + body + "." + sig,
		"a repeated header":            ec.signText(t, enc([]byte(`{"alg":"none","alg":"ES256","typ":"at+jwt","kid":"`+ec.kid+`"}`)), body),
		"a repeated claim":             ec.signText(t, head, enc([]byte(`{"iss":"a","iss":"`+ownIssuer+`"}`))),
		"claims no object":             ec.signText(t, head, enc([]byte(`["x"]`))),
		"padded":                       whole + "=",
		"a line end":                   head + "." + body[:8] + "\n" + body[8:] + "." + sig,
		"JSON form":                    `{"payload":"` + body + `","protected":"` + head + `","signature":"` + sig + `"}`,
		"oversized":                    says("jti", strings.Repeat("x", 13<<10)),
		"a header of kilobytes":        with("kid", strings.Repeat("x", 2<<10)),
		"nothing":                      "",
		"dots":                         "..",

		"another issuer":       says("iss", "https://evil.example"),
		"issuer with a slash":  says("iss", ownIssuer+"/"),
		"issuer missing":       says("iss", nil),
		"another audience":     says("aud", ownIssuer),
		"a backend's audience": says("aud", "dovecot"),
		"several audiences":    says("aud", []string{ownAudience, "other"}),
		"audience missing":     says("aud", nil),
		"expired":              says("exp", now-3600),
		"exp as text":          says("exp", fmt.Sprint(now+600)),
		"exp missing":          says("exp", nil),
		"exp null":             says("exp", json.RawMessage("null")),
		"exp beyond all years": says("exp", 1e300),
		"iat as text":          says("iat", fmt.Sprint(now)),
		"iat missing":          says("iat", nil),
		"iat in the future":    says("iat", now+3600),
		"nbf in the future":    says("nbf", now+3600),
		"nbf as text":          says("nbf", "0"),
		"no grant":             says("sid", nil),
		"grant as a list":      says("sid", []string{"grant-1"}),
		"no person":            says("sub", ""),
		"no client":            says("client_id", nil),
		"no jti":               says("jti", nil),
		"no address":           says("email", nil),
		"scope as a list":      says("scope", []string{"imap"}),
		"scope with a quote":   says("scope", `im"ap`),
		"a nonce":              says("nonce", "n"),
		"events":               says("events", members{logoutEvent: members{}}),
	}
	return all
}

func TestForgedOwnTokensAreRefused(t *testing.T) {
	o := NewOwn(ownIssuer, ownAudience, sharedRing())
	codes := map[string]signin.Code{"expired": signin.TokenExpired, "another audience": signin.TokenAtWrongDoor, "a backend's audience": signin.TokenAtWrongDoor,
		"several audiences": signin.TokenAtWrongDoor, "audience missing": signin.TokenAtWrongDoor, "iat in the future": signin.TokenNotYetValid, "nbf in the future": signin.TokenNotYetValid}
	for name, text := range ownForgeries(t) {
		want := codes[name]
		if want == 0 {
			want = signin.TokenInvalid
		}
		for range 2 { // what was refused is not remembered as good
			c, err := o.Verify(t.Context(), []byte(text))
			var r *Refusal
			if !errors.As(err, &r) || r.Code != want || c.Own || c.Subject != "" {
				t.Errorf("%s: %v, want %s", name, err, want)
			}
		}
	}
	if n := len(o.seen.claims); n != 0 {
		t.Errorf("%d forgeries are remembered", n)
	}
}

// Tokens for backends, of the same issuer's name, and ours for programs are
// each refused where the others are taken.
func TestBackendsTokensAndProgramsTokensAreKeptApart(t *testing.T) {
	k := sharedRing()
	m, err := OpenMinter(MinterOptions{Issuer: ownIssuer, Path: filepath.Join(t.TempDir(), "minting.keys")}, secret.NewBox())
	if err != nil {
		t.Fatal(err)
	}
	o := NewOwn(ownIssuer, ownAudience, k)
	backends := mint(t, m, Audience{Name: ownAudience, Address: "mary@example.org", Protocol: protocol.IMAP})
	if _, err := o.Verify(t.Context(), []byte(backends)); err == nil || o.Mine([]byte(backends)) {
		t.Error("a token for backends opens the door")
	}
	programs, err := k.Sign(jose.ES256, TypeAccess, ownClaims())
	if err != nil {
		t.Fatal(err)
	}
	set, _ := m.JWKS()
	path := filepath.Join(t.TempDir(), "jwks.json")
	if err := os.WriteFile(path, set, 0o600); err != nil {
		t.Fatal(err)
	}
	backend, err := NewVerifier([]Issuer{{Name: "us", Issuer: ownIssuer, Audiences: []string{ownAudience}, Keys: path}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := verify(backend, backends); err != nil {
		t.Errorf("the backend does not take its own: %v", err)
	}
	if _, err := verify(backend, programs); err == nil {
		t.Error("a program's token opens a backend")
	}
	foreign, err := NewVerifier(nil, ownIssuer)
	if err != nil {
		t.Fatal(err)
	}
	var r *Refusal
	if _, err := verify(foreign, programs); !errors.As(err, &r) || r.Code != signin.TokenAtWrongDoor {
		t.Errorf("an own token is taken for a foreign issuer's: %v", err)
	}
}

func TestKeysOfProgramsTokensRotateWithoutAnOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k, opts, box := openKeyring(t)
		long := ownClaims().with("exp", time.Now().Add(72*time.Hour).Unix())
		sign := func(a jose.SignatureAlgorithm) string {
			text, err := k.Sign(a, TypeAccess, long)
			if err != nil {
				t.Fatal(err)
			}
			return text
		}
		published := func() map[string]bool {
			raw, err := k.JWKS()
			if err != nil || strings.Contains(string(raw), `"d"`) {
				t.Fatalf("private keys are published, or none: %v", err)
			}
			var set jose.JSONWebKeySet
			if err := json.Unmarshal(raw, &set); err != nil {
				t.Fatal(err)
			}
			all := map[string]bool{}
			for _, one := range set.Keys {
				all[one.KeyID] = one.IsPublic() && one.Use == "sig" && one.Algorithm != ""
			}
			return all
		}
		old, oldRSA := sign(jose.ES256), sign(jose.RS256)
		if err := k.Prepare(); err != nil || len(published()) != 4 {
			t.Fatal(err, published())
		}
		before := published()
		if kid := kidOf(t, sign(jose.ES256)); kid != kidOf(t, old) {
			t.Error("a prepared key signs already")
		}
		if err := k.Prepare(); err != nil || len(published()) != 4 {
			t.Error("preparing twice makes more", err)
		}
		kids, err := k.Rotate()
		if err != nil || len(kids) != 2 || kidOf(t, sign(jose.ES256)) != kids[0] || kidOf(t, sign(jose.RS256)) != kids[1] || kids[0] == kidOf(t, old) {
			t.Fatal(kids, err)
		}
		for _, kid := range kids {
			if !before[kid] {
				t.Error("a key signs that was not public before")
			}
		}
		info, err := os.Stat(opts.Path)
		if err != nil || info.Mode().Perm() != 0o600 {
			t.Error(info, err)
		}
		if k, err = OpenKeyring(opts, box); err != nil {
			t.Fatal(err)
		}
		o := NewOwn(ownIssuer, ownAudience, k)
		for _, text := range []string{old, oldRSA, sign(jose.ES256)} {
			if _, err := o.Verify(t.Context(), []byte(text)); err != nil {
				t.Errorf("after a rotation and a restart: %v", err)
			}
		}
		time.Sleep(25 * time.Hour)
		if n := len(published()); n != 2 {
			t.Errorf("%d keys are public a day later", n)
		}
		if _, err := NewOwn(ownIssuer, ownAudience, k).Verify(t.Context(), []byte(old)); err == nil {
			t.Error("a key that was retired a day ago still counts")
		}
		if _, err := OpenKeyring(opts, secret.NewBox()); err == nil {
			t.Error("the keys open under another master key")
		}
		if _, err := OpenMinter(MinterOptions{Issuer: ownIssuer, Path: opts.Path}, box); err == nil {
			t.Error("the keys open as those of backends")
		}
	})
}

// Whoever keeps a copy of the public keys has time to learn the next ones.
func TestKeysArePublicForAWhileBeforeTheySign(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := KeyringOptions{Path: filepath.Join(t.TempDir(), "keys"), Lead: time.Hour}
		k, err := OpenKeyring(o, secret.NewBox())
		if err != nil {
			t.Fatal(err)
		}
		first := k.Set().Keys[0].KeyID
		for range 2 {
			if _, err := k.Rotate(); !errors.Is(err, ErrTooEarly) || len(k.Set().Keys) != 4 || k.Set().Keys[0].KeyID != first {
				t.Fatalf("%v, %d keys", err, len(k.Set().Keys))
			}
			time.Sleep(time.Minute)
		}
		time.Sleep(time.Hour)
		if kids, err := k.Rotate(); err != nil || k.Set().Keys[0].KeyID != kids[0] || kids[0] == first {
			t.Error(kids, err)
		}
	})
}

func TestSigningVerifyingAndRotatingDoNotRace(t *testing.T) {
	k, _, _ := openKeyring(t)
	o := NewOwn(ownIssuer, ownAudience, k)
	var wg sync.WaitGroup
	for range 3 {
		wg.Go(func() {
			for range 100 {
				text, err := k.Sign(jose.ES256, TypeAccess, ownClaims())
				if err == nil {
					_, err = o.Verify(context.Background(), []byte(text))
				}
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Go(func() {
		for range 2 {
			if _, err := k.Rotate(); err != nil {
				t.Error(err)
			}
			_ = k.Set()
		}
	})
	wg.Wait()
}

func FuzzOwnVerify(f *testing.F) {
	k := sharedRing()
	o := NewOwn(ownIssuer, ownAudience, k)
	text, err := k.Sign(jose.ES256, TypeAccess, ownClaims())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text)
	f.Add("..")
	f.Fuzz(func(t *testing.T, s string) {
		c, err := o.Verify(context.Background(), []byte(s))
		var r *Refusal
		if err == nil && s != text || err != nil && !errors.As(err, &r) {
			t.Errorf("%q: %+v, %v", s, c, err)
		}
		_ = o.Mine([]byte(s))
	})
}

func BenchmarkOwnVerifyCold(b *testing.B) {
	for _, a := range ringAlgorithms {
		b.Run(string(a), func(b *testing.B) {
			k := sharedRing()
			text, err := k.Sign(a, TypeAccess, ownClaims())
			if err != nil {
				b.Fatal(err)
			}
			o := NewOwn(ownIssuer, ownAudience, k)
			b.ReportAllocs()
			for b.Loop() {
				clear(o.seen.claims)
				if _, err := o.Verify(context.Background(), []byte(text)); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkOwnVerifySeen(b *testing.B) {
	k := sharedRing()
	text, err := k.Sign(jose.ES256, TypeAccess, ownClaims())
	if err != nil {
		b.Fatal(err)
	}
	o, bearer := NewOwn(ownIssuer, ownAudience, k), []byte(text)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := o.Verify(context.Background(), bearer); err != nil {
			b.Fatal(err)
		}
	}
}
