package cli

import (
	"os"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/portreeve/portreeve/internal/demo"
)

// demo shows the product on embedded defaults.
func (a *app) demo() *cobra.Command {
	o := demo.Options{Version: Version, In: a.in, Out: a.out}
	cmd := &cobra.Command{
		Use: "demo", Short: "Built-in demonstration and self-test: no root, no configuration, loopback only",
		Long: `A small mail server, people, policies and a month of sign-ins in a temporary
folder, the real gate in front, and a story of about a minute played through it
by real IMAP programs. What it says with a tick it has checked.

On a terminal it serves on after the story, until Ctrl-C; otherwise it plays
once. Nothing is left behind.`,
		Example: "  portreeve demo --fast\n  portreeve demo --check",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			o.Terminal = isTerminal(a.in) && isTerminal(a.out)
			o.Colour = isTerminal(a.out) && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
			return demo.Run(cmd.Context(), o)
		},
	}
	f := cmd.Flags()
	f.BoolVar(&o.Check, "check", false, "play without pauses, assert every claim and its time, and end: 0 if all hold, else 1")
	f.BoolVar(&o.Fast, "fast", false, "make no pauses and ask for no key")
	f.BoolVar(&o.NoStory, "no-story", false, "only serve")
	f.StringVar(&o.Keep, "keep", "", "an empty `folder` for the state, which stays")
	f.StringVar(&o.Record, "record", "", "a `file` for the conversations and claims, as JSON")
	cmd.MarkFlagsMutuallyExclusive("check", "no-story")
	return cmd
}

// isTerminal says that somebody sits at the other end.
func isTerminal(stream any) bool {
	f, ok := stream.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}
