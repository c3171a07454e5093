package token

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/portreeve/portreeve/internal/protocol"
	"github.com/portreeve/portreeve/internal/secret"
	"github.com/portreeve/portreeve/internal/signin"
)

const mintIssuer = "https://gate.example.org/backends"

var forMary = Audience{Name: "dovecot", Address: "mary@example.org", Protocol: protocol.IMAP}

func openMinter(t testing.TB, algorithm string) (*Minter, MinterOptions, *secret.Box) {
	o := MinterOptions{Issuer: mintIssuer, Algorithm: algorithm, Path: filepath.Join(t.TempDir(), "keys")}
	box := secret.NewBox()
	m, err := OpenMinter(o, box)
	if err != nil {
		t.Fatal(err)
	}
	return m, o, box
}

func mint(t testing.TB, m *Minter, a Audience) string {
	text, err := m.Mint(a)
	if err != nil {
		t.Fatal(err)
	}
	return string(text.Bytes())
}

// atBackend is a backend's own check: a verifier that takes our tokens.
func atBackend(t testing.TB, m *Minter) *Verifier {
	raw, err := m.JWKS()
	if err != nil {
		t.Fatal(err)
	}
	o := Issuer{Name: "gate", Issuer: mintIssuer, Audiences: []string{"dovecot"}, Keys: keyFile(t, raw), Scopes: []string{"imap"}}
	v, err := NewVerifier([]Issuer{o})
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func TestAMintedTokenIsForOneBackendPersonProtocolAndMinute(t *testing.T) {
	for _, algorithm := range []string{"", "ES256", "RS256"} {
		m, _, _ := openMinter(t, algorithm)
		s := mint(t, m, forMary)
		c, err := verify(atBackend(t, m), s)
		if err != nil || c.Address != "mary@example.org" || c.Subject != "mary@example.org" || c.ID == "" {
			t.Errorf("%s: %+v, %v", algorithm, c, err)
		}
		if life := c.Expires.Sub(c.Issued); life > MintedFor || time.Until(c.Expires) > MintedFor || time.Since(c.Issued) < 4*time.Second {
			t.Errorf("%s: issued %v, expires %v", algorithm, c.Issued, c.Expires)
		}
		other := forMary
		other.Name = "cyrus"
		if _, err := verify(atBackend(t, m), mint(t, m, other)); codeOf(err) != signin.TokenAtWrongDoor {
			t.Errorf("another backend's: %v", err)
		}
		other = forMary
		other.Protocol = protocol.POP3
		if _, err := verify(atBackend(t, m), mint(t, m, other)); codeOf(err) != signin.TokenAtWrongDoor {
			t.Errorf("another protocol's: %v", err)
		}
		if s == mint(t, m, forMary) {
			t.Error("two tokens are the same")
		}
	}
	m, _, _ := openMinter(t, "")
	for _, a := range []Audience{{}, {Name: "x", Protocol: protocol.IMAP}, {Address: "x", Protocol: protocol.IMAP}, {Name: "x", Address: "x"}} {
		if _, err := m.Mint(a); err == nil {
			t.Errorf("%+v is minted", a)
		}
	}
}

func TestOurOwnDoorRefusesMintedTokens(t *testing.T) {
	m, _, _ := openMinter(t, "")
	raw, _ := m.JWKS()
	o := issuerWith(keyFile(t, raw)) // even where our own keys were configured as somebody's
	o.Audiences = []string{"dovecot"}
	if _, err := verify(newVerifier(t, o), mint(t, m, forMary)); codeOf(err) != signin.TokenAtWrongDoor {
		t.Errorf("%v", err)
	}
}

func TestKeysAreSealedOnDiskAndSurviveARestart(t *testing.T) {
	m, o, box := openMinter(t, "")
	raw, err := os.ReadFile(o.Path)
	if err != nil {
		t.Fatal(err)
	}
	if info, _ := os.Stat(o.Path); info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v", info.Mode())
	}
	if bytes.Contains(raw, []byte("pkcs8")) || bytes.Contains(raw, m.keys[0].PKCS8[20:40]) {
		t.Error("the keys lie open")
	}
	again, err := OpenMinter(o, box)
	if err != nil || again.keys[0].ID != m.keys[0].ID {
		t.Fatalf("%v", err)
	}
	if _, err := verify(atBackend(t, m), mint(t, again, forMary)); err != nil {
		t.Error(err)
	}
	if _, err := OpenMinter(o, secret.NewBox()); err == nil {
		t.Error("opened with another master key")
	}
	o.Algorithm = "RS256"
	if _, err := OpenMinter(o, box); err == nil {
		t.Error("keys of another algorithm are taken")
	}
	if now, _ := os.ReadFile(o.Path); !bytes.Equal(now, raw) {
		t.Error("a failed start changed the keys")
	}
	for _, bad := range []MinterOptions{{Path: o.Path}, {Issuer: mintIssuer, Algorithm: "HS256", Path: o.Path}, {Issuer: mintIssuer, Path: filepath.Join(t.TempDir(), "no", "keys")}} {
		if _, err := OpenMinter(bad, box); err == nil {
			t.Errorf("%+v is taken", bad)
		}
	}
}

func TestRotationPublishesBeforeItSigns(t *testing.T) {
	m, o, box := openMinter(t, "")
	first := mint(t, m, forMary)
	if err := m.Prepare(); err != nil {
		t.Fatal(err)
	}
	if err := m.Prepare(); err != nil || len(m.keys) != 2 {
		t.Fatalf("%d keys, %v", len(m.keys), err)
	}
	backend := atBackend(t, m) // has fetched what was published before the rotation
	if kidOf(t, mint(t, m, forMary)) != kidOf(t, first) {
		t.Error("a prepared key signs")
	}
	kid, err := m.Rotate()
	if err != nil {
		t.Fatal(err)
	}
	second := mint(t, m, forMary)
	if kidOf(t, second) != kid || kid == kidOf(t, first) {
		t.Errorf("signed by %s, in force is %s", kidOf(t, second), kid)
	}
	for _, s := range []string{first, second} {
		if _, err := verify(backend, s); err != nil {
			t.Error(err)
		}
	}
	if m, err = OpenMinter(o, box); err != nil || len(m.keys) != 2 || m.keys[0].ID != kid {
		t.Fatalf("after a restart: %d keys, %v", len(m.keys), err)
	}
	m.keys[1].Retired = time.Now().Add(-keptAfter)
	if _, err := m.Rotate(); err != nil || len(m.keys) != 2 || m.keys[1].ID != kid {
		t.Errorf("a key long retired is kept: %d keys, %v", len(m.keys), err)
	}
}

func kidOf(t testing.TB, s string) string {
	jws, err := jose.ParseSignedCompact(s, known)
	if err != nil {
		t.Fatal(err)
	}
	return jws.Signatures[0].Header.KeyID
}

func TestDovecotFindsEachKeyByItsName(t *testing.T) {
	m, _, _ := openMinter(t, "")
	dir := t.TempDir()
	if err := m.Prepare(); err != nil {
		t.Fatal(err)
	}
	export := func() []string {
		t.Helper()
		for _, party := range []string{"", "gate"} {
			if err := m.ExportDovecot(dir, party); err != nil {
				t.Fatal(err)
			}
		}
		files, err := os.ReadDir(filepath.Join(dir, "default", "ES256"))
		if err != nil {
			t.Fatal(err)
		}
		var names []string
		for _, f := range files {
			names = append(names, f.Name())
		}
		return names
	}
	foreign := filepath.Join(dir, "default", "ES256", "theirs")
	if err := os.MkdirAll(filepath.Dir(foreign), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(foreign, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if names := export(); len(names) != 3 {
		t.Errorf("exported %v", names)
	}
	for id, public := range m.public() {
		for _, party := range []string{"default", "gate"} {
			raw, err := os.ReadFile(filepath.Join(dir, party, "ES256", id))
			if err != nil {
				t.Fatal(err)
			}
			block, _ := pem.Decode(raw)
			key, err := x509.ParsePKIXPublicKey(block.Bytes)
			if err != nil || !key.(interface{ Equal(crypto.PublicKey) bool }).Equal(public) || len(id) != kidLength {
				t.Errorf("%s: %v", id, err)
			}
		}
	}
	old := m.keys[0].ID
	for range 2 {
		if _, err := m.Rotate(); err != nil {
			t.Fatal(err)
		}
		for i := range m.keys {
			if m.keys[i].State == retired {
				m.keys[i].Retired = time.Now().Add(-keptAfter)
			}
		}
	}
	if _, err := m.Rotate(); err != nil {
		t.Fatal(err)
	}
	if names := export(); slices.Contains(names, old) || !slices.Contains(names, "theirs") {
		t.Errorf("exported %v", names)
	}
	for _, bad := range []string{"..", ".", "a/b", "../x", "%2f", "a\x00"} {
		if err := m.ExportDovecot(dir, bad); err == nil {
			t.Errorf("party %q is taken", bad)
		}
	}
}

func TestMintingAndRotatingDoNotRace(t *testing.T) {
	m, _, _ := openMinter(t, "")
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 50 {
				if _, err := m.Mint(forMary); err != nil {
					t.Error(err)
				}
			}
		})
	}
	for range 5 {
		if _, err := m.Rotate(); err != nil {
			t.Error(err)
		}
		if _, err := m.JWKS(); err != nil {
			t.Error(err)
		}
	}
	wg.Wait()
}

func TestPublishedKeysHoldNothingPrivate(t *testing.T) {
	for _, algorithm := range []string{"ES256", "RS256"} {
		m, _, _ := openMinter(t, algorithm)
		raw, err := m.JWKS()
		if err != nil {
			t.Fatal(err)
		}
		var set struct{ Keys []map[string]any }
		if err := json.Unmarshal(raw, &set); err != nil || len(set.Keys) != 1 {
			t.Fatalf("%s, %v", raw, err)
		}
		for _, private := range []string{"d", "p", "q", "dp", "dq", "qi", "k"} {
			if _, there := set.Keys[0][private]; there {
				t.Errorf("%s: %s is published", algorithm, private)
			}
		}
	}
}

func TestATokenPrintsAsRedacted(t *testing.T) {
	m, _, _ := openMinter(t, "")
	text, err := m.Mint(forMary)
	if err != nil {
		t.Fatal(err)
	}
	if s := fmt.Sprintf("%v %+v %#v %s", text, text, struct{ T secret.Text }{text}, text); strings.Contains(s, "eyJ") {
		t.Error(s)
	}
}

func BenchmarkMint(b *testing.B) {
	for _, algorithm := range []string{"ES256", "RS256"} {
		m, _, _ := openMinter(b, algorithm)
		b.Run(algorithm, func(b *testing.B) {
			for b.Loop() {
				if _, err := m.Mint(forMary); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
