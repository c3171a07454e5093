package test

import (
	"context"
	"encoding/json"
	"fmt"
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
	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"
	"github.com/emersion/go-sasl"
)

const (
	ownerOfTokens = "tess@example.org"
	answerTime    = 3 * time.Second // for a refused token
)

// tokenHome is the machine of a person who uses programs of the terminal: their
// home folder, in which `portreeve token` keeps what it keeps.
type tokenHome struct {
	*site
	dir string
	bus string // of their desktop; empty without one
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

// withToken is another home whose helper gives this token to programs.
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

// tokenProgram signs in by the lines that --setup prints.
type tokenProgram struct {
	name string
	// setup names the lines, if not name.
	setup string
	// silent programs show no text of a refused token.
	silent bool
	// sends a mail with this subject.
	sends string
	run   func(t testing.TB, h *tokenHome, lines string) (printed string, ok bool)
}

const subjectOfTokens = "sent with a token by "

var tokenPrograms = []tokenProgram{
	{name: "mutt reads", setup: "mutt", silent: true, run: muttReads("mutt", ".muttrc")},
	{name: "mutt sends", setup: "mutt", sends: "mutt", run: muttSends("mutt", ".muttrc-send")},
	{name: "neomutt reads", setup: "neomutt", run: muttReads("neomutt", ".neomuttrc")},
	{name: "neomutt sends", setup: "neomutt", sends: "neomutt", run: muttSends("neomutt", ".neomuttrc-send")},
	{name: "mbsync", run: mbsyncByToken},
	{name: "msmtp", sends: "msmtp", run: func(t testing.TB, h *tokenHome, lines string) (string, bool) {
		rc := write(t, h.dir, ".msmtprc", lines)
		return h.run(t, letterOf("msmtp"), "msmtp", "--file="+rc, ownerOfTokens)
	}},
	{name: "git", sends: "git", run: gitSends},
	{name: "offlineimap", run: offlineimapByToken},
	{name: "getmail", run: getmailByToken},
	{name: "s-nail reads", setup: "s-nail", run: func(t testing.TB, h *tokenHome, lines string) (string, bool) {
		return h.snail(t, "", lines, "-N", "-H", "-f", "portreeve")
	}},
	{name: "s-nail sends", setup: "s-nail", sends: "s-nail", run: func(t testing.TB, h *tokenHome, lines string) (string, bool) {
		return h.snail(t, "hello\n", lines, "-s", subjectOfTokens+"s-nail", ownerOfTokens)
	}},
	{name: "curl", silent: true, run: func(t testing.TB, h *tokenHome, lines string) (string, bool) {
		return h.run(t, lines, "sh", "-s")
	}},
	{name: "aerc", run: aercReads},
}

func letterOf(program string) string {
	return fmt.Sprintf("From: %[1]s\nTo: %[1]s\nSubject: %[2]s%[3]s\n\nhello\n", ownerOfTokens, subjectOfTokens, program)
}

func muttReads(name, rc string) func(testing.TB, *tokenHome, string) (string, bool) {
	return func(t testing.TB, h *tokenHome, lines string) (string, bool) {
		file := write(t, h.dir, rc, lines+"set sleep_time=0 quit=yes\nset header_cache=''\n")
		screen := onTerminal(t, h.dir, name+" -n -F "+file, "q", func(screen string) bool {
			return strings.Contains(screen, "Msgs:") && (strings.Contains(screen, "INBOX [Msgs:") || strings.Contains(screen, "authentication failed"))
		})
		return screen, strings.Contains(screen, "INBOX [Msgs:") && strings.Contains(screen, "listed")
	}
}

func muttSends(name, rc string) func(testing.TB, *tokenHome, string) (string, bool) {
	return func(t testing.TB, h *tokenHome, lines string) (string, bool) {
		file := write(t, h.dir, rc, lines+"set copy=no\n")
		return h.run(t, "hello\n", name, "-n", "-F", file, "-s", subjectOfTokens+name, ownerOfTokens)
	}
}

// snail runs s-nail, which takes root's home for root's, whatever HOME says.
func (h *tokenHome) snail(t testing.TB, in, lines string, args ...string) (string, bool) {
	t.Helper()
	return h.run(t, in, "env", append([]string{"MAILRC=" + write(t, t.TempDir(), "mailrc", lines), "DEAD=/dev/null", "XDG_STATE_HOME=" + filepath.Join(h.dir, ".local/state"), "s-nail", "-n"}, args...)...)
}

func mbsyncByToken(t testing.TB, h *tokenHome, lines string) (string, bool) {
	rc := write(t, h.dir, ".mbsyncrc", lines+`
MaildirStore near
Path ~/Mail/mbsync/
Inbox ~/Mail/mbsync/INBOX

Channel all
Far :portreeve:
Near :near:
Patterns INBOX
Create Near
SyncState *
`)
	printed, ok := h.run(t, "", "mbsync", "-c", rc, "all")
	return printed, ok && holdsMail(t, filepath.Join(h.dir, "Mail/mbsync/INBOX"))
}

// holdsMail says that a maildir holds the mail that was delivered.
func holdsMail(t testing.TB, dir string) (found bool) {
	t.Helper()
	check(t, filepath.WalkDir(dir, func(path string, e os.DirEntry, err error) error {
		if err == nil && e.Type().IsRegular() {
			raw, err := os.ReadFile(path)
			found = found || err == nil && strings.Contains(string(raw), "Subject: listed")
		}
		return err
	}))
	return found
}

func gitSends(t testing.TB, h *tokenHome, lines string) (string, bool) {
	home := h.withToken(t, h.current(t)) // its settings are the whole home's
	write(t, home.dir, ".msmtprc", home.lines(t, "msmtp"))
	patch := write(t, home.dir, "0001.patch", "From 0000000000000000000000000000000000000000 Mon Sep 17 00:00:00 2001\nFrom: Tess <"+ownerOfTokens+">\nDate: Sat, 1 Mar 2025 10:00:00 +0000\nSubject: [PATCH] "+subjectOfTokens+"git\n\n---\n x | 1 +\n")
	return home.run(t, "git config --global user.name Tess\ngit config --global user.email "+ownerOfTokens+"\n"+lines+"git send-email --quiet --confirm=never --to="+ownerOfTokens+" "+patch+"\n", "sh", "-e", "-s")
}

// current is the access token that the helper gives.
func (h *tokenHome) current(t testing.TB) string {
	t.Helper()
	out, errs, exit := h.token(t)
	if exit != 0 {
		t.Fatalf("portreeve token: exit %d: %s", exit, errs)
	}
	return strings.TrimSpace(out)
}

func offlineimapByToken(t testing.TB, h *tokenHome, lines string) (string, bool) {
	rc := write(t, h.dir, ".offlineimaprc", lines+`
[general]
accounts = all

[Account all]
localrepository = near
remoterepository = portreeve

[Repository near]
type = Maildir
localfolders = ~/Mail/offlineimap
`)
	printed, ok := h.run(t, "", "offlineimap", "-o", "-u", "basic", "-c", rc)
	return printed, ok && holdsMail(t, filepath.Join(h.dir, "Mail/offlineimap"))
}

func getmailByToken(t testing.TB, h *tokenHome, lines string) (string, bool) {
	dir := t.TempDir()
	write(t, dir, "getmailrc", lines+`
[destination]
type = MDA_external
path = /bin/sh
arguments = ("-c", "cat >>`+dir+`/mail")
allow_root_commands = True
`)
	printed, ok := h.run(t, "", "getmail", "--getmaildir", dir)
	return printed, ok && holdsMail(t, dir)
}

// aercReads opens the inbox, or waits until aerc has tried a refused token again.
func aercReads(t testing.TB, h *tokenHome, lines string) (string, bool) {
	write(t, filepath.Join(h.dir, ".config/aerc"), "accounts.conf", lines)
	var looked time.Time
	again := false
	screen := onTerminal(t, h.dir, "env SSL_CERT_FILE="+h.CA+" aerc", ":quit\n", func(screen string) bool {
		if !strings.Contains(screen, "attempt reconnect") {
			return strings.Contains(screen, "listed")
		}
		if !again && strings.Contains(drawn(screen), "PR5") && time.Since(looked) > time.Second {
			rows := h.aercRefused(t)
			again, looked = len(rows) > 0 && rows[0].Portreeve.Count > 1, time.Now()
		}
		return again
	})
	return screen, strings.Contains(screen, "listed")
}

// aercRefused are aerc's refusals in the log, newest first: it is the only
// program here that is written in Go and shows XOAUTH2.
func (s *site) aercRefused(t testing.TB) (rows []signIn) {
	t.Helper()
	for _, r := range s.signIns(t, fmt.Sprintf("user eq %q and code ne \"PR0\"", ownerOfTokens)) {
		if r.Portreeve.Program.Family == "go" && r.Portreeve.Mechanism == "XOAUTH2" {
			rows = append(rows, r)
		}
	}
	return rows
}

// A person signs in once by their browser; then programs of the terminal sign in
// by the lines that the helper prints for them, and a token that the door does
// not know is refused to each of them at once, in words where they show words.
func TestProgramsOfTheTerminalSignInByToken(t *testing.T) {
	t.Parallel()
	s := startSite(t, siteOptions{Login: masterLogin, Hasty: true, Floor: "300ms", People: map[string]string{ownerOfTokens: password},
		Door: doorOptions{Portal: true, Hostname: "localhost"}})
	s.do(t, "user", "add", ownerOfTokens)
	s.deliver(t, ownerOfTokens, "listed")
	h, origin := newTokenHome(t, s), "https://localhost:"+portOf(s.Public)

	if _, errs, exit := h.token(t, "--server", origin, "--ca", s.CA); exit != 1 || !strings.Contains(errs, "once in a terminal") {
		t.Errorf("before anybody has signed in: exit %d, %q", exit, errs)
	}
	b := s.browser(t)
	token := h.signIn(t, b, "--server", origin, "--ca", s.CA)
	if again := h.current(t); again != token {
		t.Errorf("the next call gives another token while the first is good")
	}
	refused := h.withToken(t, s.use(token[:len(token)-8]+"AAAAAAAA"))
	t.Run("signs in", func(t *testing.T) {
		for _, p := range tokenPrograms {
			t.Run(p.name, func(t *testing.T) {
				t.Parallel()
				lines := h.lines(t, p.lines())
				if printed, ok := p.run(t, h, lines); !ok {
					t.Errorf("it printed:\n%s\nwith the lines:\n%s", printed, lines)
				}
			})
		}
	})
	s.arrived(t, token)
	t.Run("signs in by STARTTLS", func(t *testing.T) {
		other := h.withToken(t, token)
		for _, p := range tokenPrograms {
			if p.name == "getmail" {
				continue // knows none, and --setup says so
			}
			t.Run(p.name, func(t *testing.T) {
				t.Parallel()
				lines := other.lines(t, p.lines(), "--imap", "imap://localhost:"+portOf(s.IMAP), "--smtp", "smtp://localhost:"+portOf(s.Submission))
				if printed, ok := p.run(t, other, lines); !ok {
					t.Errorf("it printed:\n%s\nwith the lines:\n%s", printed, lines)
				}
			})
		}
	})
	refused.areRefused(t, "is refused", "PR50126", func(p tokenProgram) bool { return p.silent })
	s.answersQuickly(t, refused.current(t))
	if rows := s.aercRefused(t); len(rows) != 1 || rows[0].Portreeve.Count < 2 || rows[0].Portreeve.Code != "PR1022" {
		t.Errorf("aerc's attempts are not one row: %+v", rows)
	}
	if out, err := s.feed(noProgramsByToken, "policy", "import", "-"); err != nil {
		t.Fatalf("policy import: %v\n%s", err, out)
	}
	h.areRefused(t, "is refused by policy", "PR53003", func(p tokenProgram) bool { return p.name == "curl" })
	s.do(t, "policy", "delete", "No programs by token")
	s.passwordsPlace(t, h)

	s.oneRefresh(t, h)
	first := h.current(t)
	old := h.withToken(t, first)
	h.desktop(t)
	h.signInByDevice(t, s.browser(t), "--keyring")
	if raw, err := os.ReadFile(h.file()); err != nil || strings.Contains(string(raw), "refreshToken") {
		t.Errorf("the keyring was to keep the tokens, and the file holds %s, %v", raw, err)
	}
	if _, ok := goIMAP(t, s.door, login{person: ownerOfTokens, secret: first, token: true}); ok {
		t.Error("a new sign-in leaves the one before open")
	}
	token = h.current(t)
	if _, ok := goIMAP(t, s.door, login{person: ownerOfTokens, secret: token, token: true}); !ok {
		t.Error("a sign-in by another device opens no door")
	}
	if out, errs, exit := h.token(t, "--forget"); exit != 0 || !strings.Contains(out, "revoked") {
		t.Errorf("--forget: exit %d, %q %q", exit, out, errs)
	}
	if _, ok := goIMAP(t, s.door, login{person: ownerOfTokens, secret: token, token: true}); ok {
		t.Error("a token of what was forgotten still opens the door")
	}
	if _, errs, exit := h.token(t); exit != 1 || !strings.Contains(errs, "once in a terminal") {
		t.Errorf("after --forget: exit %d, %q", exit, errs)
	}
	old.kept(t, func(tokens map[string]any) { tokens["expiry"] = time.Now() })
	if _, errs, exit := old.token(t); exit != 3 || !strings.Contains(errs, "asks for a new sign-in") {
		t.Errorf("with a sign-in that has ended: exit %d, %q", exit, errs)
	}
}

const noProgramsByToken = `{"displayName": "No programs by token", "state": "enabled",
  "conditions": {"users": {"includeUsers": ["All"]}, "applications": {"includeApplications": ["All"]}, "clientAppTypes": ["mobileAppsAndDesktopClients"]},
  "grantControls": {"operator": "OR", "builtInControls": ["block"]}}`

// areRefused runs all programs, which must end, and show the code unless they
// are silent.
func (h *tokenHome) areRefused(t *testing.T, name, code string, silent func(tokenProgram) bool) {
	t.Helper()
	t.Run(name, func(t *testing.T) {
		for _, p := range tokenPrograms {
			t.Run(p.name, func(t *testing.T) {
				t.Parallel()
				printed, ok := p.run(t, h, h.lines(t, p.lines()))
				if ok || !silent(p) && !strings.Contains(drawn(printed), code) {
					t.Errorf("it went well: %v; it printed:\n%s", ok, printed)
				}
			})
		}
	})
}

func (p tokenProgram) lines() string {
	if p.setup != "" {
		return p.setup
	}
	return p.name
}

var steering = regexp.MustCompile(`\x1b(\[[0-9;?]*[A-Za-z]|\][^\x1b]*\x1b\\|[()][A-Z0-9])`)

// drawn is what was drawn, without what steers the terminal.
func drawn(screen string) string { return steering.ReplaceAllString(screen, "") }

// arrived looks for the mails that the programs sent.
func (s *site) arrived(t testing.TB, token string) {
	t.Helper()
	c, err := imapclient.DialTLS(s.IMAPS, &imapclient.Options{TLSConfig: s.tls()})
	check(t, err)
	defer c.Close()
	check(t, c.Authenticate(sasl.NewOAuthBearerClient(&sasl.OAuthBearerOptions{Username: ownerOfTokens, Token: token})))
	_, err = c.Select("INBOX", nil).Wait()
	check(t, err)
	for _, p := range tokenPrograms {
		if p.sends == "" {
			continue
		}
		found := 0
		for end := time.Now().Add(doorStop); found == 0 && time.Now().Before(end); time.Sleep(10 * pollTime) {
			check(t, c.Noop().Wait())
			all, err := c.Search(&imap.SearchCriteria{Header: []imap.SearchCriteriaHeaderField{{Key: "Subject", Value: subjectOfTokens + p.sends}}}, nil).Wait()
			check(t, err)
			found = len(all.AllSeqNums())
		}
		if found == 0 {
			t.Errorf("what %s sent has not arrived", p.sends)
		}
	}
}

// answersQuickly measures the door's answer itself, without a program's start.
func (s *site) answersQuickly(t testing.TB, token string) {
	t.Helper()
	fastest := time.Hour
	for range 3 {
		began := time.Now()
		if _, ok := goIMAP(t, s.door, login{person: ownerOfTokens, secret: token, token: true}); ok {
			t.Fatal("the door took a token that nobody issued")
		}
		fastest = min(fastest, time.Since(began))
	}
	if fastest > answerTime {
		t.Errorf("a refused token was answered in %v", fastest)
	}
}

// oneRefresh has eight programs ask at once when the access token is over.
func (s *site) oneRefresh(t testing.TB, h *tokenHome) {
	t.Helper()
	h.kept(t, func(tokens map[string]any) { tokens["expiry"] = time.Now() })
	tokens := make(chan string, 8)
	for range cap(tokens) {
		go func() {
			out, _, _ := h.token(t)
			tokens <- out
		}()
	}
	first := s.use(strings.TrimSpace(<-tokens))
	for range cap(tokens) - 1 {
		if next := strings.TrimSpace(<-tokens); next != first || first == "" {
			t.Errorf("of eight programs at once, one got %d bytes and another %d of another token", len(first), len(next))
		}
	}
	if _, ok := goIMAP(t, s.door, login{person: ownerOfTokens, secret: first, token: true}); !ok {
		t.Error("the next token opens no door")
	}
}

// passwordsPlace has getmail show a token over POP3, which it can as a password
// only: once the door takes that, and not before.
func (s *site) passwordsPlace(t testing.TB, h *tokenHome) {
	t.Helper()
	lines := h.lines(t, "getmail-pop3")
	if printed, ok := getmailByToken(t, h, lines); ok || !strings.Contains(printed, "PR50126") {
		t.Errorf("a token in the password's place: %v\n%s", ok, printed)
	}
	raw, err := os.ReadFile(s.config)
	check(t, err)
	check(t, os.WriteFile(s.config, append(raw, "oauth: {token_as_password: true}\n"...), 0o600))
	s.stop(t)
	s.begin(t)
	if printed, ok := getmailByToken(t, h, lines); !ok {
		t.Errorf("a token in the password's place is not taken:\n%s", printed)
	}
	row := s.signIn(t, ownerOfTokens, "PR0")
	if row.Portreeve.Protocol != "pop3" || row.Portreeve.Credential != "bearer" {
		t.Errorf("the log says %+v", row)
	}
	if said := s.do(t, "signins", "show", row.Portreeve.Reference); !strings.Contains(said, "a token in the password's place") {
		t.Errorf("the log does not say so:\n%s", said)
	}
}
