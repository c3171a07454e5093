package cli

import (
	"net/http"
	"path/filepath"
	"slices"

	"github.com/spf13/cobra"
)

func (a *app) key() *cobra.Command {
	var dovecot string
	export := verb("export --dovecot DIR", "Write the public keys of minted tokens where Dovecot's local validation reads them", cobra.NoArgs, func(cmd *cobra.Command, _ []string) error {
		dir, err := filepath.Abs(dovecot)
		if err != nil {
			return err
		}
		if err := a.client().do(cmd.Context(), http.MethodPost, ours+"/keys/export", nil, map[string]string{"dir": dir}, nil); err != nil {
			return err
		}
		a.done("wrote the keys into %s", printable(dir))
		return nil
	})
	export.Flags().StringVar(&dovecot, "dovecot", "", "the folder, as the server sees it")
	_ = export.MarkFlagRequired("dovecot")
	rotate := verb("rotate", "Sign the tokens minted for backends with a new key", cobra.NoArgs, func(cmd *cobra.Command, _ []string) error {
		r, err := a.answered(cmd.Context(), http.MethodPost, ours+"/keys/rotate", nil, nil)
		if err != nil {
			return err
		}
		if a.format != "table" {
			return a.output().object(r, nil)
		}
		var names []string
		for name := range r.fields {
			names = append(names, name)
		}
		slices.Sort(names)
		for _, name := range names {
			a.done("%s: new key %s", printable(name), printable(text(r.fields[name])))
		}
		if len(names) == 0 {
			a.done("no backend takes minted tokens: there is no key to rotate")
		}
		return nil
	})
	return noun("key", "Keys of tokens minted for backends", export, rotate)
}
