package test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
)

// Where the administrator has asked for it, Thunderbird opens the person's own
// browser, where their passkeys are, and takes the answer at a port of loopback.
func TestThunderbirdSignsInByTheSystemsBrowser(t *testing.T) {
	t.Parallel()
	const mary = "mary@example.org"
	m := startModern(t, mary)
	c := m.browserAt(t, m.origin())
	m.furnished(c, mary)
	c.press("Sign out")
	c.says("Other ways to sign in")
	if out, err := m.feed(onlyPasskeys, "policy", "import", "-"); err != nil {
		t.Fatalf("policy import: %v\n%s", err, out)
	}
	m.deliver(t, mary, "Welcome, Mary")
	b := startThunderbird(t, m.policies(t, "?browser=system"), m.street)

	b.begins(mary)
	c.do("opening what Thunderbird opened", chromedp.Navigate(b.opens()))
	c.press("Use a passkey")
	c.press("Yes, connect it")
	c.says("You can close this window") // Thunderbird's own words, from the port where it waits
	b.finishes("Welcome, Mary")
	m.logsPasskey(t, mary)
}

// systemBrowser makes somebody's own browser, by a desktop's rules: it writes down
// what it is to open, and whoever sits there looks at it in theirs.
func systemBrowser(t testing.TB, home string) (opened string) {
	t.Helper()
	opened = filepath.Join(home, "opened")
	write(t, home, "browser", fmt.Sprintf("#!/bin/sh\nprintf '%%s\\n' \"$1\" >>%s\n", opened))
	check(t, os.Chmod(filepath.Join(home, "browser"), 0o700))
	applications, settings := filepath.Join(home, ".local/share/applications"), filepath.Join(home, ".config")
	check(t, os.MkdirAll(applications, 0o700))
	check(t, os.MkdirAll(settings, 0o700))
	write(t, applications, "browser.desktop", fmt.Sprintf("[Desktop Entry]\nType=Application\nName=Browser\nExec=%s %%u\nMimeType=x-scheme-handler/https;\n", filepath.Join(home, "browser")))
	write(t, settings, "mimeapps.list", "[Default Applications]\nx-scheme-handler/https=browser.desktop\n")
	return opened
}

// opens waits until the system's browser is to open something, and says what.
func (b *thunderbird) opens() (address string) {
	b.Helper()
	b.until("the system's browser to be started", windowTime, func() bool {
		raw, _ := os.ReadFile(b.opened)
		var whole bool
		address, _, whole = strings.Cut(string(raw), "\n")
		return whole
	})
	return address
}
