package policyset

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A folder may be a stranger's change: what a link in it leads to is not read, and
// one without policy files is no folder of policies.
func TestNothingOutsideAFolderIsRead(t *testing.T) {
	dir, outside := t.TempDir(), filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(outside, []byte("root: hidden\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := ReadPath(dir); err == nil || !strings.Contains(err.Error(), "no policy file") {
		t.Errorf("an empty folder: %v", err)
	}
	if err := os.Symlink(outside, filepath.Join(dir, "a.yaml")); err != nil {
		t.Fatal(err)
	}
	if _, err := ReadPath(dir); err == nil || strings.Contains(err.Error(), "hidden") {
		t.Errorf("a link out of the folder: %v", err)
	}
}
