package cli

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/portreeve/portreeve/internal/span"
)

const passes = ours + "/passes"

func (a *app) pass() *cobra.Command {
	return noun("pass", "Temporary access passes: sign in, and set up a second factor, without one", a.passIssue(), a.passList(), a.passRevoke())
}

func (a *app) passIssue() *cobra.Command {
	var lifetime, starts string
	var oneTime bool
	var length int
	c := verb("issue ADDRESS", "Issue a pass and print it, once; the person's last one ends", cobra.ExactArgs(1), func(cmd *cobra.Command, args []string) error {
		body := map[string]any{"isUsableOnce": oneTime, "length": length}
		if lifetime != "" {
			d, err := span.Parse(lifetime)
			if err != nil {
				return usage("--lifetime: %v", err)
			}
			if d < time.Minute {
				return usage("--lifetime: %s is too short: a pass lives 10m to 30d", span.Words(d))
			}
			body["lifetimeInMinutes"] = int(d.Minutes())
		}
		if starts != "" {
			t, err := span.Start(starts, time.Now())
			if err != nil {
				return usage("--starts: %v", err)
			}
			body["startDateTime"] = t
		}
		return a.printPass(cmd, path(people, args[0], "pass"), body)
	})
	c.ValidArgsFunction = a.names(people, "address")
	c.Flags().StringVar(&lifetime, "lifetime", "", "how long it works, 10m to 30d; 1h without it")
	c.Flags().StringVar(&starts, "starts", "", "from when it works: 2027-01-31, 2027-01-31T08:00:00Z, or in how long (12h); now without it")
	c.Flags().BoolVar(&oneTime, "one-time", false, "it works once; the session may enrol for 10 minutes")
	c.Flags().IntVar(&length, "length", 8, "characters, 8 to 48")
	return c
}

// printPass asks for a pass and prints its text, which is shown nowhere again.
func (a *app) printPass(cmd *cobra.Command, where string, body any) error {
	r, err := a.answered(cmd.Context(), http.MethodPost, where, nil, body)
	if err != nil {
		return err
	}
	return a.output().object(r, func(w io.Writer) {
		if !a.quiet {
			until := "works until then"
			if r.fields["isUsableOnce"] == true {
				until = "works once"
			}
			fmt.Fprintf(a.err, "a pass for %s, from %s for %s, %s; it is shown this once:\n", printable(text(r.fields["user"])),
				a.output().time(text(r.fields["startDateTime"])), passLife(r.fields), until)
		}
		fmt.Fprintln(w, text(r.fields["temporaryAccessPass"]))
	})
}

func (a *app) passList() *cobra.Command {
	c := verb("list [ADDRESS]", "List passes, never their text", cobra.MaximumNArgs(1), func(cmd *cobra.Command, args []string) error {
		rows, err := a.client().rows(cmd.Context(), passes, values("user", strings.Join(args, "")), 0)
		if err != nil {
			return err
		}
		return a.output().list(rows, field("user", "user"), of("state", passState), when("starts", "startDateTime"), of("for", passLife), of("uses", func(f map[string]any) string {
			return map[bool]string{true: "one", false: "many"}[f["isUsableOnce"] == true]
		}), when("last used", "lastUsed"), field("issued by", "issuer"))
	})
	c.ValidArgsFunction = a.names(people, "address")
	return c
}

func passLife(f map[string]any) string {
	return span.Words(time.Duration(number(f["lifetimeInMinutes"])) * time.Minute)
}

func passState(f map[string]any) string {
	return map[string]string{"enabledByPolicy": "usable", "expired": "expired", "notYetValid": "not yet", "oneTimeUsed": "used"}[text(f["methodUsabilityReason"])]
}

func (a *app) passRevoke() *cobra.Command {
	c := verb("revoke ADDRESS", "Revoke a person's pass and close what it opened", cobra.ExactArgs(1), func(cmd *cobra.Command, args []string) error {
		if err := a.client().do(cmd.Context(), http.MethodDelete, path(people, args[0], "pass"), nil, nil, nil); err != nil {
			return err
		}
		a.done("revoked the pass of %s", printable(args[0]))
		return nil
	})
	c.ValidArgsFunction = a.names(people, "address")
	return c
}
