package test

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

const (
	officeFile = `kind: NamedLocation
id: office
spec:
  displayName: Office
  ipRanges: [{cidrAddress: 192.0.2.0/24}]
`
	blockFile = `kind: ConditionalAccessPolicy
id: no-passwords
spec:
  displayName: No passwords
  state: enabled
  conditions:
    clientAppTypes: [other]
    users: {includeUsers: [All]}
    applications: {includeApplications: [All]}
  grantControls: {operator: OR, builtInControls: [block]}
---
kind: PolicyTest
given: {people: {mary@example.org: {}}}
tests:
  - name: nobody gets in by a password from afar
    signin: {user: mary@example.org, protocol: imap, credential: password, ip: 203.0.113.7}
    expect: refuse
    because: {policy: no-passwords}
`
)

// edited puts something else in the place of words of a file.
func edited(t *testing.T, name, old, new string) {
	t.Helper()
	text, err := os.ReadFile(name)
	check(t, err)
	if !strings.Contains(string(text), old) {
		t.Fatalf("%s has no %q", name, old)
	}
	check(t, os.WriteFile(name, []byte(strings.Replace(string(text), old, new, 1)), 0o600))
}

// ends runs a command that ends with a code.
func (d *door) ends(t *testing.T, code int, args ...string) string {
	t.Helper()
	out, err := d.try(args...)
	var exit *exec.ExitError
	got := 0
	if errors.As(err, &exit) {
		got = exit.ExitCode()
	} else if err != nil {
		t.Fatal(err)
	}
	if got != code {
		t.Fatalf("portreeve %s ended with %d, not %d:\n%s", strings.Join(args, " "), got, code, out)
	}
	return out
}

// A folder is tested, planned and applied until confirmed; nobody confirms it and
// the process is killed meanwhile: all of it is taken back on time, and whoever
// came in by it is judged again.
func TestAFolderThatNobodyConfirmsIsTakenBackAsAWhole(t *testing.T) {
	t.Parallel()
	const mary, within = "mary@example.org", 20 * time.Second
	s := hastySite(t, siteOptions{})
	s.do(t, "user", "add", mary)
	folder := filepath.Join(t.TempDir(), "policy")
	check(t, os.MkdirAll(folder, 0o700))
	policy, plan := filepath.Join(folder, "no-passwords.yaml"), filepath.Join(folder, "..", "plan.json")
	check(t, os.WriteFile(policy, []byte(blockFile), 0o600))

	s.ends(t, 0, "test", folder)
	s.ends(t, 3, "plan", folder, "--exit-code")
	s.do(t, "apply", folder, "--commit", "3f2a1c")
	s.ends(t, 0, "plan", folder, "--exit-code")
	if printed, in := goIMAP(t, s.door, login{person: mary, secret: password}); in {
		t.Fatalf("signed in: %s", printed)
	}

	edited(t, policy, "state: enabled", "state: disabled")
	out := s.ends(t, 4, "test", folder)
	if !strings.Contains(out, "nobody gets in by a password from afar") {
		t.Errorf("the failing test is not told:\n%s", out)
	}
	s.ends(t, 7, "apply", folder) // which its tests stop
	edited(t, policy, "expect: refuse\n    because: {policy: no-passwords}\n", "expect: allow\n")
	check(t, os.WriteFile(filepath.Join(folder, "office.yaml"), []byte(officeFile), 0o600))
	check(t, os.WriteFile(filepath.Join(folder, "switches.yaml"), []byte("kind: Switches\nspec: {organization: {PopEnabled: false}}\n"), 0o600))
	s.ends(t, 0, "test", folder)
	out = s.ends(t, 3, "plan", folder, "--exit-code", "--out", plan)
	for _, want := range []string{`~ policy "No passwords"   (no-passwords.yaml:1)`, "from on to off", `+ location "Office"`, "~ switch PopEnabled of the organisation", "tests: 1 passed", "2 to change, 1 to add, 0 to remove"} {
		if !strings.Contains(out, want) {
			t.Errorf("the plan does not say %q:\n%s", want, out)
		}
	}

	began := time.Now()
	s.do(t, "apply", folder, "--plan", plan, "--confirm-within", within.String(), "--reason", "CHG-12")
	s.kill()
	s.begin(t)
	status := s.do(t, "status")
	for _, want := range []string{"Taken back unless confirmed", "policy No passwords", "location Office", "PopEnabled"} {
		if !strings.Contains(status, want) {
			t.Errorf("what waits lacks %q:\n%s", want, status)
		}
	}
	mine := s.idle(t, mary)
	if took := mine.until("closed", within+60*time.Second).Sub(began); took < within {
		t.Errorf("closed after %v, which is too early", took)
	}
	s.ended(t, mary, notAllowed)
	if printed, in := goIMAP(t, s.door, login{person: mary, secret: password}); in {
		t.Errorf("after it was taken back: signed in: %s", printed)
	}
	if list := s.do(t, "location", "list"); strings.Contains(list, "Office") {
		t.Errorf("the location is still there:\n%s", list)
	}
	if list := s.do(t, "history", "list", "switch", "organization/PopEnabled"); !strings.Contains(list, "revert") || !strings.Contains(list, "files") || !strings.Contains(list, "CHG-12") {
		t.Errorf("the switch's history:\n%s", list)
	}
	if list := s.do(t, "policy", "history", "No passwords"); !strings.Contains(list, "revert") || !strings.Contains(list, "files") {
		t.Errorf("the policy's history:\n%s", list)
	}
	if log := s.log(); !strings.Contains(log, "taken back, since nobody confirmed it") {
		t.Error("the log does not tell of it")
	}

	// The plan is of another state now; by other ways it is read-only.
	if out := s.ends(t, 7, "apply", folder, "--plan", plan); !strings.Contains(out, "the server changed since the plan was made") {
		t.Error(out)
	}
	if out := s.ends(t, 7, "policy", "disable", "No passwords"); !strings.Contains(out, "no-passwords.yaml") {
		t.Error(out)
	}
	s.ends(t, 3, "plan", folder, "--exit-code")
	s.do(t, "apply", folder)
	if out := s.do(t, "apply", folder); !strings.Contains(out, "nothing was to be done") {
		t.Error(out)
	}
	// An administrator whom it would keep out is named, and it is not made.
	s.do(t, "admin", "add", mary)
	if printed, in := goIMAP(t, s.door, login{person: mary, secret: password}); !in {
		t.Fatalf("cannot sign in: %s", printed)
	}
	s.door.signIn(t, mary, "PR0")
	edited(t, policy, "state: disabled", "state: enabled")
	edited(t, policy, "expect: allow\n", "expect: refuse\n")
	if out := s.ends(t, 3, "plan", folder, "--exit-code"); !strings.Contains(out, "keeps out: mary@example.org") || !strings.Contains(out, "newly refused") {
		t.Errorf("whom it hits is not told:\n%s", out)
	}
	if out := s.ends(t, 7, "apply", folder); !strings.Contains(out, mary) {
		t.Error(out)
	}
	pulled := filepath.Join(folder, "..", "pulled")
	s.do(t, "pull", pulled)
	if out := s.do(t, "plan", pulled, "--exit-code"); !strings.Contains(out, "Nothing is to be done") {
		t.Error(out)
	}
}
