package test

import (
	"context"
	"encoding/json"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

// tokenHome is the machine of a person who uses programs of the terminal: their
// home folder, in which `portreeve token` keeps what it keeps.
type tokenHome struct {
	*site
	dir string
	bus string // of their desktop; empty without one
	// doubt ends that what is kept seems to have just come (withToken).
	doubt func()
}

func newTokenHome(t testing.TB, s *site) *tokenHome {
	t.Helper()
	h := &tokenHome{site: s, dir: t.TempDir()}
	for _, folder := range []string{"Mail/mbsync", ".config/aerc", ".config/getmail"} {
		check(t, os.MkdirAll(filepath.Join(h.dir, folder), 0o700))
	}
	return h
}

// environment is that of a login of theirs.
func (h *tokenHome) environment(more ...string) []string {
	var all []string
	for _, v := range environment() {
		name, _, _ := strings.Cut(v, "=")
		switch name {
		case "DISPLAY", "WAYLAND_DISPLAY", "XDG_STATE_HOME", "XDG_CONFIG_HOME", "DBUS_SESSION_BUS_ADDRESS":
		default:
			all = append(all, v)
		}
	}
	return append(append(all, "HOME="+h.dir, "DBUS_SESSION_BUS_ADDRESS="+h.bus), more...)
}

// token calls the helper as programs do.
func (h *tokenHome) token(t testing.TB, args ...string) (out, errs string, exit int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), programTime)
	defer cancel()
	cmd := exec.CommandContext(ctx, binary, append([]string{"token", "--user", ownerOfTokens}, args...)...)
	cmd.Env = h.environment()
	var o, e strings.Builder
	cmd.Stdout, cmd.Stderr = &o, &e
	_ = cmd.Run()
	if ctx.Err() != nil {
		t.Errorf("portreeve token hung: %s", e.String())
	}
	return o.String(), e.String(), cmd.ProcessState.ExitCode()
}

// desktop starts a session's bus and GNOME's keyring on it, unlocked.
func (h *tokenHome) desktop(t testing.TB) {
	t.Helper()
	h.bus = "unix:path=" + filepath.Join(shortDir(t), "bus")
	for _, c := range [][]string{{"dbus-daemon", "--session", "--nofork", "--nopidfile", "--address=" + h.bus}, {"gnome-keyring-daemon", "--foreground", "--components=secrets", "--unlock"}} {
		cmd := exec.CommandContext(t.Context(), c[0], c[1:]...)
		cmd.Env, cmd.Stdin = h.environment("XDG_RUNTIME_DIR="+h.dir), strings.NewReader("of the keyring")
		check(t, cmd.Start())
		t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
		if path := strings.TrimPrefix(h.bus, "unix:path="); c[0] == "dbus-daemon" {
			for end := time.Now().Add(doorStart); !answers(path); time.Sleep(pollTime) {
				if time.Now().After(end) {
					t.Fatal("there is no bus")
				}
			}
		}
	}
	h.until(t, "the keyring does not answer", func() bool {
		cmd := exec.CommandContext(t.Context(), "dbus-send", "--session", "--print-reply", "--dest=org.freedesktop.DBus", "/", "org.freedesktop.DBus.GetNameOwner", "string:org.freedesktop.secrets")
		cmd.Env = h.environment()
		return cmd.Run() == nil
	})
}

// until waits for something.
func (h *tokenHome) until(t testing.TB, what string, done func() bool) {
	t.Helper()
	for end := time.Now().Add(programTime); !done(); time.Sleep(pollTime) {
		if time.Now().After(end) {
			t.Fatal(what)
		}
	}
}

// lines are what --setup prints for a program.
func (h *tokenHome) lines(t testing.TB, program string, more ...string) string {
	t.Helper()
	out, errs, exit := h.token(t, append([]string{"--setup", program}, more...)...)
	if exit != 0 || out == "" {
		t.Fatalf("--setup %s: exit %d: %s%s", program, exit, out, errs)
	}
	return out
}

// file is where the tokens are kept.
func (h *tokenHome) file() string {
	return filepath.Join(h.dir, ".local/state/portreeve/tokens", url.PathEscape(ownerOfTokens)+".json")
}

// kept changes what is kept, as JSON.
func (h *tokenHome) kept(t testing.TB, change func(tokens map[string]any)) {
	t.Helper()
	raw, err := os.ReadFile(h.file())
	check(t, err)
	all := map[string]any{}
	check(t, json.Unmarshal(raw, &all))
	change(all["tokens"].(map[string]any))
	raw, err = json.Marshal(all)
	check(t, err)
	check(t, os.WriteFile(h.file(), raw, 0o600))
}

// withToken is another home whose helper gives this token to programs, and takes it
// for one that has just come, about which the server need not be asked.
func (h *tokenHome) withToken(t testing.TB, token string) *tokenHome {
	t.Helper()
	other := newTokenHome(t, h.site)
	check(t, os.MkdirAll(filepath.Dir(other.file()), 0o700))
	raw, err := os.ReadFile(h.file())
	check(t, err)
	check(t, os.WriteFile(other.file(), raw, 0o600))
	other.kept(t, func(tokens map[string]any) {
		tokens["accessToken"], tokens["expiry"] = token, time.Now().Add(time.Hour)
	})
	over, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for {
			now := time.Now()
			_ = os.Chtimes(other.file(), now, now)
			select {
			case <-over:
				return
			case <-time.After(time.Second):
			}
		}
	}()
	other.doubt = sync.OnceFunc(func() { close(over); <-stopped })
	t.Cleanup(other.doubt)
	return other
}

// helper is `portreeve token` on a terminal of the person's.
type helper struct {
	testing.TB
	cmd    *exec.Cmd
	over   chan struct{}
	opened string // the file where the address stands that it opened a browser with

	mu     sync.Mutex
	screen strings.Builder
}

func (h *helper) Write(p []byte) (int, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.screen.Write(p)
}

func (h *helper) drawn() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return drawn(h.screen.String())
}

// start runs the helper where its browser is a file.
func (h *tokenHome) start(t testing.TB, args ...string) *helper {
	t.Helper()
	bin := t.TempDir()
	p := &helper{TB: t, opened: filepath.Join(bin, "opened"), over: make(chan struct{})}
	check(t, os.WriteFile(filepath.Join(bin, "xdg-open"), []byte("#!/bin/sh\nprintf %s \"$1\" >"+p.opened+".new && mv "+p.opened+".new "+p.opened+"\n"), 0o700))
	ctx, cancel := context.WithTimeout(t.Context(), 2*programTime)
	t.Cleanup(cancel)
	p.cmd = exec.CommandContext(ctx, "script", "-qec", "stty cols 240; exec "+binary+" token --user "+ownerOfTokens+" "+strings.Join(args, " "), "/dev/null")
	p.cmd.Env = h.environment("DISPLAY=:0", "PATH="+bin+":"+os.Getenv("PATH"), "TERM=xterm")
	in, err := p.cmd.StdinPipe() // a terminal that nobody types on
	check(t, err)
	p.cmd.Stdout, p.cmd.Stderr, p.cmd.WaitDelay = p, p, time.Second
	check(t, p.cmd.Start())
	go func() {
		defer close(p.over)
		_ = p.cmd.Wait()
		_ = in.Close()
	}()
	return p
}

// until waits for something that the helper does.
func (h *helper) until(what string, done func() bool) {
	h.Helper()
	for end := time.Now().Add(programTime); !done(); time.Sleep(pollTime) {
		if time.Now().After(end) {
			h.Fatalf("%s; the terminal shows:\n%s", what, h.drawn())
		}
	}
}

// token waits for the end, which is the token.
func (h *helper) token(s *site) string {
	h.Helper()
	h.until("it does not end", func() bool {
		select {
		case <-h.over:
			return true
		default:
			return false
		}
	})
	words := strings.Fields(h.drawn())
	if !h.cmd.ProcessState.Success() || len(words) == 0 {
		h.Fatalf("portreeve token: %v; the terminal shows:\n%s", h.cmd.ProcessState, h.drawn())
	}
	return s.use(words[len(words)-1])
}

// signIn has a person sign in by their browser and agree.
func (h *tokenHome) signIn(t testing.TB, b *chromium, args ...string) (token string) {
	t.Helper()
	p := h.start(t, args...)
	var address []byte
	p.until("no browser opens", func() (there bool) {
		var err error
		address, err = os.ReadFile(p.opened)
		return err == nil
	})
	if strings.Contains(string(address), "state") {
		t.Errorf("the list of processes shows %s", address)
	}
	b.do("opening the helper's address", chromedp.Navigate(string(address)))
	b.says("Sign in")
	b.fill("#password", password)
	b.press("Sign in")
	b.says("portreeve token")
	b.press("Yes, connect it")
	b.says("You are signed in")
	return p.token(h.site)
}

var userCode = regexp.MustCompile(`\b[A-Z0-9]{4}-[A-Z0-9]{4}\b`)

// signInByDevice has them type a code in a browser.
func (h *tokenHome) signInByDevice(t testing.TB, b *chromium, args ...string) (token string) {
	t.Helper()
	p := h.start(t, append(args, "--login", "--device")...)
	p.until("no code is shown", func() bool { return userCode.MatchString(p.drawn()) && strings.Contains(p.drawn(), "▀") })
	b.open("/device")
	b.says("Sign in")
	b.fill("#address", ownerOfTokens)
	b.fill("#password", password)
	b.press("Sign in")
	b.fill("#user_code", userCode.FindString(p.drawn()))
	b.press("Go on")
	b.says("portreeve token", "in front of you")
	b.press("Yes, it is in front of me")
	b.says("is connected")
	return p.token(h.site)
}

// run is runProgram in this home, with its length.
func (h *tokenHome) run(t testing.TB, in, name string, args ...string) (printed string, ok bool) {
	t.Helper()
	return runProgram(t, h.dir, in, name, args...)
}

var steering = regexp.MustCompile(`\x1b(\[[0-9;?]*[A-Za-z]|\][^\x1b]*\x1b\\|[()][A-Z0-9])`)

// drawn is what was drawn, without what steers the terminal.
func drawn(screen string) string { return steering.ReplaceAllString(screen, "") }
