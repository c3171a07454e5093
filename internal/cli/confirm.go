package cli

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/spf13/cobra"

	"github.com/portreeve/portreeve/internal/span"
)

// confirmFlag lets a command make a change that takes itself back.
func (a *app) confirmFlag(c *cobra.Command) {
	c.Flags().Var(&a.within, "confirm-within", "take it back by itself after this time, such as 10m, unless it is confirmed (portreeve policy confirm)")
	if c.Name() != "apply" { // which is what the files are for
		c.Flags().BoolVar(&a.override, "override", false, "change it though it is managed from files, until they are applied again")
	}
}

// within is in what time a change is to be confirmed. A script's unset variable
// is refused, since the change would be made for good.
type within string

func (w *within) Set(s string) error {
	if _, err := span.Parse(s); err != nil {
		return err
	}
	*w = within(s)
	return nil
}

func (w *within) String() string { return string(*w) }

// Type is what the help calls its value.
func (w *within) Type() string { return "string" }

// promised says until when a change can be confirmed.
func (a *app) promised(until string) {
	a.note(fmt.Sprintf("it is taken back at %s unless it is confirmed: sign in as an administrator, then `portreeve policy confirm REFERENCE`", a.output().time(until)))
}

func (a *app) policyConfirm() *cobra.Command {
	var id string
	c := verb("confirm [REFERENCE]", "Have changes stay that would be taken back", cobra.MaximumNArgs(1), func(cmd *cobra.Command, args []string) error {
		body := map[string]string{"reference": strings.Join(args, ""), "change": id}
		r, err := a.answered(cmd.Context(), http.MethodPost, ours+"/pending/confirm", nil, body)
		if err != nil {
			return err
		}
		if a.format != "table" {
			return a.output().object(r, nil)
		}
		for _, x := range items(r.fields["value"]) {
			a.done("confirmed: the change that %s made at %s stays", printable(text(x["actor"])), a.output().time(text(x["made"])))
		}
		return nil
	})
	c.Long = `Have changes stay that were made with --confirm-within. REFERENCE is that of a sign-in
of an administrator, on any protocol, that was allowed after the change: it shows that
administrators still get in. It confirms every change that it came after. Root may do
without, over the local socket, with a --reason.`
	c.Flags().StringVar(&id, "change", "", "only this change, by its id, which status -o json tells")
	return c
}

// touchedWords names the objects of a change that waits.
func touchedWords(x map[string]any) string {
	var all []string
	for _, one := range items(x["changes"]) {
		all = append(all, strings.TrimSpace(text(one["kind"])+" "+text(one["name"])))
	}
	return strings.Join(all, ", ")
}

const administrators = ours + "/administrators"

func (a *app) adminList() *cobra.Command {
	return verb("list", "List the people who are administrators, and when each last got in", cobra.NoArgs, func(cmd *cobra.Command, _ []string) error {
		rows, err := a.client().rows(cmd.Context(), administrators, nil, 0)
		if err != nil {
			return err
		}
		return a.output().list(rows, field("user", "user"), when("last sign-in", "lastSignIn"), field("reference", "reference"), of("for", func(f map[string]any) string {
			return map[bool]string{true: "the last resort", false: ""}[f["breakGlass"] == true]
		}))
	})
}

func (a *app) adminAdd() *cobra.Command {
	var breakGlass bool
	c := verb("add ADDRESS…", "Make people administrators: their sign-ins confirm changes, and no change keeps them all out unseen", cobra.MinimumNArgs(1), func(cmd *cobra.Command, args []string) error {
		for _, who := range args {
			r, err := a.makeAdministrator(cmd, who, breakGlass)
			if err != nil {
				return err
			}
			a.done("%s is an administrator", printable(text(r.fields["user"])))
		}
		return nil
	})
	c.Flags().BoolVar(&breakGlass, "break-glass", false, "accounts of last resort: every use of them is an alarm")
	c.ValidArgsFunction = a.names(people, "address")
	return c
}

func (a *app) makeAdministrator(cmd *cobra.Command, who string, breakGlass bool) (row, error) {
	q := url.Values{}
	if breakGlass {
		q.Set("breakGlass", "true")
	}
	return a.answered(cmd.Context(), http.MethodPut, path(administrators, who), q, nil)
}

func (a *app) adminRemove() *cobra.Command {
	c := verb("rm ADDRESS…", "Make people administrators no more", cobra.MinimumNArgs(1), func(cmd *cobra.Command, args []string) error {
		for _, who := range args {
			if err := a.client().do(cmd.Context(), http.MethodDelete, path(administrators, who), nil, nil, nil); err != nil {
				return err
			}
			a.done("%s is no administrator", printable(who))
		}
		return nil
	})
	c.ValidArgsFunction = a.names(administrators, "user")
	return c
}
