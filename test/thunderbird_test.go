package test

import (
	"bufio"
	_ "embed"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

const (
	windowTime      = 60 * time.Second // for a window to be as it is to be
	thunderbirdHome = "/usr/lib/thunderbird"
	signInWindow    = "chrome://messenger/content/browserRequest.xhtml"
	mainWindow      = "chrome://messenger/content/messenger.xhtml"
	composeWindow   = "chrome://messenger/content/messengercompose/messengercompose.xhtml"
)

//go:embed thunderbird/find.js
var findScript string

//go:embed thunderbird/page.js
var pageScript string

// thunderbird is one person's Thunderbird, on a profile nobody has used.
type thunderbird struct {
	*marionette
	opened string // a file: what it had the system's browser open, an address a line
}

// startThunderbird starts Debian's Thunderbird on a screen of its own. All that
// it is given is what an administrator gives it, policies, and a network.
func startThunderbird(t testing.TB, policies string, s *street) *thunderbird {
	t.Helper()
	home := shortDir(t)
	install, profile := filepath.Join(home, "thunderbird"), filepath.Join(home, "profile")
	borrow(t, install)
	check(t, os.MkdirAll(filepath.Join(install, "distribution"), 0o755))
	write(t, filepath.Join(install, "distribution"), "policies.json", policies)
	check(t, os.Mkdir(profile, 0o700))
	write(t, profile, "user.js", fmt.Sprintf(`user_pref("marionette.port", 0);
user_pref("network.proxy.type", 1);
user_pref("network.proxy.socks", "127.0.0.1");
user_pref("network.proxy.socks_port", %s);
user_pref("network.proxy.socks_remote_dns", true);
`, portOf(s.Address)))
	opened := systemBrowser(t, home)
	out, err := os.Create(filepath.Join(home, "log"))
	check(t, err)
	defer out.Close()
	cmd := exec.Command(filepath.Join(install, "thunderbird-bin"), "--profile", profile, "--no-remote", "--marionette", "--remote-allow-system-access")
	cmd.Env = []string{"HOME=" + home, "PATH=" + os.Getenv("PATH"), "DISPLAY=" + startScreen(t), "LC_ALL=C.UTF-8", "LANG=en_US.UTF-8",
		"MOZ_CRASHREPORTER_DISABLE=1", "NO_AT_BRIDGE=1", "DBUS_SESSION_BUS_ADDRESS=disabled:"}
	cmd.Stdout, cmd.Stderr = out, out
	start(t, cmd)
	var port []byte
	for end := time.Now().Add(windowTime); len(port) == 0; time.Sleep(100 * time.Millisecond) {
		port, _ = os.ReadFile(filepath.Join(profile, "MarionetteActivePort"))
		if time.Now().After(end) {
			said, _ := os.ReadFile(out.Name())
			t.Fatalf("Thunderbird did not start:\n%s", said)
		}
	}
	b := &thunderbird{startMarionette(t, "127.0.0.1:"+strings.TrimSpace(string(port))), opened}
	t.Cleanup(func() {
		if t.Failed() {
			dir, _ := os.MkdirTemp("", "portreeve-thunderbird")
			t.Logf("its windows: %v\nit was at: %v", b.picture(filepath.Join(dir, "window")), s.sought())
		}
	})
	b.window(mainWindow)
	return b
}

// borrow makes an installation whose policies are its own, of links to the
// system's files. The program itself is copied: it looks beside itself.
func borrow(t testing.TB, install string) {
	t.Helper()
	check(t, os.Mkdir(install, 0o755))
	files, err := os.ReadDir(thunderbirdHome)
	if err != nil {
		t.Fatalf("%v: let root run test/packages.sh", err)
	}
	for _, f := range files {
		if f.Name() != "distribution" && f.Name() != "thunderbird-bin" {
			check(t, os.Symlink(filepath.Join(thunderbirdHome, f.Name()), filepath.Join(install, f.Name())))
		}
	}
	raw, err := os.ReadFile(filepath.Join(thunderbirdHome, "thunderbird-bin"))
	check(t, err)
	check(t, os.WriteFile(filepath.Join(install, "thunderbird-bin"), raw, 0o755))
}

// startScreen starts an X server that draws nowhere, and gives its name.
func startScreen(t testing.TB) string {
	t.Helper()
	r, w, err := os.Pipe()
	check(t, err)
	defer r.Close()
	cmd := exec.Command("Xvfb", "-displayfd", "3", "-screen", "0", "1280x1000x24", "-nolisten", "tcp")
	cmd.ExtraFiles = []*os.File{w}
	start(t, cmd)
	_ = w.Close()
	check(t, r.SetReadDeadline(time.Now().Add(windowTime)))
	number, err := bufio.NewReader(r).ReadString('\n')
	if err != nil {
		t.Fatalf("Xvfb: %v", err)
	}
	return ":" + strings.TrimSpace(number)
}

// start starts a program, and ends it and its children with the test.
func start(t testing.TB, cmd *exec.Cmd) {
	t.Helper()
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	cmd.WaitDelay = time.Second
	check(t, cmd.Start())
	over := make(chan struct{})
	go func() {
		defer close(over)
		_ = cmd.Wait()
	}()
	t.Cleanup(func() {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		<-over
	})
}

// use is the element of the window at hand that a selector finds.
func (b *thunderbird) use(selector string) element {
	b.Helper()
	return b.find(selector, findScript+"return seek(document, arguments[0]);", selector)
}

// Where a thunderbird shows pages.
const (
	signInPage = "sign-in" // in the window that opens
	mailPane   = "pane"    // of folders and mails
)

// page does something in a page, once it is there and can be used.
func (b *thunderbird) page(place, act, selector, text string) (said string) {
	b.Helper()
	b.until(fmt.Sprintf("%s %s at the page %s", act, selector, place), windowTime, func() bool {
		var answer *string
		err := b.run(&answer, pageScript, place, act, selector, text)
		if err != nil || answer == nil {
			return false
		}
		said = *answer
		return act != "read" || strings.Contains(said, text)
	})
	return said
}

// types types into a field.
func (b *thunderbird) types(place, selector, text string) {
	b.Helper()
	b.page(place, "type", selector, text)
}

// presses presses a button, or whatever else can be pressed.
func (b *thunderbird) presses(place, selector string) {
	b.Helper()
	b.page(place, "press", selector, "")
}

// reads waits until something says a text.
func (b *thunderbird) reads(place, selector, text string) string {
	b.Helper()
	return b.page(place, "read", selector, text)
}

// allNeedsTwo is a policy: nothing is open to a password alone.
const allNeedsTwo = `[{"displayName": "Nothing without a second factor", "state": "enabled",
  "conditions": {"users": {"includeUsers": ["All"]}, "applications": {"includeApplications": ["All"]}, "clientAppTypes": ["all"]},
  "grantControls": {"operator": "OR", "builtInControls": ["mfa"]}}]`

// needTwo puts it in force.
func (m *modern) needTwo(t testing.TB) {
	t.Helper()
	if out, err := m.feed(allNeedsTwo, "policy", "import", "-"); err != nil {
		t.Fatalf("policy import: %v\n%s", err, out)
	}
}

// Somebody types an address into a Thunderbird that nobody has used before,
// signs in with password and code in the window that opens, and reads and sends
// mail. When the grant is taken back, that window opens by itself and wants a new
// proof, with which it goes on.
func TestThunderbirdSignsInByItsOwnWindow(t *testing.T) {
	t.Parallel()
	const mary = "mary@example.org"
	m := startModern(t, mary)
	m.needTwo(t)
	elsewhere := m.visitor(t, m.origin()) // a browser of hers on another device
	phone := elsewhere.enrol(m.door, mary)
	m.deliver(t, mary, "Welcome, Mary")
	b := startThunderbird(t, m.policies(t, ""), m.street)
	b.begins(mary)
	b.types(signInPage, "#password", password)
	b.presses(signInPage, `form[action="/signin"] button`)
	b.types(signInPage, "#code", phone.code(t))
	b.presses(signInPage, `form:has(#code) button`)
	b.presses(signInPage, `form[action="/connect/allow"] button`)
	b.finishes("Welcome, Mary")
	b.writes(mary, "From Thunderbird")
	b.reads(mailPane, "#threadTree", "From Thunderbird")
	m.logsOneStory(t, mary)

	elsewhere.open("/programs")
	elsewhere.send("/programs/disconnect")
	ended := time.Now()
	// Within one token's life, at its next look for mail, it asks: it looks every
	// ten minutes, and when somebody presses this.
	time.Sleep(accessLife - takenForRunOut)
	b.presses(mailPane, "#folderPaneGetMessages")
	b.reads(signInPage, "h1", "Confirm that it is you")
	for _, e := range m.steps(t, mary) {
		if e.Created.After(ended) && e.Portreeve.Mechanism == "XOAUTH2" && e.Status.ErrorCode == 0 {
			t.Errorf("after the end a door opened: %+v", e)
		}
	}
	m.deliver(t, mary, "Welcome back")
	b.types(signInPage, "#code", phone.code(t))
	b.presses(signInPage, `form:has(#code) button`)
	b.reads(mailPane, "#threadTree", "Welcome back")
}

// knows waits until it has the add-on, which policy installs as it starts.
func (b *thunderbird) knows() {
	b.Helper()
	b.until("the add-on to be installed", windowTime, func() bool {
		var known bool
		return b.run(&known, `const { OAuth2Providers } = ChromeUtils.importESModule("resource:///modules/OAuth2Providers.sys.mjs");
			return !!OAuth2Providers.getHostnameDetails(arguments[0], "imap");`, mailName) == nil && known
	})
}

// begins types an address into a Thunderbird that knows none.
func (b *thunderbird) begins(address string) {
	b.Helper()
	b.knows()
	b.keys(b.use("#email"), address)
	b.click(b.use("account-hub-footer #forward"))
}

// finishes ends the set-up, once somebody has signed in, and reads the mail that
// waits for them.
func (b *thunderbird) finishes(subject string) {
	b.Helper()
	b.click(b.use("account-hub-footer #forward")) // these are the servers
	b.click(b.use("account-hub-footer #forward")) // it is set up
	b.until("the account set-up to be over", windowTime, func() bool {
		var open bool
		return b.run(&open, `return !!document.querySelector("account-hub-container").modal.open`) == nil && !open
	})
	b.presses(mailPane, `#folderTree li[data-folder-type="inbox"] .name`)
	b.reads(mailPane, "#threadTree", subject)
}

// writes has somebody write a letter and send it.
func (b *thunderbird) writes(to, subject string) {
	b.Helper()
	b.presses(mailPane, "#folderPaneWriteMessage")
	b.window(composeWindow)
	b.until("the window to be ready to write in", windowTime, func() bool {
		var ready bool
		return b.run(&ready, "return window.composeEditorReady === true") == nil && ready
	})
	b.keys(b.use("#toAddrInput"), to+",")
	b.keys(b.use("#msgSubject"), subject)
	b.click(b.use("#button-send"))
	b.until("the letter to be sent", windowTime, func() bool { return !b.enter(composeWindow) })
	b.window(mainWindow)
}

// signInStep is a step of signing in as the log has it.
type signInStep struct {
	Created     time.Time `json:"createdDateTime"`
	Correlation string    `json:"correlationId"`
	Requirement string    `json:"authenticationRequirement"`
	Status      struct {
		ErrorCode int `json:"errorCode"`
	} `json:"status"`
	Applied []struct {
		DisplayName string `json:"displayName"`
		Result      string `json:"result"`
	} `json:"appliedConditionalAccessPolicies"`
	Portreeve struct{ Protocol, Credential, Mechanism, Grant string } `json:"portreeve"`
}

// steps are somebody's, the newest first.
func (m *modern) steps(t testing.TB, person string) []signInStep {
	t.Helper()
	var list struct {
		Value []signInStep `json:"value"`
	}
	m.read(t, &list, "signins", "list", "--limit", "0", fmt.Sprintf("user eq %q", person))
	return list.Value
}

// logsOneStory waits until the log tells it: a password that was not enough, the
// code, and the tokens under one correlation id, and the doors that were opened
// with them, for which policy asked for a second factor and found it.
func (m *modern) logsOneStory(t testing.TB, person string) {
	t.Helper()
	var missing []string
	var all []signInStep
	for end := time.Now().Add(logWait); ; time.Sleep(10 * pollTime) {
		all = m.steps(t, person)
		if missing = lacks(all); len(missing) == 0 {
			return
		}
		if time.Now().After(end) {
			break
		}
	}
	t.Errorf("the log does not tell of %s:\n%+v", strings.Join(missing, ", "), all)
}

func lacks(all []signInStep) (missing []string) {
	find := func(what string, so func(*signInStep) bool) signInStep {
		if i := slices.IndexFunc(all, func(e signInStep) bool { return so(&e) }); i >= 0 {
			return all[i]
		}
		missing = append(missing, what)
		return signInStep{}
	}
	given := find("the tokens", func(e *signInStep) bool {
		return e.Portreeve.Mechanism == "authorization_code" && e.Status.ErrorCode == 0
	})
	find("a password that was not enough", func(e *signInStep) bool {
		return e.Status.ErrorCode == 50076 && e.Correlation == given.Correlation
	})
	find("the code", func(e *signInStep) bool {
		return e.Portreeve.Mechanism == "totp" && e.Status.ErrorCode == 0 && e.Correlation == given.Correlation
	})
	for _, door := range []string{"imap", "submission"} {
		find(door+" with two factors", func(e *signInStep) bool {
			return e.Portreeve.Protocol == door && e.Portreeve.Mechanism == "XOAUTH2" && e.Status.ErrorCode == 0 && e.Requirement == "multiFactorAuthentication" &&
				strings.HasPrefix(e.Portreeve.Grant, "oauth:") && e.Portreeve.Grant == given.Portreeve.Grant && len(e.Applied) == 1 && e.Applied[0].Result == "success"
		})
	}
	return missing
}
