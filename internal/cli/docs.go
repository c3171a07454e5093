package cli

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/portreeve/portreeve/internal/signin"
)

//go:generate go test -run TestThePagesAreTrue -update .

// commandsPage is docs/commands.md: every command there is, as it is.
func commandsPage() string {
	a := &app{in: strings.NewReader(""), out: io.Discard, err: io.Discard}
	root := a.root()
	root.InitDefaultCompletionCmd()
	var b strings.Builder
	b.WriteString(`# Commands

This page is written by ` + "`go generate ./internal/cli`" + ` from the commands themselves.

Commands speak to a running server over its local socket (` + DefaultSocket + `); root and the
members of the socket's group may use it, and who they are is in the audit log.
A program can do the same over HTTP: what ` + "`-o json`" + ` prints is the body of the API.

Names complete in the shell, live ones too: ` + "`portreeve completion bash|zsh|fish|powershell`" + `.

## Every command takes

`)
	flagTable(&b, root.PersistentFlags(), "")
	b.WriteString(`
A table is aligned on a terminal and separated by tabs in a pipe; times are local there and
RFC 3339 in UTC otherwise. Exit codes: 0 done, 1 failed, 2 not understood, 3 changes are
pending, 4 a policy's test failed, 5 not allowed, 6 not found, 7 conflict, 8 no server.
`)
	walk(&b, root)
	return b.String()
}

func walk(b *strings.Builder, parent *cobra.Command) {
	all := parent.Commands()
	slices.SortFunc(all, func(x, y *cobra.Command) int { return strings.Compare(x.Name(), y.Name()) })
	for _, c := range all {
		if c.Name() == "help" || c.Hidden {
			continue
		}
		depth := strings.Repeat("#", 1+strings.Count(c.CommandPath(), " "))
		fmt.Fprintf(b, "\n%s %s\n\n%s.\n", depth, c.CommandPath(), c.Short)
		if c.Parent().Name() == "completion" {
			continue // cobra's own, which prints how it is used
		}
		if !c.HasSubCommands() {
			fmt.Fprintf(b, "\n    %s\n", strings.TrimSuffix(c.UseLine(), " [flags]"))
		}
		if long := strings.TrimSpace(c.Long); long != "" && c.Name() != "completion" {
			fmt.Fprintf(b, "\n```text\n%s\n```\n", long)
		}
		if c.Example != "" {
			fmt.Fprintf(b, "\n```sh\n%s\n```\n", strings.ReplaceAll(strings.TrimPrefix(c.Example, "  "), "\n  ", "\n"))
		}
		flagTable(b, c.LocalNonPersistentFlags(), "\n")
		walk(b, c)
	}
}

// flagTable lists flags, if there are any.
func flagTable(b *strings.Builder, flags *pflag.FlagSet, before string) {
	rows := 0
	flags.VisitAll(func(f *pflag.Flag) {
		if f.Hidden || f.Name == "help" {
			return
		}
		if rows++; rows == 1 {
			fmt.Fprintf(b, "%s| Flag | |\n|---|---|\n", before)
		}
		name := "`--" + f.Name + "`"
		if f.Shorthand != "" {
			name = "`-" + f.Shorthand + "`, " + name
		}
		kind, usage := pflag.UnquoteUsage(f)
		if kind != "" {
			name += " " + kind
		}
		if f.DefValue != "" && f.DefValue != "false" && f.DefValue != "0" && f.DefValue != "[]" {
			usage += " (default `" + f.DefValue + "`)"
		}
		fmt.Fprintf(b, "| %s | %s |\n", name, strings.ReplaceAll(usage, "|", `\|`))
	})
}

// codesPage is docs/codes.md: every code and what to do about it.
func codesPage() string {
	var b strings.Builder
	b.WriteString(`# Codes

This page is written by ` + "`go generate ./internal/cli`" + ` from the table of codes; ` + "`portreeve explain CODE`" + `
tells the same. A code is Microsoft Entra's number where the meaning is the same; PR1001 to
PR9999 are Portreeve's own.

What the person reads is said without anything that hangs on the secret: whoever guesses
learns nothing. The code itself stands in the sign-in log.
`)
	for _, m := range signin.Meanings() {
		fmt.Fprintf(&b, "\n## %s %s\n\n%s\n", m.Code, m.Title, m.Admin)
		if m.User != "" {
			fmt.Fprintf(&b, "\nThe person reads: “%s”\n", m.User)
		}
	}
	return b.String()
}
