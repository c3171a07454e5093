package demo

import (
	"fmt"
	"os"
	"strings"
	"time"
)

// row prints a word and what there is to say of it, in two columns.
func (s *screen) row(word, format string, args ...any) {
	for i, line := range strings.Split(fmt.Sprintf(format, args...), "\n") {
		if i > 0 {
			word = ""
		}
		s.print("  %-9s %s\n", word, line)
	}
}

// banner is the first thing on the screen.
func (w *world) banner(s *screen, ready time.Duration) {
	kept := "nothing is kept"
	if w.kept {
		kept = "kept in " + w.dir
	}
	s.print("%s   loopback only, no root, no configuration; %s\n\n", s.paint("1", "Portreeve demo"), kept)
	s.row("IMAP", "%s, with TLS %s", w.plain, w.sealed)
	s.row("Sending", "%s", w.outgoing)
	s.row("Portal", "http://%s", w.public)
	var names []string
	for _, p := range everybody {
		names = append(names, p.name)
	}
	s.row("People", "%s\nall @%s, password: %s", strings.Join(names, " "), domain, password)
	s.row("Log", "%d sign-ins of %d days, generated and then judged by the rules;\n%d of them are one night's guesses", w.month.signIns, historyDays, w.month.guesses)
	s.row("Ready", "after %.2f s", ready.Seconds())
}

// yours is what can be done after the story, or without it.
func (w *world) yours(s *screen, told bool) {
	s.print("\n%s\n", s.paint("1", "Now yours"))
	s.row("Connect", "IMAP %s without TLS, %s with TLS\nauthority: %s", w.plain, w.sealed, w.path("ca.pem"))
	s.row("Try", "curl --url imap://%s -u zoidberg@%s:%s\ncurl --url imap://%s -u leela@%s:%s -v", w.plain, domain, password, w.plain, domain, password)
	change := fmt.Sprintf("enable %q", retirePasswords)
	if told {
		change = `disable "A password alone opens nothing"`
	}
	s.row("Look", "export PORTREEVE_SOCKET=%s\nportreeve signins list\nportreeve policy %s\nportreeve session list", w.socket(), change)
	if told {
		s.row("Browse", "http://%s as amy@%s, with your app's codes;\nor have this ask for them, for programs of the terminal:\nportreeve token --server http://%s \\\n    --user amy@%s", w.public, domain, w.public, domain)
	} else {
		s.row("Browse", "http://%s as fry@%s, with what this prints:\nportreeve pass issue fry@%s", w.public, domain, domain)
	}
	if from, ok := overSSH(os.Getenv); ok {
		s.row("From home", "ssh -L %d:%s -L %d:%s %s", w.plain.Port(), w.plain, w.sealed.Port(), w.sealed, from)
	}
	s.row("Ctrl-C", "ends it")
}

// overSSH is who and where to say to ssh from the machine that somebody sits
// at (sshd sets SSH_CONNECTION to client, its port, server, its port).
func overSSH(getenv func(string) string) (string, bool) {
	f := strings.Fields(getenv("SSH_CONNECTION"))
	if len(f) != 4 {
		return "", false
	}
	to := f[2]
	if user := getenv("USER"); user != "" {
		to = user + "@" + to
	}
	if f[3] != "22" {
		to = "-p " + f[3] + " " + to
	}
	return to, true
}
