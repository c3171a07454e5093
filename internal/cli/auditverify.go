package cli

import (
	"fmt"
	"io"
	"net/http"

	"github.com/spf13/cobra"
)

func (a *app) auditVerify() *cobra.Command {
	c := verb("verify", "Check that no row of what administrators did was changed or taken out", cobra.NoArgs, func(cmd *cobra.Command, _ []string) error {
		r, err := a.answered(cmd.Context(), http.MethodGet, ours+"/audits/verify", nil, nil)
		if err != nil {
			return err
		}
		err = a.output().object(r, func(w io.Writer) {
			if r.fields["whole"] == true {
				fmt.Fprintf(w, "%s rows fit their neighbours; the last is number %s, %s\n", text(r.fields["rows"]), text(r.fields["last"]), text(r.fields["chain"]))
				return
			}
			fmt.Fprintf(w, "row %s does not fit its neighbours: it, or one before it, was changed or taken out past this program\n", text(r.fields["firstBroken"]))
		})
		if err == nil && r.fields["whole"] != true {
			return &ended{exitFailed}
		}
		return err
	})
	c.Long = `Check that no row of what administrators did was changed or taken out: each holds a SHA-256
over the one before it. The number and hash of the last row are printed; whoever keeps them
elsewhere can tell later whether the rows at the end were cut off. Ends with 1 if a row does
not fit.`
	return c
}

func (a *app) auditShow() *cobra.Command {
	return verb("show NUMBER", "Show one thing that was done: who, when, why, and every member that it changed", cobra.ExactArgs(1), func(cmd *cobra.Command, args []string) error {
		r, err := a.answered(cmd.Context(), http.MethodGet, path(ours+"/audits", args[0]), nil, nil)
		if err != nil {
			return err
		}
		return a.output().object(r, func(w io.Writer) {
			f := r.fields
			fmt.Fprintf(w, "%s: %s %s %s %s", a.output().time(text(f["at"])), printable(text(f["actor"])), text(f["action"]), text(f["kind"]), printable(text(f["about"])))
			for _, more := range []string{"reason", "origin"} {
				if s := text(f[more]); s != "" {
					fmt.Fprintf(w, "; %s: %s", more, printable(s))
				}
			}
			fmt.Fprintln(w)
			for _, x := range items(f["changes"]) {
				fmt.Fprintln(w, "  "+printable(differenceOf(x)))
			}
		})
	})
}
