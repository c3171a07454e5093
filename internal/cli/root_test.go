package cli

import (
	"os"
	"os/signal"
	"syscall"
	"testing"
	"time"
)

// What is closed with its terminal ends in order, and the demonstration takes its
// folder with it.
func TestHangup(t *testing.T) {
	dir, end := t.TempDir(), syscall.SIGHUP
	if signal.Ignored(end) { // these tests run under nohup
		end = syscall.SIGTERM
	}
	t.Setenv("TMPDIR", dir)
	ended := make(chan int, 1)
	go func() { ended <- Main([]string{"demo", "--no-story"}) }()
	holds := func() int {
		there, err := os.ReadDir(dir)
		if err != nil {
			t.Error(err)
		}
		return len(there)
	}
	deadline := time.Now().Add(time.Minute)
	for holds() == 0 {
		if time.Now().After(deadline) {
			t.Fatal("the demonstration makes no folder")
		}
		time.Sleep(10 * time.Millisecond)
	}
	if err := syscall.Kill(os.Getpid(), end); err != nil {
		t.Fatal(err)
	}
	select {
	case <-ended:
	case <-time.After(time.Minute):
		t.Fatal("it goes on")
	}
	if n := holds(); n != 0 {
		t.Errorf("%d things are left behind", n)
	}
}
