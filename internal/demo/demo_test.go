package demo

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/portreeve/portreeve/internal/config"
	"github.com/portreeve/portreeve/internal/server"
	"github.com/portreeve/portreeve/internal/store"
)

// unhurried widens the limits of time: they are asserted by `portreeve demo
// --check`, which runs alone; here other packages' tests run beside it.
const unhurried = 10

// temporary makes the demo's folder be made under one that can be looked into.
func temporary(t *testing.T) (dir string) {
	t.Helper()
	dir, err := os.MkdirTemp("", "d") // short: a socket's path has 107 bytes
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	t.Setenv("TMPDIR", dir)
	return dir
}

func left(t *testing.T, dir string) {
	t.Helper()
	if there, err := os.ReadDir(dir); err != nil || len(there) != 0 {
		t.Errorf("left behind: %v %v", there, err)
	}
}

// TestDemoCheck plays the whole story in this process, as `portreeve demo --check` does.
func TestDemoCheck(t *testing.T) {
	record := filepath.Join(t.TempDir(), "record.json")
	dir := temporary(t)
	var out bytes.Buffer
	err := Run(context.Background(), Options{Check: true, Out: &out, Version: "test", Record: record, slack: unhurried})
	t.Log("\n" + out.String())
	if err != nil {
		t.Fatal(err)
	}
	left(t, dir)
	for line := range strings.SplitSeq(out.String(), "\n") {
		if utf8.RuneCountInString(line) > width && !strings.Contains(line, dir) {
			t.Errorf("more than %d columns: %s", width, line)
		}
	}
	if strings.Contains(out.String(), "\x1b") {
		t.Error("colours, and nobody has a terminal")
	}
	checkRecord(t, record)
}

func checkRecord(t *testing.T, path string) {
	t.Helper()
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var r struct {
		Lines  []wireLine
		Claims []claim
	}
	if err := json.Unmarshal(raw, &r); err != nil {
		t.Fatal(err)
	}
	if len(r.Claims) < 20 {
		t.Errorf("%d claims recorded", len(r.Claims))
	}
	said := ""
	for _, l := range r.Lines {
		said += l.From + ": " + l.Text + "\n"
	}
	for _, want := range []string{"client: a2 LOGIN leela@planet.example demo", "server: * NO [ALERT] PR53003 ", "client: a2 AUTHENTICATE XOAUTH2 dXNl", "server: Subject: Welcome"} {
		if !strings.Contains(said, want) {
			t.Errorf("the record lacks %q", want)
		}
	}
}

func TestAClaimThatDoesNotHoldFails(t *testing.T) {
	temporary(t)
	ctx := context.Background()
	w, err := open(ctx, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = w.close() }()
	if _, err := w.api.enable(ctx, retirePasswordsID); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	s := &screen{out: &out, fast: true, began: time.Now()}
	told := tell(ctx, w, s, 0, unhurried) // the policy is on before the story begins
	if told == nil && s.verdict(true) == nil {
		t.Errorf("the story did not notice:\n%s", out.String())
	}
}

func TestAFailedClaimIsPrintedAndReturned(t *testing.T) {
	var out bytes.Buffer
	s := &screen{out: &out, began: time.Now()}
	s.claim(true, "water is wet")
	s.claim(false, "pigs fly")
	if err := s.verdict(false); !errors.Is(err, ErrClaims) {
		t.Error(err)
	}
	if !strings.Contains(out.String(), "✗ FAILED pigs fly") || !strings.Contains(out.String(), "2 claims, 1 failed") {
		t.Error(out.String())
	}
}

func TestServeAndDemoRefuseEachOthersState(t *testing.T) {
	temporary(t)
	ctx, real := context.Background(), t.TempDir()
	s, err := store.Open(ctx, store.Options{Dir: real})
	if err != nil {
		t.Fatal(err)
	}
	_ = s.Close()
	if err := Run(ctx, Options{NoStory: true, Keep: real, Out: io.Discard}); !errors.Is(err, store.ErrNoDemo) {
		t.Errorf("the demo took a real server's state: %v", err)
	}

	kept := filepath.Join(os.Getenv("TMPDIR"), "kept")
	if err := Run(ctx, Options{Check: true, Keep: kept, Out: io.Discard, slack: unhurried}); err != nil {
		t.Fatal(err)
	}
	c, err := config.Load(filepath.Join(kept, "portreeve.yaml"), []string{masterPassword + "=x"})
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range c.Check() {
		if !p.Warning {
			t.Error(p)
		}
	}
	if _, err := server.New(ctx, server.Options{Config: c, Log: discard()}); !errors.Is(err, store.ErrDemo) {
		t.Errorf("serve took the demo's state: %v", err)
	}
	if err := Run(ctx, Options{NoStory: true, Keep: kept, Out: io.Discard}); err == nil || !strings.Contains(err.Error(), "not empty") {
		t.Errorf("a second demo in the same folder: %v", err)
	}
}

// typist is a terminal's input: Enter once somebody has waited for it.
type typist struct {
	screen *lockedBuffer
	done   bool
}

func (k *typist) Read(p []byte) (int, error) {
	if k.done {
		select {}
	}
	for !strings.Contains(k.screen.String(), "[Enter]") {
		time.Sleep(5 * time.Millisecond)
	}
	k.done, p[0] = true, '\n'
	return 1, nil
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func TestOnATerminalItWaitsForEnterAndEndsWithCtrlC(t *testing.T) {
	dir := temporary(t)
	t.Setenv("SSH_CONNECTION", "198.51.100.7 50000 192.0.2.1 22")
	taken, err := net.Listen("tcp", "127.0.0.1:11143")
	if err == nil {
		defer taken.Close()
	}
	ctx, ctrlC := context.WithCancel(context.Background())
	defer ctrlC()
	out := &lockedBuffer{}
	ended := make(chan error, 1)
	go func() {
		ended <- Run(ctx, Options{In: &typist{screen: out}, Out: out, Terminal: true, Colour: true, slack: unhurried})
	}()
	for end := time.Now().Add(time.Minute); !strings.Contains(out.String(), fmt.Sprint("3/", acts)); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("it does not go on after Enter:\n%s", out.String())
		}
	}
	ctrlC()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if !strings.Contains(out.String(), fmt.Sprint("\x1b[1m1/", acts)) || strings.Contains(out.String(), "127.0.0.1:11143") {
		t.Errorf("no colours, or a taken port:\n%s", out.String())
	}
	left(t, dir)
}

func TestAnInterruptedCheckIsNoSuccess(t *testing.T) {
	dir := temporary(t)
	ctx, interrupt := context.WithCancel(context.Background())
	out := &lockedBuffer{}
	ended := make(chan error, 1)
	go func() { ended <- Run(ctx, Options{Check: true, Out: out, slack: unhurried}) }()
	for end := time.Now().Add(time.Minute); !strings.Contains(out.String(), fmt.Sprint("3/", acts)) && time.Now().Before(end); {
		time.Sleep(5 * time.Millisecond)
	}
	interrupt()
	if err := <-ended; !errors.Is(err, ErrInterrupted) {
		t.Errorf("%v after:\n%s", err, out.String())
	}
	left(t, dir)
}

func TestWithoutAStoryItServesUntilCtrlC(t *testing.T) {
	dir := temporary(t)
	t.Setenv("SSH_CONNECTION", "198.51.100.7 50000 192.0.2.1 2222")
	t.Setenv("USER", "amy")
	ctx, ctrlC := context.WithCancel(context.Background())
	defer ctrlC()
	out := &lockedBuffer{}
	ended := make(chan error, 1)
	go func() { ended <- Run(ctx, Options{NoStory: true, Out: out}) }()
	for end := time.Now().Add(time.Minute); !strings.Contains(out.String(), "Ctrl-C"); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal(out.String())
		}
	}
	ctrlC()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if s := out.String(); strings.Contains(s, "1/6") || !strings.Contains(s, "-p 2222 amy@192.0.2.1") {
		t.Error(s)
	}
	left(t, dir)
}

func discard() *slog.Logger { return slog.New(slog.DiscardHandler) }
