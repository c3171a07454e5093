package cli

import (
	"fmt"
	"io"
	"net/http"

	"github.com/spf13/cobra"
)

func (a *app) admin() *cobra.Command {
	return noun("admin", "Administrators", a.adminAdd(), a.adminRemove(), a.adminList(), a.adminToken(), a.adminRecover())
}

func (a *app) adminRecover() *cobra.Command {
	c := verb("recover ADDRESS", "Print a link that signs a person in to the portal once; for root", cobra.ExactArgs(1), func(cmd *cobra.Command, args []string) error {
		r, err := a.answered(cmd.Context(), http.MethodPost, path(people, args[0], "recover"), nil, nil)
		if err != nil {
			return err
		}
		return a.output().object(r, func(w io.Writer) {
			if !a.quiet {
				fmt.Fprintf(a.err, "signs %s in once, until %s; it is shown this once:\n", printable(text(r.fields["user"])), a.output().time(text(r.fields["until"])))
			}
			fmt.Fprintln(w, text(r.fields["link"]))
		})
	})
	c.Long = `Print a link that signs a person in to the portal once, within 15 minutes, without
password or second factor, so that new ones can be set up when nobody else is left who
could help. Only root may, over the local socket. It is a temporary access pass: audited,
announced to the person, and it takes the place of one that they had.`
	c.ValidArgsFunction = a.names(people, "address")
	return c
}
