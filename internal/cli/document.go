package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/portreeve/portreeve/internal/policyfile"
	"github.com/portreeve/portreeve/internal/policyset"
)

// objects are the documents of one kind that are kept in Graph's JSON.
type objects struct {
	*app
	word     string // what people call one
	resource string
}

// graphKnows says that words beyond Graph's first ones are understood, so that
// nothing is replaced by unknownFutureValue.
const graphKnows = "include-unknown-enum-members"

func (d objects) show(columns func(io.Writer, row)) *cobra.Command {
	c := verb("show NAME", "Show a "+d.word, cobra.ExactArgs(1), func(cmd *cobra.Command, args []string) error {
		r, err := d.client().object(cmd.Context(), path(d.resource, args[0]), nil)
		if err != nil {
			return err
		}
		return d.output().object(r, func(w io.Writer) {
			columns(w, r)
			d.tellWarnings(cmd.Context(), w, text(r.fields["id"]))
			d.tellFound(cmd.Context(), w, text(r.fields["id"]))
		})
	})
	c.ValidArgsFunction = d.names(d.resource, "displayName")
	return c
}

// tellWarnings prints what of an object is not enforced as it stands.
func (d objects) tellWarnings(ctx context.Context, w io.Writer, id string) {
	rows, err := d.client().rows(ctx, ours+"/warnings", nil, 0)
	if err != nil {
		return
	}
	s := sheet{w: w}
	first := true
	for _, r := range rows {
		if text(r.fields["id"]) != id {
			continue
		}
		if first {
			s.head("Not enforced as it stands")
			first = false
		}
		s.text(strings.TrimSpace(text(r.fields["pointer"]) + " " + text(r.fields["text"])))
	}
}

func (d objects) delete() *cobra.Command {
	var spread string
	c := verb("delete NAME…", "Delete a "+d.word+"; it stays in the audit log", cobra.MinimumNArgs(1), func(cmd *cobra.Command, args []string) error {
		for _, name := range args {
			if err := d.client().do(cmd.Context(), http.MethodDelete, path(d.resource, name), values("spread", spread), nil, nil); err != nil {
				return err
			}
			d.done("deleted %s %s", d.word, printable(name))
		}
		return nil
	})
	c.ValidArgsFunction = d.names(d.resource, "displayName")
	spreadFlag(c, &spread)
	d.confirmFlag(c)
	return c
}

func spreadFlag(c *cobra.Command, spread *string) {
	c.Flags().StringVar(spread, "spread", "", "close what no longer passes over so long, such as 5m, at most 1h, instead of at once")
}

// importing is how files become objects.
type importing struct {
	spread, state string
	strict, dry   bool
}

func (d objects) imports() *cobra.Command {
	var o importing
	var reportOnly bool
	c := verb("import FILE…", "Make or replace each "+d.word+" of a file: JSON as Microsoft Graph gives it, or YAML", cobra.MinimumNArgs(1), func(cmd *cobra.Command, args []string) error {
		if reportOnly {
			o.state = "enabledForReportingButNotEnforced"
		}
		var all []*policyfile.Document
		for _, name := range args {
			if info, err := os.Stat(name); err == nil && info.IsDir() {
				return &failure{exit: exitUsage, what: name + " is a folder, and this takes files",
					next: "`portreeve plan DIR` says what a folder of policy files would change here, and `portreeve apply DIR` changes it"}
			}
			docs, err := policyfile.Read(name, d.in)
			if err != nil {
				return broken(err)
			}
			all = append(all, docs...)
		}
		return d.importAll(cmd.Context(), all, o)
	})
	c.Long = `Make or replace each ` + d.word + ` of a file: one object, a list of objects, or a
collection as Microsoft Graph gives it (a member "value"). One with an id that is known, or
else with a displayName that is known, is replaced. FILE may be -, for standard input.
All objects of all files come in as one change, or none of them does.
Every member is kept as it is written, also those that are not known here.`
	spreadFlag(c, &o.spread)
	d.confirmFlag(c)
	c.Flags().BoolVar(&o.strict, "strict", false, "refuse what cannot be enforced as it stands")
	c.Flags().BoolVar(&o.dry, "dry-run", false, "check only")
	if d.word == "policy" {
		c.Flags().BoolVar(&reportOnly, "report-only", false, "bring it in as report-only, whatever state the file says")
	}
	return c
}

// broken is a fault in a file: the message has the line and the caret already.
func broken(err error) error {
	if errors.Is(err, os.ErrNotExist) {
		return noFile(err)
	}
	return &failure{exit: exitUsage, what: err.Error()}
}

// part is one object of a file and where it stands there.
type part struct {
	pointer string
	text    json.RawMessage
}

// parts takes a document apart: an object, a list, or a collection.
func parts(text []byte) ([]part, error) {
	var list []json.RawMessage
	base := ""
	if len(text) > 0 && firstByte(text) == '{' {
		var collection struct {
			Value json.RawMessage `json:"value"`
		}
		if err := json.Unmarshal(text, &collection); err != nil {
			return nil, err
		}
		if firstByte(collection.Value) != '[' {
			return []part{{"", text}}, nil
		}
		base, text = "/value", collection.Value
	}
	if err := json.Unmarshal(text, &list); err != nil {
		return nil, err
	}
	all := make([]part, len(list))
	for i, raw := range list {
		all[i] = part{base + "/" + strconv.Itoa(i), raw}
	}
	return all, nil
}

func firstByte(b []byte) byte {
	s := strings.TrimLeft(string(b), " \t\r\n")
	if s == "" {
		return 0
	}
	return s[0]
}

// arrival is one object on its way in and where it stands.
type arrival struct {
	doc  *policyfile.Document
	part part
}

// importAll brings in all objects of all files, in one change or not at all.
func (d objects) importAll(ctx context.Context, docs []*policyfile.Document, o importing) error {
	var all []arrival
	var texts [][]byte
	for _, doc := range docs {
		found, err := parts(doc.JSON())
		if err != nil {
			return broken(doc.Fault("", "an object, a list of objects, or a collection with \"value\" is expected"))
		}
		for _, p := range found {
			all, texts = append(all, arrival{doc, p}), append(texts, p.text)
		}
	}
	var answer struct {
		Value []struct {
			Object json.RawMessage `json:"object"`
			New    bool            `json:"new"`
		} `json:"value"`
	}
	q := values("spread", o.spread, "state", o.state, "strict", truth(o.strict), "dryRun", truth(o.dry))
	// The list is put together by hand: encoding/json would take out the spaces,
	// and every byte of an object is kept as it was written.
	list := json.RawMessage(slices.Concat([]byte("["), bytes.Join(texts, []byte(",")), []byte("]")))
	err := d.client().do(ctx, http.MethodPost, d.resource+"/import", q, list, &answer)
	var api *apiError
	if errors.As(err, &api) && (api.Status == http.StatusBadRequest || api.Status == http.StatusConflict) {
		return d.placed(all, api)
	}
	if err != nil {
		return err
	}
	for _, one := range answer.Value {
		word := map[bool]string{true: "added", false: "replaced"}[one.New]
		if o.dry {
			word = "checked"
		}
		if err := d.told(one.Object, word); err != nil {
			return err
		}
	}
	return nil
}

// placed shows a fault in the file that it is in: the server tells it with the
// object's place among all that were sent.
func (d objects) placed(all []arrival, api *apiError) error {
	split := func(target string) (int, string) {
		first, rest, _ := strings.Cut(strings.TrimPrefix(target, "/"), "/")
		n, err := strconv.Atoi(first)
		if err != nil || n >= len(all) || n < 0 {
			return -1, target
		}
		if rest != "" {
			rest = "/" + rest
		}
		return n, rest
	}
	n, target := split(api.Error_.Target)
	if n < 0 {
		return api
	}
	api.Error_.Target = target
	for i := range api.Error_.Details {
		_, api.Error_.Details[i].Target = split(api.Error_.Details[i].Target)
	}
	return faults(all[n].doc, all[n].part.pointer, api)
}

// faults shows what is wrong in the file, each with its line and a caret.
func faults(doc *policyfile.Document, base string, api *apiError) error {
	lines := []string{fault(doc, base, api.Error_.Target, api.Error_.Message)}
	for _, more := range api.Error_.Details {
		lines = append(lines, fault(doc, base, more.Target, more.Message))
	}
	return &failure{exit: exitOf(api.Status), what: strings.Join(lines, "\n"), next: api.Error_.Next}
}

func fault(doc *policyfile.Document, base, target, message string) string {
	if target != "" && !strings.HasPrefix(target, "/") {
		return message
	}
	return doc.Fault(base+target, "%s", message).Error()
}

// told says what became of one object, and what of it is not enforced.
func (d objects) told(raw json.RawMessage, word string) error {
	r, err := newRow(raw)
	if err != nil {
		return err
	}
	if d.format != "table" {
		return d.output().object(r, nil)
	}
	d.done("%s %s %q%s", word, d.word, printable(text(r.fields["displayName"])), judgedWords(r.fields))
	found := d.tellFindings(r.fields)
	for _, w := range items(r.fields["@portreeve.warnings"]) {
		if found[text(w["text"])] {
			continue // one thing is told once
		}
		fmt.Fprintf(d.err, "  note: %s\n", printable(strings.TrimSpace(text(w["pointer"])+" "+text(w["text"]))))
	}
	return nil
}

// judgedWords says what a change did to open sessions.
func judgedWords(f map[string]any) string {
	s, ok := f["@portreeve.sessions"].(map[string]any)
	if !ok || text(s["judged"]) == "0" {
		return ""
	}
	n, _ := s["judged"].(float64)
	return fmt.Sprintf(": %s judged again, %s closed, in %.1f ms", counted(n, "open session"), text(s["closed"]), s["milliseconds"])
}

func (d objects) export() *cobra.Command {
	var dir string
	c := verb("export [NAME…]", "Write objects as they are kept: one as its JSON, several as a collection, or a file each with --dir", cobra.ArbitraryArgs, func(cmd *cobra.Command, args []string) error {
		rows, err := d.chosen(cmd.Context(), args)
		if err != nil {
			return err
		}
		if dir != "" {
			return d.writeFiles(dir, rows)
		}
		if len(args) == 1 && d.format != "yaml" {
			_, err := fmt.Fprintf(d.out, "%s\n", strings.TrimRight(string(rows[0].raw), "\n"))
			return err
		}
		o := d.output()
		if o.format == "table" || o.format == "csv" {
			o.format = "json"
		}
		return o.list(rows)
	})
	c.Flags().StringVar(&dir, "dir", "", "write a file for each into this folder")
	c.ValidArgsFunction = d.names(d.resource, "displayName")
	return c
}

// chosen are the objects named, or all.
func (d objects) chosen(ctx context.Context, names []string) ([]row, error) {
	if len(names) == 0 {
		return d.client().rows(ctx, d.resource, values("plain", "true"), 0)
	}
	var all []row
	for _, n := range names {
		var raw []byte
		if err := d.client().do(ctx, http.MethodGet, path(d.resource, n), values("plain", "true"), nil, &raw); err != nil {
			return nil, err
		}
		r, err := newRow(raw)
		if err != nil {
			return nil, err
		}
		all = append(all, r)
	}
	return all, nil
}

func (d objects) writeFiles(dir string, rows []row) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	for _, r := range rows {
		var raw []byte
		if err := d.client().do(context.Background(), http.MethodGet, path(d.resource, text(r.fields["id"])), values("plain", "true"), nil, &raw); err != nil {
			return err
		}
		name := filepath.Join(dir, policyset.FileWord(text(r.fields["displayName"]))+".json")
		if err := os.WriteFile(name, append([]byte(strings.TrimRight(string(raw), "\n")), '\n'), 0o644); err != nil {
			return err
		}
		d.done("wrote %s", printable(name))
	}
	return nil
}
