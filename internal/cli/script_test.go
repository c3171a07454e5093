package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/portreeve/portreeve/internal/config"
	"github.com/portreeve/portreeve/internal/server"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"portreeve": func() { os.Exit(Main(os.Args[1:])) }})
}

// TestScripts plays testdata/script, each against a server of its own.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Setup: func(e *testscript.Env) error {
			socket := serveForTest(e.T().(testing.TB), e.Defer, "")
			e.Setenv("PORTREEVE_SOCKET", socket)
			e.Setenv("GORACE", "atexit_sleep_ms=0") // or the race detector has every command wait a second
			e.Setenv("EXAMPLES", examples(t))
			return nil
		},
		Condition: func(name string) (bool, error) {
			if name != "root" {
				return false, fmt.Errorf("there is no condition %q", name)
			}
			return os.Geteuid() == 0, nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"samejson": sameJSON, "samebytes": sameBytes},
	})
}

// examples is the folder with Microsoft's shapes.
func examples(t testing.TB) string {
	dir, err := filepath.Abs("testdata/examples")
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// serveForTest runs a server that has people and rules, and the doors that more
// configuration gives it. It returns the socket.
func serveForTest(t testing.TB, later func(func()), more string) string {
	dir, err := os.MkdirTemp("", "pr") // a socket's path has room for 108 bytes
	if err != nil {
		t.Fatal(err)
	}
	socket := filepath.Join(dir, "s")
	text := fmt.Sprintf("default_domain: example.org\nstate: %s\nadmin: {socket: %s}\n%s", dir, socket, more)
	c, err := config.Parse("portreeve.yaml", dir, []byte(text), nil)
	if err != nil {
		t.Fatal(err)
	}
	s, err := server.New(context.Background(), server.Options{Config: c, Log: slog.New(slog.NewTextHandler(io.Discard, nil)), Version: "test"})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	later(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("running: %v", err)
		}
		_ = s.Close()
		_ = os.RemoveAll(dir)
	})
	var b bytes.Buffer
	if exit := Run(ctx, []string{"--socket", socket, "status"}, strings.NewReader(""), &b, &b); exit != exitOK {
		t.Fatalf("the server does not answer: %s", b.String())
	}
	return socket
}

// sameJSON compares members, their order and their values, not the space between.
func sameJSON(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 2 {
		ts.Fatalf("usage: samejson FILE FILE")
	}
	var texts [2]bytes.Buffer
	for i, name := range args {
		if err := json.Compact(&texts[i], []byte(ts.ReadFile(name))); err != nil {
			ts.Fatalf("%s: %v", name, err)
		}
	}
	if bytes.Equal(texts[0].Bytes(), texts[1].Bytes()) == neg {
		ts.Fatalf("%s\nand\n%s", texts[0].String(), texts[1].String())
	}
}

func sameBytes(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 2 {
		ts.Fatalf("usage: samebytes FILE FILE")
	}
	if one, two := ts.ReadFile(args[0]), ts.ReadFile(args[1]); (one == two) == neg {
		ts.Fatalf("%q\nand\n%q", one, two)
	}
}
