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
	within within // of --confirm-within
	// override changes what is managed from files, too.
	override bool
	out      io.Writer
	err      io.Writer
	in       io.Reader
}

// Main runs the command line and returns the exit code.
func Main(args []string) int {
	ends := []os.Signal{os.Interrupt, syscall.SIGTERM}
	if !signal.Ignored(syscall.SIGHUP) { // a terminal that is closed; not under nohup
		ends = append(ends, syscall.SIGHUP)
	}
	ctx, stop := signal.NotifyContext(context.Background(), ends...)
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
	cmd, err := root.ExecuteContextC(ctx)
	if err != nil {
		err = inOurWords(cmd, err)
	}
	return report(errs, err)
}

func (a *app) root() *cobra.Command {
	root := &cobra.Command{
		Use: "portreeve", Short: "Conditional access for mail, on your own machine",
		SilenceUsage: true, SilenceErrors: true, Args: cobra.ArbitraryArgs, RunE: chosen, DisableFlagsInUseLine: true,
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
	root.Version = Version
	root.SetVersionTemplate("portreeve {{.Version}}\n")
	root.AddCommand(a.commands()...)
	root.SetHelpCommand(help())
	return root
}

// help is cobra's, but says of a command that there is not that there is none.
func help() *cobra.Command {
	return &cobra.Command{Use: "help [COMMAND…]", Short: "Help about any command", RunE: func(cmd *cobra.Command, args []string) error {
		about, rest, err := cmd.Root().Find(args)
		if err == nil && len(rest) > 0 && about.HasSubCommands() {
			return noCommand(about, rest[0])
		}
		if err != nil {
			return err
		}
		return about.Help()
	}}
}

func (a *app) client() *client {
	c := newClient(a.socket, a.reason)
	c.note, c.within, c.promised, c.override = a.note, string(a.within), a.promised, a.override
	return c
}

func (a *app) output() *output {
	width, tty := terminalWidth(a.out)
	return &output{w: a.out, format: a.format, fields: a.fields, tty: tty, width: width, note: a.note}
}

// note remarks on an answer without being part of it.
func (a *app) note(text string) {
	if !a.quiet {
		fmt.Fprintf(a.err, "note: %s\n", safeLines(text))
	}
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
	c.DisableFlagsInUseLine = true
	c.RunE = chosen
	return c
}

// chosen helps who has chosen no command, or one that there is not.
func chosen(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return cmd.Help()
	}
	return noCommand(cmd, args[0])
}

// verb is a command that does something.
func verb(use, short string, args cobra.PositionalArgs, run func(cmd *cobra.Command, args []string) error) *cobra.Command {
	return &cobra.Command{Use: use, Short: short, Args: fitting(args), RunE: run}
}
