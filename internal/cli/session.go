package cli

import (
	"net/http"
	"strings"

	"github.com/spf13/cobra"
)

const sessions = ours + "/sessions"

func (a *app) session() *cobra.Command {
	return noun("session", "Open connections", a.sessionList(), a.sessionKill())
}

func (a *app) sessionFlags(c *cobra.Command, user, protocol *string) {
	c.Flags().StringVar(user, "user", "", "of this person")
	c.Flags().StringVar(protocol, "protocol", "", "over this protocol")
	a.liveFlag(c, "user", people, "address")
	complete(c, "protocol", "imap", "pop3", "submission", "sieve")
}

func (a *app) sessionList() *cobra.Command {
	var user, protocol string
	c := verb("list", "List open connections, oldest first", cobra.NoArgs, func(cmd *cobra.Command, _ []string) error {
		rows, err := a.client().rows(cmd.Context(), sessions, values("user", user, "protocol", protocol), 0)
		if err != nil {
			return err
		}
		return a.output().list(rows, field("reference", "reference"), when("opened", "opened"), of("user", func(f map[string]any) string { return text(f["user"]) + forMailbox(f["mailbox"]) }), field("protocol", "protocol"),
			field("client", "client"), field("country", "country"), field("program", "program"), field("credential", "credential"), field("backend", "backend"))
	})
	a.sessionFlags(c, &user, &protocol)
	return c
}

func (a *app) sessionKill() *cobra.Command {
	var user, protocol string
	var all bool
	c := verb("kill [REFERENCE…]", "Close open connections; their programs may sign in again", cobra.ArbitraryArgs, func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 {
			if user == "" && protocol == "" && !all {
				return misused(cmd, "say which connections: a REFERENCE, --user, --protocol or --all")
			}
			args = []string{""}
		}
		ended := 0
		for _, id := range args {
			var out struct {
				Ended int `json:"ended"`
			}
			q := values("user", user, "protocol", protocol, "all", truth(all), "id", id)
			if err := a.client().do(cmd.Context(), http.MethodDelete, sessions, q, nil, &out); err != nil {
				return err
			}
			ended += out.Ended
		}
		if ended > 0 || strings.Join(args, "") == "" {
			a.done("closed %s", counted(float64(ended), "connection"))
		} else {
			return &failure{exit: exitNotFound, what: "no open connection has this reference", next: "`portreeve session list` shows those that are open"}
		}
		return nil
	})
	a.sessionFlags(c, &user, &protocol)
	c.Flags().BoolVar(&all, "all", false, "every connection")
	c.ValidArgsFunction = a.names(sessions, "reference")
	return c
}
