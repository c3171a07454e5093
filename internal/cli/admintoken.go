package cli

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/portreeve/portreeve/internal/admintoken"
	"github.com/portreeve/portreeve/internal/span"
)

const adminTokens = ours + "/adminTokens"

func (a *app) adminToken() *cobra.Command {
	return noun("token", "Tokens by which scripts administer over HTTPS", a.adminTokenNew(), a.adminTokenList(), a.adminTokenRevoke())
}

// tokenFlagOf are the flags by the members that the server knows them by.
var tokenFlagOf = map[string]string{"role": "--role", "scopes": "--scope", "networks": "--cidr", "expires": "--expires", "name": "NAME"}

func (a *app) adminTokenNew() *cobra.Command {
	var role, expires string
	var scopes, networks []string
	c := verb("new NAME", "Make a token and print its secret, once", cobra.ExactArgs(1), func(cmd *cobra.Command, args []string) error {
		networks, err := networksOf(networks)
		if err != nil {
			return err
		}
		body := map[string]any{"name": args[0], "role": role, "scopes": scopes, "networks": networks}
		if expires != "" {
			t, err := span.Ahead(expires, time.Now())
			if err != nil {
				return usage("--expires: %v", err)
			}
			body["expires"] = t
		}
		r, err := a.answered(cmd.Context(), http.MethodPost, adminTokens, nil, body)
		if err != nil {
			return byTokenFlag(err)
		}
		return a.output().object(r, func(w io.Writer) {
			if !a.quiet {
				fmt.Fprintf(a.err, "made the token %s (%s), until %s; it is shown this once:\n", printable(text(r.fields["name"])), text(r.fields["role"]), a.output().time(text(r.fields["expires"])))
			}
			fmt.Fprintln(w, text(r.fields["secret"]))
		})
	})
	c.Long = `Make a token for a script and print its secret, once: it is kept as a fingerprint.
Scripts show it over HTTPS (admin.address in the configuration) as it is, or exchange it
at the token endpoint, with NAME as the client's id and the secret as the client's secret
(docs/api.md). Only the local socket makes tokens; no token makes another.`
	c.Flags().StringVar(&role, "role", "", "reader, helpdesk, operator or administrator")
	_ = c.MarkFlagRequired("role")
	c.Flags().StringSliceVar(&scopes, "scope", nil, "only these of the role's scopes, such as Policy.Read.All")
	c.Flags().StringSliceVar(&networks, "cidr", nil, "only from these networks, such as 192.0.2.0/24")
	c.Flags().StringVar(&expires, "expires", "", "until a day (2027-01-31), a moment or for so long (30d, 1y); without it "+span.Words(admintoken.DefaultLife))
	var roles, all []string
	for _, r := range admintoken.Roles() {
		roles = append(roles, string(r))
	}
	for _, s := range admintoken.Scopes() {
		all = append(all, string(s))
	}
	complete(c, "role", roles...)
	complete(c, "scope", all...)
	return c
}

// byTokenFlag names the flag at fault as it is typed.
func byTokenFlag(err error) error {
	var api *apiError
	if errors.As(err, &api) {
		if flag := tokenFlagOf[api.Error_.Target]; flag != "" {
			api.Error_.Message, api.Error_.Target = flag+": "+api.Error_.Message, ""
		}
	}
	return err
}

func (a *app) adminTokenList() *cobra.Command {
	return verb("list", "List the tokens, without their secrets", cobra.NoArgs, func(cmd *cobra.Command, _ []string) error {
		rows, err := a.client().rows(cmd.Context(), adminTokens, nil, 0)
		if err != nil {
			return err
		}
		joined := func(member string) func(map[string]any) string {
			return func(f map[string]any) string { return strings.ReplaceAll(text(f[member]), ",", ", ") }
		}
		when := func(member string) func(map[string]any) string {
			return func(f map[string]any) string { return a.output().time(text(f[member])) }
		}
		return a.output().list(rows, field("name", "name"), field("role", "role"), of("scopes", joined("scopes")), of("from", joined("networks")),
			of("until", when("expires")), of("last used", when("used")), field("by", "usedFrom"), field("made by", "issuer"))
	})
}

func (a *app) adminTokenRevoke() *cobra.Command {
	c := verb("revoke NAME", "Revoke a token: it is worth nothing from then on", cobra.ExactArgs(1), func(cmd *cobra.Command, args []string) error {
		r, err := a.answered(cmd.Context(), http.MethodDelete, path(adminTokens, args[0]), nil, nil)
		if err != nil {
			return err
		}
		a.done("revoked the token %s", printable(text(r.fields["name"])))
		return nil
	})
	c.ValidArgsFunction = a.names(adminTokens, "name")
	return c
}
