package token

import (
	"os"
	"strings"
	"testing"

	"github.com/portreeve/portreeve/internal/mailtest"
	"github.com/portreeve/portreeve/internal/protocol"
)

// readable is a folder that Dovecot's own user can read, which t.TempDir's are not.
func readable(t *testing.T) string {
	dir, err := os.MkdirTemp("", "keys-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

// The real Dovecot validates what we mint by the keys that we export, a new
// key without a restart, and takes nothing else.
func TestDovecotTakesMintedTokensByExportedKeys(t *testing.T) {
	for _, algorithm := range []string{"ES256", "RS256"} {
		t.Run(algorithm, func(t *testing.T) {
			m, _, _ := openMinter(t, algorithm)
			dir := readable(t)
			export := func() {
				t.Helper()
				if err := m.ExportDovecot(dir, ""); err != nil {
					t.Fatal(err)
				}
			}
			export()
			d := mailtest.StartDovecot(t, mailtest.DovecotOptions{TokenKeys: dir, Hasty: true,
				TokenConf: "issuers = " + mintIssuer + "\nclient_id = dovecot\nscope = imap\n"})
			forPerson := Audience{Name: "dovecot", Address: mailtest.Person, Protocol: protocol.IMAP}
			taken := func(what string, want bool, bearer string) {
				t.Helper()
				if got := d.XOAUTH2(t, mailtest.Person, bearer); strings.HasPrefix(got, "a OK") != want {
					t.Errorf("%s: %s%s", what, got, d.Log())
				}
			}
			taken("minted", true, mint(t, m, forPerson))
			other := forPerson
			other.Name = "cyrus"
			taken("for another backend", false, mint(t, m, other))
			other = forPerson
			other.Address = mailtest.Another
			taken("of another person", false, mint(t, m, other))
			other = forPerson
			other.Protocol = protocol.POP3
			taken("for another protocol", false, mint(t, m, other))
			foreign, _, _ := openMinter(t, algorithm)
			taken("by a key that was not exported", false, mint(t, foreign, forPerson))
			stranger, err := OpenMinter(MinterOptions{Issuer: "https://elsewhere.example", Algorithm: algorithm, Path: m.path}, m.box)
			if err != nil {
				t.Fatal(err)
			}
			taken("of another issuer", false, mint(t, stranger, forPerson))
			if err := m.Prepare(); err != nil {
				t.Fatal(err)
			}
			export()
			if _, err := m.Rotate(); err != nil {
				t.Fatal(err)
			}
			taken("by the next key", true, mint(t, m, forPerson))
		})
	}
}
