package cli

import (
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/zalando/go-keyring"

	"github.com/portreeve/portreeve/internal/secret"
)

func TestWhatOthersMayReadIsRefused(t *testing.T) {
	w := newTokenWorld(t)
	w.signedIn()
	elsewhere := filepath.Join(t.TempDir(), "elsewhere")
	for name, c := range map[string]struct{ spoil, mend func() error }{
		"file":   {func() error { return os.Chmod(w.file(), 0o640) }, func() error { return os.Chmod(w.file(), 0o600) }},
		"folder": {func() error { return os.Chmod(filepath.Dir(w.file()), 0o701) }, func() error { return os.Chmod(filepath.Dir(w.file()), 0o700) }},
		"link": {func() error { return errors.Join(os.Rename(w.file(), elsewhere), os.Symlink(elsewhere, w.file())) },
			func() error { return os.Rename(elsewhere, w.file()) }},
		"owner": {func() error { return os.Chown(w.file(), 12345, 12345) }, func() error { return os.Chown(w.file(), 0, 0) }},
	} {
		if name == "owner" && os.Geteuid() != 0 {
			continue // only root can give files away
		}
		if err := c.spoil(); err != nil {
			t.Fatal(err)
		}
		exit, out, errs := w.call()
		if exit == exitOK || out != "" || name != "link" && exit != exitForbidden {
			t.Errorf("%s: exit %d, %q, %q", name, exit, out, errs)
		}
		if err := c.mend(); err != nil {
			t.Fatal(err)
		}
	}
	if exit, out, errs := w.call(); exit != exitOK || out != "access-2\n" {
		t.Errorf("mended: exit %d, %q, %q", exit, out, errs)
	}
	if err := os.WriteFile(w.file(), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if exit, out, errs := w.call(); exit != exitFailed || out != "" || !strings.Contains(errs, "damaged") {
		t.Errorf("damaged: exit %d, %q, %q", exit, out, errs)
	}
	if out, _, err := w.attend(func(c *tokenCall) { c.login = true }); err != nil || out != "access-3\n" {
		t.Errorf("a new sign-in over what is damaged: %q, %v", out, err)
	}
}

func TestTheKeyringHoldsTheTokens(t *testing.T) {
	keyring.MockInit()
	w := newTokenWorld(t)
	if out, _, err := w.attend(func(c *tokenCall) { c.keyring = true }); err != nil || out != "access-1\n" {
		t.Fatalf("printed %q: %v", out, err)
	}
	if raw, err := os.ReadFile(w.file()); err != nil || strings.Contains(string(raw), "refresh-") || strings.Contains(string(raw), "access-") {
		t.Errorf("the file holds %s, %v", raw, err)
	}
	if exit, out, errs := w.call(); exit != exitOK || out != "access-1\n" {
		t.Errorf("exit %d, %q, %q", exit, out, errs)
	}
	if out, _, err := w.attend(func(c *tokenCall) { c.login = true }); err != nil || out != "access-2\n" || !w.kept().Keyring {
		t.Errorf("the next sign-in leaves the keyring: %q: %v", out, err)
	}
	if exit, out, errs := w.call("--forget"); exit != exitOK || !strings.Contains(out, "revoked") {
		t.Errorf("exit %d, %q, %q", exit, out, errs)
	}
	if _, err := keyring.Get(keyringName, url.PathEscape(helped)); !errors.Is(err, keyring.ErrNotFound) {
		t.Errorf("the keyring still holds it: %v", err)
	}
	keyring.MockInitWithError(errors.New("no keyring here"))
	if out, _, err := w.attend(func(c *tokenCall) { c.keyring = true }); err == nil || out != "" || !strings.Contains(err.Error(), "no keyring here") {
		t.Errorf("without a keyring: %q, %v", out, err)
	}
	keyring.MockInit()
}

func TestHeldTokensArePrintedByNothing(t *testing.T) {
	k := kept{User: helped, Tokens: &keptTokens{Access: "hunter2", Refresh: "swordfish"}}
	var said strings.Builder
	log := slog.New(slog.NewTextHandler(&said, nil))
	log.Info("x", "tokens", k.Tokens, "one", k.Tokens.Access, "kept", k)
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		fmt.Fprintf(&said, verb+" "+verb+" "+verb+"\n", k, *k.Tokens, k.Tokens.Access)
	}
	for _, text := range []string{"hunter2", "swordfish", fmt.Sprintf("%x", "hunter2"), fmt.Sprintf("%x", "swordfish")} {
		if strings.Contains(said.String(), text) {
			t.Errorf("a token stands in %s", said.String())
		}
	}
	if !strings.Contains(said.String(), secret.Redacted) {
		t.Errorf("nothing tells of a token: %s", said.String())
	}
}
