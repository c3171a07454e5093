package admin

import (
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// At no moment may the socket be open to everybody, whatever mask the server was
// started with: whoever got in would administer.
func TestTheSocketIsNeverEverybodys(t *testing.T) {
	defer unix.Umask(unix.Umask(0))
	path := filepath.Join(t.TempDir(), "s")
	for _, c := range []struct {
		open func() (interface{ Close() error }, error)
		mode os.FileMode
	}{
		{func() (interface{ Close() error }, error) { return bind(path) }, 0o600},
		{func() (interface{ Close() error }, error) { return Listen(path, "") }, 0o660},
	} {
		l, err := c.open()
		if err != nil {
			t.Fatal(err)
		}
		if fi, err := os.Stat(path); err != nil || fi.Mode().Perm() != c.mode {
			t.Errorf("the socket has mode %v, want %v (%v)", fi.Mode(), c.mode, err)
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if mask := unix.Umask(0); mask != 0 {
		t.Errorf("the mask was left at %04o", mask)
	}
}
