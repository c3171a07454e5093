package test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

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
