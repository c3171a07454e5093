package cli

import (
	"bufio"
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
	if len(rows) == 0 {
		a.remark(noneOf(body))
	}
	return a.output().list(rows, when("time", "createdDateTime"), field("reference", "portreeve.reference"), field("user", "userPrincipalName"),
		field("protocol", "portreeve.protocol"), field("credential", "portreeve.credential"), field("program", "portreeve.program.family"),
		field("address", "ipAddress"), field("country", "location.countryOrRegion"), field("outcome", "portreeve.outcome"))
}

// noneOf says that a bucket has no sign-ins.
func noneOf(body map[string]any) string {
	who := ""
	if user := text(body["user"]); user != "" {
		who = " of " + user
	}
	return fmt.Sprintf("No sign-in%s of the last %v days is in %s (%s): nothing to show.", who, body["days"], text(body["bucket"]), bucketWords[text(body["bucket"])])
}

// remark tells a person, who looks at a table, what its reader should know.
func (a *app) remark(s string) {
	if a.format == "table" && !a.quiet {
		fmt.Fprintln(a.err, printable(s))
	}
}
