package cli

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"unicode"

	"github.com/spf13/cobra"
)

const top = "../../"

// pages are the manual's, by their path from the top of the tree.
func pages(t *testing.T) map[string]string {
	t.Helper()
	names := []string{"README.md", "HACKING.md"}
	found, err := filepath.Glob(top + "docs/*.md")
	if err != nil || len(found) < 10 {
		t.Fatalf("%v %v", err, found)
	}
	for _, f := range found {
		names = append(names, "docs/"+filepath.Base(f))
	}
	all := map[string]string{}
	for _, n := range names {
		raw, err := os.ReadFile(top + n)
		if err != nil {
			t.Fatal(err)
		}
		all[n] = string(raw)
	}
	return all
}

var (
	fence   = regexp.MustCompile("(?s)```.*?\n(.*?)```")
	inTicks = regexp.MustCompile("`([^`]+)`")
	command = regexp.MustCompile(`(?:^|\n|&&|\|\||[;|&(])\s*(?:\$ )?portreeve((?: +[^\n;|&()#<>]+)?)`)
)

// commandsIn are the command lines of ours that a page shows, without the name.
func commandsIn(page string) (all []string) {
	add := func(code string) {
		code = strings.ReplaceAll(code, "\\\n", " ")
		for _, m := range command.FindAllStringSubmatch(code, -1) {
			all = append(all, strings.TrimSpace(m[1]))
		}
	}
	for _, m := range fence.FindAllStringSubmatch(page, -1) {
		add(m[1])
	}
	for _, m := range inTicks.FindAllStringSubmatch(fence.ReplaceAllString(page, ""), -1) {
		add(strings.ReplaceAll(m[1], "\n", " "))
	}
	return all
}

// wrongWith says what is wrong with a command line that a page shows.
func wrongWith(root *cobra.Command, line string) string {
	var words []string
	for _, w := range regexp.MustCompile(`"[^"]*"?|'[^']*'?|\S+`).FindAllString(line, -1) {
		if w == "…" || w == `\` {
			continue
		}
		words = append(words, strings.Trim(w, `'"`))
	}
	if len(words) == 0 || !unicode.IsLower(rune(words[0][0])) && words[0][0] != '-' {
		return "" // the name alone, or a sentence
	}
	c, rest, err := root.Find(words)
	if err != nil {
		return err.Error()
	}
	for _, w := range rest {
		name, _, _ := strings.Cut(strings.TrimRight(w, "…,."), "=")
		switch {
		case strings.HasPrefix(name, "--") && c.Flag(name[2:]) == nil:
			return c.CommandPath() + " has no flag " + name
		case len(name) == 2 && name[0] == '-' && c.Flags().ShorthandLookup(name[1:]) == nil && c.InheritedFlags().ShorthandLookup(name[1:]) == nil:
			return c.CommandPath() + " has no flag " + name
		}
	}
	if c.HasSubCommands() && len(rest) > 0 && unicode.IsLower(rune(rest[0][0])) {
		return "there is no command " + c.CommandPath() + " " + rest[0]
	}
	return ""
}

func TestDocsNameRealCommands(t *testing.T) {
	root := (&app{}).root()
	root.InitDefaultHelpCmd()
	root.InitDefaultCompletionCmd()
	checked := 0
	for name, page := range pages(t) {
		for _, line := range commandsIn(page) {
			checked++
			if wrong := wrongWith(root, line); wrong != "" {
				t.Errorf("%s shows `portreeve %s`: %s", name, line, wrong)
			}
		}
	}
	if checked < 100 {
		t.Errorf("only %d commands were found in the manual", checked)
	}
	for _, line := range []string{"polcy list", "policy lst", "policy list --colour", "signins list -x", "policy enable A --spread"} {
		if wrong, good := wrongWith(root, line), strings.HasSuffix(line, "--spread"); (wrong == "") != good {
			t.Errorf("portreeve %s: %q", line, wrong)
		}
	}
}

var link = regexp.MustCompile(`\]\(([^)\s]+)\)`)

// anchors are the headings of a page as links name them.
func anchors(page string) map[string]bool {
	all := map[string]bool{}
	for line := range strings.Lines(fence.ReplaceAllString(page, "")) {
		if !strings.HasPrefix(line, "#") {
			continue
		}
		text := strings.ToLower(strings.TrimSpace(strings.TrimLeft(line, "#")))
		all[strings.Map(func(r rune) rune {
			switch {
			case r == ' ':
				return '-'
			case unicode.IsLetter(r), unicode.IsDigit(r), r == '-', r == '_':
				return r
			}
			return -1
		}, text)] = true
	}
	return all
}

func TestDocsLinksLeadSomewhere(t *testing.T) {
	all := pages(t)
	for name, page := range all {
		for _, m := range link.FindAllStringSubmatch(fence.ReplaceAllString(page, ""), -1) {
			if strings.Contains(m[1], "://") {
				continue
			}
			file, anchor, _ := strings.Cut(m[1], "#")
			target := name
			if file != "" {
				target = filepath.Join(filepath.Dir(name), file)
			}
			if _, err := os.Stat(top + target); err != nil {
				t.Errorf("%s: %s leads nowhere", name, m[1])
			} else if anchor != "" && !anchors(all[target])[anchor] {
				t.Errorf("%s: %s has no heading #%s", name, target, anchor)
			}
		}
	}
	for name := range all {
		if strings.HasPrefix(name, "docs/") && !strings.Contains(all["README.md"], "("+name+")") {
			t.Errorf("README.md does not lead to %s", name)
		}
	}
}

func TestTheRoundcubePluginIsTheOneInTheManual(t *testing.T) {
	plugin, err := os.ReadFile(top + "integrations/roundcube/portreeve_address/portreeve_address.php")
	if err != nil {
		t.Fatal(err)
	}
	if page := pages(t)["docs/roundcube.md"]; !strings.Contains(page, string(plugin)) {
		t.Error("integrations/roundcube/portreeve_address is not what docs/roundcube.md shows")
	}
}
