package cli

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/portreeve/portreeve/internal/policyset"
)

const examplePolicies = top + "docs/examples/policy"

// ran runs a command without a server.
func ran(t *testing.T, args ...string) (exit int, out string) {
	t.Helper()
	var b bytes.Buffer
	exit = Run(context.Background(), append([]string{"--socket", filepath.Join(t.TempDir(), "none")}, args...), strings.NewReader(""), &b, &b)
	return exit, b.String()
}

// TestTheExampleFolder holds docs/examples/policy to what the manual says of it.
func TestTheExampleFolder(t *testing.T) {
	page, err := os.ReadFile(top + "docs/policy-files.md")
	if err != nil {
		t.Fatal(err)
	}
	said := regexp.MustCompile("The last line is `(tests: [^`]+)`").FindSubmatch(page)
	if said == nil {
		t.Fatal("the manual does not say what the tests come to")
	}
	if exit, out := ran(t, "fmt", "--check", examplePolicies); exit != exitOK {
		t.Error(exit, out)
	}
	if exit, out := ran(t, "validate", "--strict", examplePolicies); exit != exitOK {
		t.Error(exit, out)
	}
	exit, out := ran(t, "test", examplePolicies, "--skip-replay")
	if exit != exitOK || !strings.HasSuffix(strings.TrimSpace(out), string(said[1])) {
		t.Errorf("exit %d: %s", exit, out)
	}
	if exit, _ := ran(t, "test", examplePolicies); exit != exitFailed {
		t.Errorf("what is not run passes: exit %d", exit)
	}
	if exit, out := ran(t, "test", examplePolicies, "--server"); exit != exitUnreachable {
		t.Errorf("exit %d: %s", exit, out)
	}
	broken := t.TempDir()
	for _, name := range []string{"locations.yaml", "retire-passwords.yaml", "switches.yaml", "tests.yaml"} {
		text, err := os.ReadFile(filepath.Join(examplePolicies, name))
		if err != nil {
			t.Fatal(err)
		}
		text = bytes.ReplaceAll(text, []byte("excludeGroups: [service-accounts, break-glass]"), []byte("excludeGroups: [break-glass]"))
		if err := os.WriteFile(filepath.Join(broken, name), text, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	exit, out = ran(t, "test", broken, "--skip-replay")
	if exit != exitTestFailed || !strings.Contains(out, "FAIL  the scanner keeps working") || !strings.Contains(out, "earlyBlock            refused") {
		t.Errorf("exit %d: %s", exit, out)
	}
}

// TestTheManualsPolicyFiles reads every YAML example of the page: each document
// is valid, beside the example folder's policies.
func TestTheManualsPolicyFiles(t *testing.T) {
	page, err := os.ReadFile(top + "docs/policy-files.md")
	if err != nil {
		t.Fatal(err)
	}
	rules, err := os.ReadFile(filepath.Join(examplePolicies, "retire-passwords.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	for _, m := range regexp.MustCompile("(?s)```yaml\n(.*?)```").FindAllSubmatch(page, -1) {
		text := m[1]
		if !bytes.HasPrefix(text, []byte("kind: ")) {
			text = append([]byte("kind: PolicyTest\ntests:\n"), text...)
		}
		set, err := policyset.Parse("page.yaml", append(append(text, "---\n"...), rules...))
		if err == nil {
			_, err = checkedSet(set)
		}
		if err != nil {
			t.Errorf("%s%v", text, err)
		}
		found++
	}
	if found != 3 {
		t.Errorf("%d examples", found)
	}
}

// TestTheManualsTestsPass runs the page's example of tests as it stands.
func TestTheManualsTestsPass(t *testing.T) {
	page, err := os.ReadFile(top + "docs/policy-files.md")
	if err != nil {
		t.Fatal(err)
	}
	m := regexp.MustCompile("(?s)```yaml\n(kind: PolicyTest.*?)```").FindSubmatch(page)
	if m == nil {
		t.Fatal("there is no example")
	}
	dir := t.TempDir()
	for _, name := range []string{"locations.yaml", "retire-passwords.yaml", "switches.yaml"} {
		text, err := os.ReadFile(filepath.Join(examplePolicies, name))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "tests.yaml"), m[1], 0o644); err != nil {
		t.Fatal(err)
	}
	if exit, out := ran(t, "test", dir); exit != exitOK {
		t.Errorf("exit %d: %s", exit, out)
	}
}
