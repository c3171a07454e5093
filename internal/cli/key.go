package cli

import (
	"fmt"
	"net/http"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"
)

const keys = ours + "/keys"

func (a *app) key() *cobra.Command {
	return noun("key", "Keys that sign tokens: what programs are given, and what is minted for backends", a.keyList(), a.keyExport(), a.keyRotate())
}

func (a *app) keyList() *cobra.Command {
	return verb("list", "List the keys that sign tokens; never their secret halves", cobra.NoArgs, func(cmd *cobra.Command, _ []string) error {
		rows, err := a.client().rows(cmd.Context(), keys, nil, 0)
		if err != nil {
			return err
		}
		return a.output().list(rows, field("id", "kid"), field("algorithm", "algorithm"), of("signs", func(f map[string]any) string { return "for " + text(f["signs"]) }),
			field("state", "state"), when("made", "made"), when("retired", "retired"))
	})
}

func (a *app) keyExport() *cobra.Command {
	var dovecot string
	var jwks bool
	c := verb("export", "Hand public keys to whoever checks tokens", cobra.NoArgs, func(cmd *cobra.Command, _ []string) error {
		switch {
		case jwks:
			r, err := a.client().object(cmd.Context(), keys+"/jwks", nil)
			if err == nil {
				_, err = fmt.Fprintln(a.out, strings.TrimSpace(string(r.raw)))
			}
			return err
		case dovecot == "":
			return misused(cmd, "say for whom: --dovecot DIR for what is minted for backends, --jwks for what programs are given")
		}
		dir, err := filepath.Abs(dovecot)
		if err != nil {
			return err
		}
		if err := a.client().do(cmd.Context(), http.MethodPost, keys+"/export", nil, map[string]string{"dir": dir}, nil); err != nil {
			return err
		}
		a.done("wrote the keys into %s", printable(dir))
		return nil
	})
	c.Flags().StringVar(&dovecot, "dovecot", "", "write the keys of tokens for backends where Dovecot's local validation reads them: a folder, as the server sees it")
	c.Flags().BoolVar(&jwks, "jwks", false, "print the keys of what programs are given, as a JWK set; it is at /oauth2/keys, too")
	c.MarkFlagsMutuallyExclusive("dovecot", "jwks")
	return c
}

func (a *app) keyRotate() *cobra.Command {
	kinds := []string{"programs", "backends"}
	c := verb("rotate [programs|backends]", "Sign tokens with new keys; what the old ones signed stays good until it runs out", cobra.MaximumNArgs(1), func(cmd *cobra.Command, args []string) error {
		if len(args) > 0 && !slices.Contains(kinds, args[0]) {
			return misused(cmd, "keys sign for programs or for backends, not for %q", args[0])
		}
		r, err := a.answered(cmd.Context(), http.MethodPost, keys+"/rotate", values("signs", strings.Join(args, "")), nil)
		if err != nil {
			return err
		}
		if a.format != "table" {
			return a.output().object(r, nil)
		}
		for _, signs := range kinds {
			for _, kid := range stringsOf(r.fields[signs]) {
				a.done("for %s: new key %s", signs, printable(kid))
			}
		}
		if len(stringsOf(r.fields["backends"])) > 0 {
			a.note("a Dovecot that validates tokens by itself learns of the new key by `portreeve key export --dovecot DIR`")
		}
		return nil
	})
	c.Long = `Sign tokens with new keys: what programs are given, what is minted for backends, or
without a word both. What the old ones signed stays good until it runs out.`
	c.ValidArgs = kinds
	return c
}
