package oauth

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/portreeve/portreeve/internal/client"
	"github.com/portreeve/portreeve/internal/mailtest"
	"github.com/portreeve/portreeve/internal/protocol"
	"github.com/portreeve/portreeve/internal/secret"
	"github.com/portreeve/portreeve/internal/store"
	"github.com/portreeve/portreeve/internal/token"
)

// The real Dovecot asks us what a token is worth: one that we mint for it is,
// and what a program holds is not, since nothing would be judged there.
func TestDovecotAsks(t *testing.T) {
	box := secret.NewBox()
	minter, err := token.OpenMinter(token.MinterOptions{Issuer: issuer, Path: filepath.Join(t.TempDir(), "minter")}, box)
	must(t, err)
	w := newWorldAt(t, issuer, func(o *Options) { o.Minted = minter })
	srv := httptest.NewServer(http.HandlerFunc(w.ServeHTTP))
	defer srv.Close()
	c, shown := w.added(client.New{Name: "dovecot", Redirects: []string{"https://localhost"}})
	keys, err := os.MkdirTemp("", "none-") // Dovecot's own user must be able to read it
	must(t, err)
	defer os.RemoveAll(keys)
	must(t, os.Chmod(keys, 0o755))
	d := mailtest.StartDovecot(t, mailtest.DovecotOptions{TokenKeys: keys, Hasty: true, Users: map[string]string{"leela@example.org": "x", "fry@example.org": "x"},
		TokenConf: "introspection_mode = post\nintrospection_url = " + strings.Replace(srv.URL, "://", "://"+c.ID+":"+shown+"@", 1) + pathIntrospect + "\nusername_attribute = email\nactive_attribute = active\nactive_value = true"})

	a := w.signedIn()
	minted, err := minter.Mint(token.Audience{Name: "dovecot", Address: "leela@example.org", Protocol: protocol.IMAP})
	must(t, err)
	foreign, err := minter.Mint(token.Audience{Name: "cyrus", Address: "leela@example.org", Protocol: protocol.IMAP})
	must(t, err)
	taken := func(what, person, bearer string, want bool) {
		t.Helper()
		if got := d.XOAUTH2(t, person, bearer); strings.HasPrefix(got, "a OK") != want {
			t.Errorf("%s: %s%s", what, got, d.Log())
		}
	}
	taken("a program's token", "leela@example.org", a.text("access_token"), false)
	taken("a minted one", "leela@example.org", string(minted.Bytes()), true)
	taken("one minted for another backend", "leela@example.org", string(foreign.Bytes()), false)
	taken("somebody else's mailbox", "fry@example.org", a.text("access_token"), false)
	taken("an ID token", "leela@example.org", a.text("id_token"), false)
	for _, g := range w.grants.Of(leela) {
		must(t, w.grants.End(t.Context(), store.System, g.ID, "test"))
	}
	taken("an ended one", "leela@example.org", a.text("access_token"), false)
}
