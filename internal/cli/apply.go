package cli

import (
	"fmt"
	"io"
	"net/http"

	"github.com/spf13/cobra"
)

func (a *app) apply() *cobra.Command {
	var plan, commit, spread string
	var force, release, all bool
	c := verb("apply DIR", "Make the server say what a folder of policy files says: all of it, or nothing", cobra.ArbitraryArgs, func(cmd *cobra.Command, args []string) error {
		switch {
		case all && !release:
			return misused(cmd, "--all goes with --release")
		case release && all == (len(args) > 0):
			return misused(cmd, "name what is to be let go of, or say --all")
		case release:
			return a.letGo(cmd, args, all)
		case len(args) != 1:
			return misused(cmd, "name one folder")
		}
		body := map[string]any{"commit": commit, "force": force}
		if plan != "" {
			id, version, err := planFile(plan)
			if err != nil {
				return err
			}
			body["plan"], body["serverVersion"] = id, version
		}
		return a.applyFolder(cmd, args[0], spread, body)
	})
	c.Long = `Make the server say what a folder of policy files says, in one change: what the folder has
is made or changed, and what it had when it was last applied and has no more is deleted.
What no folder ever had stays as it is. With --plan it is exactly that plan or nothing: if
the server or the folder changed since, it is refused and says what changed and by whom.
Objects are managed from their files from then on: other ways refuse to change them and
name the file. A failing test stops it, unless --force comes with a --reason.

With --release the words are not a folder but the names of objects to be managed from files
no longer; they stay as they are.`
	c.Example = "  portreeve apply ./policy --plan plan.json --confirm-within 10m --reason CHG-12\n  portreeve apply --release \"Retire passwords\""
	f := c.Flags()
	f.StringVar(&plan, "plan", "", "make exactly the plan that plan --out wrote into this `file`")
	f.StringVar(&commit, "commit", "", "the commit of the folder's checkout, shown as the objects' origin")
	f.BoolVar(&force, "force", false, "though a test fails; needs --reason")
	f.BoolVar(&release, "release", false, "manage the objects named from files no longer")
	f.BoolVar(&all, "all", false, "with --release: all of them")
	spreadFlag(c, &spread)
	a.confirmFlag(c)
	return c
}

func (a *app) applyFolder(cmd *cobra.Command, dir, spread string, body map[string]any) (err error) {
	if body["files"], err = readFolder(dir); err != nil {
		return err
	}
	r, err := a.answered(cmd.Context(), http.MethodPost, ours+"/apply", values("spread", spread), body)
	if err != nil {
		return err
	}
	return a.output().object(r, func(w io.Writer) { a.tellApplied(w, r.fields) })
}

func (a *app) tellApplied(w io.Writer, f map[string]any) {
	for _, line := range texts(f["notes"]) {
		a.note(line)
	}
	if f["nothing"] == true {
		if n := len(items(f["adopts"])); n > 0 {
			a.done("nothing was to be changed; managed from the folder now: %s", counted(float64(n), "object"))
			return
		}
		a.done("nothing was to be done: the server says what the folder says")
		return
	}
	if a.quiet {
		return
	}
	for _, x := range items(f["changes"]) {
		fmt.Fprintf(w, "%s %s %s: %s\n", signs[text(x["action"])], kindWords[text(x["kind"])], printable(quotedName(x)), printable(text(x["sentence"])))
	}
	tellTests(w, f["tests"])
	a.done("applied %s: %s changed, %s added, %s removed%s", shortPlan(text(f["id"])), text(f["change"]), text(f["add"]), text(f["remove"]), judgedWords(f))
}

// letGo has objects be managed from files no longer.
func (a *app) letGo(cmd *cobra.Command, names []string, all bool) error {
	r, err := a.answered(cmd.Context(), http.MethodPost, ours+"/managed/release", nil, map[string]any{"names": names, "all": all})
	if err != nil {
		return err
	}
	if a.format != "table" {
		return a.output().object(r, nil)
	}
	for _, x := range items(r.fields["value"]) {
		a.done("managed from files no longer: %s %s, which %s had", kindWords[text(x["kind"])], printable(text(x["displayName"])), printable(text(x["file"])))
	}
	return nil
}
