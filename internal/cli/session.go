package cli

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strings"

	"github.com/spf13/cobra"

	"github.com/portreeve/portreeve/internal/lint"
)

const (
	sessions = ours + "/sessions"
	grants   = ours + "/grants"
)

func (a *app) session() *cobra.Command {
	return noun("session", "Open connections, and what programs were granted", a.sessionList(), a.sessionKill())
}

func (a *app) sessionFlags(c *cobra.Command, user, protocol *string) {
	c.Flags().StringVar(user, "user", "", "of this person")
	c.Flags().StringVar(protocol, "protocol", "", "over this protocol")
	a.liveFlag(c, "user", people, "address")
	complete(c, "protocol", "imap", "pop3", "submission", "sieve")
}

func (a *app) sessionList() *cobra.Command {
	var user, protocol, program string
	var granted bool
	c := verb("list", "List open connections, oldest first; or with --grants what programs were granted", cobra.NoArgs, func(cmd *cobra.Command, _ []string) error {
		if granted {
			return a.grantList(cmd, user, program)
		}
		rows, err := a.client().rows(cmd.Context(), sessions, values("user", user, "protocol", protocol), 0)
		if err != nil {
			return err
		}
		return a.output().list(rows, field("reference", "reference"), when("opened", "opened"), of("user", func(f map[string]any) string { return text(f["user"]) + forMailbox(f["mailbox"]) }), field("protocol", "protocol"),
			field("client", "client"), field("country", "country"), field("program", "program"), field("credential", "credential"), field("backend", "backend"))
	})
	a.sessionFlags(c, &user, &protocol)
	c.Flags().BoolVar(&granted, "grants", false, "what people granted to programs, from which connections are opened without asking them again")
	c.Flags().StringVar(&program, "client", "", "with --grants: to the program of this id")
	a.liveFlag(c, "client", clients, "id")
	c.MarkFlagsMutuallyExclusive("grants", "protocol")
	c.PreRunE = func(cmd *cobra.Command, _ []string) error {
		if program != "" && !granted {
			return misused(cmd, "--client goes with --grants")
		}
		return nil
	}
	return c
}

// grantList lists what people granted to programs.
func (a *app) grantList(cmd *cobra.Command, user, program string) error {
	rows, err := a.client().rows(cmd.Context(), grants, values("user", user, "client", program), 0)
	if err != nil {
		return err
	}
	return a.output().list(rows, field("id", "id"), field("user", "user"), of("program", func(f map[string]any) string {
		name := text(f["clientName"])
		if n := len(stringsOf(f["grants"])); n > 1 { // sign-ins of one browser
			name += fmt.Sprintf(" ×%d", n)
		}
		return name
	}), when("since", "created"), when("last used", "used"),
		of("scopes", func(f map[string]any) string { return strings.Join(stringsOf(f["scopes"]), " ") }),
		of("proved by", func(f map[string]any) string { return strings.Join(stringsOf(f["methods"]), ", ") }), field("only from", "network"))
}

// noteGrants says that a person's programs may sign in again without asking.
func (a *app) noteGrants(ctx context.Context, user string) {
	if user == "" {
		return
	}
	rows, err := a.client().rows(ctx, grants, values("user", user), 0)
	if err == nil && len(rows) > 0 {
		a.note(fmt.Sprintf("%s of this person's may sign in again without asking: `portreeve session list --grants --user %s` lists what ends by its id", counted(float64(len(rows)), "program"), lint.ShellWord(user)))
	}
}

func (a *app) sessionKill() *cobra.Command {
	var user, protocol string
	var all bool
	c := verb("kill [REFERENCE|GRANT…]", "Close open connections, whose programs may sign in again; or end a grant by its id, whose program must ask anew", cobra.ArbitraryArgs, func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 {
			if user == "" && protocol == "" && !all {
				return misused(cmd, "say which connections: a REFERENCE, --user, --protocol or --all")
			}
			args = []string{""}
		}
		ended, granted := 0, 0
		for _, id := range args {
			if uuidForm.MatchString(id) {
				switch n, err := a.endGrant(cmd.Context(), id); {
				case err != nil:
					return err
				case n > 0:
					granted += n
					continue
				}
			}
			var out struct {
				Ended int `json:"ended"`
			}
			q := values("user", user, "protocol", protocol, "all", truth(all), "id", id)
			if err := a.client().do(cmd.Context(), http.MethodDelete, sessions, q, nil, &out); err != nil {
				return err
			}
			ended += out.Ended
		}
		if granted > 0 {
			a.done("ended %s, and what was opened with it", counted(float64(granted), "grant"))
		}
		switch {
		case ended > 0 || strings.Join(args, "") == "":
			a.done("closed %s", counted(float64(ended), "connection"))
			a.noteGrants(cmd.Context(), user)
		case granted == 0:
			return &failure{exit: exitNotFound, what: "no open connection and no grant has this reference", next: "`portreeve session list` shows connections that are open, with --grants what programs were granted"}
		}
		return nil
	})
	a.sessionFlags(c, &user, &protocol)
	c.Flags().BoolVar(&all, "all", false, "every connection")
	c.ValidArgsFunction = a.names(sessions, "reference")
	return c
}

// uuidForm is how grants are named, and the ids of connections too.
var uuidForm = regexp.MustCompile(`^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$`)

// endGrant ends a grant, if there is one of this id, with those that are shown as
// one with it, and says how many they were.
func (a *app) endGrant(ctx context.Context, id string) (n int, err error) {
	var out struct {
		Grants []string `json:"grants"`
	}
	err = a.client().do(ctx, http.MethodDelete, path(grants, id), nil, nil, &out)
	var api *apiError
	if errors.As(err, &api) && (api.Status == http.StatusNotFound || api.Status == http.StatusConflict) { // no grant, or nothing is granted here at all
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	return max(1, len(out.Grants)), nil
}
