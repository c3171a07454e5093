package cli

import (
	"context"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/pquerna/otp/totp"

	"github.com/portreeve/portreeve/internal/factor"
	"github.com/portreeve/portreeve/internal/policy"
	"github.com/portreeve/portreeve/internal/secret"
	"github.com/portreeve/portreeve/internal/store"
)

// TestAHelpDeskSeesRemovesAndResetsSecondFactors sets up two authenticator apps
// beside the running server, as the portal does in it.
func TestAHelpDeskSeesRemovesAndResetsSecondFactors(t *testing.T) {
	socket := serveForTest(t, t.Cleanup, "")
	ok := func(args ...string) string {
		t.Helper()
		exit, out, errs := run(t, socket, "", args...)
		if exit != exitOK {
			t.Fatalf("%v: %s", args, errs)
		}
		return out
	}
	ok("user", "add", "leela")
	first := enrolBeside(t, filepath.Dir(socket), "leela@example.org", "Old phone", "New phone")

	list := ok("user", "mfa", "list", "leela")
	for _, want := range []string{`totp\tOld phone`, `totp\tNew phone`, `recovery\tRecovery codes\t.*\t10\t`} {
		if !regexp.MustCompile(want).MatchString(list) {
			t.Errorf("the list lacks %q:\n%s", want, list)
		}
	}
	if out := ok("user", "mfa", "remove", "leela", "old PHONE"); out != "removed Old phone of leela\n" {
		t.Error(out)
	}
	exit, _, errs := run(t, socket, "", "user", "mfa", "remove", "leela", "New phone")
	if exit == exitOK || !strings.Contains(errs, "this is the last second factor") {
		t.Errorf("removing the last came to %d: %s", exit, errs)
	}
	ok("user", "mfa", "remove", "leela", "New phone", "--force")
	if list := ok("user", "mfa", "list", "leela"); list != "" {
		t.Errorf("left are\n%s", list)
	}

	second := enrolBeside(t, filepath.Dir(socket), "leela@example.org", "Third phone")
	if pass := strings.TrimSpace(ok("user", "reset", "leela", "-q")); len(pass) != factor.MinPassLength {
		t.Errorf("the pass has %d signs", len(pass))
	}
	if list := ok("user", "mfa", "list", "leela"); strings.Contains(list, "phone") || strings.Contains(list, "recovery") || !strings.Contains(list, "pass") {
		t.Errorf("left are\n%s", list)
	}
	if audit := ok("audit", "list", "-o", "json"); strings.Contains(audit, first) || strings.Contains(audit, second) {
		t.Error("the audit holds a seed")
	}
}

// enrolBeside sets up authenticator apps and recovery codes in a state folder,
// and returns the last app's seed.
func enrolBeside(t *testing.T, dir, address string, names ...string) (seed string) {
	t.Helper()
	ctx := context.Background()
	db, err := store.Open(ctx, store.Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	box, err := secret.OpenBox(filepath.Join(dir, "master.key"))
	if err != nil {
		t.Fatal(err)
	}
	s, err := factor.New(ctx, factor.Options{Store: db, Box: box, Print: box.Prints("second factors")})
	if err != nil {
		t.Fatal(err)
	}
	p, err := db.Person(ctx, address)
	if err != nil {
		t.Fatal(err)
	}
	ctx = factor.From(ctx, policy.Facts{Person: p.ID, Proven: true, Methods: policy.MethodTemporaryAccessPassMulti})
	who := store.Actor{UID: -1, Name: address}
	for _, name := range names {
		set, err := s.BeginTOTP(ctx, p.ID, address)
		if err != nil {
			t.Fatal(err)
		}
		code, err := totp.GenerateCode(set.Secret, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.ConfirmTOTP(ctx, who, p.ID, set.ID, name, code); err != nil {
			t.Fatal(err)
		}
		seed = set.Secret
	}
	if _, err := s.NewRecoveryCodes(ctx, who, p.ID); err != nil {
		t.Fatal(err)
	}
	return seed
}
