package cli

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/portreeve/portreeve/internal/policyfile"
	"github.com/portreeve/portreeve/internal/span"
)

const replays = ours + "/replay"

// replayFlags is a change that nobody makes, and over what it is judged.
type replayFlags struct {
	last, groups, show, user        string
	locations, strengths            []string
	enable, disable, report, remove []string
	join, leave, switches           []string
	preview                         bool
	top                             int
}

// empty says that nothing is to change.
func (o *replayFlags) empty(files []string) bool {
	return len(files)+len(o.locations)+len(o.strengths)+len(o.enable)+len(o.disable)+len(o.report)+len(o.remove)+len(o.join)+len(o.leave)+len(o.switches) == 0
}

// policyReplay says what a change would have done to recorded sign-ins.
func (a *app) policyReplay() *cobra.Command {
	var o replayFlags
	c := verb("replay [FILE…]", "Say what a change of rules would have done to the recorded sign-ins; nothing is stored", cobra.ArbitraryArgs, func(cmd *cobra.Command, args []string) error {
		if o.empty(args) {
			return misused(cmd, "say what is to change: a FILE, --enable, --disable, --report-only, --remove, --location, --strength, --switch, --group-add or --group-remove")
		}
		if o.show != "" && bucketWords[o.show] == "" {
			return usage("there is no bucket %q; there are %s", o.show, strings.Join(slices.Sorted(maps.Keys(bucketWords)), ", "))
		}
		body, docs, err := a.replayBody(args, &o)
		if err != nil {
			return err
		}
		if o.show != "" {
			return a.replaySignIns(cmd.Context(), body, docs)
		}
		raw, err := a.replayAnswer(cmd.Context(), body, docs)
		if err != nil {
			return err
		}
		r, err := newRow(raw)
		if err != nil {
			return err
		}
		return a.output().object(r, func(w io.Writer) { a.tellReplay(w, r.fields, args, &o) })
	})
	c.Long = `Say what a change of rules would have done to the recorded sign-ins. The policies of
the files replace those in force with the same id, or else the same displayName, or join them;
so do --location and --strength. Nothing is stored and nobody is signed out. Each sign-in is
judged by its own recorded facts, under the rules in force and under the changed ones, and
falls into one of six buckets.`
	c.Example = `  portreeve policy replay new.yaml --last 30d
  portreeve policy replay --enable "Block legacy sign-in"
  portreeve policy replay new.yaml --show newlyRefused --user leela@example.org`
	f := c.Flags()
	f.StringVar(&o.last, "last", "30d", "over the sign-ins of so long: 7d, 12w, 1y")
	f.StringVar(&o.groups, "groups", "", "whose groups: recorded (with each sign-in, the default) or today")
	f.StringArrayVar(&o.locations, "location", nil, "a file of named locations that replace or join those there are")
	f.StringArrayVar(&o.strengths, "strength", nil, "a file of authentication strengths, likewise")
	f.StringArrayVar(&o.enable, "enable", nil, "as if this policy were enforced")
	f.StringArrayVar(&o.disable, "disable", nil, "as if this policy were off")
	f.StringArrayVar(&o.report, "report-only", nil, "as if this policy were only reported")
	f.StringArrayVar(&o.remove, "remove", nil, "as if this policy were gone")
	f.StringArrayVar(&o.join, "group-add", nil, "as if a person were in a group: GROUP=PERSON")
	f.StringArrayVar(&o.leave, "group-remove", nil, "as if a person were not in a group: GROUP=PERSON")
	f.StringArrayVar(&o.switches, "switch", nil, "as if a switch were set: [domain:|group:|mailbox:WHOSE/]NAME=on|off|inherit")
	f.BoolVar(&o.preview, "preview", false, "count kinds of sign-ins instead of judging each: faster, and says where it is not exact")
	f.StringVar(&o.show, "show", "", "list the very sign-ins of this bucket")
	f.StringVar(&o.user, "user", "", "with --show: only this person's")
	f.IntVar(&o.top, "top", 1000, "with --show: at most this many, the latest")
	complete(c, "show", "newlyRefused", "askedUnable", "newlyAsked", "newlyAllowed", "unknown", "unchanged")
	complete(c, "groups", "recorded", "today")
	for _, name := range []string{"enable", "disable", "report-only", "remove"} {
		a.liveFlag(c, name, policies, "displayName")
	}
	return c
}

// replayBody puts a change together; docs are where the files' objects stand.
func (a *app) replayBody(files []string, o *replayFlags) (map[string]any, map[string][]arrival, error) {
	over, err := span.Days(o.last)
	if err != nil {
		return nil, nil, usage("--last: %v", err)
	}
	body, docs := map[string]any{"days": over, "preview": o.preview, "groups": o.groups, "remove": o.remove}, map[string][]arrival{}
	for member, names := range map[string][]string{"policies": files, "locations": o.locations, "strengths": o.strengths} {
		if docs[member], err = a.arrivals(names); err != nil {
			return nil, nil, err
		}
		texts := []json.RawMessage{}
		for _, x := range docs[member] {
			texts = append(texts, x.part.text)
		}
		body[member] = texts
	}
	states := map[string]string{}
	for state, names := range map[string][]string{"enabled": o.enable, "disabled": o.disable, "enabledForReportingButNotEnforced": o.report} {
		for _, n := range names {
			states[n] = state
		}
	}
	body["states"] = states
	for member, pairs := range map[string][]string{"join": o.join, "leave": o.leave} {
		list := []map[string]string{}
		for _, p := range pairs {
			group, who, ok := strings.Cut(p, "=")
			if !ok {
				return nil, nil, usage("a membership is GROUP=PERSON, not %q", p)
			}
			list = append(list, map[string]string{"group": group, "member": who})
		}
		body[member] = list
	}
	if o.show != "" {
		body["bucket"], body["user"], body["top"] = o.show, o.user, o.top
	}
	body["switches"], err = switchesOf(o.switches)
	return body, docs, err
}

func (a *app) arrivals(files []string) (all []arrival, err error) {
	for _, name := range files {
		docs, err := policyfile.Read(name, a.in)
		if err != nil {
			return nil, broken(err)
		}
		for _, doc := range docs {
			found, err := parts(doc.JSON())
			if err != nil {
				return nil, broken(doc.Fault("", "an object, a list of objects, or a collection with \"value\" is expected"))
			}
			for _, p := range found {
				all = append(all, arrival{doc, p})
			}
		}
	}
	return all, nil
}

// switchesOf reads [SCOPE:WHOSE/]NAME=on|off|inherit.
func switchesOf(texts []string) ([]map[string]any, error) {
	list := []map[string]any{}
	for _, text := range texts {
		name, value, ok := strings.Cut(text, "=")
		one := map[string]any{"scope": "organization"}
		switch value {
		case "on", "true":
			one["value"] = true
		case "off", "false":
			one["value"] = false
		case "inherit":
			one["value"] = nil
		default:
			ok = false
		}
		if i := strings.LastIndex(name, "/"); i >= 0 {
			scope, whose, cut := strings.Cut(name[:i], ":")
			one["scope"], one["subject"], name, ok = scope, whose, name[i+1:], ok && cut
		}
		if one["name"] = name; !ok {
			return nil, usage("a switch is NAME=on, off or inherit, such as ImapEnabled=off or mailbox:leela@example.org/ImapEnabled=off, not %q", text)
		}
		list = append(list, one)
	}
	return list, nil
}

// replayFault shows a fault in the file that it is in.
func (a *app) replayFault(err error, docs map[string][]arrival) error {
	var api *apiError
	if !errors.As(err, &api) {
		return err
	}
	member, rest, ok := strings.Cut(strings.TrimPrefix(api.Error_.Target, "/"), "/")
	if !ok || len(docs[member]) == 0 {
		return err
	}
	api.Error_.Target = "/" + rest
	for i := range api.Error_.Details {
		api.Error_.Details[i].Target = strings.TrimPrefix(api.Error_.Details[i].Target, "/"+member)
	}
	return a.policies().placed(docs[member], api)
}

// replayAnswer asks, and shows on a terminal how far it is.
func (a *app) replayAnswer(ctx context.Context, body map[string]any, docs map[string][]arrival) (json.RawMessage, error) {
	resp, err := a.client().send(ctx, http.MethodPost, replays, values("progress", "true"), body)
	if err != nil {
		return nil, a.replayFault(err, docs)
	}
	defer resp.Body.Close()
	bar := a.progressBar()
	defer bar.clear()
	in := bufio.NewReader(resp.Body)
	for {
		line, err := in.ReadBytes('\n')
		if len(line) > 0 {
			var step struct {
				Progress *float64 `json:"progress"`
				Error    *struct {
					Message string `json:"message"`
				} `json:"error"`
			}
			if err := json.Unmarshal(line, &step); err != nil {
				return nil, fmt.Errorf("reading the server's answer: %w", err)
			}
			switch {
			case step.Error != nil:
				return nil, errors.New(step.Error.Message)
			case step.Progress == nil:
				return line, nil
			}
			bar.show(*step.Progress)
		}
		if err != nil {
			return nil, fmt.Errorf("reading the server's answer: %w", err)
		}
	}
}

// progressBar is a line on a terminal that says how far something is, once it
// has taken a second.
type progressBar struct {
	w     io.Writer // nil: nobody looks
	began time.Time
	drawn bool
}

const barAfter, barWidth = time.Second, 40 // characters

func (a *app) progressBar() *progressBar {
	b := &progressBar{began: time.Now()}
	if f, ok := a.err.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		b.w = f
	}
	return b
}

func (b *progressBar) show(share float64) {
	if b.w == nil || time.Since(b.began) < barAfter {
		return
	}
	n := int(min(max(share, 0), 1) * barWidth)
	fmt.Fprintf(b.w, "\r[%s%s] %3.0f %%", strings.Repeat("#", n), strings.Repeat(".", barWidth-n), share*100)
	b.drawn = true
}

func (b *progressBar) clear() {
	if b.drawn {
		fmt.Fprintf(b.w, "\r%s\r", strings.Repeat(" ", barWidth+8))
	}
}

// replaySignIns lists the very sign-ins behind a number.
func (a *app) replaySignIns(ctx context.Context, body map[string]any, docs map[string][]arrival) error {
	resp, err := a.client().send(ctx, http.MethodPost, replays+"/signIns", nil, body)
	if err != nil {
		return a.replayFault(err, docs)
	}
	defer resp.Body.Close()
	rows := []row{}
	for d := json.NewDecoder(resp.Body); ; {
		var raw json.RawMessage
		if err := d.Decode(&raw); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return fmt.Errorf("reading the server's answer: %w", err)
		}
		r, err := newRow(raw)
		if err != nil {
			return err
		}
		rows = append(rows, r)
	}
	return a.output().list(rows, when("time", "createdDateTime"), field("reference", "portreeve.reference"), field("user", "userPrincipalName"),
		field("protocol", "portreeve.protocol"), field("credential", "portreeve.credential"), field("program", "portreeve.program.family"),
		field("address", "ipAddress"), field("country", "location.countryOrRegion"), field("outcome", "portreeve.outcome"))
}

// bucketWords are the buckets as people read them.
var bucketWords = map[string]string{"newlyRefused": "Newly refused", "askedUnable": "Asked, but unable", "newlyAsked": "Newly asked, and able",
	"newlyAllowed": "Newly allowed", "unknown": "Unknown", "unchanged": "Unchanged"}

func (a *app) tellReplay(w io.Writer, f map[string]any, files []string, o *replayFlags) {
	s := sheet{w: w}
	s.line("Judged", looked(a.output(), f)+", in "+text(f["milliseconds"])+" ms")
	fmt.Fprintln(w)
	rows := [][]string{{"", "sign-ins", "people", "programs", "service accounts"}}
	worst := ""
	for _, b := range items(f["buckets"]) {
		rows = append(rows, []string{bucketWords[text(b["bucket"])], text(b["signIns"]), text(b["people"]), text(b["programs"]), text(b["serviceAccounts"])})
		if worst == "" && text(b["signIns"]) != "0" && text(b["bucket"]) != "unchanged" {
			worst = text(b["bucket"])
		}
	}
	s.table("  ", rows)
	a.tellHardest(&s, items(f["hardestHit"]))
	for _, b := range items(f["buckets"]) {
		a.tellHits(&s, b)
	}
	s.head("Read this with it")
	for _, n := range notesOf(f["notes"]) {
		s.text(n)
	}
	for _, x := range items(f["warnings"]) {
		s.text(fmt.Sprintf("Not enforced as it stands: %s %s %s", text(x["name"]), text(x["pointer"]), text(x["text"])))
	}
	if worst != "" {
		s.head("The sign-ins behind a number")
		fmt.Fprintf(w, "  %s\n", printable(again(files, o, worst)))
	}
}

func notesOf(v any) (all []string) {
	list, _ := v.([]any)
	for _, x := range list {
		all = append(all, text(x))
	}
	return all
}

func (a *app) tellHardest(s *sheet, people []map[string]any) {
	if len(people) == 0 {
		return
	}
	s.head("Hit the hardest")
	var rows [][]string
	for _, p := range people[:min(len(people), listed)] {
		rows = append(rows, []string{text(p["user"]), fmt.Sprintf("%s of %s sign-ins", text(p["signIns"]), text(p["of"])), serviceWords(p)})
	}
	s.table("  ", rows)
	more(s.w, len(people))
}

func serviceWords(p map[string]any) string {
	if why := text(p["serviceAccount"]); why != "" {
		return "service account? " + why
	}
	return ""
}

func (a *app) tellHits(s *sheet, b map[string]any) {
	hits := items(b["rows"])
	if len(hits) == 0 {
		return
	}
	s.head(bucketWords[text(b["bucket"])])
	var rows [][]string
	for _, h := range hits[:min(len(hits), listed)] {
		why := strings.TrimSpace(text(h["code"]) + " " + text(h["byName"]))
		first := ""
		if refs := notesOf(h["references"]); len(refs) > 0 {
			first = refs[0]
		}
		rows = append(rows, []string{cmp.Or(text(h["user"]), "(nobody known)"), text(h["signIns"]), text(h["protocol"]), text(h["credential"]), orUnknown(text(h["program"])),
			text(h["country"]), why, first, serviceWords(h)})
	}
	s.table("  ", rows)
	more(s.w, len(hits))
}

// again is the command that lists a bucket's sign-ins.
func again(files []string, o *replayFlags, bucket string) string {
	words := []string{"portreeve policy replay"}
	add := func(flag string, list ...string) {
		for _, x := range list {
			if x != "" {
				words = append(words, "--"+flag, quotedWord(x))
			}
		}
	}
	for _, f := range files {
		words = append(words, quotedWord(f))
	}
	add("last", o.last)
	add("groups", o.groups)
	add("location", o.locations...)
	add("strength", o.strengths...)
	add("enable", o.enable...)
	add("disable", o.disable...)
	add("report-only", o.report...)
	add("remove", o.remove...)
	add("group-add", o.join...)
	add("group-remove", o.leave...)
	add("switch", o.switches...)
	add("show", bucket)
	return strings.Join(words, " ")
}

// quotedWord is a word as a shell takes it.
func quotedWord(s string) string {
	if strings.ContainsFunc(s, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("-_./=:@%+,", r))
	}) {
		return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
	}
	return s
}
