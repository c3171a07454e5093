// Package test holds the built binary against real software: Debian's Dovecot
// and Postfix behind it, Debian's mail programs in front of it. Nothing here
// reaches into the product: it is started as a child process, told what to do by
// its own command line, and judged by what programs print and what its log says.
//
// One mail server and one door are shared by all tests that need nothing
// special; every case has people of its own.
package test

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
)

// binary is the static binary under test.
var binary string

func TestMain(m *testing.M) {
	os.Exit(run(m))
}

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "portreeve-test")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	if err := build(dir); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	waitTogether()
	interrupted := make(chan os.Signal, 1)
	signal.Notify(interrupted, os.Interrupt, syscall.SIGTERM)
	go func() {
		<-interrupted
		whole.end() // or servers would outlive us
		os.Exit(1)
	}()
	code := m.Run()
	if faults := whole.end(); len(faults) > 0 {
		for _, f := range faults {
			fmt.Fprintln(os.Stderr, "--- FAIL:", f)
		}
		return 1
	}
	return code
}

// waitTogether runs more tests at once than there are processors, unless told
// otherwise: what they do most is wait.
func waitTogether() {
	flag.Parse()
	told := false
	flag.Visit(func(f *flag.Flag) { told = told || f.Name == "test.parallel" })
	if !told {
		_ = flag.Set("test.parallel", "8")
	}
}

// build makes the static binary, unless PORTREEVE_BINARY names one.
func build(dir string) error {
	if binary = os.Getenv("PORTREEVE_BINARY"); binary != "" {
		return nil
	}
	binary = filepath.Join(dir, "portreeve")
	cmd := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w", "-o", binary, "../cmd/portreeve")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("building the binary: %w\n%s", err, out)
	}
	return nil
}

// long says that the tests run at their full length.
func long() bool { return os.Getenv("PORTREEVE_LONG") == "1" }

// lifetime stands in for a test where something lives as long as the package's
// run: what is shared is started by the first test that needs it and ended after
// the last.
type lifetime struct {
	testing.TB // nil: only the methods below are called
	mu         sync.Mutex
	cleanups   []func()
	faults     []string
}

var whole lifetime

func (l *lifetime) Helper() {}

func (l *lifetime) Cleanup(f func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.cleanups = append(l.cleanups, f)
}

func (l *lifetime) Errorf(format string, a ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.faults = append(l.faults, fmt.Sprintf(format, a...))
}

func (l *lifetime) Error(a ...any)                 { l.Errorf("%s", fmt.Sprint(a...)) }
func (l *lifetime) Logf(format string, a ...any)   { fmt.Printf(format+"\n", a...) }
func (l *lifetime) Fatalf(format string, a ...any) { l.Fatal(fmt.Sprintf(format, a...)) }

// Fatal ends the run: without what is shared hardly a test means anything.
func (l *lifetime) Fatal(a ...any) {
	l.end()
	panic(fmt.Sprint(a...))
}

func (l *lifetime) TempDir() string {
	dir, err := os.MkdirTemp("", "portreeve-shared")
	if err != nil {
		l.Fatal(err)
	}
	l.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

// end ends what is shared, last started first, and gives what went wrong.
func (l *lifetime) end() []string {
	l.mu.Lock()
	all := l.cleanups
	l.cleanups = nil
	l.mu.Unlock()
	for i := len(all) - 1; i >= 0; i-- {
		all[i]()
	}
	return l.faults
}
