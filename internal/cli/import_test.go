package cli

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestTheImportPageIsTrue types what the page of imports shows, and asks of
// each line that it brings policies out and leaves no rule unsaid.
func TestTheImportPageIsTrue(t *testing.T) {
	page, err := os.ReadFile("../../docs/import.md")
	if err != nil {
		t.Fatal(err)
	}
	t.Chdir("../..")
	nobody := filepath.Join(t.TempDir(), "no-server-listens-here")
	shown := map[string]string{"okta": "Everybody: Else ask", "google": "POP off for /Staff", "exchange": "displayName: Outside", "entra": "PR010 - Legacy mail clients - block"}
	ran := 0
	for _, line := range strings.Split(string(page), "\n") {
		words := strings.Fields(line)
		if len(words) < 5 || strings.Join(words[:4], " ") != "portreeve policy import --from" {
			continue
		}
		ran++
		code, out, errs := run(t, nobody, "", words[1:]...)
		if code != exitOK || !strings.Contains(out, shown[words[4]]) || !strings.Contains(out, "grantControls:") {
			t.Errorf("%s: exit %d: %s\n%s", line, code, out, errs)
		}
		if words[4] != "exchange" && !strings.Contains(errs, "not mapped: ") {
			t.Errorf("%s: nothing is told that could not be mapped", line)
		}
	}
	if ran != len(shown) {
		t.Errorf("%d lines were typed", ran)
	}
}
