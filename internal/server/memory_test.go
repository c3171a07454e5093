package server

import (
	"os"
	"testing"
)

func TestTheMemoryThereIsIsFound(t *testing.T) {
	if _, err := os.Stat("/proc/meminfo"); err != nil {
		t.Logf("no /proc here: %v", err)
		return
	}
	if n := memory(); n < 64<<20 || n > 1<<46 {
		t.Errorf("this machine has %d bytes, it is said", n)
	}
}
