package cli

import (
	"net/http"
	"net/url"

	"github.com/spf13/cobra"
)

func (a *app) userMFA() *cobra.Command {
	return noun("mfa", "Second factors of a person", a.mfaList(), a.mfaRemove(), a.userReset())
}

func (a *app) mfaList() *cobra.Command {
	c := verb("list ADDRESS", "List a person's second factors, recovery codes and pass", cobra.ExactArgs(1), func(cmd *cobra.Command, args []string) error {
		rows, err := a.client().rows(cmd.Context(), path(people, args[0], "factors"), nil, 0)
		if err != nil {
			return err
		}
		return a.output().list(rows, field("id", "id"), field("kind", "kind"), field("name", "name"), when("since", "created"), when("last used", "lastUsed"),
			of("left", func(f map[string]any) string { return text(f["left"]) }), field("model", "aaguid"))
	})
	c.ValidArgsFunction = a.names(people, "address")
	return c
}

func (a *app) mfaRemove() *cobra.Command {
	var force bool
	c := verb("remove ADDRESS ID|NAME", "Remove a second factor; the last one only with --force", cobra.ExactArgs(2), func(cmd *cobra.Command, args []string) error {
		q := url.Values{}
		if force {
			q.Set("force", "true")
		}
		var gone struct {
			Name string `json:"name"`
		}
		if err := a.client().do(cmd.Context(), http.MethodDelete, path(people, args[0], "factors", args[1]), q, nil, &gone); err != nil {
			return err
		}
		a.done("removed %s of %s", printable(gone.Name), printable(args[0]))
		return nil
	})
	c.ValidArgsFunction = a.names(people, "address")
	c.Flags().BoolVar(&force, "force", false, "even the last one, after which a password alone is asked for")
	return c
}

// userReset stands under user and under user mfa: help desks look for both.
func (a *app) userReset() *cobra.Command {
	c := verb("reset ADDRESS", "Remove all second factors, end every session, and print a pass to begin anew with", cobra.ExactArgs(1), func(cmd *cobra.Command, args []string) error {
		return a.printPass(cmd, path(people, args[0], "reset"), nil)
	})
	c.ValidArgsFunction = a.names(people, "address")
	return c
}
