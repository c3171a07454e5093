package cli

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/spf13/cobra"
)

const directories = ours + "/directories"

func (a *app) directory() *cobra.Command {
	return noun("directory", "Where people come from: our own, LDAP, the mail server", a.directoryList(), a.directoryTest())
}

func (a *app) directoryList() *cobra.Command {
	return verb("list", "List the directories, how they stand, and what cannot be mirrored", cobra.NoArgs, func(cmd *cobra.Command, _ []string) error {
		rows, err := a.client().rows(cmd.Context(), directories, nil, 0)
		if err != nil {
			return err
		}
		err = a.output().list(rows, field("name", "name"), field("kind", "kind"), field("people", "people"), field("groups", "groups"),
			field("domains", "domains"), when("read", "read"), when("everybody read", "readAll"), field("fault", "fault"))
		if a.format != "table" || err != nil {
			return err
		}
		for _, r := range rows {
			if warnings, ok := r.fields["warnings"].([]any); ok {
				for _, w := range warnings {
					fmt.Fprintf(a.out, "%s: %s\n", printable(text(r.fields["name"])), printable(text(w)))
				}
			}
		}
		return nil
	})
}

func (a *app) directoryTest() *cobra.Command {
	var user string
	var withPassword bool
	c := verb("test [NAME]", "Try every server of a directory step by step, and say what is found of a person", cobra.MaximumNArgs(1), func(cmd *cobra.Command, args []string) error {
		q := map[string]string{"name": strings.Join(args, ""), "user": user}
		if withPassword {
			if user == "" {
				return usage("--password-stdin needs --user: whose password is it?")
			}
			line, err := bufio.NewReaderSize(io.LimitReader(a.in, maxSecret), maxSecret).ReadString('\n')
			if err != nil && !errors.Is(err, io.EOF) {
				return fmt.Errorf("reading standard input: %w", err)
			}
			if q["password"] = strings.TrimRight(line, "\r\n"); q["password"] == "" {
				return usage("standard input holds no password")
			}
		}
		var raw []byte
		if err := a.client().do(cmd.Context(), http.MethodPost, directories+"/test", nil, q, &raw); err != nil {
			return err
		}
		r, err := newRow(raw)
		if err != nil {
			return err
		}
		failed := 0
		err = a.output().object(r, func(w io.Writer) { tellReports(w, items(r.fields["value"])) })
		for _, report := range items(r.fields["value"]) {
			for _, step := range items(report["steps"]) {
				if step["ok"] != true {
					failed++
				}
			}
		}
		if err == nil && failed > 0 {
			return &failure{exit: exitFailed, what: counted(float64(failed), "step") + " went wrong"}
		}
		return err
	})
	c.Flags().StringVar(&user, "user", "", "say what is found of this `address`, and which attribute gave what")
	c.Flags().BoolVar(&withPassword, "password-stdin", false, "check the password on the first line of standard input, as a sign-in would")
	c.ValidArgsFunction = a.names(directories, "name")
	a.liveFlag(c, "user", people, "address")
	return c
}

func tellReports(w io.Writer, reports []map[string]any) {
	s := sheet{w: w}
	for _, r := range reports {
		where := text(r["directory"])
		if server := text(r["server"]); server != "" {
			where += ", " + server
		}
		s.head(where)
		var rows [][]string
		for _, step := range items(r["steps"]) {
			mark := "ok"
			if step["ok"] != true {
				mark = "WRONG"
			}
			rows = append(rows, []string{mark, text(step["what"]), text(step["detail"])})
		}
		s.table("  ", rows)
	}
}
