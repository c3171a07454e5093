package cli

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/portreeve/portreeve/internal/signin"
)

// explain tells what a code means, without a server, or tells a sign-in.
func (a *app) explain() *cobra.Command {
	c := verb("explain CODE|REFERENCE", "What a code means, or what happened under a reference", cobra.ExactArgs(1), func(cmd *cobra.Command, args []string) error {
		if code, ok := signin.ParseCode(args[0]); ok {
			return a.explainCode(code)
		}
		if _, err := signin.ParseReference(args[0]); err != nil {
			if _, err := signin.ParseID(args[0]); err != nil {
				return &failure{exit: exitUsage, what: fmt.Sprintf("%q is neither a code such as PR53003 nor a reference such as 7K4Q-9ZMD-2XWT", args[0]),
					next: "`portreeve signins list` shows the codes and references of sign-ins"}
			}
		}
		r, err := a.client().object(cmd.Context(), path(signIns, args[0]), nil)
		if err != nil {
			return err
		}
		return a.output().object(r, func(w io.Writer) { a.tellSignIn(w, r.fields) })
	})
	c.ValidArgsFunction = cobra.FixedCompletions(codes(), cobra.ShellCompDirectiveNoFileComp)
	return c
}

func codes() []string {
	var all []string
	for _, m := range signin.Meanings() {
		all = append(all, m.Code.String()+"\t"+m.Title)
	}
	return all
}

func (a *app) explainCode(code signin.Code) error {
	m := code.Meaning()
	raw, err := marshal(struct {
		Code  string `json:"code"`
		Title string `json:"title"`
		User  string `json:"user"`
		Admin string `json:"admin"`
	}{code.String(), m.Title, m.User, m.Admin})
	if err != nil {
		return err
	}
	r, err := newRow(raw)
	if err != nil {
		return err
	}
	return a.output().object(r, func(w io.Writer) {
		s := sheet{w: w}
		fmt.Fprintf(w, "%s  %s\n", code, m.Title)
		s.head("For administrators")
		s.text(m.Admin)
		if m.User != "" {
			s.head("What the person may read")
			s.text(m.User)
		}
	})
}
