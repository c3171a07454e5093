package cli

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"

	"github.com/spf13/cobra"
)

// pullKinds are what --kind takes, and what a folder calls them.
var pullKinds = map[string]string{"policy": "ConditionalAccessPolicy", "location": "NamedLocation", "strength": "AuthenticationStrength", "authpolicy": "AuthenticationPolicy", "switches": "Switches"}

func (a *app) pull() *cobra.Command {
	var wanted []string
	var force bool
	c := verb("pull DIR", "Write the server's policies, locations, strengths, authentication policies and switches into a folder", cobra.ExactArgs(1), func(cmd *cobra.Command, args []string) error {
		kinds := []string{}
		for _, k := range wanted {
			if pullKinds[strings.ToLower(k)] == "" {
				return usage("--kind is policy, location, strength, authpolicy or switches, not %q", k)
			}
			kinds = append(kinds, pullKinds[strings.ToLower(k)])
		}
		files := map[string]string{}
		if _, err := os.Stat(args[0]); !errors.Is(err, os.ErrNotExist) {
			if files, err = readFolder(args[0]); err != nil {
				return err
			}
		}
		var raw []byte
		if err := a.client().do(cmd.Context(), http.MethodPost, ours+"/pull", nil, map[string]any{"files": files, "kinds": kinds}, &raw); err != nil {
			return err
		}
		r, err := newRow(raw)
		if err != nil {
			return err
		}
		if err := os.MkdirAll(args[0], 0o755); err != nil { // not before a server has answered
			return err
		}
		return a.writePulled(args[0], files, r, force)
	})
	c.Long = `Write the server's objects as policy files, one each, in the one way that ` + "`portreeve fmt`" + `
lays them out. What a file of the folder says already as the server has it stays as it is
written. A file that says otherwise is left alone and named, unless --force.`
	c.Flags().StringSliceVar(&wanted, "kind", nil, "only these: policy, location, strength, authpolicy, switches")
	c.Flags().BoolVar(&force, "force", false, "write over files that say otherwise than the server")
	complete(c, "kind", "policy", "location", "strength", "authpolicy", "switches")
	return c
}

// writePulled writes what is new, and with force what differs.
func (a *app) writePulled(dir string, files map[string]string, r row, force bool) error {
	var left []string
	wrote, same := 0, 0
	for _, x := range items(r.fields["value"]) {
		name := text(x["file"])
		switch status := text(x["status"]); {
		case status == "same":
			same++
			continue
		case status == "differs" && (!force || x["alone"] != true):
			left = append(left, name)
			continue
		case status == "new" && files[name] != "" && !force:
			left = append(left, name)
			continue
		}
		if err := writeInside(dir, name, []byte(text(x["text"]))); err != nil {
			return err
		}
		wrote++
		if a.format == "table" {
			a.done("wrote %s", printable(name))
		}
	}
	if a.format != "table" {
		if err := a.output().object(r, nil); err != nil {
			return err
		}
	}
	if len(left) > 0 {
		next := "`portreeve plan DIR` shows how; --force writes over them"
		if force {
			next = "they hold several objects, and pull writes over files of one: edit them"
		}
		return &failure{exit: exitConflict, what: fmt.Sprintf("left as they are, since they say otherwise than the server: %s", strings.Join(left, ", ")), next: next}
	}
	if wrote == 0 && same == 0 && len(files) == 0 {
		return errors.New("the server has nothing to write")
	}
	if a.format == "table" {
		a.done("%s written, %d said the same already", counted(float64(wrote), "file"), same)
	}
	return nil
}
