package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/portreeve/portreeve/internal/policyset"
	"github.com/portreeve/portreeve/internal/span"
)

// maxFolder bounds what is read of a folder, in bytes: a server takes no more.
const maxFolder = 48 << 20

// readFolder reads the policy files of a folder, by their names in it.
func readFolder(dir string) (map[string]string, error) {
	info, err := os.Stat(dir)
	if errors.Is(err, os.ErrNotExist) {
		return nil, noFile(err)
	}
	if err != nil {
		return nil, err
	}
	if !info.IsDir() {
		return nil, usage("%s is a file: name the folder that it is in", dir)
	}
	root, err := os.OpenRoot(dir) // what links lead to outside it is not the server's to read
	if err != nil {
		return nil, err
	}
	defer root.Close()
	folder := root.FS()
	names, err := policyset.List(folder)
	if err != nil {
		return nil, err
	}
	files, bytes := map[string]string{}, int64(0)
	for _, name := range names {
		about, err := fs.Stat(folder, name)
		if err != nil {
			return nil, err
		}
		if bytes += about.Size(); bytes > maxFolder {
			return nil, usage("%s: a folder of policies has at most %d MB", filepath.Join(dir, name), maxFolder>>20)
		}
		text, err := fs.ReadFile(folder, name)
		if err != nil {
			return nil, err
		}
		files[name] = string(text)
	}
	return files, nil
}

func (a *app) plan() *cobra.Command {
	var last, out, commit string
	var exit, preview, diff bool
	c := verb("plan DIR", "Say what applying a folder of policy files would change, and whom it would hit", cobra.ExactArgs(1), func(cmd *cobra.Command, args []string) error {
		files, err := readFolder(args[0])
		if err != nil {
			return err
		}
		days, err := planDays(last)
		if err != nil {
			return err
		}
		body := map[string]any{"files": files, "days": days, "preview": preview, "commit": commit}
		r, err := a.answered(cmd.Context(), http.MethodPost, ours+"/plan", nil, body)
		if err != nil {
			return err
		}
		if out != "" {
			if err := writeOwn(out, append(r.raw, '\n')); err != nil { // it names who signs in
				return err
			}
		}
		err = a.output().object(r, func(w io.Writer) { a.tellPlan(w, r.fields, args[0], out, diff) })
		if err != nil {
			return err
		}
		return planEnd(r.fields, exit)
	})
	c.Long = `Say what applying a folder of policy files would change: + is made, ~ is changed, - is
deleted, each with its place in the folder; what that would have done to the recorded
sign-ins; which administrators it would keep out; what lint finds; and what the folder's
tests come to. Nothing is changed. The plan has an id, and ` + "`portreeve apply`" + ` can be told to
make exactly it.`
	c.Example = "  portreeve plan ./policy\n  portreeve plan ./policy --out plan.json && portreeve apply ./policy --plan plan.json --confirm-within 10m"
	f := c.Flags()
	f.BoolVar(&exit, "exit-code", false, "end with 3 if there is something to change, with 0 if not")
	f.StringVar(&out, "out", "", "write the plan into this file, for apply")
	f.StringVar(&last, "last", "30d", "judge the sign-ins of so long; 0: none")
	f.BoolVar(&preview, "preview", false, "count kinds of sign-ins instead of judging each")
	f.BoolVar(&diff, "diff", false, "show every member that changes, of new and deleted objects too")
	return c
}

// planDays is over how many days a plan is judged; -1 is none.
func planDays(last string) (int, error) {
	if last == "0" {
		return -1, nil
	}
	days, err := span.Days(last)
	if err != nil {
		return 0, usage("--last: %v", err)
	}
	return days, nil
}

// planEnd is how the command ends: a failed test is worse than a change.
func planEnd(f map[string]any, exit bool) error {
	tests, _ := f["tests"].(map[string]any)
	if text(tests["failed"]) != "" && text(tests["failed"]) != "0" {
		return &failure{exit: exitTestFailed, what: text(tests["failed"]) + " of the folder's tests fail: apply would refuse it", next: "`portreeve test DIR` shows each"}
	}
	if n := text(tests["notRun"]); n != "" && n != "0" {
		return &failure{exit: exitTestFailed, what: n + " of the folder's tests could not be run: apply would refuse it", next: "it is said above what each lacks"}
	}
	if exit && len(items(f["changes"])) > 0 {
		return &ended{exitPending}
	}
	return nil
}

var signs = map[string]string{"add": "+", "change": "~", "remove": "-"}

// kindWords are what people call what a folder has.
var kindWords = map[string]string{"policy": "policy", "location": "location", "strength": "strength", "authenticationPolicy": "authentication policy", "switch": "switch",
	"assignment": "assignment", "setting": "setting"}

func (a *app) tellPlan(w io.Writer, f map[string]any, dir, out string, diff bool) {
	tellChanges(w, items(f["changes"]), diff)
	if n := len(items(f["adopts"])); n > 0 {
		fmt.Fprintf(w, "  %s already as the folder has them: managed from it once it is applied\n", counted(float64(n), "object"))
	}
	tellConsequences(w, f["consequences"])
	for _, line := range texts(f["keepsOut"]) {
		fmt.Fprintf(w, "keeps out: %s\n", printable(line))
	}
	if f["keepsAllOut"] == true {
		fmt.Fprintln(w, "  that is every administrator who got in of late: apply needs --confirm-within")
	}
	for _, x := range items(f["findings"]) {
		fmt.Fprintf(w, "%s: %s%s\n", printable(text(x["severity"])), printable(regarding(text(at(x, "object.kind")), text(at(x, "object.displayName")))), printable(text(x["sentence"])))
		if fix := text(at(x, "fix.text")); fix != "" {
			fmt.Fprintf(w, "    %s\n", printable(fix))
		}
	}
	for _, x := range items(f["warnings"]) {
		fmt.Fprintf(w, "note: %s%s\n", printable(regarding(text(x["object"]), text(x["name"]))), printable(strings.TrimSpace(text(x["pointer"])+" "+text(x["text"]))))
	}
	for _, line := range texts(f["notes"]) {
		fmt.Fprintf(w, "note: %s\n", printable(line))
	}
	tellTests(w, f["tests"])
	fmt.Fprintf(w, "Plan %s: %s to change, %s to add, %s to remove.", shortPlan(text(f["id"])), text(f["change"]), text(f["add"]), text(f["remove"]))
	switch {
	case len(items(f["changes"])) == 0:
		fmt.Fprintln(w, "   Nothing is to be done.")
	case out != "":
		fmt.Fprintf(w, "   Apply with: portreeve apply %s --plan %s\n", printable(dir), printable(out))
	default:
		fmt.Fprintf(w, "   Apply with: portreeve apply %s\n", printable(dir))
	}
}

// regarding says of which object the words behind it are.
func regarding(kind, name string) string {
	if name == "" {
		return ""
	}
	if words := kindWords[kind]; words != "" {
		kind = words
	}
	return fmt.Sprintf("%s %q: ", kind, name)
}

// writeOwn writes a file that its owner alone reads, also where there was one
// that others could.
func writeOwn(name string, data []byte) error {
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	defer f.Close()
	if info, err := f.Stat(); err == nil && info.Mode().IsRegular() {
		if err := f.Chmod(0o600); err != nil {
			return err
		}
		if err := f.Truncate(0); err != nil {
			return err
		}
	}
	if _, err := f.Write(data); err != nil {
		return err
	}
	return f.Close()
}

// shortPlan is enough of a plan's id to tell it from others.
func shortPlan(id string) string { return id[:min(8, len(id))] }

func tellChanges(w io.Writer, changes []map[string]any, diff bool) {
	for _, x := range changes {
		place := text(x["file"])
		if line := text(x["line"]); line != "" {
			place += ":" + line
		}
		fmt.Fprintf(w, "%s %s %s   (%s)\n", signs[text(x["action"])], kindWords[text(x["kind"])], printable(quotedName(x)), printable(place))
		fmt.Fprintf(w, "    %s\n", printable(text(x["sentence"])))
		if by := text(x["changedHereBy"]); by != "" {
			fmt.Fprintf(w, "    changed here since, by %s\n", printable(by))
		}
		for _, line := range texts(x["words"]) {
			fmt.Fprintf(w, "    %s\n", printable(line))
		}
		if document := len(items(x["changes"])) > 0 && text(items(x["changes"])[0]["pointer"]) != ""; document && (diff || text(x["action"]) == "change") {
			for _, d := range items(x["changes"]) {
				fmt.Fprintf(w, "      %s\n", printable(differenceOf(d)))
			}
		}
	}
}

func quotedName(x map[string]any) string {
	switch text(x["kind"]) {
	case "switch", "assignment", "setting":
		return text(x["name"])
	}
	return fmt.Sprintf("%q", text(x["name"]))
}

// texts are the texts of a list.
func texts(v any) (all []string) {
	list, _ := v.([]any)
	for _, x := range list {
		all = append(all, text(x))
	}
	return all
}

// planBuckets are what a plan tells of the sign-ins it was judged over.
var planBuckets = []struct{ bucket, words string }{{"newlyRefused", "newly refused"}, {"askedUnable", "asked for more than they can show"}, {"newlyAsked", "newly asked for more"},
	{"newlyAllowed", "newly allowed"}, {"unknown", "not known"}}

func tellConsequences(w io.Writer, v any) {
	f, ok := v.(map[string]any)
	if !ok {
		return
	}
	fmt.Fprintf(w, "since %s, of %s by %s:\n", text(f["from"])[:10], counted(amount(f["signIns"]), "sign-in"), persons(amount(f["people"])))
	told := false
	for _, b := range planBuckets {
		for _, x := range items(f["buckets"]) {
			if text(x["bucket"]) != b.bucket || text(x["signIns"]) == "0" {
				continue
			}
			told = true
			services := ""
			if n := text(x["serviceAccounts"]); n != "" && n != "0" {
				services = ", " + counted(amount(x["serviceAccounts"]), "service account") + " among them"
			}
			fmt.Fprintf(w, "  %s / %s %s%s\n", persons(amount(x["people"])), counted(amount(x["signIns"]), "sign-in"), b.words, services)
		}
	}
	if !told {
		fmt.Fprintln(w, "  nobody is hit")
	}
	h, _ := f["hit"].(map[string]any)
	if text(h["people"]) == "0" || h == nil {
		return
	}
	var parts []string
	for _, x := range []struct{ member, words string }{{"canSwitch", "can switch today (they signed in with a token too)"}, {"serviceAccounts", "look like service accounts"},
		{"unknownProgram", "use a program without a name"}, {"others", "have to set their program up anew"}} {
		if n := text(h[x.member]); n != "0" {
			parts = append(parts, n+" "+x.words)
		}
	}
	fmt.Fprintf(w, "  of those kept out: %s\n", strings.Join(parts, " · "))
}

func amount(v any) float64 { n, _ := v.(float64); return n }

func persons(n float64) string {
	if n == 1 {
		return "1 person"
	}
	return text(n) + " people"
}

func tellTests(w io.Writer, v any) {
	f, ok := v.(map[string]any)
	if !ok {
		return
	}
	for _, x := range items(f["cases"]) {
		fmt.Fprintf(w, "test %s: %s (%s)\n", map[bool]string{true: "failed", false: "not run"}[text(x["status"]) == "failed"], printable(text(x["name"])), printable(text(x["place"])))
		for _, line := range texts(x["problems"]) {
			fmt.Fprintf(w, "    %s\n", printable(line))
		}
	}
	line := "tests: " + text(f["passed"]) + " passed"
	for _, x := range [][2]string{{"failed", "failed"}, {"notRun", "not run"}} {
		if n := text(f[x[0]]); n != "0" {
			line += ", " + n + " " + x[1]
		}
	}
	fmt.Fprintln(w, line)
}

// writeInside writes a file of a folder; its name comes from the server and
// stays inside.
func writeInside(dir, name string, data []byte) error {
	if !filepath.IsLocal(filepath.FromSlash(name)) {
		return fmt.Errorf("%q would stand outside of the folder", name)
	}
	full := filepath.Join(dir, filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(full), 0o755); err != nil {
		return err
	}
	return os.WriteFile(full, data, 0o644)
}

// planFile reads what plan wrote with --out.
func planFile(name string) (id string, version int64, err error) {
	raw, err := os.ReadFile(name)
	if errors.Is(err, os.ErrNotExist) {
		return "", 0, noFile(err)
	}
	if err != nil {
		return "", 0, err
	}
	var p struct {
		ID      string `json:"id"`
		Version int64  `json:"serverVersion"`
	}
	if json.Unmarshal(raw, &p) != nil || p.ID == "" {
		return "", 0, usage("%s is no plan: `portreeve plan DIR --out FILE` writes one", name)
	}
	return p.ID, p.Version, nil
}
