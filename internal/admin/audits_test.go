package admin

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestTheAuditsKindsAreThoseThatAreWritten reads the program for what it writes
// into the audit: a kind that is not known could not be asked for.
func TestTheAuditsKindsAreThoseThatAreWritten(t *testing.T) {
	written := regexp.MustCompile(`(?:record|Note|note)\((?:r, )?(?:"[a-zA-Z]+"|action), "([a-zA-Z]+)"`)
	files, err := filepath.Glob("../*/*.go")
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]bool{}
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range written.FindAllStringSubmatch(string(b), -1) {
			found[m[1]] = true
			if !slices.Contains(auditKinds, m[1]) {
				t.Errorf("%s writes the kind %q, which cannot be asked for", name, m[1])
			}
		}
	}
	if len(found) < 15 {
		t.Errorf("only %v were found", found)
	}
}
