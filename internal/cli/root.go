// Package cli is the command line: one file per noun. Commands that change or
// read a running server speak HTTP to its local socket; the JSON printed with
// -o json is the body of the same API that programs use.
//
// A command that is not ready does not exist.
package cli

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/portreeve/portreeve/internal/spelling"
)

// Version is set when the binary is built.
var Version = "unknown"

// app is what every command shares.
type app struct {
	socket string
	format string
	fields []string
	reason string
	quiet  bool
	out    io.Writer
	err    io.Writer
	in     io.Reader
}

// Main runs the command line and returns the exit code.
func Main(args []string) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	return Run(ctx, args, os.Stdin, os.Stdout, os.Stderr)
}

// Run runs the command line with its own streams.
func Run(ctx context.Context, args []string, in io.Reader, out, errs io.Writer) int {
	a := &app{in: in, out: out, err: errs}
	root := a.root()
	root.SetArgs(args)
	root.SetIn(in)
	root.SetOut(out)
	root.SetErr(errs)
	err := root.ExecuteContext(ctx)
	if err != nil && isUsage(err) {
		err = &failure{exit: exitUsage, what: err.Error(), next: "`portreeve help` lists the commands"}
	}
	return report(errs, err)
}

// isUsage recognises cobra's own complaints about the command line.
func isUsage(err error) bool {
	for _, start := range []string{"unknown command", "unknown flag", "unknown shorthand", "accepts ", "requires ", "flag needs", "invalid argument", "required flag"} {
		if strings.HasPrefix(err.Error(), start) {
			return true
		}
	}
	return false
}

func (a *app) root() *cobra.Command {
	root := &cobra.Command{
		Use: "portreeve", Short: "Conditional access for mail, on your own machine",
		SilenceUsage: true, SilenceErrors: true, SuggestionsMinimumDistance: 2,
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error {
			if !validFormat(a.format) {
				return usage("-o takes one of %s, not %q", strings.Join(formats, ", "), a.format)
			}
			return nil
		},
	}
	socket := DefaultSocket
	if s := os.Getenv("PORTREEVE_SOCKET"); s != "" {
		socket = s
	}
	root.PersistentFlags().StringVar(&a.socket, "socket", socket, "the running server's socket")
	root.PersistentFlags().StringVarP(&a.format, "output", "o", "table", "output: "+strings.Join(formats, ", "))
	root.PersistentFlags().StringSliceVar(&a.fields, "fields", nil, "show these members only, such as status.errorCode,ipAddress")
	root.PersistentFlags().StringVar(&a.reason, "reason", "", "why, for the audit log")
	root.PersistentFlags().BoolVarP(&a.quiet, "quiet", "q", false, "say nothing of what went well")
	complete(root, "output", formats...)
	root.AddCommand(a.commands()...)
	return root
}

func (a *app) client() *client { return newClient(a.socket, a.reason) }

func (a *app) output() *output {
	f, ok := a.out.(*os.File)
	return &output{w: a.out, format: a.format, fields: a.fields, tty: ok && term.IsTerminal(int(f.Fd()))}
}

// done says what went well, unless nobody wants to hear it.
func (a *app) done(format string, args ...any) {
	if !a.quiet {
		fmt.Fprintf(a.out, format+"\n", args...)
	}
}

// noun is a command that has commands of its own.
func noun(use, short string, verbs ...*cobra.Command) *cobra.Command {
	c := &cobra.Command{Use: use, Short: short, Args: cobra.ArbitraryArgs}
	c.AddCommand(verbs...)
	c.RunE = func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 {
			return cmd.Help()
		}
		names := []string{}
		for _, v := range cmd.Commands() {
			names = append(names, v.Name())
		}
		return usage("there is no command %q%s", cmd.CommandPath()+" "+printable(args[0]), spelling.DidYouMean(args[0], names))
	}
	return c
}

// verb is a command that does something.
func verb(use, short string, args cobra.PositionalArgs, run func(cmd *cobra.Command, args []string) error) *cobra.Command {
	return &cobra.Command{Use: use, Short: short, Args: args, RunE: run}
}
