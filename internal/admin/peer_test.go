package admin

import (
	"os"
	"path/filepath"
	"sync"
	"testing"

	"golang.org/x/sys/unix"
)

// At no moment may the socket be open to everybody, whatever mask the server was
// started with: whoever got in would administer.
func TestTheSocketIsNeverEverybodys(t *testing.T) {
	defer unix.Umask(unix.Umask(0))
	path := filepath.Join(t.TempDir(), "s")
	stop := make(chan struct{})
	var looking sync.WaitGroup
	looking.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
			}
			if fi, err := os.Stat(path); err == nil && fi.Mode().Perm()&0o007 != 0 {
				t.Errorf("the socket has mode %v", fi.Mode())
				return
			}
		}
	})
	for range 300 {
		l, err := Listen(path, "")
		if err != nil {
			t.Fatal(err)
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
	}
	close(stop)
	looking.Wait()
	l, err := Listen(path, "")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if fi, err := os.Stat(path); err != nil || fi.Mode().Perm() != 0o660 {
		t.Errorf("the socket has mode %v (%v)", fi.Mode(), err)
	}
}
