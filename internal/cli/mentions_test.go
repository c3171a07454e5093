package cli

import (
	"bufio"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestWhatThePagesTellToTypeExists reads every line of the pages that begins
// with our name, and looks for its commands and flags.
func TestWhatThePagesTellToTypeExists(t *testing.T) {
	pages, err := filepath.Glob("../../docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	lines := 0
	for _, page := range append(pages, "../../README.md", "../../HACKING.md") {
		f, err := os.Open(page)
		if err != nil {
			t.Fatal(err)
		}
		for s := bufio.NewScanner(f); s.Scan(); {
			line := strings.TrimPrefix(strings.TrimPrefix(strings.TrimSpace(s.Text()), "$ "), "./bin/")
			if words := strings.Fields(line); len(words) > 1 && words[0] == "portreeve" {
				lines++
				lookUp(t, filepath.Base(page)+": "+line, words[1:])
			}
		}
		_ = f.Close()
	}
	if lines < 10 {
		t.Errorf("only %d lines were found", lines)
	}
}

func lookUp(t *testing.T, where string, words []string) {
	t.Helper()
	root := (&app{}).root()
	root.InitDefaultCompletionCmd()
	c, rest, err := root.Find(words)
	if err != nil || c == root && !strings.HasPrefix(words[0], "-") {
		t.Errorf("%s: there is no such command (%v)", where, err)
		return
	}
	if c.HasSubCommands() && len(rest) > 0 && rest[0][0] >= 'a' && rest[0][0] <= 'z' {
		t.Errorf("%s: %s has no %s", where, c.CommandPath(), rest[0])
	}
	for _, w := range words {
		if strings.ContainsAny(w[:1], "#|>&;") {
			return
		}
		name, _, _ := strings.Cut(strings.TrimLeft(w, "-"), "=")
		name = strings.TrimRight(name, "`.,;)")
		if strings.HasPrefix(w, "--") && c.Flags().Lookup(name) == nil && c.InheritedFlags().Lookup(name) == nil {
			t.Errorf("%s: %s has no flag --%s", where, c.CommandPath(), name)
		}
	}
}
