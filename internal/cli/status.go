package cli

import (
	"fmt"
	"io"
	"net/netip"

	"github.com/spf13/cobra"
)

func (a *app) status() *cobra.Command {
	return verb("status", "The running server on one screen", cobra.NoArgs, func(cmd *cobra.Command, _ []string) error {
		r, err := a.client().object(cmd.Context(), ours+"/status", nil)
		if err != nil {
			return err
		}
		return a.output().object(r, func(w io.Writer) { a.tellStatus(w, r.fields) })
	})
}

func (a *app) backend() *cobra.Command {
	var from string
	check := verb("check", "Try every backend port, and every way round the gate", cobra.NoArgs, func(cmd *cobra.Command, _ []string) error {
		if _, err := netip.ParseAddr(from); from != "" && err != nil {
			return usage("--from is an address of the server's machine, not %q", from)
		}
		rows, err := a.client().rows(cmd.Context(), ours+"/backends/check", values("from", from), 0)
		if err != nil {
			return err
		}
		if a.format != "table" {
			return a.output().list(rows, field("id", "id"), field("backend", "backend"), field("address", "address"), field("finding", "sentence"))
		}
		for _, r := range rows {
			fmt.Fprintf(a.out, "%s %s: %s\n", printable(text(r.fields["backend"])), printable(text(r.fields["address"])), printable(text(r.fields["sentence"])))
			if fix, ok := r.fields["fix"].([]any); ok {
				for _, line := range fix {
					fmt.Fprintf(a.out, "    %s\n", printable(text(line)))
				}
			}
		}
		if len(rows) > 0 {
			return &failure{exit: exitFailed, what: counted(float64(len(rows)), "finding")}
		}
		a.done("every backend answers, and nothing leads round the gate")
		return nil
	})
	check.Flags().StringVar(&from, "from", "", "try from this address, as programs outside would")
	return noun("backend", "The mail servers behind the gate", check)
}
