package cli

import (
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/portreeve/portreeve/internal/gate"
	"github.com/portreeve/portreeve/internal/program"
	"github.com/portreeve/portreeve/internal/signin"
	"github.com/portreeve/portreeve/internal/span"
)

const signIns = ours + "/signIns"

func (a *app) signins() *cobra.Command {
	return noun("signins", "The sign-in log", a.signinsList(), a.signinsTail(), a.signinsShow(), a.signinsExport(), a.signinsImport())
}

// search is what chooses sign-ins; the server does the choosing.
type search struct {
	since, until, user, outcome, code, program, ip string
	protocols                                      []string
}

func (a *app) searchFlags(c *cobra.Command, s *search) {
	f := c.Flags()
	f.StringVar(&s.since, "since", "", "from this time on: 2026-11-20, 2026-11-20T09:00:00Z, 24h, 7d")
	f.StringVar(&s.until, "until", "", "up to this time, written likewise; a day is part of it")
	f.StringVar(&s.user, "user", "", "of this person, or of this name that was typed")
	f.StringVar(&s.outcome, "outcome", "", "allowed, refused, interrupted (more was asked for) or trouble")
	f.StringVar(&s.code, "code", "", "with this code, such as PR53003")
	f.StringVar(&s.program, "program", "", "by this program")
	f.StringVar(&s.ip, "ip", "", "from this address or network")
	f.StringSliceVar(&s.protocols, "protocol", nil, "over this protocol")
	complete(c, "outcome", signin.Endings()...)
	complete(c, "protocol", "imap", "pop3", "submission", "sieve")
	a.liveFlag(c, "user", people, "address")
}

func (s *search) query(filter []string) (url.Values, error) {
	from, to, err := between(s.since, s.until)
	v := values("since", from, "until", to, "user", s.user, "outcome", s.outcome, "code", s.code, "program", s.program, "ip", s.ip,
		"filter", strings.Join(filter, " "))
	for _, p := range s.protocols {
		v.Add("protocol", p)
	}
	return v, err
}

// between reads --since and --until as the clock stands here, as a terminal
// shows times; the server is told moments.
func between(since, until string) (from, to string, err error) {
	now := time.Now()
	if since != "" {
		t, err := span.Ago(since, now)
		if err != nil {
			return "", "", usage("--since: %v", err)
		}
		from = t.Format(time.RFC3339Nano)
	}
	if until != "" {
		t, err := span.UpTo(until, now)
		if err != nil {
			return "", "", usage("--until: %v", err)
		}
		to = t.Format(time.RFC3339Nano)
	}
	return from, to, nil
}

// filterHelp is told by every command that takes a filter.
const filterHelp = `FILTER is plain words, all of which must be found (thunderbird 203.0.113.7),
words for a member (protocol:pop3 outcome:refused), or comparisons:

  outcome eq "refused" and (protocol eq "pop3" or program co "outlook")

An outcome is allowed, refused, interrupted (what was shown was right, and more was
asked for: the sign-in goes on under the same correlationId) or trouble (ours).

Members: user, mailbox, ip, country, protocol, credential, outcome, code, stage,
program, platform, mechanism, listener, backend, source, observed, wouldBlock, knownNetwork, grant,
detail, reference, createdDateTime and Microsoft Graph's names for them.`

// forMailbox names the mailbox that a delegate opened.
func forMailbox(mailbox any) string {
	if m := text(mailbox); m != "" {
		return " for " + m
	}
	return ""
}

var signInColumns = []column{when("time", "createdDateTime"), field("reference", "portreeve.reference"),
	of("outcome", func(f map[string]any) string {
		s := text(at(f, "portreeve.outcome"))
		if at(f, "portreeve.wouldBlock") == true {
			s += " (policy says no)"
		}
		if n := text(at(f, "portreeve.count")); n != "1" {
			s += " ×" + n
		}
		return s
	}),
	field("code", "portreeve.code"), field("if all on", "portreeve.ifAllOn"), of("user", func(f map[string]any) string {
		if s := text(f["userPrincipalName"]); s != "" {
			return s + forMailbox(at(f, "portreeve.mailbox"))
		}
		return text(at(f, "portreeve.typed"))
	}),
	field("protocol", "portreeve.protocol"), of("credential", func(f map[string]any) string {
		switch m := text(at(f, "portreeve.mechanism")); m {
		case gate.AuthorizationCode, gate.DeviceCode, gate.RefreshToken, gate.ClientCredentials:
			return m // tokens were handed out, or not: none has been used yet
		}
		return text(at(f, "portreeve.credential"))
	}), field("address", "ipAddress"), field("country", "location.countryOrRegion"),
	of("program", func(f map[string]any) string {
		if name := forClient(f); name != "" {
			return name
		}
		return strings.TrimSpace(text(at(f, "portreeve.program.family")) + " " + text(at(f, "portreeve.program.version")))
	}),
	of("by", func(f map[string]any) string {
		if s := text(at(f, "portreeve.byName")); s != "" {
			return s
		}
		return text(at(f, "portreeve.by"))
	})}

// forClient is the program that a sign-in's token was given to, where the program
// itself does not say what it is; empty if it does, or there is no token of ours.
func forClient(f map[string]any) string {
	e := signin.Event{Detail: text(at(f, "portreeve.detail"))}
	name, ok := e.ForClient()
	if sure, _ := at(f, "portreeve.program.confidence").(float64); !ok || program.Telling(uint8(sure)) {
		return ""
	}
	return name
}

func (a *app) signinsList() *cobra.Command {
	var s search
	var limit int
	c := verb("list [FILTER]", "List sign-ins, newest first", cobra.ArbitraryArgs, func(cmd *cobra.Command, args []string) error {
		q, err := s.query(args)
		if err != nil {
			return err
		}
		if limit < 0 {
			return usage("--limit is 0 or more, not %d", limit)
		}
		q.Set("top", page(limit))
		rows, err := a.client().rows(cmd.Context(), signIns, q, limit)
		if err != nil {
			return err
		}
		return a.output().list(rows, signInColumns...)
	})
	c.Long = "List sign-ins, newest first. The whole log is searched.\n\n" + filterHelp
	a.searchFlags(c, &s)
	c.Flags().IntVar(&limit, "limit", 50, "at most so many; 0 is all")
	return c
}

// page is how many rows to ask for at a time.
func page(limit int) string {
	const most = 1000 // the server's limit
	if limit <= 0 {
		return strconv.Itoa(most)
	}
	return strconv.Itoa(min(limit, most))
}

func (a *app) signinsTail() *cobra.Command {
	var s search
	c := verb("tail [FILTER]", "Follow sign-ins as they happen", cobra.ArbitraryArgs, func(cmd *cobra.Command, args []string) error {
		o := a.output()
		if o.format == "json" || o.format == "yaml" {
			return usage("-o %s is for what has an end; -o ndjson follows", o.format)
		}
		q, err := s.query(args)
		if err != nil {
			return err
		}
		o.note = nil // each comes alone, and what one has another has not
		return a.client().stream(cmd.Context(), signIns+"/tail", q, func(r row) error {
			if lost, ok := r.fields["@portreeve.lost"]; ok {
				fmt.Fprintf(a.err, "missed %s: this reader is too slow\n", counted(lost.(float64), "sign-in"))
				return nil
			}
			return o.one(r, signInColumns)
		})
	})
	c.Long = "Follow sign-ins as they happen, until interrupted.\n\n" + filterHelp
	a.searchFlags(c, &s)
	return c
}

// one prints a row of a list that has no end, or is too long to be held.
func (o *output) one(r row, columns []column) error {
	if o.tty && o.format == "table" && len(o.fields) == 0 {
		cells := make([]string, len(columns))
		for i, c := range columns {
			cells[i] = printable(c.cell(o, r.fields))
		}
		_, err := fmt.Fprintln(o.w, strings.Join(cells, "  "))
		return err
	}
	return o.list([]row{r}, columns...)
}

func (a *app) signinsExport() *cobra.Command {
	var s search
	c := verb("export [FILTER]", "Write sign-ins, oldest first: -o ndjson (as Microsoft Graph's signIn), csv or json", cobra.ArbitraryArgs, func(cmd *cobra.Command, args []string) error {
		o := a.output()
		if o.format == "table" {
			o.format = "ndjson"
		}
		q, err := s.query(args)
		if err != nil {
			return err
		}
		var held []row
		o.note = nil
		err = a.client().stream(cmd.Context(), signIns+"/export", q, func(r row) error {
			switch fault := at(r.fields, "error.message"); {
			case fault != nil:
				return errors.New(text(fault))
			case o.format == "json" || o.format == "yaml": // one body
				held = append(held, r)
				return nil
			}
			return o.one(r, signInColumns)
		})
		if err != nil || o.format != "json" && o.format != "yaml" {
			return err
		}
		return o.list(held, signInColumns...)
	})
	c.Long = "Write sign-ins, oldest first.\n\n" + filterHelp
	a.searchFlags(c, &s)
	return c
}

func (a *app) signinsImport() *cobra.Command {
	var from, zone string
	var year int
	var dry bool
	c := verb("import --from dovecot|postfix|entra|okta FILE…", "Bring the past log of a mail server or another vendor into the sign-in log", cobra.MinimumNArgs(1), func(cmd *cobra.Command, args []string) error {
		for _, name := range args {
			if err := a.importLog(cmd, name, from, zone, year, dry); err != nil {
				return err
			}
		}
		return nil
	})
	c.Long = `Bring a past log into the sign-in log: Dovecot's and Postfix's, Microsoft Entra's sign-ins
(Graph's JSON, v1.0 or beta, or the portal's CSV), Okta's System Log (JSON). Each sign-in is
marked as observed and judged by today's policies, so that lists show what they would refuse,
and replay can try others on it. What a log does not tell is unknown. Importing a log again
adds nothing. FILE may be -, for standard input.`
	c.Flags().BoolVar(&dry, "dry-run", false, "read and judge only; keep nothing")
	c.Flags().StringVar(&from, "from", "", "whose log it is: dovecot, postfix, entra or okta")
	c.Flags().StringVar(&zone, "timezone", "", "where the log's clock stood, such as Europe/Lisbon; default UTC")
	c.Flags().IntVar(&year, "year", 0, "the year of the first line, for logs without years")
	_ = c.MarkFlagRequired("from")
	complete(c, "from", "dovecot", "postfix", "entra", "okta")
	return c
}

func (a *app) importLog(cmd *cobra.Command, name, from, zone string, year int, dry bool) error {
	q := values("from", from, "timezone", zone, "name", name, "dryRun", truth(dry))
	if year > 0 {
		q.Set("year", strconv.Itoa(year))
	}
	in := a.in
	if name != "-" {
		f, err := os.Open(name)
		if err != nil {
			return noFile(err)
		}
		defer f.Close()
		if st, err := f.Stat(); err == nil {
			q.Set("latest", st.ModTime().UTC().Format(time.RFC3339))
		}
		in = f
	}
	r, err := a.answered(cmd.Context(), http.MethodPost, signIns+"/import", q, in)
	if err != nil {
		return err
	}
	if a.format != "table" {
		return a.output().object(r, nil)
	}
	f := r.fields
	a.done("%s: %s, %s; let in, though policy would refuse it: %s; by people whom nobody knows: %s", printable(name),
		counted(float64(number(f["lines"])), "line"), counted(float64(number(f["signIns"])), "sign-in"), text(f["wouldRefuse"]), text(f["unknownPeople"]))
	if text(f["signIns"]) == "0" {
		a.note("no line of " + printable(name) + " tells of a sign-in: is it the log of " + from + "?")
	}
	if n := number(f["unreadable"]); n != 0 {
		fmt.Fprintf(a.err, "%s could not be read, the first:\n", counted(float64(n), "line"))
		for _, u := range items(f["firstUnreadable"]) {
			fmt.Fprintf(a.err, "  line %s: %s: %s\n", text(u["line"]), printable(text(u["reason"])), printable(text(u["excerpt"])))
		}
	}
	return nil
}

// noFile is an error of opening a file.
func noFile(err error) error {
	if errors.Is(err, os.ErrNotExist) {
		what := err.Error()
		if p := (*fs.PathError)(nil); errors.As(err, &p) {
			what = p.Path + ": no such file or folder"
		}
		return &failure{exit: exitNotFound, what: what}
	}
	return err
}
